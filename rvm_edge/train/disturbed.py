"""What a picture looks like when something is wrong: the referee shows these as well.

Each takes a picture uint8 (H, W, 3) BGR, chance, and where the things are; gives another one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from models.vision.metrics import Labelled

if TYPE_CHECKING:
    from models.vision.detector import Frame
    from rvm_edge.train.answers import Disturbance

NOISE_LEVELS = 18.0
"""Standard deviation: a cheap sensor at night."""
BLUR_PX = 1.8
"""Standard deviation, in a picture 448 wide: a lens that is out of focus."""
DARK_SHARE = 0.3
"""Of the coded levels: about a fifteenth of the light."""
DARK_NOISE_LEVELS = 4.0
COVERED_SHARE = (0.08, 0.2)
"""Of the thing's box: a leaf, a strap, a finger."""
REFERENCE_WIDTH_PX = 448


def noise(frame: Frame, rng: np.random.Generator, _true: tuple[Labelled, ...]) -> Frame:
    """Grain."""
    grain = rng.standard_normal(frame.shape, np.float32) * NOISE_LEVELS
    return _levels(frame + grain)


def blur(frame: Frame, _rng: np.random.Generator, _true: tuple[Labelled, ...]) -> Frame:
    """Out of focus."""
    sigma = BLUR_PX * frame.shape[1] / REFERENCE_WIDTH_PX
    return np.asarray(cv2.GaussianBlur(frame, (0, 0), sigma), np.uint8)


def dark(frame: Frame, rng: np.random.Generator, _true: tuple[Labelled, ...]) -> Frame:
    """Too little light, and what the sensor makes of it."""
    grain = rng.standard_normal(frame.shape, np.float32) * DARK_NOISE_LEVELS
    return _levels(frame * np.float32(DARK_SHARE) + grain)


def occlusion(frame: Frame, rng: np.random.Generator, true: tuple[Labelled, ...]) -> Frame:
    """A patch of one colour over a part of each thing."""
    covered: Frame = frame.copy()
    for box in {label.box for label in true}:
        low, high = np.array(box[:2]), np.array(box[2:])
        part = (high - low) * np.sqrt(rng.uniform(*COVERED_SHARE))
        corner = rng.uniform(low, np.maximum(low, high - part))
        (x1, y1), (x2, y2) = corner.astype(int), (corner + part).astype(int)
        covered[y1:y2, x1:x2] = rng.integers(0, 256, 3)
    return covered


def _levels(picture: NDArray[np.float32]) -> Frame:
    levels = np.clip(np.rint(picture), 0, 255)
    return np.asarray(levels, np.uint8)


DISTURBANCES: Mapping[str, Disturbance] = {
    "noise": noise,
    "blur": blur,
    "dark": dark,
    "occlusion": occlusion,
}
