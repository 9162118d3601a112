"""Rendered light as training pictures: developed, put into the network's size, and varied.

Developing is the dear part, so a few variants of every picture are developed once and kept in
memory; what is drawn for every use is cheap: mirror, turn, scale, shift, light, patches.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from models.vision.rendering.dataset import Rendered
from models.vision.rendering.development import HARSH
from models.vision.rendering.items import CLASSES
from models.vision.rendering.truth import Truth
from models.vision.training.targets import Target, make_target

CLASS_OF_KIND = {
    "mineral": "mineral",
    "mineral_full": "mineral",
    "soda_pet": "soda",
    "can": "soda",
    "milk": "milk",
    "yogurt": "yogurt",
    "dishwasher": "dishwasher",
    "other": "non_mineral",
}
"""What covers the cells of a thing; the liquid in it is told apart."""
DIRECTIONS = 48


class Sample(NamedTuple):
    """A picture in the network's size, with its truth.

    Attributes:
        picture: uint8 (H, W, 3) BGR.
        boxes: float (n, 5): class, x1, y1, x2, y2.
        reach: float (n, `DIRECTIONS`, 2): how far the thing in each box goes, in all directions;
            turned with it, they say what its box is then.
        cover: uint8 (H, W), 0 or 1 + class.
        liquid: uint8 (H, W), 0 or 1.
    """

    picture: NDArray[np.uint8]
    boxes: NDArray[np.float64]
    reach: NDArray[np.float64]
    cover: NDArray[np.uint8]
    liquid: NDArray[np.uint8]


class Example(NamedTuple):
    """What one step of learning eats: float32 (3, H, W) RGB 0–1, and the right answer."""

    picture: NDArray[np.float32]
    target: Target


def take(
    rendered: Rendered, seed: Sequence[int], size: tuple[int, int], *, harsh: float = HARSH
) -> Sample:
    """Develop one variant of a rendered picture, in the network's size.

    Args:
        seed: of the variant; the same one gives the same picture.
        size: width and height in pixels.
    """
    picture = rendered.photographed(np.random.default_rng(list(seed)), harsh=harsh)
    height, width = picture.shape[:2]
    truth = rendered.truth
    scale = np.array([size[0] / width, size[1] / height])
    boxes = np.array([[CLASSES.index(box[0]), *box[1:]] for box in truth.boxes], float)
    boxes = boxes.reshape(-1, 5) * [1, *scale, *scale]
    cover = np.zeros_like(truth.item)
    for number, kind in enumerate(truth.kinds, 1):
        cover[truth.item == number] = 1 + CLASSES.index(CLASS_OF_KIND[kind])
    return Sample(
        np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_LINEAR), np.uint8),
        boxes,
        _reach(truth) * scale,
        np.asarray(cv2.resize(cover, size, interpolation=cv2.INTER_NEAREST), np.uint8),
        np.asarray(cv2.resize(truth.liquid, size, interpolation=cv2.INTER_NEAREST), np.uint8),
    )


def _reach(truth: Truth) -> NDArray[np.float64]:
    """The furthest points of every box's thing; of one that is hidden, the corners of its box."""
    numbers = [
        number
        for number, kind in enumerate(truth.kinds, 1)
        for _ in range(2 if kind == "mineral_full" else 1)
    ]
    angles = np.arange(DIRECTIONS) * (2 * np.pi / DIRECTIONS)
    towards = np.stack([np.cos(angles), np.sin(angles)])
    found = np.zeros((len(truth.boxes), DIRECTIONS, 2))
    for row, (number, box) in enumerate(zip(numbers, truth.boxes, strict=True)):
        y, x = np.nonzero(truth.item == number)
        low, high = np.array(box[1:3]), np.array(box[3:5])
        points = np.stack([x, y], -1) + 0.5 if len(x) else np.array([low, high])
        furthest = points[(points @ towards).argmax(axis=0)]
        # From the middles of pixels to the edges that the box knows, and to what lies under others.
        span = np.ptp(points, axis=0)
        inside = (furthest - points.min(axis=0)) / np.where(span > 0, span, 1)
        found[row] = low + inside * (high - low)
    return found


