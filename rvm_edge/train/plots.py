"""Pictures of numbers, and of pictures: what the model card shows.

All of it is drawn in memory and written as PNG; nothing needs a screen.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from models.acceptance import Decision
from models.vision.metrics import NOTHING, precision_and_recall
from rvm_edge.train.answers import Answer
from rvm_edge.train.shown import Shown
from rvm_edge.train.sweeping import Step

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDE, SQUARE = (7.0, 4.2), (6.4, 5.6)
DOTS_PER_INCH = 100
EXAMPLES_WRONG, EXAMPLES = 6, 12
TILE_PX = (256, 192)
TILES_ACROSS = 4
TITLE_PX = 20
GOOD_BGR, BAD_BGR, TRUE_BGR = (90, 160, 60), (50, 50, 210), (200, 160, 60)


def _figure(size: tuple[float, float]) -> tuple[Figure, Axes]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, dpi=DOTS_PER_INCH, layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.add_subplot()


def draw_precision_and_recall(
    path: Path, answers: Sequence[Answer], thresholds: Mapping[str, float]
) -> None:
    """One curve a class; a dot where its threshold is."""
    figure, axes = _figure(SQUARE)
    pictures = [answer.picture for answer in answers]
    for name, threshold in thresholds.items():
        points = precision_and_recall(pictures, name)
        if not points:
            continue
        recalls = [point.recall for point in points]
        (line,) = axes.plot(recalls, [point.precision for point in points], label=name)
        used = [point for point in points if point.confidence >= threshold]
        if used:
            axes.plot(used[-1].recall, used[-1].precision, "o", color=line.get_color())
    axes.set(xlabel="recall", ylabel="precision", xlim=(0, 1.02), ylim=(0, 1.02))
    axes.grid(alpha=0.3)
    if axes.lines:
        axes.legend(loc="best")
    axes.set_title("Finding things (overlap of one half); dot: where the threshold is")
    figure.savefig(path)


def draw_confusion(
    path: Path, counted: Iterable[tuple[str, str, int]], classes: Sequence[str]
) -> None:
    """What was taken for what: rows are true, columns are seen; shares of the row, and counts."""
    names = [*classes, NOTHING]
    table = np.zeros((len(names), len(names)), int)
    for true, seen, times in counted:
        table[names.index(true), names.index(seen)] = times
    share = table / np.maximum(1, table.sum(axis=1, keepdims=True))
    figure, axes = _figure(SQUARE)
    axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    for (row, column), times in np.ndenumerate(table):
        if times:
            ink = "white" if share[row, column] > 0.5 else "black"  # noqa: PLR2004 - half way
            axes.text(column, row, str(times), ha="center", va="center", color=ink)
    axes.set_xticks(range(len(names)), names, rotation=45, ha="right")
    axes.set_yticks(range(len(names)), names)
    axes.set(xlabel="seen", ylabel="true", title="What was taken for what, at the thresholds")
    figure.savefig(path)


def draw_sweep(path: Path, steps: Sequence[Step], threshold: float) -> None:
    """False accepts and false rejects over the accepted class's threshold."""
    figure, axes = _figure(WIDE)
    for name, rates in (
        ("false accepts", [step.decisions.false_accepts for step in steps]),
        ("false rejects", [step.decisions.false_rejects for step in steps]),
    ):
        at = [step.threshold for step in steps]
        (line,) = axes.plot(at, [100 * rate.share for rate in rates], label=name)
        low, high = np.array([rate.interval() for rate in rates]).T * 100
        axes.fill_between(at, low, high, alpha=0.15, color=line.get_color())
    axes.axvline(threshold, color="grey", linestyle="--", label="chosen")
    axes.set(xlabel="threshold of mineral", ylabel="% (band: 95 %)", xlim=(0, 1), ylim=(0, None))
    axes.grid(alpha=0.3)
    axes.legend()
    axes.set_title("The price of being strict")
    figure.savefig(path)


def draw_training(path: Path, run_path: Path) -> bool:
    """How the run went; whether there is anything to draw."""
    curves = _centre_log(run_path) or _yolo_log(run_path)
    if not curves:
        return False
    figure, axes = _figure(WIDE)
    for name, (x, y) in curves.items():
        axes.plot(x, y, label=name)
    axes.set(xlabel="steps" if (run_path / "log.jsonl").exists() else "epochs", ylabel="loss")
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    axes.legend()
    axes.set_title("How the run went")
    figure.savefig(path)
    return True


Curves = dict[str, tuple[list[float], list[float]]]


def _centre_log(run_path: Path) -> Curves:
    path = run_path / "log.jsonl"
    if not path.exists():
        return {}
    rows: list[dict[str, Any]] = [json.loads(line) for line in path.read_text().splitlines()]
    x = [float(row["step"]) for row in rows]
    return {
        "learned pictures": (x, [float(row["total"]) for row in rows]),
        "unseen pictures": (x, [float(row["validation"] or "nan") for row in rows]),
    }


