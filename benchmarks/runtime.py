"""The runtime beside its peers: Erlang/OTP, stock Pykka, multiprocessing, a bare memcpy.

    bin/bench runtime [--quick] [--only CASE …] [--json]

Every case runs in a process of its own, once with everything on one CPU and once on two. Its
contenders take turns; a figure is the median over the rounds, a ratio the median of the ratios of
the rounds. Absolute times belong to this machine; the ratios are what we hold ourselves to.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import subprocess
import sys

from benchmarks.cases import frames, hosts, machine, messages, restarts, scale
from benchmarks.kit.contest import Absent, Case, Row, play, rows
from benchmarks.kit.table import draw

CASES: tuple[Case, ...] = (
    *messages.CASES,
    *hosts.CASES,
    *restarts.CASES,
    *frames.CASES,
    *machine.CASES,
    *scale.CASES,
)
QUICK = 0.2
_CASE_S = 900.0


def main(argv: list[str]) -> int:
    """Run the cases; 0 when every goal was met or skipped, 1 otherwise."""
    args = _arguments(argv)
    if args.inside:
        print(json.dumps(_inside(_named(args.only[0]), args.inside, QUICK if args.quick else 1.0)))
        return 0
    results: list[Row] = []
    for case in CASES:
        if not args.only or case.name in args.only:
            for cpus in case.placements:
                results += _run(case, cpus, quick=args.quick)
    if args.json:
        print(json.dumps([dataclasses.asdict(row) for row in results], indent=1))
    else:
        print(draw(results))
    return int(any(row.met is False for row in results))


def _arguments(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bin/bench runtime", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--json", action="store_true", help="machine-readable results")
    parser.add_argument("--quick", action="store_true", help="a fifth of the work; noisy")
    names = [case.name for case in CASES]
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


def _named(name: str) -> Case:
    return next(case for case in CASES if case.name == name)


def _run(case: Case, cpus: str, *, quick: bool) -> list[Row]:
    """One case in a process of its own, so that none meets what another left behind."""
    command = [sys.executable, "-m", "benchmarks.runtime", "--inside", cpus, "--only", case.name]
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


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
