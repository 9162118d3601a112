"""The outline without a model: OpenCV's GrabCut, started from the detector's box.

It learns two palettes, one from around the box and one from inside, and cuts where both fit best.
At 160 pixels that takes some 20 ms. Of a clear bottle on a belt of its own colour it finds the
label alone: an outline that does not fill its box is none. It may still be wrong, and decides
nothing.
"""

from __future__ import annotations

from math import ceil, floor

import cv2
import numpy as np
from cv2.typing import MatLike
from numpy.typing import NDArray

from models.vision.outline.matching import best_of
from models.vision.outline.polygon import Patch, Polygon, bounds, polygon_of
from protocol.vision import Detection

WORK_PX = 160  # longer side of what is cut
MARGIN = 0.2  # around the box on each side: that is where the background's palette comes from
ITERATIONS = 4
BOX_PX_MIN = 8  # less than that is a speck
BACKGROUND_MIN = 0.04  # of the pixels; with less there is no palette of the background
FILLED_MIN = 0.1  # of the box: less is a reflection, not the item
NO_BOX = (0, 0, 0, 0)  # the labels say where to begin
SEED = 20  # of OpenCV's own dice: the same picture has the same outline


class GrabCut:
    """Draws outlines by colour alone; see `models.vision.outline.Outliner`."""

    name = "grabcut"

    def outlines(
        self, frame: NDArray[np.uint8], detections: tuple[Detection, ...]
    ) -> tuple[Polygon | None, ...]:
        """See `Outliner.outlines`."""
        return tuple(_outline(frame, detection.box) for detection in detections)

    def close(self) -> None:
        """There is nothing to free."""


def _outline(frame: NDArray[np.uint8], box: tuple[float, float, float, float]) -> Polygon | None:
    height, width = frame.shape[:2]
    x1, y1, x2, y2 = box
    if min(x2 - x1, y2 - y1) < BOX_PX_MIN:
        return None
    across, down = MARGIN * (x2 - x1), MARGIN * (y2 - y1)
    left, top = max(0, floor(x1 - across)), max(0, floor(y1 - down))
    right, bottom = min(width, ceil(x2 + across)), min(height, ceil(y2 + down))
    crop = frame[top:bottom, left:right]
    scale = max(1.0, max(crop.shape[:2]) / WORK_PX)
    small = cv2.resize(crop, None, fx=1 / scale, fy=1 / scale, interpolation=cv2.INTER_AREA)
    inside = _inside(small.shape[:2], box, Patch(left, top, scale))
    is_item = _cut(small, inside)
    if is_item is None:
        return None
    polygon = polygon_of(is_item, Patch(left, top, scale), height=height, width=width)
    return polygon if polygon is not None and best_of(bounds(polygon), box) is not None else None


def _inside(
    shape: tuple[int, ...], box: tuple[float, float, float, float], patch: Patch
) -> NDArray[np.bool_]:
    """Which pixels of the small picture lie in the box: bool (h, w)."""
    x1, y1, x2, y2 = box
    inside = np.zeros(shape, dtype=np.bool_)
    left, right = (round((x - patch.left_px) / patch.scale) for x in (x1, x2))
    top, bottom = (round((y - patch.top_px) / patch.scale) for y in (y1, y2))
    inside[max(0, top) : bottom, max(0, left) : right] = True
    return inside


def _cut(small: MatLike, inside: NDArray[np.bool_]) -> NDArray[np.bool_] | None:
    """Separate the item from the belt: bool (h, w); None where that cannot be done."""
    if not inside.any() or (~inside).mean() < BACKGROUND_MIN:
        return None
    labels = np.where(inside, cv2.GC_PR_FGD, cv2.GC_BGD).astype(np.uint8)
    belt, item = np.zeros((1, 65), dtype=np.float64), np.zeros((1, 65), dtype=np.float64)
    cv2.setRNGSeed(SEED)
    cv2.grabCut(small, labels, NO_BOX, belt, item, ITERATIONS, cv2.GC_INIT_WITH_MASK)
    is_item = (labels == cv2.GC_FGD) | (labels == cv2.GC_PR_FGD)
    if is_item.sum() < FILLED_MIN * inside.sum():
        return None
    # Lone pixels and hair lines are noise of the palette, not the item's.
    smooth = cv2.morphologyEx(is_item.astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    opened: NDArray[np.bool_] = smooth.astype(np.bool_)
    return opened
