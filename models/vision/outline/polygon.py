"""From a mask to a polygon: one closed line of few corners in pixels of the original picture."""

from __future__ import annotations

from math import atan2, degrees
from typing import NamedTuple

import cv2
import numpy as np
from cv2.typing import MatLike
from numpy.typing import NDArray

Polygon = tuple[tuple[float, float], ...]

CORNERS_MIN = 3
CORNERS_MAX = 64  # a screen draws no more, and evidence is kept by the thousand
SIMPLIFY_PX = 0.75  # of the mask: below a pixel there is nothing but stairs
FINER = 2  # a contour runs through middles of pixels: with finer ones it loses less of the rim
ELONGATED = 1.3  # below this ratio of length to width an axis is chance


class Patch(NamedTuple):
    """Where a mask lies in the picture: `picture = mask * scale + (left, top)`."""

    left_px: float
    top_px: float
    scale: float


def polygon_of(mask: NDArray[np.bool_], patch: Patch, *, height: int, width: int) -> Polygon | None:
    """Draw the line around the largest piece of a mask; None if there is none to speak of.

    Args:
        mask: bool (h, w).
        patch: where it lies.
        height: of the picture that the polygon is clipped to, in pixels; `width` likewise.
    """
    finer = cv2.resize(
        mask.astype(np.uint8), None, fx=FINER, fy=FINER, interpolation=cv2.INTER_NEAREST
    )
    contours, _ = cv2.findContours(finer, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    largest = max(contours, key=cv2.contourArea, default=None)
    if largest is None:
        return None
    corners = _simplified(largest)
    points = (corners + 0.5) / FINER * patch.scale + (patch.left_px, patch.top_px)
    clipped = np.clip(points, 0.0, (width, height))
    if len(clipped) < CORNERS_MIN or cv2.contourArea(clipped.astype(np.float32)) <= 0:
        return None
    return tuple((float(x), float(y)) for x, y in clipped.round(1))


def _simplified(contour: MatLike) -> NDArray[np.float64]:
    """Leave corners out as long as the line stays within a tolerance: float64 (N, 2)."""
    tolerance_px = SIMPLIFY_PX * FINER
    corners = cv2.approxPolyDP(contour, tolerance_px, closed=True)
    while len(corners) > CORNERS_MAX:
        tolerance_px *= 1.5
        corners = cv2.approxPolyDP(contour, tolerance_px, closed=True)
    flat: NDArray[np.float64] = corners.reshape(-1, 2).astype(np.float64)
    return flat


def bounds(polygon: Polygon) -> NDArray[np.float64]:
    """The upright box around a polygon: float64 (1, 4) x1, y1, x2, y2."""
    points = np.array(polygon, dtype=np.float64)
    return np.concatenate([points.min(axis=0), points.max(axis=0)])[np.newaxis]


def axis_deg(polygon: Polygon) -> float | None:
    """Find the direction in which a thing is longest; None for one that is as wide as long.

    Returns:
        0 to 180, from the picture's rows towards its columns (clockwise as one sees it).
    """
    corners = cv2.boxPoints(cv2.minAreaRect(np.array(polygon, dtype=np.float32)))
    sides = [corners[1] - corners[0], corners[2] - corners[1]]
    longer, shorter = sorted(sides, key=lambda side: -float(np.hypot(*side)))
    if np.hypot(*longer) < ELONGATED * np.hypot(*shorter):
        return None
    return degrees(atan2(float(longer[1]), float(longer[0]))) % 180.0
