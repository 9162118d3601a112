"""The referee: how good a model is, in numbers, and which of several ships."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from statistics import median

import msgspec

from models.acceptance import Decision
from models.vision.detector import DetectorInfo
from models.vision.metrics import (
    Decisions,
    Rate,
    class_confusion,
    mean_average_precision,
)
from rvm_edge.train.answers import Answer

FALSE_ACCEPTS_MAX = 0.01
"""Share of what was put in; a model above it does not ship while there is one below it."""
UNDISTURBED = "as they are"
DIGITS = 4


class Counted(msgspec.Struct, frozen=True):
    """So many of so many, and where the true share lies with 95 % confidence."""

    hits: int
    of: int
    share: float
    low: float
    high: float


class Sitting(msgspec.Struct, frozen=True):
    """What a model did on one lot of pictures.

    Attributes:
        right: decided as expected; `taken_right`, accepted or not as it should be.
        false_accepts: accepted, of those that must not be; `false_accepts_of_all`, of all.
        false_rejects: not accepted, of those that must be.
        map50: mean average precision at an overlap of one half; `by_class` what it is the mean of.
        decisions: rows: expected, decided, how often.
        kinds: rows: what was put in, decided, reason, how often.
        classes: rows: true class, class seen there, how often.
    """

    right: Counted
    taken_right: Counted
    false_accepts: Counted
    false_accepts_of_all: Counted
    false_rejects: Counted
    map50: float
    by_class: Mapping[str, float]
    decisions: tuple[tuple[str, str, int], ...]
    kinds: tuple[tuple[str, str, str, int], ...]
    classes: tuple[tuple[str, str, int], ...]
    median_ms: float


class Score(msgspec.Struct, frozen=True):
    """What the referee says of a model.

    Attributes:
        sittings: by what was done to the pictures; the first one is nothing.
    """

    model: str
    sha256: str
    backend: str
    pictures: str
    sittings: Mapping[str, Sitting]

    @property
    def plain(self) -> Sitting:
        """On the pictures as they are."""
        return self.sittings[UNDISTURBED]


def sit(answers: Sequence[Answer], thresholds: Mapping[str, float]) -> Sitting:
    """Judge the answers to one lot of pictures."""
    verdicts = [answer.verdict(thresholds) for answer in answers]
    pairs = [
        (answer.expected, verdict.decision)
        for answer, verdict in zip(answers, verdicts, strict=True)
    ]
    decisions = Decisions(pairs)
    pictures = [answer.picture for answer in answers]
    found = mean_average_precision(pictures)
    by_kind = Counter(
        (answer.kinds or "(empty)", verdict.decision.value, verdict.reason.value)
        for answer, verdict in zip(answers, verdicts, strict=True)
    )
    return Sitting(
        right=counted(decisions.right),
        taken_right=counted(decisions.taken_right),
        false_accepts=counted(decisions.false_accepts),
        false_accepts_of_all=counted(decisions.false_accepts_of_all),
        false_rejects=counted(decisions.false_rejects),
        map50=round(found.mean, DIGITS),
        by_class={name: round(value, DIGITS) for name, value in found.by_class.items()},
        decisions=tuple(
            (expected.value, decided.value, decisions.confusion.get((expected, decided), 0))
            for expected in Decision
            for decided in Decision
        ),
        kinds=tuple((*key, times) for key, times in sorted(by_kind.items())),
        classes=tuple(
            (*key, times) for key, times in sorted(class_confusion(pictures, thresholds).items())
        ),
        median_ms=round(median(answer.milliseconds for answer in answers), 2) if answers else 0.0,
    )


def score(info: DetectorInfo, pictures: str, lots: Mapping[str, Sequence[Answer]]) -> Score:
    """Judge the answers to all lots, the undisturbed one among them."""
    sittings = {name: sit(answers, info.thresholds) for name, answers in lots.items()}
    return Score(info.name, info.sha256, info.backend, pictures, sittings)


def counted(rate: Rate) -> Counted:
    """For a report."""
    low, high = rate.interval()
    return Counted(
        rate.hits, rate.of, round(rate.share, DIGITS), round(low, DIGITS), round(high, DIGITS)
    )


def best(scores: Iterable[Score]) -> Score:
    """Choose the model that ships.

    Of those that accept wrongly at most once in a hundred the one that decides best, over plain and
    disturbed pictures together; if none does, the one that accepts wrongly least. Equals are told
    apart by how well they find things.
    """

    def rank(one: Score) -> tuple[float, float, float]:
        wrong = one.plain.false_accepts_of_all.share
        right = sum(sitting.taken_right.share for sitting in one.sittings.values()) / len(
            one.sittings
        )
        return (-max(wrong, FALSE_ACCEPTS_MAX), right, one.plain.map50)

    return max(scores, key=rank)
