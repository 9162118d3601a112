"""Surveys: tables of figures that stand for themselves, where there is no peer to beat.

A survey is a generator of rows. What it has given is kept, also when it is interrupted or fails
half-way.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

Cell: TypeAlias = "str | float | int | None"
Cells: TypeAlias = Sequence[Cell]
Take: TypeAlias = Callable[[argparse.Namespace], Iterator[Cells]]


@dataclass(frozen=True)
class Survey:
    """One table.

    Attributes:
        name: for ``--only``.
        title: for the table.
        heads: of its columns.
        take: gives the rows; takes the suite's arguments.
        cpus: ``one``: everything on one CPU; ``two``: on two.
        limit_s: it is ended after so long.
    """

    name: str
    title: str
    heads: tuple[str, ...]
    take: Take
    cpus: str = "one"
    limit_s: float = 1800.0


@dataclass(frozen=True)
class Sheet:
    """What came out of a survey."""

    survey: str
    title: str
    cpus: str
    heads: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    note: str = ""