def _yolo_log(run_path: Path) -> Curves:
    path = run_path / "ultralytics" / "results.csv"
    if not path.exists():
        return {}
    head, *lines = [line.split(",") for line in path.read_text().splitlines()]
    names = [name.strip() for name in head]
    columns = list(zip(*((float(value) for value in line) for line in lines), strict=True))
    x = list(columns[names.index("epoch")])
    return {
        name: (x, list(column))
        for name, column in zip(names, columns, strict=True)
        if name.endswith("_loss")
    }


# ----- Examples -------------------------------------------------------------------------------


def draw_examples(
    path: Path,
    answers: Sequence[Answer],
    thresholds: Mapping[str, float],
    pictures: Iterable[Shown],
) -> None:
    """Pictures with what was seen on them: the wrong decisions first, then right ones."""
    wanted = choose_examples(answers, thresholds)
    frames = {}
    for shown in pictures:
        if shown.name in {answer.name for answer in wanted}:
            frames[shown.name] = shown.frame
        if len(frames) == len(wanted):
            break
    tiles = [_tile(frames[answer.name], answer, thresholds) for answer in wanted]
    while len(tiles) % TILES_ACROSS:
        tiles.append(np.full_like(tiles[0], 255))
    rows = [
        np.hstack(tiles[start : start + TILES_ACROSS])
        for start in range(0, len(tiles), TILES_ACROSS)
    ]
    cv2.imwrite(str(path), np.vstack(rows), [cv2.IMWRITE_PNG_COMPRESSION, 9])


def choose_examples(
    answers: Sequence[Answer], thresholds: Mapping[str, float]
) -> tuple[Answer, ...]:
    """Some wrong ones, and right ones of as many kinds as there are."""
    by_verdict: dict[bool, list[Answer]] = {True: [], False: []}
    for answer in answers:
        by_verdict[is_right(answer, thresholds)].append(answer)
    wrong = by_verdict[False][:EXAMPLES_WRONG]
    kinds = {answer.kinds: answer for answer in reversed(by_verdict[True])}
    right = [*kinds.values(), *(one for one in by_verdict[True] if one not in kinds.values())]
    return (*wrong, *right[: EXAMPLES - len(wrong)])


def is_right(answer: Answer, thresholds: Mapping[str, float]) -> bool:
    """Accepted or not, as it should be."""
    taken = answer.verdict(thresholds).decision is Decision.ACCEPT
    return taken is (answer.expected is Decision.ACCEPT)


def _tile(
    frame: NDArray[np.uint8], answer: Answer, thresholds: Mapping[str, float]
) -> NDArray[np.uint8]:
    scale = np.array([TILE_PX[0] / frame.shape[1], TILE_PX[1] / frame.shape[0]] * 2)
    picture = np.asarray(cv2.resize(frame, TILE_PX, interpolation=cv2.INTER_AREA), np.uint8)
    for label in answer.true:
        _box(picture, np.array(label.box) * scale, TRUE_BGR, "", 1)
    for place, seen in enumerate(answer.seen):
        if seen.confidence >= thresholds[seen.class_name]:
            text = f"{seen.class_name} {seen.confidence:.2f}"
            _box(picture, np.array(seen.box) * scale, GOOD_BGR, text, place)
    colour = GOOD_BGR if is_right(answer, thresholds) else BAD_BGR
    head = np.full((TITLE_PX, TILE_PX[0], 3), colour, np.uint8)
    verdict = answer.verdict(thresholds)
    _write(head, f"{answer.kinds or 'empty'}: {verdict.decision.value}", (4, 14))
    return np.vstack([head, picture])


def _box(
    picture: NDArray[np.uint8],
    box: NDArray[np.float64],
    colour: tuple[int, int, int],
    text: str,
    place: int,
) -> None:
    x1, y1, x2, y2 = (int(edge) for edge in box)
    cv2.rectangle(picture, (x1, y1), (x2, y2), colour, 1)
    if text:
        row = min(max(12, y1 + 12), TILE_PX[1] - 4) + 12 * place
        _write(picture, text, (min(max(2, x1 + 2), TILE_PX[0] - 100), row))


def _write(picture: NDArray[np.uint8], text: str, at: tuple[int, int]) -> None:
    face, scale = cv2.FONT_HERSHEY_SIMPLEX, 0.38
    (width, height), below = cv2.getTextSize(text, face, scale, 1)
    x, y = at
    cv2.rectangle(picture, (x - 1, y - height - 1), (x + width, y + below - 1), (40, 40, 40), -1)
    cv2.putText(picture, text, at, face, scale, (255, 255, 255), 1, cv2.LINE_AA)
