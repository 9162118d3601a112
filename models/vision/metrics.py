"""How good a detector is: what it found, and what the machine would have done.

    Picture                    what was seen on one picture, and what is true of it
    mean_average_precision     how well things are found, per class
    precision_and_recall       the curve behind it
    class_confusion            what was taken for what
    Decisions                  right decisions, false accepts, false rejects, with intervals

A machine earns its keep by decisions; boxes are how it comes to them. Pure arithmetic: no numpy,
no network.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple, TypeAlias

from models.acceptance import Decision
from models.vision.detector import Detection

Edges: TypeAlias = tuple[float, float, float, float]
"""x1, y1, x2, y2."""
Pair: TypeAlias = tuple[Decision, Decision]
"""Expected, decided."""

NOTHING = "nothing"
"""The class of what is not there: seen but not true, or true but not seen."""
RECALL_STEPS = 100
Z_95 = 1.959964
"""Standard deviations to either side that hold 95 % of a normal distribution."""


class Labelled(NamedTuple):
    """A thing that is on the picture, and where."""

    class_name: str
    box: Edges


class Picture(NamedTuple):
    """One picture: what the detector said, and what is true."""

    seen: tuple[Detection, ...]
    true: tuple[Labelled, ...]


class Point(NamedTuple):
    """Of a precision-recall curve: what is reached by believing all from `confidence` on."""

    confidence: float
    recall: float
    precision: float


class AveragePrecision(NamedTuple):
    """How well things are found.

    Attributes:
        by_class: only classes that are on some picture.
        mean: over those; not a number without any.
    """

    by_class: Mapping[str, float]
    mean: float


class Rate(NamedTuple):
    """So many of so many."""

    hits: int
    of: int

    @property
    def share(self) -> float:
        """From 0 to 1; 0 of nothing is 0."""
        return self.hits / self.of if self.of else 0.0

    def interval(self, z: float = Z_95) -> tuple[float, float]:
        """Where the true share lies with 95 % confidence (E. B. Wilson, 1927).

        Unlike the textbook's plus or minus it stays between 0 and 1 and is not empty at 0 of n.
        """
        if not self.of:
            return (0.0, 1.0)
        n, share = self.of, self.share
        centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
        half = z / (1 + z**2 / n) * math.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
        return (max(0.0, centre - half), min(1.0, centre + half))


# ----- Boxes ----------------------------------------------------------------------------------


def intersection_over_union(one: Edges, other: Edges) -> float:
    """How much two boxes agree, 0 to 1; boxes without an area agree with nothing."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    if width <= 0 or height <= 0:
        return 0.0
    shared = width * height
    return shared / (_area(one) + _area(other) - shared)


def _area(box: Edges) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])


def precision_and_recall(
    pictures: Sequence[Picture], class_name: str, iou: float = 0.5
) -> tuple[Point, ...]:
    """Walk from the surest detection of a class to the least sure.

    A detection is right if it overlaps a thing of its class that no surer one has claimed; each
    takes the thing it overlaps most, as in PASCAL VOC.

    Returns:
        One point a different confidence, falling; none if the class is on no picture.
    """
    there = sum(true.class_name == class_name for picture in pictures for true in picture.true)
    if not there:
        return ()
    answers = sorted(
        (answer for picture in pictures for answer in _answers(picture, class_name, iou)),
        key=lambda answer: -answer[0],
    )
    points: list[Point] = []
    right = 0
    for count, (confidence, is_right) in enumerate(answers, 1):
        right += is_right
        point = Point(confidence, right / there, right / count)
        # Equal confidences are believed together or not at all.
        if points and points[-1].confidence == confidence:
            points.pop()
        points.append(point)
    return tuple(points)


def _answers(picture: Picture, class_name: str, iou: float) -> list[tuple[float, bool]]:
    """Confidence of each detection of the class, and whether it is right."""
    open_ = [true.box for true in picture.true if true.class_name == class_name]
    seen = [seen for seen in picture.seen if seen.class_name == class_name]
    found = []
    for detection in sorted(seen, key=lambda one: -one.confidence):
        best = max(open_, key=lambda box: intersection_over_union(detection.box, box), default=None)
        is_right = best is not None and intersection_over_union(detection.box, best) >= iou
        if best is not None and is_right:
            open_.remove(best)
        found.append((detection.confidence, is_right))
    return found


