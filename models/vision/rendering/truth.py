"""What is true of a rendered picture: where each thing is, and what the machine should do.

Pinhole projection with one term of radial distortion; pixels of the finished picture.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from models.vision.rendering.items import CLASSES
from models.vision.rendering.scene import (
    FIELD_OF_VIEW,
    HEIGHT_PX,
    MARGIN,
    WIDTH_PX,
    Lens,
    Placed,
    Scene,
)
from models.vision.rendering.solids import Floats, Solid

FOCAL_PX = WIDTH_PX / 2 / np.tan(np.radians(FIELD_OF_VIEW / 2))
VISIBLE_MIN = 0.25
"""A thing of which less than this share is in the picture has no box."""

SEE_THROUGH = ("film", "clear")

Decision = Literal["accept", "reject", "empty"]
Mask = NDArray[np.uint8]


class Box(NamedTuple):
    """A thing in the picture: class, and its edges in pixels."""

    class_name: str
    x1: float
    y1: float
    x2: float
    y2: float


class Truth(NamedTuple):
    """All that is known of a picture.

    Attributes:
        item: uint8 (H, W), 0 for none, else the number of the thing from 1 on.
        liquid: uint8 (H, W), 1 where a liquid is seen through a wall, and by no label covered.
    """

    kinds: tuple[str, ...]
    expected: Decision
    boxes: tuple[Box, ...]
    item: Mask
    liquid: Mask

    def row(self) -> dict[str, Any]:
        """Without the masks, for JSON."""
        return {
            "kinds": list(self.kinds),
            "expected": self.expected,
            "boxes": [
                [CLASSES.index(box.class_name), *(round(v, 2) for v in box[1:])]
                for box in self.boxes
            ],
        }


def tell_truth(scene: Scene) -> Truth:
    """Project every mesh into the picture."""
    item, liquid = (np.zeros((HEIGHT_PX, WIDTH_PX), np.uint8) for _ in range(2))
    boxes: list[Box] = []
    seen: list[Placed] = []
    for placed in scene.items:
        outline = np.concatenate(
            [project(scene.lens, part.solid.vertices) for part in placed.parts]
        )
        low, high = outline.min(0), outline.max(0)
        edge = np.array([WIDTH_PX, HEIGHT_PX], float)
        x1, y1 = np.clip(low, 0, edge)
        x2, y2 = np.clip(high, 0, edge)
        if (x2 - x1) * (y2 - y1) < VISIBLE_MIN * np.prod(high - low):
            continue
        seen.append(placed)
        for part in placed.parts:
            shape = project(scene.lens, part.solid.vertices)[part.solid.faces]
            _fill(item, shape, len(seen))
            if part.liquid:
                _fill(liquid, shape, 1)
            elif part.material.kind not in SEE_THROUGH:
                _fill(liquid, shape[_is_facing(scene.lens, part.solid)], 0)
        boxes += [Box(name, x1, y1, x2, y2) for name in placed.thing.classes]
    kinds = tuple(placed.thing.kind for placed in seen)
    return Truth(kinds, _expected(kinds), tuple(boxes), item, liquid)


def _expected(kinds: tuple[str, ...]) -> Decision:
    if not kinds:
        return "empty"
    return "accept" if kinds == ("mineral",) else "reject"


def _is_facing(lens: Lens, solid: Solid) -> NDArray[np.bool_]:
    """Whether a face shows the camera its outside; (faces,)."""
    a, b, c = (solid.vertices[solid.faces[:, corner]] for corner in range(3))
    facing: NDArray[np.bool_] = (np.cross(b - a, c - a) * (lens.eye - a)).sum(axis=1) > 0
    return facing


def _fill(mask: Mask, triangles: Floats, value: int) -> None:
    shift = 4  # sixteenths of a pixel
    corners = np.rint((triangles - 0.5) * (1 << shift)).astype(np.int32)
    for corner in corners:
        cv2.fillConvexPoly(mask, corner, value, shift=shift)


def project(lens: Lens, points: Floats) -> Floats:
    """Points of the chamber (n, 3) to pixels (n, 2)."""
    seen = (points - lens.eye) @ lens.axes.T
    flat = seen[:, :2] / seen[:, 2:] * FOCAL_PX
    bent: Floats = flat * _bend(lens, flat)[:, None] + [WIDTH_PX / 2, HEIGHT_PX / 2]
    return bent


def _bend(lens: Lens, flat: Floats) -> Floats:
    share: Floats = 1 + lens.bend * (flat**2).sum(-1) / (WIDTH_PX / 2) ** 2
    return share


def lens_map(lens: Lens) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Where each pixel of the picture lies in the rendered image, for `cv2.remap`."""
    y, x = np.mgrid[0:HEIGHT_PX, 0:WIDTH_PX].astype(float) + 0.5
    bent = np.stack([x - WIDTH_PX / 2, y - HEIGHT_PX / 2], -1)
    flat = bent.copy()
    for _ in range(6):  # the distortion has no closed inverse; this converges in three
        flat = bent / _bend(lens, flat)[..., None]
    source = flat / MARGIN + [WIDTH_PX / 2, HEIGHT_PX / 2] - 0.5
    return source[..., 0].astype(np.float32), source[..., 1].astype(np.float32)
