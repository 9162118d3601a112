"""`python -m rvm_edge.train.renderer`: one worker of `bin/train render`."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from rvm_edge.train.crew import serve

if TYPE_CHECKING:
    from models.vision.rendering.dataset import Folder

SAMPLES_STREAM = 7
"""Of the random numbers: the plan of the same picture has drawn from (seed, index)."""


def main(arguments: list[str]) -> None:
    """Render what is asked for; `render.command` has the arguments."""
    path, seed, kinds, low, high, fd = arguments
    # One picture a process: more threads would only wait for one another.
    os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"
    import cv2

    from models.vision.rendering.dataset import Folder
    from models.vision.rendering.tracing import start_renderer

    cv2.setNumThreads(1)
    start_renderer()
    folder = Folder(Path(path), int(seed), tuple(kinds.split()))
    serve(int(fd), lambda index: render_one(folder, index, (int(low), int(high))))


def render_one(folder: Folder, index: int, samples: tuple[int, int]) -> None:
    """Render one picture of a set and put it there, whole or not at all."""
    import numpy as np

    from models.vision.rendering.denoising import denoise
    from models.vision.rendering.scene import plan
    from models.vision.rendering.tracing import through_lens, trace
    from models.vision.rendering.truth import tell_truth

    scene = plan(folder.seed, index, folder.kinds)
    drawn = np.random.default_rng((folder.seed, index, SAMPLES_STREAM))
    count = int(drawn.integers(samples[0], samples[1] + 1))
    light = trace(scene, samples=count, seed=index)
    seen, calm = (through_lens(one, scene.lens) for one in (light, denoise(light)))
    folder.put(index, seen, calm, tell_truth(scene))


if __name__ == "__main__":
    main(sys.argv[1:])
