"""Contests: several contenders, measured in turn, compared by the ratio of each round.

A case is a context manager that sets its contenders up and hands them over by name. A contender is
called once a round and returns what one operation took. One that cannot be had here (a peer that is
not installed) is `Absent`, and its comparisons are skipped with that word.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from statistics import median
from typing import TypeAlias


@dataclass(frozen=True)
class Absent:
    """A contender that cannot be had here, and why."""

    why: str


Contender: TypeAlias = "Callable[[], float] | Absent"
Setup: TypeAlias = Callable[[float], AbstractContextManager[Mapping[str, Contender]]]


@dataclass(frozen=True)
class Versus:
    """One comparison: at most ``goal`` times the peer; without a goal, for information only."""

    ours: str
    peer: str
    goal: float | None = None


@dataclass(frozen=True)
class Case:
    """One thing that is measured.

    Attributes:
        name: for ``--only``.
        title: for the table.
        unit: what the contenders return.
        setup: takes the scale (1.0, less for ``--quick``) and gives the contenders.
        comparisons: what is compared with what.
        rounds: how often each contender is called.
        placements: ``one``: everything on one CPU; ``two``: everything on the same two CPUs.
    """

    name: str
    title: str
    unit: str
    setup: Setup
    comparisons: tuple[Versus, ...]
    rounds: int = 15
    placements: tuple[str, ...] = ("one", "two")


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    case: str
    title: str
    cpus: str
    unit: str
    ours: str
    ours_value: float | None
    peer: str
    peer_value: float | None
    ratio: float | None
    goal: float | None
    met: bool | None
    note: str = ""


Figures = Mapping[str, list[float]]


def play(contenders: Mapping[str, Contender], rounds: int) -> dict[str, list[float]]:
    """Call all contenders in turn, ``rounds`` times; the first round warms up and is dropped.

    Ctrl-C ends it; whole rounds count.
    """
    present = {name: run for name, run in contenders.items() if not isinstance(run, Absent)}
    figures: dict[str, list[float]] = {name: [] for name in present}
    try:
        for number in range(rounds + (rounds > 1)):
            values = {name: run() for name, run in present.items()}
            if number or rounds == 1:
                for name, value in values.items():
                    figures[name].append(value)
    except KeyboardInterrupt:
        pass
    return figures


def rows(case: Case, cpus: str, figures: Figures, absent: Mapping[str, str]) -> list[Row]:
    """What came out of a case, one row for each comparison."""
    return [_row(case, cpus, versus, figures, absent) for versus in case.comparisons]


def _row(case: Case, cpus: str, versus: Versus, figures: Figures, absent: Mapping[str, str]) -> Row:
    ours, peer = figures.get(versus.ours), figures.get(versus.peer)
    ratio = met = None
    if ours and peer:
        ratio = median(a / b for a, b in zip(ours, peer, strict=True))
        met = None if versus.goal is None else ratio <= versus.goal
    note = absent.get(versus.ours) or absent.get(versus.peer) or ""
    return Row(
        case.name,
        case.title,
        cpus,
        case.unit,
        versus.ours,
        median(ours) if ours else None,
        versus.peer,
        median(peer) if peer else None,
        ratio,
        versus.goal,
        met,
        note,
    )
