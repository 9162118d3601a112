"""How fast the recipe goes here: pictures rendered per core-hour, training steps per second.

A toy of both, with the parts of `bin/train`, on one core. How long a whole training takes stands in
the card of each model.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from contextlib import closing
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from benchmarks.kit.survey import Cells, Survey
from rvm_edge.train.meter import Meter
from rvm_edge.train.render import SAMPLES
from rvm_edge.train.renderer import render_one

if TYPE_CHECKING:
    from models.vision.rendering.dataset import Folder

_PICTURES, _PICTURES_QUICK = 40, 4
_STEPS, _STEPS_QUICK = 60, 6
_WARM_STEPS = 2
_HOUR_S = 3600.0
_SEED = 1
_CURE = "not measured without the extra: bin/setup train"


def _take(args: argparse.Namespace) -> Iterator[Cells]:
    missing = [name for name in ("mitsuba", "drjit") if find_spec(name) is None]
    if missing:
        yield ("pictures rendered", None, "per core-hour", f"{_CURE} ({missing[0]} is missing)")
        yield ("training steps", None, "per second", "nothing to learn from without pictures")
        return
    with TemporaryDirectory(prefix="bench-recipe-") as home:
        from models.vision.rendering.dataset import Folder

        folder = Folder(Path(home) / "rendered", _SEED)
        yield _render(folder, _PICTURES_QUICK if args.quick else _PICTURES)
        if find_spec("torch") is None:
            yield ("training steps", None, "per second", f"{_CURE} (torch is missing)")
        else:
            yield _learn(folder, Path(home) / "run", _STEPS_QUICK if args.quick else _STEPS)


def _render(folder: Folder, count: int) -> Cells:
    """The first picture compiles the renderer's kernels and does not count."""
    from models.vision.rendering.tracing import RendererMissing, start_renderer

    try:
        variant = start_renderer()
    except RendererMissing as error:
        return ("pictures rendered", None, "per core-hour", str(error))
    render_one(folder, 0, SAMPLES)
    began_s = time.perf_counter()
    with closing(Meter("pictures", count)) as meter:
        for index in range(1, count + 1):
            render_one(folder, index, SAMPLES)
            meter.step()
    per_hour = count / (time.perf_counter() - began_s) * _HOUR_S
    note = f"{variant}, {SAMPLES[0]} to {SAMPLES[1]} paths a pixel, {count} pictures"
    return ("pictures rendered", per_hour, "per core-hour", note)


def _learn(folder: Folder, path: Path, count: int) -> Cells:
    """The first steps develop the pictures and do not count."""
    import torch

    from models.vision.training.fit import Recipe, Run, RunInvalid

    torch.set_num_threads(1)
    recipe = Recipe(steps=_WARM_STEPS + count)
    try:
        reports = Run([folder], path, recipe).learn()
        for _ in islice(reports, _WARM_STEPS):
            pass
        began_s = time.perf_counter()
        for _ in reports:
            pass
        per_s = count / (time.perf_counter() - began_s)
    except RunInvalid as error:
        return ("training steps", None, "per second", str(error))
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "one core"
    size = f"{recipe.width_px}x{recipe.height_px}"
    note = f"our own network, {size}, {recipe.batch} pictures a step, {device}"
    return ("training steps", per_s, "per second", note)


SURVEY = Survey(
    "recipe",
    "how fast data and training go here, on one core",
    ("", "rate", "", ""),
    _take,
)
