"""What the network should answer for a picture whose truth is known."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from models.vision.rendering.items import CLASSES
from models.vision.training.network import STRIDE

NOT_EMPTY = CLASSES.index("not_empty")
UNKNOWN = 255


class Target(NamedTuple):
    """Right answers on the grid of cells; see `network.Answer`.

    Attributes:
        heat: float32 (classes, h, w), 1 at a centre, falling off as a Gaussian.
        reach: float32 (4, h, w), and `weight` (h, w) says how much each cell's counts.
        cover: uint8 (h, w): 0 background, 1 + class; the thing of no class is `UNKNOWN`.
        liquid: float32 (h, w), the share of the cell behind which a liquid is seen.
    """

    heat: NDArray[np.float32]
    reach: NDArray[np.float32]
    weight: NDArray[np.float32]
    cover: NDArray[np.uint8]
    liquid: NDArray[np.float32]


def grid(size_px: int) -> int:
    """Cells along an edge."""
    return -(-size_px // STRIDE)


def make_target(
    boxes: NDArray[np.float64], item: NDArray[np.uint8], liquid: NDArray[np.uint8]
) -> Target:
    """Make the right answer.

    Args:
        boxes: float (n, 5): class, x1, y1, x2, y2 in pixels of the picture.
        item: uint8 (H, W), 0 or 1 + class of the thing there.
        liquid: uint8 (H, W), 0 or 1.
    """
    h, w = grid(item.shape[0]), grid(item.shape[1])
    heat = np.zeros((len(CLASSES), h, w), np.float32)
    reach, weight = np.zeros((4, h, w), np.float32), np.zeros((h, w), np.float32)
    y, x = np.mgrid[0:h, 0:w].astype(np.float32) + 0.5
    for number, x1, y1, x2, y2 in boxes / ([1.0] + [STRIDE] * 4):
        middle_x, middle_y = (x1 + x2) / 2, (y1 + y2) / 2
        cell_x = min(max(int(middle_x), 0), w - 1) + 0.5
        cell_y = min(max(int(middle_y), 0), h - 1) + 0.5
        # A bottle that lies across the picture has a long box: the spread follows its shape.
        spread_x, spread_y = max(0.7, (x2 - x1) / 10), max(0.7, (y2 - y1) / 10)
        bump = np.exp(-(((x - cell_x) / spread_x) ** 2 + ((y - cell_y) / spread_y) ** 2) / 2)
        heat[int(number)] = np.maximum(heat[int(number)], bump)
        nearer = (bump > weight) & (bump > 0.3)
        reach[:, nearer] = np.stack([x - x1, y - y1, x2 - x, y2 - y])[:, nearer]
        weight[nearer] = bump[nearer]
    np.maximum(reach, 0.05, out=reach)
    cover = cv2.resize(item, (w, h), interpolation=cv2.INTER_NEAREST)
    wet = cv2.resize(liquid.astype(np.float32), (w, h), interpolation=cv2.INTER_AREA)
    return Target(heat, reach, weight, cover.astype(np.uint8), wet.astype(np.float32))
