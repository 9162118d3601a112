"""How a machine stands, in the four words of the platform.

active        it serves, or will by itself in a moment (a self-test, a lock after fraud)
maintenance   a technician is there: service mode, the door is open
full          the bin is
error         it takes nothing, and somebody has to see to it; the reason says why
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from models.condition import health_score
from models.reasons import Reason
from protocol.health import Measured
from protocol.machine import Inputs
from protocol.platform.identity import ClockQuality
from protocol.platform.reports import MachineStatus
from protocol.service import CycleDescribed

Word = Literal["active", "maintenance", "full", "error"]

_WORDS: Mapping[str, Word] = {
    Reason.SERVICE.value: "maintenance",
    Reason.DOOR_OPEN.value: "maintenance",
    Reason.BIN_FULL.value: "full",
}
_PASSING = frozenset(
    reason.value
    for reason in (
        Reason.BOOTING,
        Reason.SELFTEST,
        Reason.NO_SESSION,
        Reason.LOCKED_OUT,
        Reason.TOO_FAST,
    )
)
_PERCENT_MAX = 100.0


def word_of(cycle: CycleDescribed | None) -> tuple[Word, str]:
    """The word, and the reason behind it.

    Args:
        cycle: of the deposit; None: it does not answer.
    """
    if cycle is None:
        return "error", "deposit_silent"
    if not cycle.closed or cycle.closed in _PASSING:
        return "active", cycle.closed
    return _WORDS.get(cycle.closed, "error"), cycle.closed


def status_of(
    cycle: CycleDescribed | None,
    measured: Measured | None,
    inputs: Inputs | None,
    camera_answers: bool,
    at_s: float,
    clock_quality: ClockQuality,
    last_maintenance: str | None,
) -> MachineStatus:
    """The status of a machine, from what its parts say; None: this part does not answer."""
    word, reason = word_of(cycle)
    values = {} if measured is None else values_of(measured, inputs)
    silent = sum((cycle is None, measured is None, inputs is None, not camera_answers))
    load = None if cycle is None else cycle.bin_percent
    return MachineStatus(
        status=word,
        at=at_s,
        clock_quality=clock_quality,
        reason=reason,
        current_load=None if load is None else min(max(load, 0.0), _PERCENT_MAX),
        last_maintenance=last_maintenance,
        health_score=health_score(
            silent=silent,
            alarms=0 if measured is None else len(measured.alarms),
            unknown=sum(value is None for value in values.values()),
            is_faulty=word == "error",
        ),
        camera_active=camera_answers and reason != Reason.CAMERA_FAILED.value,
    )


def values_of(measured: Measured | None, inputs: Inputs | None) -> dict[str, float | None]:
    """What was measured, by name with its unit; None where there is nothing to read."""
    values: dict[str, float | None] = {}
    if measured is not None:
        values["cpu_percent"] = measured.cpu_percent
        values["memory_percent"] = measured.memory_percent
        values["disk_percent"] = measured.disk_percent
        values["board_c"] = measured.temperature_c
    return values if inputs is None else {**inputs.values, **values}


def is_news(before: MachineStatus | None, now: MachineStatus) -> bool:
    """Whether the platform wants to hear of it: a whole percent of the bin, but not the time."""
    return before is None or _told(before) != _told(now)


def _told(status: MachineStatus) -> tuple[object, ...]:
    load = None if status.current_load is None else round(status.current_load)
    return (
        status.status,
        status.reason,
        load,
        status.health_score,
        status.camera_active,
        status.last_maintenance,
    )