def example(sample: Sample) -> Example:
    """Make what the network eats."""
    planes = np.ascontiguousarray(sample.picture[..., ::-1].transpose(2, 0, 1), np.float32)
    return Example(planes / np.float32(255), make_target(sample.boxes, sample.cover, sample.liquid))


def varied(sample: Sample, rng: np.random.Generator) -> Sample:
    """Mirror, turn, scale and shift it, change its light, cover a part."""
    moved = _moved(sample, rng)
    picture = _relit(moved.picture, rng)
    if rng.random() < COVERED_SHARE:
        picture = _covered(picture, moved.boxes, rng)
    return moved._replace(picture=picture)


COVERED_SHARE = 0.15
SEEN_MIN = 0.25
ZOOM = 0.12
TURN_RAD = 0.12
"""Spreads. Most things lie along the belt, and how much more a network has to learn costs time."""


def _moved(sample: Sample, rng: np.random.Generator) -> Sample:
    height, width = sample.cover.shape
    zoom, angle = np.exp(rng.normal(0, ZOOM)), rng.normal(0, TURN_RAD)
    mirror = rng.choice([-1.0, 1.0], 2)
    shift = rng.uniform(-0.1, 0.1, 2) * [width, height]
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    turn *= zoom * mirror
    centre = np.array([width, height]) / 2
    offset = centre - turn @ centre + shift
    # Pixel centres: whole numbers are the middles of pixels for OpenCV, and their edges for boxes.
    matrix = np.column_stack([turn, offset + turn @ [0.5, 0.5] - 0.5])
    picture = cv2.warpAffine(
        sample.picture,
        matrix,
        (width, height),
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
    masks = [
        cv2.warpAffine(mask, matrix, (width, height), flags=cv2.INTER_NEAREST)
        for mask in (sample.cover, sample.liquid)
    ]
    reach = sample.reach @ turn.T + offset
    low, high = reach.min(axis=1), reach.max(axis=1)
    area = np.prod(high - low, axis=1)
    low, high = np.clip(low, 0, [width, height]), np.clip(high, 0, [width, height])
    left = np.prod(high - low, axis=1) >= SEEN_MIN * area
    return Sample(
        np.asarray(picture, np.uint8),
        np.column_stack([sample.boxes[:, 0], low, high])[left],
        reach[left],
        np.asarray(masks[0], np.uint8),
        np.asarray(masks[1], np.uint8),
    )


def _relit(picture: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Another lamp, another exposure: a curve a channel, through a table."""
    level = np.linspace(0, 1, 256)
    gain, gamma = np.exp(rng.normal(0, 0.2)), np.exp(rng.normal(0, 0.15))
    tint = np.exp(rng.normal(0, 0.05, 3))
    curve = [255 * np.clip(gain * t * level**gamma + rng.normal(0, 0.01), 0, 1) for t in tint]
    table = np.stack(curve, -1)[None].astype(np.uint8)
    relit = np.asarray(cv2.LUT(picture, table), np.uint8)
    if rng.random() < GREY_SHARE:
        grey = cv2.cvtColor(relit, cv2.COLOR_BGR2GRAY)
        share = rng.uniform(0.3, 1.0)
        relit = np.asarray(
            cv2.addWeighted(relit, 1 - share, cv2.merge([grey] * 3), share, 0), np.uint8
        )
    return relit


GREY_SHARE = 0.06


def _covered(
    picture: NDArray[np.uint8], boxes: NDArray[np.float64], rng: np.random.Generator
) -> NDArray[np.uint8]:
    """A finger, a leaf, a strap in the picture: the thing below is still what it was."""
    covered: NDArray[np.uint8] = picture.copy()
    height, width = picture.shape[:2]
    for _ in range(rng.integers(1, 4)):
        size = rng.uniform(0.04, 0.18, 2) * [width, height]
        middle = rng.uniform(0, 1, 2) * [width, height]
        if len(boxes) and rng.random() < 0.6:
            box = boxes[rng.integers(len(boxes)), 1:]
            middle = rng.uniform(box[:2], box[2:])
        low = np.maximum(middle - size / 2, 0).astype(int)
        high = (middle + size / 2).astype(int)
        covered[low[1] : high[1], low[0] : high[0]] = rng.integers(0, 256, 3)
    return covered
