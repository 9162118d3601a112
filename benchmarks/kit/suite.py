"""What `bin/bench NAME` does with its cases: each in a process of its own, then a table."""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from typing import NamedTuple

from benchmarks.kit.contest import Absent, Case, Row, play, rows
from benchmarks.kit.table import draw

QUICK = 0.2
_CASE_S = 1800.0


class Suite(NamedTuple):
    """The cases behind one name of `bin/bench`.

    Attributes:
        name: ``runtime`` for ``benchmarks.runtime``.
        about: its help.
    """

    name: str
    about: str
    cases: Sequence[Case]

    def main(self, argv: list[str]) -> int:
        """Run the cases; 0 when every goal was met or skipped, 1 otherwise."""
        args = self._arguments(argv)
        if args.inside:
            case = next(case for case in self.cases if case.name == args.only[0])
            print(json.dumps(_inside(case, args.inside, QUICK if args.quick else 1.0)))
            return 0
        results: list[Row] = []
        for case in self.cases:
            if not args.only or case.name in args.only:
                for cpus in case.placements:
                    results += self._run(case, cpus, quick=args.quick)
        if args.json:
            print(json.dumps([dataclasses.asdict(row) for row in results], indent=1))
        else:
            print(draw(results))
        return int(any(row.met is False for row in results))

    def _arguments(self, argv: list[str]) -> argparse.Namespace:
        parser = argparse.ArgumentParser(prog=f"bin/bench {self.name}", description=self.about)
        parser.formatter_class = argparse.RawDescriptionHelpFormatter
        parser.add_argument("--json", action="store_true", help="machine-readable results")
        parser.add_argument("--quick", action="store_true", help="a fifth of the work; noisy")
        names = [case.name for case in self.cases]
        parser.add_argument(
            "--only",
            action="append",
            default=[],
            choices=names,
            metavar="CASE",
            help=f"one of {', '.join(names)}; may be repeated",
        )
        parser.add_argument("--inside", help=argparse.SUPPRESS)
        return parser.parse_args(argv)

    def _run(self, case: Case, cpus: str, *, quick: bool) -> list[Row]:
        """One case in a process of its own, so that none meets what another left behind."""
        module = f"benchmarks.{self.name}"
        command = [sys.executable, "-m", module, "--inside", cpus, "--only", case.name]
        print(f"{case.name}, {cpus} …", file=sys.stderr, flush=True)
        try:
            done = subprocess.run(
                [*command, *(["--quick"] if quick else [])],
                stdout=subprocess.PIPE,
                timeout=_CASE_S,
                check=True,
            )
            said = json.loads(done.stdout.splitlines()[-1])
        except (subprocess.SubprocessError, ValueError, IndexError) as error:
            print(f"{case.name}: {error}", file=sys.stderr)
            everybody = {versus.ours: "failed, see above" for versus in case.comparisons}
            return rows(case, cpus, {}, everybody)
        return rows(case, cpus, said["figures"], said["absent"])


def _inside(case: Case, cpus: str, work: float) -> dict[str, object]:
    """Play one case in this process; its threads and children inherit the CPUs."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: 1 if cpus == "one" else 2])
    with case.setup(work) as contenders:
        figures = play(contenders, max(1, round(case.rounds * min(1.0, 2 * work))))
        absent = {name: c.why for name, c in contenders.items() if isinstance(c, Absent)}
    return {"figures": figures, "absent": absent}
