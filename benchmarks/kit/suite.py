"""What `bin/bench NAME` does with its cases and surveys: each in a process of its own.

Ctrl-C ends the one that runs, and what is known by then is shown.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from benchmarks.kit.contest import Absent, Case, Row, play, rows
from benchmarks.kit.process import Told, interrupt_once, run
from benchmarks.kit.survey import Cell, Sheet, Survey
from benchmarks.kit.table import draw, draw_sheet

QUICK = 0.2
EXIT_INTERRUPTED = 130
_CASE_S = 1800.0


class Suite(NamedTuple):
    """The cases and surveys behind one name of `bin/bench`.

    Attributes:
        name: ``runtime`` for ``benchmarks.runtime``.
        about: its help.
        add_arguments: what else it can be told; its surveys are handed the answer.
    """

    name: str
    about: str
    cases: Sequence[Case]
    surveys: Sequence[Survey] = ()
    add_arguments: Callable[[argparse.ArgumentParser], None] = lambda _parser: None

    def main(self, argv: list[str]) -> int:
        """Run them; 0 when every goal was met or skipped, 1 otherwise, 130 when interrupted."""
        args = self._arguments(argv)
        if args.inside:
            print(json.dumps(self._inside(args)))
            return 0
        results: list[Row] = []
        sheets: list[Sheet] = []
        is_interrupted = False
        for one, cpus in self._chosen(args.only):
            told = self._run(one, cpus, argv)
            if isinstance(one, Case):
                results += _rows(one, cpus, told)
            else:
                sheets.append(_sheet(one, told))
            is_interrupted = told.is_interrupted
            if is_interrupted:
                break
        _show(results, sheets, as_json=args.json)
        if is_interrupted:
            return EXIT_INTERRUPTED
        return int(any(row.met is False for row in results))

    def _chosen(self, only: Sequence[str]) -> Iterator[tuple[Case | Survey, str]]:
        for case in self.cases:
            if not only or case.name in only:
                yield from ((case, cpus) for cpus in case.placements)
        for survey in self.surveys:
            if not only or survey.name in only:
                yield survey, survey.cpus

    def _arguments(self, argv: list[str]) -> argparse.Namespace:
        parser = argparse.ArgumentParser(prog=f"bin/bench {self.name}", description=self.about)
        parser.formatter_class = argparse.RawDescriptionHelpFormatter
        parser.add_argument("--json", action="store_true", help="machine-readable results")
        parser.add_argument("--quick", action="store_true", help="a fifth of the work; noisy")
        names = [one.name for one in (*self.cases, *self.surveys)]
        parser.add_argument(
            "--only",
            action="append",
            default=[],
            choices=names,
            metavar="CASE",
            help=f"one of {', '.join(names)}; may be repeated",
        )
        parser.add_argument("--inside", help=argparse.SUPPRESS)
        self.add_arguments(parser)
        return parser.parse_args(argv)

    def _run(self, one: Case | Survey, cpus: str, argv: Sequence[str]) -> Told:
        """One of them in a process of its own, so that none meets what another left behind."""
        command = [sys.executable, "-m", f"benchmarks.{self.name}", *argv]
        print(f"{one.name}, {cpus} …", file=sys.stderr, flush=True)
        limit_s = one.limit_s if isinstance(one, Survey) else _CASE_S
        told = run([*command, "--only", one.name, "--inside", cpus], limit_s)
        if told.why:
            print(f"{one.name}: {told.why}", file=sys.stderr)
        return told

    def _inside(self, args: argparse.Namespace) -> dict[str, object]:
        """Play one of them in this process; its threads and children inherit the CPUs."""
        interrupt_once()
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: 1 if args.inside == "one" else 2])
        name = args.only[-1]
        for survey in self.surveys:
            if survey.name == name:
                return _taken(survey, args)
        case = next(case for case in self.cases if case.name == name)
        return _played(case, QUICK if args.quick else 1.0)


def _played(case: Case, work: float) -> dict[str, object]:
    with case.setup(work) as contenders:
        figures = play(contenders, max(1, round(case.rounds * min(1.0, 2 * work))))
        absent = {name: c.why for name, c in contenders.items() if isinstance(c, Absent)}
    return {"figures": figures, "absent": absent}


def _taken(survey: Survey, args: argparse.Namespace) -> dict[str, object]:
    found: list[tuple[Cell, ...]] = []
    note = ""
    try:
        found.extend(tuple(cells) for cells in survey.take(args))
    except KeyboardInterrupt:
        note = "interrupted: this is what was known"
    return {"rows": found, "note": note}


def _rows(case: Case, cpus: str, told: Told) -> list[Row]:
    if told.said is None:
        everybody = {versus.ours: told.why for versus in case.comparisons}
        return rows(case, cpus, {}, everybody)
    return rows(case, cpus, told.said["figures"], told.said["absent"])


def _sheet(survey: Survey, told: Told) -> Sheet:
    said: dict[str, Any] = told.said or {"rows": [], "note": told.why}
    found = tuple(tuple(cells) for cells in said["rows"])
    return Sheet(survey.name, survey.title, survey.cpus, survey.heads, found, said["note"])


def _show(results: Sequence[Row], sheets: Sequence[Sheet], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps([dataclasses.asdict(one) for one in (*results, *sheets)], indent=1))
        return
    if results:
        print(draw(results))
    for sheet in sheets:
        print(draw_sheet(sheet))
