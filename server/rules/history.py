"""What a machine has measured, folded into slots of time that a small plot can show.

from_at                                                   now
   ├── step_s ──┼── step_s ──┼── … ──┼── step_s ──┤
   low mean high   None: nothing was measured there, which is not 0
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from protocol.platform.reports import Sample

SLOTS = 60
"""Points of a plot: as many as a small one has room for."""
SLOT_SAMPLES_MIN = 2
"""A slot shorter than two telemetry intervals would now and then be empty for no reason."""
NAMES_MAX = 40
"""Plots of one machine. The names are the machine's own."""
CLOCK_OFF_S = 300.0
"""Between a fresh sample's time and its arrival. What is farther off comes of a wrong clock."""


@dataclass
class Slots:
    """One measured value over the window; every list has one place for each slot."""

    low: list[float | None]
    mean: list[float | None]
    high: list[float | None]


@dataclass
class _Sum:
    low: float
    high: float
    total: float = 0.0
    count: int = 0


def step_s(window_s: float, telemetry_s: float) -> float:
    """How long a slot is."""
    return max(window_s / SLOTS, SLOT_SAMPLES_MIN * telemetry_s)


def placed_at(sample: Sample, last: Sample, received_at: float) -> float:
    """When a sample was taken, by the platform's clock.

    Args:
        last: of the same batch, the newest: taken just before it was sent, unless it is old.
    """
    is_right = sample.clock_quality == "good" and sample.at <= received_at + CLOCK_OFF_S
    if is_right and (sample.historical or received_at - sample.at <= CLOCK_OFF_S):
        return sample.at
    return received_at - max(0.0, last.monotonic_s - sample.monotonic_s)


def fold(
    placed: Iterable[tuple[float, Mapping[str, float | None]]],
    from_at: float,
    slot_s: float,
    count: int,
) -> tuple[dict[str, Slots], int]:
    """The measured values by name, each in `count` slots.

    Args:
        placed: values, and when they were measured.

    Returns:
        Those that were measured most often, by name; and how many more names there are.
    """
    sums: dict[str, dict[int, _Sum]] = defaultdict(dict)
    for at, values in placed:
        slot = int((at - from_at) // slot_s)
        if 0 <= slot < count:
            for name, value in values.items():
                if value is not None:
                    _add(sums[name], slot, value)
    kept = sorted(sums, key=lambda name: (-len(sums[name]), name))[:NAMES_MAX]
    return {name: _slots(sums[name], count) for name in sorted(kept)}, len(sums) - len(kept)


def _add(sums: dict[int, _Sum], slot: int, value: float) -> None:
    one = sums.setdefault(slot, _Sum(value, value))
    one.low, one.high = min(one.low, value), max(one.high, value)
    one.total += value
    one.count += 1


def _slots(sums: dict[int, _Sum], count: int) -> Slots:
    found = [sums.get(slot) for slot in range(count)]
    return Slots(
        low=[None if one is None else one.low for one in found],
        mean=[None if one is None else _mean(one) for one in found],
        high=[None if one is None else one.high for one in found],
    )


def _mean(one: _Sum) -> float:
    """Between the others, also where the sum was too large for a number."""
    return min(max(one.total / one.count, one.low), one.high)
