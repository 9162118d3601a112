"""Why the machine takes no items, in the order in which it matters to whoever stands there."""

from __future__ import annotations

from models import fraud
from models.deposit.facts import Neighbour
from models.deposit.state import RESTING, Body, Cycle, Rules
from models.deposit.stopping import is_needed
from models.reasons import Reason

_LOST: dict[Neighbour, Reason] = {
    "storage": Reason.STORAGE_FAILED,
    "camera": Reason.CAMERA_FAILED,
    "inference": Reason.INFERENCE_FAILED,
}


def why_closed(cycle: Cycle, now_s: float, rules: Rules) -> Reason | None:
    """Why no further item is taken; None: it is.

    While an item is dealt with this speaks of the next one.
    """
    return _by_phase(cycle) or _by_body(cycle, rules) or _by_rules(cycle, now_s, rules)


def _by_phase(cycle: Cycle) -> Reason | None:
    if cycle.phase in ("service", "estop"):
        return cycle.stop
    if cycle.fault is not None:
        return cycle.fault
    if cycle.phase == "boot":
        return Reason.BOOTING
    if cycle.phase == "selftest" and not cycle.was_open:
        return Reason.SELFTEST
    return None


def _by_body(cycle: Cycle, rules: Rules) -> Reason | None:
    body = cycle.body
    if not body.is_known:
        return Reason.BOOTING
    for neighbour, reason in _LOST.items():
        if neighbour in cycle.lost:
            return reason
    if cycle.owed and cycle.write_at_ns:
        return Reason.STORAGE_FAILED
    if any(is_needed(name, needs_scale=rules.deposit.needs_scale) for name in body.faults):
        return Reason.SENSOR_FAILED
    is_clear = body.inside is False and body.exit is False and body.drop is False
    if cycle.phase in RESTING and not (is_clear and body.entry is not None):
        return Reason.SENSOR_FAILED
    return None


def _by_rules(cycle: Cycle, now_s: float, rules: Rules) -> Reason | None:
    if cycle.bin.stage == "full":
        return Reason.BIN_FULL
    if cycle.doubts is not None:
        return cycle.doubts
    if cycle.unproven >= rules.deposit.unproven_max:
        return Reason.DROP_NOT_SEEN
    return fraud.closed(cycle.suspicion, now_s, rules.fraud)


def is_busy(cycle: Cycle) -> bool:
    """Whether an item is in the machine, or the machine is not yet sure that none is."""
    return cycle.phase not in RESTING and (cycle.item is not None or cycle.was_open)


def is_dealing(cycle: Cycle) -> bool:
    """Whether an item is being dealt with: a technician has to wait for its end."""
    return cycle.phase not in RESTING and cycle.item is not None


def trouble(cycle: Cycle) -> str | None:
    """What is wrong with the machine, in a sentence for its operator; None: nothing."""
    if cycle.fault is None:
        return None
    remarks = [
        ("not to be trusted", ", ".join(sorted(cycle.body.faults))),
        ("covered or unreadable", ", ".join(_beams_not_free(cycle.body))),
        ("the guard is latched", cycle.body.latch),
    ]
    seen = "".join(f" ({what}: {which})" for what, which in remarks if which)
    return f"{cycle.fault.value}{seen}; {_cure(cycle)}"


def _beams_not_free(body: Body) -> list[str]:
    beams = {
        "entry": body.entry,
        "gate": body.beam_gate,
        "inside": body.inside,
        "exit": body.exit,
        "drop": body.drop,
    }
    return [f"beam_{name}" for name, covered in beams.items() if covered is not False]


def _cure(cycle: Cycle) -> str:
    if cycle.body.latch:
        return "a technician has to find the cause and reset it"
    if cycle.phase == "fault" and not cycle.deadline_ns:
        return "a technician has to look"
    if cycle.fault == Reason.SENSOR_FAILED and "scale" in cycle.body.faults:
        return "it is tried again; else clear belt and scale, then clean or calibrate the scale"
    return "it is tried again"


def next_look_ns(cycle: Cycle) -> int:
    """When the cycle wants to be told that time has passed; 0: never."""
    times = [cycle.deadline_ns]
    if cycle.motion is not None:
        times.append(cycle.motion.by_ns)
    elif cycle.owed:
        times.append(cycle.write_at_ns)
    return min((at_ns for at_ns in times if at_ns > 0), default=0)
