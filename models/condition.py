"""Thresholds with hysteresis: an alarm comes at its limit and goes only well below it."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec


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
