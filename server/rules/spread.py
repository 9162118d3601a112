"""How a fleet comes back without a stampede."""

from __future__ import annotations

SPREAD_S_MAX = 60.0
"""So that all are back inside two minutes, also with a second try."""


def spread_s(machine_count: int, births_per_s: float) -> float:
    """Over how long so many machines shall spread their return."""
    return min(SPREAD_S_MAX, machine_count / births_per_s)
