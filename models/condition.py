"""Thresholds with hysteresis, and one number for how a machine does.

An alarm comes at its limit and goes only well below it. The health score falls with every trouble
and with nothing else: 100 is a machine of which everything is known and nothing is wrong.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

HEALTHY = 100
SILENT, FAULTY, ALARM, UNKNOWN = 30, 40, 15, 5
"""What each thing costs of a machine's health: a part that does not answer; a fault for which
nothing is taken; a standing alarm; a value that cannot be measured, which is not a good one."""


class Threshold(msgspec.Struct, frozen=True):
    """One limit.

    Attributes:
        limit: the alarm comes at this value.
        clear: and goes below this one.
    """

    limit: float
    clear: float


def alarms(
    standing: frozenset[str],
    values: Mapping[str, float | None],
    thresholds: Mapping[str, Threshold],
) -> frozenset[str]:
    """Which alarms stand now.

    An unknown value neither raises nor clears an alarm; unknown is not zero.

    Args:
        standing: those that stood before.
        values: what was measured; None where there is no such sensor.
        thresholds: by the same names.
    """
    now = set(standing)
    for name, threshold in thresholds.items():
        value = values.get(name)
        if value is None:
            continue
        if value >= threshold.limit:
            now.add(name)
        elif value < threshold.clear:
            now.discard(name)
    return frozenset(now)


def health_score(*, silent: int, alarms: int, unknown: int, is_faulty: bool) -> int:
    """How a machine does, 0 to 100; one trouble more never makes it better.

    Args:
        silent: parts that do not answer.
        alarms: that stand.
        unknown: values that cannot be measured.
        is_faulty: it takes nothing, and a person has to see to it.
    """
    lost = SILENT * silent + ALARM * alarms + UNKNOWN * unknown + FAULTY * is_faulty
    return max(HEALTHY - lost, 0)
