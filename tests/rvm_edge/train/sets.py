"""A rendered set without a renderer: true plans and truths, and light that shows the masks."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from models.vision.rendering.dataset import Folder
from models.vision.rendering.scene import plan
from models.vision.rendering.truth import tell_truth


def make_set(
    path: Path, indices: Iterable[int], seed: int = 1, kinds: tuple[str, ...] = ()
) -> Folder:
    folder = Folder(path, seed, kinds)
    for index in indices:
        truth = tell_truth(plan(seed, index, kinds))
        light = np.full((*truth.item.shape, 3), 0.1, np.float32)
        light[truth.item > 0] = (0.4, 0.5, 0.6)
        folder.put(index, light, light, truth)
    return folder
