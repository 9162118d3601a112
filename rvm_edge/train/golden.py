"""Golden pictures: which ones a model has to know before it serves.

The answers are the model's own. A picture is fit for it if the answer is right and stays the same
when a back end rounds differently: no confidence near a threshold. Together they show every kind
of item and every decision.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from models.acceptance import Decision
from models.vision.manifest import Golden, GoldenBox
from rvm_edge.train.answers import Answer

if TYPE_CHECKING:
    from rvm_edge.train.shown import Shown

COUNT = 6
"""Pictures; each is some 200 kB in the model's directory and some 5 ms in its test."""
FOLDER = "golden"
BOX_DIGITS, CONFIDENCE_DIGITS = 2, 4
PNG_COMPRESSION = 9


def choose(
    answers: Iterable[Answer], thresholds: Mapping[str, float], seen_from: float
) -> tuple[Answer, ...]:
    """Choose them: of every kind the steadiest right answer, as many kinds as there is room for.

    Args:
        answers: with what is below `seen_from`, too: it must not be near it.
    """
    ranked = sorted(
        (
            (above(answer, seen_from), steadiness(answer, thresholds, seen_from))
            for answer in answers
        ),
        key=lambda one: (one[0].verdict(thresholds).decision is one[0].expected, one[1]),
        reverse=True,
    )
    chosen: dict[tuple[str, str], Answer] = {}
    for answer, _ in ranked:
        chosen.setdefault((answer.expected.value, answer.kinds), answer)
    # One of each decision first, then the other kinds as they come.
    first: dict[Decision, Answer] = {}
    for answer in chosen.values():
        first.setdefault(answer.expected, answer)
    names = {answer.name for answer in first.values()}
    others = (answer for answer in chosen.values() if answer.name not in names)
    return (*first.values(), *others)[:COUNT]


def steadiness(answer: Answer, thresholds: Mapping[str, float], seen_from: float) -> float:
    """How far the nearest confidence is from where it would begin to count; 1 without any."""
    return min(
        (
            abs(seen.confidence - edge)
            for seen in answer.seen
            for edge in (thresholds[seen.class_name], seen_from)
        ),
        default=1.0,
    )


def above(answer: Answer, seen_from: float) -> Answer:
    """What a detector reports that leaves out the noise below `seen_from`."""
    return answer._replace(seen=tuple(seen for seen in answer.seen if seen.confidence >= seen_from))


def write(
    directory: Path,
    chosen: Sequence[Answer],
    pictures: Iterable[Shown],
    thresholds: Mapping[str, float],
) -> tuple[Golden, ...]:
    """Write the pictures into the model's directory; say what each has to give.

    Args:
        pictures: among which the chosen ones are, as they were answered.
    """
    import hashlib

    import cv2

    wanted = {answer.name: answer for answer in chosen}
    (directory / FOLDER).mkdir(exist_ok=True)
    golden = []
    for shown in pictures:
        answer = wanted.pop(shown.name, None)
        if answer is None:
            continue
        _, stream = cv2.imencode(
            ".png", shown.frame, [cv2.IMWRITE_PNG_COMPRESSION, PNG_COMPRESSION]
        )
        content = stream.tobytes()
        file = f"{FOLDER}/{Path(shown.name).stem}.png"
        (directory / file).write_bytes(content)
        golden.append(
            Golden(
                file=file,
                sha256=hashlib.sha256(content).hexdigest(),
                decision=answer.verdict(thresholds).decision.value,
                boxes=_boxes(answer, thresholds),
            )
        )
        if not wanted:
            break
    return tuple(golden)


def _boxes(answer: Answer, thresholds: Mapping[str, float]) -> tuple[GoldenBox, ...]:
    boxes = []
    for seen in answer.seen:
        if seen.confidence >= thresholds[seen.class_name]:
            x1, y1, x2, y2 = (round(edge, BOX_DIGITS) for edge in seen.box)
            confidence = round(seen.confidence, CONFIDENCE_DIGITS)
            boxes.append(GoldenBox(seen.class_name, confidence, (x1, y1, x2, y2)))
    return tuple(boxes)
