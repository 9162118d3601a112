"""Which of the things that a segmentation model found is the one in the detector's box."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

IOU_MIN = 0.5  # below that it is another thing, or a part of it


def best_of(boxes: NDArray[np.float64], box: tuple[float, float, float, float]) -> int | None:
    """Find the box that overlaps most; None if none does by half of their union.

    Args:
        boxes: float64 (N, 4) x1, y1, x2, y2.
        box: the one to match.
    """
    if len(boxes) == 0:
        return None
    wanted = np.array(box, dtype=np.float64)
    overlap = np.minimum(boxes[:, 2:], wanted[2:]) - np.maximum(boxes[:, :2], wanted[:2])
    shared = np.prod(np.maximum(overlap, 0.0), axis=1)
    areas = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1) + np.prod(wanted[2:] - wanted[:2])
    ious = np.divide(shared, areas - shared, out=np.zeros(len(boxes)), where=areas > shared)
    best = int(ious.argmax())
    return best if ious[best] >= IOU_MIN else None
