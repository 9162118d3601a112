"""The project's own network: `models.vision.training`, at the command line."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from rvm_edge.train.develop import open_set
from rvm_edge.train.runs import RunAbout, RunInvalid

if TYPE_CHECKING:
    from models.vision.training.fit import Batch

Tell = Callable[[int, str], None]
"""Called after every step with how many are done and how well it goes."""


def fit_centre(
    path: Path, about: RunAbout, device: str, tell: Tell, should_stop: Callable[[], bool]
) -> bool:
    """Begin the run or go on with it.

    Args:
        device: `cpu`, `cuda`, `cuda:1`; empty: a GPU if there is one.

    Returns:
        Whether it came to its end.

    Raises:
        RunInvalid: the folder is another run's, or there is nothing to learn from.
    """
    from models.vision.training import fit

    recipe = fit.Recipe(
        width_px=about.width_px,
        height_px=about.height_px,
        steps=about.steps,
        batch=about.batch,
        variants=about.variants,
        seed=about.seed,
        rate=about.rate,
        start=about.start_sha256,
    )
    start = Path(about.start) / fit.CHECKPOINT if about.start else None
    try:
        sets = [open_set(Path(source)) for source in about.sources]
        run = fit.Run(sets, path, recipe, device, _ahead, start)
        for report in run.learn(should_stop):
            measured = (
                "" if report.validation is None else f", on unseen pictures {report.validation:.3f}"
            )
            tell(report.step, f"loss {report.total:.3f}{measured}")
    except fit.RunInvalid as error:
        raise RunInvalid(str(error)) from error
    return run.step >= recipe.steps


def _ahead(batches: Iterator[Batch]) -> Iterator[Batch]:
    """Prepare the next batch while this one is learned; the arrays' work frees the interpreter."""
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(next, batches, None)
        while (batch := coming.result()) is not None:
            coming = pool.submit(next, batches, None)
            yield batch


def digest_of(run: Path) -> str:
    """What says which weights of a run another one begins with.

    Raises:
        RunInvalid: nothing is saved there.
    """
    from models.vision.training.fit import CHECKPOINT, digest

    if not (run / CHECKPOINT).exists():
        raise RunInvalid(f"{run} has saved nothing to learn on from")
    return digest(run / CHECKPOINT)


def steps_done(path: Path) -> int:
    """How many steps of the run are saved."""
    import torch

    from models.vision.training.fit import CHECKPOINT

    if not (path / CHECKPOINT).exists():
        return 0
    state = torch.load(path / CHECKPOINT, map_location="cpu", weights_only=True)
    return int(state["step"])


def adopt(path: Path, sources: tuple[str, ...]) -> RunAbout | None:
    """Say what a run is that was begun without `bin/train fit`; None if there is none.

    Args:
        sources: the rendered sets that it learned from.
    """
    import torch

    from models.vision.training.fit import CHECKPOINT

    if not (path / CHECKPOINT).exists():
        return None
    for source in sources:
        open_set(Path(source))
    recipe = torch.load(path / CHECKPOINT, map_location="cpu", weights_only=True)["recipe"]
    digest_of_start = recipe.pop("start", "")
    known = {name: recipe[name] for name in RunAbout.__struct_fields__ if name in recipe}
    return RunAbout(network="centre", sources=sources, start_sha256=digest_of_start, **known)


def export_centre(path: Path, about: RunAbout) -> bytes:
    """Give the run's averaged network as ONNX.

    Raises:
        RunInvalid: nothing is saved yet.
    """
    from models.vision.rendering.items import CLASSES
    from models.vision.training.export import load_average, to_onnx
    from models.vision.training.fit import CHECKPOINT

    if not (path / CHECKPOINT).exists():
        raise RunInvalid(f"{path} has saved nothing yet; let bin/train fit go on")
    network = load_average(path / CHECKPOINT, len(CLASSES))
    return to_onnx(network, about.width_px, about.height_px)
