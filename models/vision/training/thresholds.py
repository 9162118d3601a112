"""The confidences that the decision rule uses, chosen on pictures the network never learned from.

Three numbers are swept: from where on a mineral bottle is believed, from where on liquid is, and
from where on anything else refuses. Of all that keep the false accepts at the wanted share, the
triple wins whose neighbourhood decides best, not the one that is best by itself: on a few hundred
pictures the sharpest optimum is chance.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from models.acceptance import ACCEPTED_CLASS
from models.vision.detector import Detection

LIQUID_CLASS = "not_empty"
STEPS = 33
"""Of each sweep, evenly in log-odds."""
LOG_ODDS = (-4.0, 3.0)
FALSE_ACCEPT_COST = 4.0
"""One wrongly paid item weighs as much as so many wrongly refused ones."""


class Judged(NamedTuple):
    """A picture of the validation split."""

    seen: Sequence[Detection]
    should_accept: bool
    is_empty: bool


class Thresholds(NamedTuple):
    """What was chosen, and how it does on the pictures it was chosen on.

    Attributes:
        present: below this confidence of everything the belt is called empty.
    """

    mineral: float
    liquid: float
    refusing: float
    present: float
    false_accepts: float
    false_rejects: float


class _Scores(NamedTuple):
    """The few numbers of a picture that the rule looks at."""

    mineral: NDArray[np.float64]
    second: NDArray[np.float64]
    liquid: NDArray[np.float64]
    refusing: NDArray[np.float64]


def choose(pictures: Sequence[Judged], *, false_accepts_max: float = 0.005) -> Thresholds:
    """Choose the thresholds.

    Args:
        false_accepts_max: share of the items that must not be accepted and are.
    """
    scores = _scores(pictures)
    right = np.array([picture.should_accept for picture in pictures])
    odds = np.linspace(*LOG_ODDS, STEPS)
    steps = 1 / (1 + np.exp(-odds))
    paid, refused = _rates(scores, right, steps)
    cost = refused + FALSE_ACCEPT_COST * paid + 20.0 * np.maximum(0, paid - false_accepts_max)
    smooth = _blurred(cost)
    m, w, r = np.unravel_index(int(smooth.argmin()), smooth.shape)
    return Thresholds(
        mineral=float(steps[m]),
        liquid=float(steps[w]),
        refusing=float(steps[r]),
        present=_present(pictures, scores),
        false_accepts=float(paid[m, w, r]),
        false_rejects=float(refused[m, w, r]),
    )


def _scores(pictures: Sequence[Judged]) -> _Scores:
    table = np.zeros((4, len(pictures)))
    for column, picture in enumerate(pictures):
        minerals = sorted(
            (s.confidence for s in picture.seen if s.class_name == ACCEPTED_CLASS), reverse=True
        )
        table[0, column], table[1, column] = [*minerals, 0.0, 0.0][:2]
        for seen in picture.seen:
            if seen.class_name != ACCEPTED_CLASS:
                row = 2 if seen.class_name == LIQUID_CLASS else 3
                table[row, column] = max(table[row, column], seen.confidence)
    return _Scores(*table)


def _rates(
    scores: _Scores, right: NDArray[np.bool_], steps: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Shares of false accepts and false rejects over the three sweeps."""
    found = (scores.mineral >= steps[:, None]) & (scores.second < steps[:, None])
    dry = scores.liquid < steps[:, None]
    alone = scores.refusing < steps[:, None]
    paid = np.einsum("mi,wi,ri->mwr", found * 1.0, dry * 1.0, (alone & ~right) * 1.0)
    good = np.einsum("mi,wi,ri->mwr", found * 1.0, dry * 1.0, (alone & right) * 1.0)
    return paid / max(1, (~right).sum()), 1 - good / max(1, right.sum())


def _blurred(cube: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean over the neighbourhood in all three directions."""
    for axis in range(3):
        turned = np.ascontiguousarray(np.moveaxis(cube, axis, 0))
        flat = turned.reshape(len(turned), -1)
        smooth = np.asarray(cv2.blur(flat, (1, 5), borderType=cv2.BORDER_REPLICATE), np.float64)
        cube = np.moveaxis(smooth.reshape(turned.shape), 0, axis)
    return cube


def _present(pictures: Sequence[Judged], scores: _Scores) -> float:
    """Half way, in log-odds, between what an empty belt shows and what the faintest things show."""
    surest = np.max(scores, axis=0).clip(1e-4, 1 - 1e-4)
    empty = np.array([picture.is_empty for picture in pictures])
    if empty.all() or not empty.any():
        return float(1 / (1 + np.exp(-LOG_ODDS[0])))
    odds = np.log(surest / (1 - surest))
    nothing, faint = np.quantile(odds[empty], 0.98), np.quantile(odds[~empty], 0.005)
    return float(1 / (1 + np.exp(-(nothing + faint) / 2)))
