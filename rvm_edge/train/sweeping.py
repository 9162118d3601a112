"""What other thresholds would have done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from models.acceptance import ACCEPTED_CLASS
from models.vision.metrics import Decisions
from rvm_edge.train.answers import Answer


class Step(NamedTuple):
    """One threshold of the accepted class, and the decisions with it."""

    threshold: float
    decisions: Decisions


def sweep(
    answers: Sequence[Answer], thresholds: Mapping[str, float], steps: int = 20
) -> tuple[Step, ...]:
    """Move the accepted class's threshold from 0 to 1 and leave the others where they are."""
    swept = []
    for number in range(steps + 1):
        threshold = number / steps
        moved = {**thresholds, ACCEPTED_CLASS: threshold}
        pairs = ((answer.expected, answer.verdict(moved).decision) for answer in answers)
        swept.append(Step(threshold, Decisions(pairs)))
    return tuple(swept)