def mean_average_precision(pictures: Sequence[Picture], iou: float = 0.5) -> AveragePrecision:
    """Precision averaged over recall 0, 0.01 … 1, per class and over classes, as COCO does it."""
    names = sorted({true.class_name for picture in pictures for true in picture.true})
    by_class = {
        name: _average_precision(precision_and_recall(pictures, name, iou)) for name in names
    }
    mean = math.fsum(by_class.values()) / len(by_class) if by_class else math.nan
    return AveragePrecision(by_class, mean)


def _average_precision(points: Sequence[Point]) -> float:
    # The best precision at this recall or any higher one: the curve without its teeth.
    best, envelope = 0.0, []
    for point in reversed(points):
        best = max(best, point.precision)
        envelope.append(best)
    envelope.reverse()
    recalls = [point.recall for point in points]
    reached = (bisect_left(recalls, step / RECALL_STEPS) for step in range(RECALL_STEPS + 1))
    total = math.fsum(envelope[at] for at in reached if at < len(points))
    return total / (RECALL_STEPS + 1)


def class_confusion(
    pictures: Iterable[Picture], thresholds: Mapping[str, float], iou: float = 0.5
) -> Counter[tuple[str, str]]:
    """Count what was taken for what: (true class, class seen there).

    A thing may be of two classes at once (a bottle, and full). It is first matched with what was
    seen of its own class; only what is then left on both sides is matched across classes.
    """
    counted: Counter[tuple[str, str]] = Counter()
    for picture in pictures:
        seen = [one for one in picture.seen if one.confidence >= thresholds.get(one.class_name, 0)]
        seen.sort(key=lambda one: -one.confidence)
        missed = list(picture.true)
        for own_class in (True, False):
            for detection in tuple(seen):
                match = _overlapping(detection, missed, iou, own_class=own_class)
                if match is not None:
                    missed.remove(match)
                    seen.remove(detection)
                    counted[match.class_name, detection.class_name] += 1
        counted.update((true.class_name, NOTHING) for true in missed)
        counted.update((NOTHING, detection.class_name) for detection in seen)
    return counted


def _overlapping(
    seen: Detection, among: Sequence[Labelled], iou: float, *, own_class: bool
) -> Labelled | None:
    fitting = [
        true
        for true in among
        if (true.class_name == seen.class_name) is own_class
        and intersection_over_union(seen.box, true.box) >= iou
    ]
    return max(fitting, key=lambda true: intersection_over_union(seen.box, true.box), default=None)


# ----- Decisions ------------------------------------------------------------------------------


class Decisions:
    """Counts what should have been decided, and what was."""

    def __init__(self, pairs: Iterable[tuple[Decision, Decision]] = ()) -> None:
        """Args: pairs: expected and decided, one a picture."""
        self._counted: Counter[Pair] = Counter(pairs)

    def add(self, expected: Decision, decided: Decision) -> None:
        """Count one more."""
        self._counted[expected, decided] += 1

    @property
    def confusion(self) -> Mapping[tuple[Decision, Decision], int]:
        """How often each was decided where each was expected."""
        return dict(self._counted)

    @property
    def right(self) -> Rate:
        """Decided as expected, of all."""
        return Rate(self._count(lambda pair: pair[0] is pair[1]), self._counted.total())

    @property
    def taken_right(self) -> Rate:
        """Accepted or not as it should be, of all; empty for refused is no mistake here."""
        mistakes = self.false_accepts.hits + self.false_rejects.hits
        return Rate(self._counted.total() - mistakes, self._counted.total())

    @property
    def false_accepts(self) -> Rate:
        """Accepted, of all that must not be: it costs the operator money."""
        return Rate(self._count(_is_false_accept), self._count(lambda pair: not _is_good(pair)))

    @property
    def false_accepts_of_all(self) -> Rate:
        """Accepted wrongly, of all that was put in."""
        return Rate(self._count(_is_false_accept), self._counted.total())

    @property
    def false_rejects(self) -> Rate:
        """Not accepted, of all that must be: it costs the customer's patience."""
        refused = self._count(lambda pair: _is_good(pair) and pair[1] is not Decision.ACCEPT)
        return Rate(refused, self._count(_is_good))

    def _count(self, which: Callable[[Pair], bool]) -> int:
        return sum(count for pair, count in self._counted.items() if which(pair))


def _is_good(pair: Pair) -> bool:
    return pair[0] is Decision.ACCEPT


def _is_false_accept(pair: Pair) -> bool:
    return not _is_good(pair) and pair[1] is Decision.ACCEPT
