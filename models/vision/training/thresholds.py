"""The confidences that the decision rule uses, chosen on pictures the network never learned from.

Two questions, one after the other: from where on is a mineral bottle believed, and does anything
else refuse; then, from where on is liquid believed. Asked together, they help each other out: where
water is hard to see, refusing every bottle beside a trace of soda would look like a cure.

What wins is the middle of where it makes little difference, not what is best by itself: on a few
hundred pictures the sharpest optimum is chance.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from models.acceptance import ACCEPTED_CLASS, LIQUID_CLASS
from models.vision.detector import Detection

STEPS = 33
"""Of each sweep, evenly in log-odds."""
LOG_ODDS = (-4.0, 3.0)
MINERAL_MIN = 0.3
"""Nothing is paid for on less, whatever the pictures say: they show only what was foreseen."""
INDIFFERENCE = 0.02
"""Of the cost: one bottle in fifty wrongly refused, which a few hundred pictures cannot tell."""
FALSE_ACCEPT_COST = 4.0
"""One wrongly paid item weighs as much as so many wrongly refused ones."""


class Judged(NamedTuple):
    """A picture of the validation split.

    Attributes:
        is_wet: nothing but the liquid in it speaks against it.
    """

    seen: Sequence[Detection]
    should_accept: bool
    is_empty: bool
    is_wet: bool = False


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


def choose(pictures: Sequence[Judged], *, false_accepts_max: float = 0.01) -> Thresholds:
    """Choose the thresholds.

    Args:
        false_accepts_max: share of what must not be accepted and is; above it they weigh more.
    """
    scores = _scores(pictures)
    right = np.array([picture.should_accept for picture in pictures])
    dry = ~np.array([picture.is_wet for picture in pictures])
    odds = np.linspace(*LOG_ODDS, STEPS)
    steps = 1 / (1 + np.exp(-odds))

    # Is it a bottle, and alone? Liquid has no say here, neither in the answers nor in the pictures.
    found = (scores.mineral >= steps[:, None]) & (scores.second < steps[:, None])
    found[steps < MINERAL_MIN] = False
    alone = scores.refusing < steps[:, None]
    taken = found[:, None] & alone[None, :]
    cost = _cost(taken[..., dry], right[dry], false_accepts_max)
    m, r = _best(cost)

    # Then: is it empty?
    taken = taken[m, r] & (scores.liquid < steps[:, None])
    cost = _cost(taken, right, false_accepts_max)
    (w,) = _best(cost)
    paid, refused = _rates(taken, right)
    return Thresholds(
        mineral=float(steps[m]),
        liquid=float(steps[w]),
        refusing=float(steps[r]),
        present=_present(pictures, scores),
        false_accepts=float(paid[w]),
        false_rejects=float(refused[w]),
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
    taken: NDArray[np.bool_], right: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Shares of false accepts and false rejects.

    Args:
        taken: (…, pictures), whether it would be accepted.
    """
    paid = (taken & ~right).sum(axis=-1) / max(1, (~right).sum())
    refused = 1 - (taken & right).sum(axis=-1) / max(1, right.sum())
    return paid, refused


def _cost(
    taken: NDArray[np.bool_], right: NDArray[np.bool_], false_accepts_max: float
) -> NDArray[np.float64]:
    paid, refused = _rates(taken, right)
    return refused + FALSE_ACCEPT_COST * paid + 20.0 * np.maximum(0, paid - false_accepts_max)


def _best(cost: NDArray[np.float64]) -> tuple[int, ...]:
    """The middle of where the cost, smoothed over its neighbourhood, is next to the lowest.

    Of several, the one nearest to even odds.
    """
    for axis in range(cost.ndim):
        turned = np.ascontiguousarray(np.moveaxis(cost, axis, 0))
        flat = turned.reshape(len(turned), -1)
        blurred = cv2.blur(flat, (1, 5), borderType=cv2.BORDER_REPLICATE)
        smooth = np.asarray(blurred, np.float64).reshape(turned.shape)
        cost = np.moveaxis(smooth, 0, axis)
    low = cost <= cost.min() + INDIFFERENCE
    while (inner := _eroded(low)).any():
        low = inner
    cells = np.argwhere(low)
    even = -LOG_ODDS[0] / (LOG_ODDS[1] - LOG_ODDS[0]) * (STEPS - 1)
    nearest = cells[int(np.abs(cells - even).sum(axis=1).argmin())]
    return tuple(int(at) for at in nearest)


def _eroded(cells: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Those with all their neighbours; beyond the edge there are none."""
    inner: NDArray[np.bool_] = cells.copy()
    for axis in range(cells.ndim):
        for step in (1, -1):
            beside = np.roll(cells, step, axis)
            edge = 0 if step == 1 else -1
            np.moveaxis(beside, axis, 0)[edge] = False
            inner &= beside
    return inner


def _present(pictures: Sequence[Judged], scores: _Scores) -> float:
    """Half way, in log-odds, between what an empty belt shows and what the faintest things show."""
    surest = np.max(scores, axis=0).clip(1e-4, 1 - 1e-4)
    empty = np.array([picture.is_empty for picture in pictures])
    if empty.all() or not empty.any():
        return float(1 / (1 + np.exp(-LOG_ODDS[0])))
    odds = np.log(surest / (1 - surest))
    nothing, faint = np.quantile(odds[empty], 0.98), np.quantile(odds[~empty], 0.005)
    return float(1 / (1 + np.exp(-(nothing + faint) / 2)))
