"""`bin/train all`: the whole recipe, from nothing to a scored model. Run it again to go on.

    DIR/rendered    bin/train render
    DIR/developed   bin/train develop (YOLO only)
    DIR/run         bin/train fit
    DIR/model       bin/train export, and its card with the referee's scores

Exit codes: 0 done, 1 some pictures could not be rendered, 2 wrong usage, 130 stopped.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from pathlib import Path
from typing import NamedTuple

from rvm_edge.train import fit, render
from rvm_edge.train.arguments import natural
from rvm_edge.train.runs import NETWORKS, Network, RunAbout, RunInvalid
from rvm_edge.train.stopping import Stop

EXIT_OK, EXIT_SOME_FAILED, EXIT_USAGE, EXIT_INTERRUPTED = 0, 1, 2, 130
SEED = 1

EPILOG = """\
examples:
  bin/train all --out work --short                  see that everything runs here: minutes
  bin/train all --out work --workers 16             the detector that ships, again
  bin/train all --out work --network yolo26n        the same pictures, ultralytics' network

Each step goes on where it was stopped. The pictures are the long part: 20 000 of them take some 13
core-hours and 10 GB; rendering on several machines: bin/train render --help.
"""


class Recipe(NamedTuple):
    """How much of everything."""

    pictures: int
    samples: tuple[int, int]
    size: tuple[int, int]
    steps: int
    epochs: int
    batch: int
    variants: int


FULL = Recipe(20_000, render.SAMPLES, fit.SIZE, fit.STEPS, fit.EPOCHS, fit.BATCH, fit.VARIANTS)
SHORT = Recipe(16, (2, 3), (96, 64), 20, 1, 4, 1)
"""Good for nothing but to see every step work."""
YOLO_HEIGHT_PX = 256
"""Instead of 240: a YOLO's sides are multiples of 32."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say which arguments `all` takes."""
    parser.epilog = EPILOG
    parser.add_argument("--out", metavar="DIR", type=Path, required=True, help="for everything")
    parser.add_argument("--short", action="store_true", help="a toy of everything, in minutes")
    parser.add_argument("--network", choices=NETWORKS, default="centre", help="default: centre")
    parser.add_argument("--count", metavar="N", type=natural, help="pictures (default: 20000)")
    parser.add_argument("--seed", metavar="S", type=int, default=SEED, help="of the pictures")
    parser.add_argument(
        "--workers", metavar="K", type=natural, help="renderers (default: one a processor)"
    )
    parser.add_argument("--device", default="", help="cpu, cuda, cuda:1 (default: a GPU if any)")


def run(args: argparse.Namespace) -> int:
    """Do all of it; give the exit code."""
    recipe = SHORT if args.short else FULL
    if args.count:
        recipe = recipe._replace(pictures=args.count)
    rendered = args.out / "rendered"
    status = _step(1, "render", _render(args, recipe, rendered))
    if status != EXIT_OK:
        return status
    source = rendered
    if args.network != "centre":
        source = args.out / "developed"
        wishes = ["--from", rendered, "--out", source, "--variants", recipe.variants]
        status = _step(2, "develop", wishes)
        if status != EXIT_OK:
            return status
    status = _fit(args, recipe, source)
    if status != EXIT_OK:
        return status
    model = args.out / "model"
    status = _step(4, "export", ["--run", args.out / "run", "--out", model, "--pictures", rendered])
    if status != EXIT_OK:
        return status
    return _step(5, "score", ["--model", model])


def _render(args: argparse.Namespace, recipe: Recipe, out: Path) -> list[object]:
    low, high = recipe.samples
    workers = args.workers or os.cpu_count() or 1
    return [
        *("--out", out, "--count", recipe.pictures, "--seed", args.seed),
        *("--workers", workers, "--samples", f"{low}-{high}"),
    ]


def _fit(args: argparse.Namespace, recipe: Recipe, source: Path) -> int:
    about = about_run(args.network, recipe, source)
    print(f"\n== 3 fit: {about.network} in {args.out / 'run'}", file=sys.stderr, flush=True)
    with Stop("this step") as stop:
        try:
            finished, _ = fit.fit(args.out / "run", about, args.device, lambda: stop.asked)
        except RunInvalid as error:
            print(f"bin/train all: {error}", file=sys.stderr)
            return EXIT_USAGE
    return EXIT_OK if finished else EXIT_INTERRUPTED


def about_run(network: Network, recipe: Recipe, source: Path) -> RunAbout:
    """The run of a recipe."""
    is_centre = network == "centre"
    width, height = recipe.size
    return RunAbout(
        network=network,
        sources=(str(source.resolve()),),
        width_px=width,
        height_px=height if is_centre or not height % fit.MULTIPLE_OF else YOLO_HEIGHT_PX,
        batch=recipe.batch,
        seed=SEED,
        steps=recipe.steps if is_centre else 0,
        variants=recipe.variants if is_centre else 0,
        epochs=0 if is_centre else recipe.epochs,
        rate=fit.RATE if is_centre else 0.0,
    )


def _step(number: int, name: str, wishes: list[object]) -> int:
    """Run a command as if it had been typed."""
    words = [str(wish) for wish in wishes]
    print(f"\n== {number} {name}: {' '.join(words)}", file=sys.stderr, flush=True)
    module = importlib.import_module(f"rvm_edge.train.{name}")
    parser = argparse.ArgumentParser(prog=f"bin/train {name}")
    module.add_arguments(parser)
    status: int = module.run(parser.parse_args(words))
    return status
