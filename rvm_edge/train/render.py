"""`bin/train render`: path-traced pictures of the chamber, by any number of processes.

A picture depends on the seed and its number only, so a set can be continued at any time, on any
machine, and two machines may share one (`--first`). Exit codes: 0 all there, 1 some could not be
rendered, 2 wrong usage, 130 interrupted.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from rvm_edge.train.arguments import natural, span
from rvm_edge.train.crew import Crew, CrewLost
from rvm_edge.train.meter import Meter, duration_text
from rvm_edge.train.stopping import Stop

if TYPE_CHECKING:
    from models.vision.rendering.dataset import Folder

EXIT_OK, EXIT_SOME_FAILED, EXIT_USAGE, EXIT_INTERRUPTED = 0, 1, 2, 130
SAMPLES = (16, 44)
"""Paths a pixel, both included: drawn per picture, because cameras are more and less noisy."""
HOUR_S = 3600

EPILOG = """\
examples:
  bin/train render --out rendered/a --count 200 --seed 1              try it: some minutes
  bin/train render --out rendered/a --count 20000 --seed 1 --workers 16
  bin/train render --out rendered/b --count 5000 --first 5000         the second of four machines
  bin/train render --out rendered/c --count 2000 --seed 2 --kinds can other    more of the rare

Run it again to go on where it was stopped or killed. The renderer needs libLLVM 16 or newer
(Debian, Ubuntu: apt install libllvm19); without it everything takes four times as long.
"""


class Rendering(NamedTuple):
    """How it ended."""

    folder: str
    seed: int
    rendered: int
    were_there: int
    failed: tuple[int, ...]
    elapsed_s: float
    pictures_per_core_hour: float


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say which arguments `render` takes."""
    parser.epilog = EPILOG
    parser.add_argument("--out", metavar="DIR", type=Path, required=True, help="the set's folder")
    parser.add_argument("--count", metavar="N", type=natural, required=True, help="pictures")
    parser.add_argument("--seed", metavar="S", type=int, default=1, help="of the set (default: 1)")
    parser.add_argument(
        "--kinds",
        metavar="KIND",
        nargs="+",
        default=(),
        help="only these, and none of it to measure on (default: all, as they come)",
    )
    parser.add_argument("--first", metavar="I", type=int, default=0, help="number of the first one")
    parser.add_argument(
        "--workers", metavar="K", type=natural, help="processes (default: one a processor)"
    )
    parser.add_argument(
        "--samples",
        metavar="LO-HI",
        type=span,
        default=SAMPLES,
        help=f"paths a pixel, drawn per picture (default: {SAMPLES[0]}-{SAMPLES[1]})",
    )
    parser.add_argument("--json", action="store_true", help="print how it ended for programs")


def run(args: argparse.Namespace) -> int:
    """Render what is not there yet; give the exit code."""
    from models.vision.rendering.dataset import Folder, SetInvalid
    from models.vision.rendering.denoising import DenoiserMissing, start_denoiser
    from models.vision.rendering.tracing import RendererMissing, start_renderer

    try:
        # Here too, though nothing is rendered here: the cure is told once, not by every worker.
        variant = start_renderer()
        start_denoiser()
        folder = Folder(args.out, args.seed, tuple(args.kinds))
        check_samples(folder, args.samples)
    except (DenoiserMissing, RendererMissing, SetInvalid) as error:
        print(f"bin/train render: {error}", file=sys.stderr)
        return EXIT_USAGE
    if not variant.startswith("llvm"):
        text = "no libLLVM 16 or newer here: four times slower (apt install libllvm19)"
        print(f"bin/train render: {text}", file=sys.stderr)
    wanted = range(args.first, args.first + args.count)
    with Stop("the pictures in hand") as stop:
        try:
            ended = render(folder, wanted, args.workers or os.cpu_count() or 1, args.samples, stop)
        except CrewLost as error:
            print(f"bin/train render: {error}", file=sys.stderr)
            return EXIT_SOME_FAILED
    _tell(ended, as_json=args.json)
    if stop.asked:
        return EXIT_INTERRUPTED
    return EXIT_SOME_FAILED if ended.failed else EXIT_OK


def render(
    folder: Folder, wanted: range, workers: int, samples: tuple[int, int], stop: Stop
) -> Rendering:
    """Render those of the wanted pictures that are not there.

    Raises:
        CrewLost: the renderer dies at every picture.
    """
    there = set(folder.complete()) & set(wanted)
    missing = [index for index in wanted if index not in there]
    workers = min(workers, max(1, len(missing)))
    failed: list[int] = []
    rendered = 0
    with closing(Meter("pictures", len(wanted), done=len(there))) as meter:
        if missing:
            with Crew(workers, *command(folder, samples)) as crew:
                for done in crew.work_off(missing, lambda: stop.asked):
                    rendered += done.is_good
                    if not done.is_good:
                        failed.append(done.number)
                    meter.step()
        elapsed_s = meter.elapsed_s
    per_hour = rendered / max(elapsed_s, 1e-9) * HOUR_S / workers
    return Rendering(
        str(folder.path),
        folder.seed,
        rendered,
        len(there),
        tuple(failed),
        round(elapsed_s, 1),
        round(per_hour, 1),
    )


def command(folder: Folder, samples: tuple[int, int]) -> tuple[str, ...]:
    """Say how a worker is started: `renderer.main` reads it."""
    low, high = samples
    which = (str(folder.path), str(folder.seed), " ".join(folder.kinds))
    return ("rvm_edge.train.renderer", *which, str(low), str(high))


def check_samples(folder: Folder, samples: tuple[int, int]) -> None:
    """Keep a set to one number of samples, so that a picture in it can be rendered again.

    Raises:
        SetInvalid: it was begun with another one.
    """
    from models.vision.rendering.dataset import SetInvalid

    path = folder.path / "samples.json"
    if path.exists():
        was = tuple(json.loads(path.read_text()))
    else:
        # A set from before this file was kept, or one that begins now.
        was = SAMPLES if folder.complete() else samples
        part = path.with_name(f".{path.name}.{os.getpid()}")
        part.write_text(json.dumps(was))
        part.replace(path)
    if was != samples:
        raise SetInvalid(
            f"{folder.path} is rendered with --samples {was[0]}-{was[1]}; use the same, or name"
            " another folder"
        )


def _tell(ended: Rendering, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(ended._asdict()))
        return
    print(
        f"{ended.folder}: {ended.rendered} rendered in {duration_text(ended.elapsed_s)},"
        f" {ended.were_there} were there; {ended.pictures_per_core_hour:.0f} per core and hour"
    )
    if ended.failed:
        numbers = ", ".join(map(str, ended.failed))
        print(f"the renderer died three times at each of: {numbers}", file=sys.stderr)
