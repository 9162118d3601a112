"""`bin/train score`: models before the referee.

Exit codes: 0 scored, 1 asked for a grade (`--at-least`) that the best model does not reach, 2 wrong
usage, 130 interrupted.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from rvm_edge.train.arguments import natural, share
from rvm_edge.train.meter import Meter
from rvm_edge.train.stopping import Stop
from supervisors.clock import SystemClock

if TYPE_CHECKING:
    from models.vision.detector import Detector
    from rvm_edge.train.answers import Answer, Disturbance
    from rvm_edge.train.referee import Counted, Score

EXIT_OK, EXIT_NOT_GOOD, EXIT_USAGE, EXIT_INTERRUPTED = 0, 1, 2, 130

COLUMNS = ("right", "taken or not", "false accepts", "false rejects")

EPILOG = """\
examples:
  bin/train score --model work/detector-v1                       the referee's 80 pictures
  bin/train score --model work/v1 --model work/yolo              which of two ships
  bin/train score --model work/v1 --pictures work/developed      the validation side of a set
  bin/train score --model work/v1 --plain --json --at-least 0.97

The pictures: a folder with images/, labels/ and items.csv, a developed set or a rendered one (of
both only the side that nothing was learned from). They are shown as they are and again with noise,
blur, darkness and with a part of each thing covered; --plain leaves that out.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say which arguments `score` takes."""
    parser.epilog = EPILOG
    parser.add_argument(
        "--model",
        metavar="DIR",
        dest="models",
        type=Path,
        action="append",
        help="a model's directory; more than one: the referee names the one that ships",
    )
    parser.add_argument(
        "--pictures", metavar="DIR", type=Path, help="default: models/world/chamber"
    )
    parser.add_argument("--plain", action="store_true", help="the pictures as they are, no others")
    parser.add_argument("--limit", metavar="N", type=natural, help="no more than so many pictures")
    parser.add_argument(
        "--at-least", metavar="SHARE", type=share, help="fail unless so many decisions are right"
    )
    parser.add_argument("--json", action="store_true", help="print an array for programs")


def run(args: argparse.Namespace) -> int:
    """Score the models; give the exit code."""
    from models.vision import default_detector_directory
    from models.vision.errors import VisionError
    from models.vision.rendering.dataset import SetInvalid
    from rvm_edge.train.shown import PicturesInvalid, default_pictures

    pictures = args.pictures or default_pictures()
    directories = args.models or [default_detector_directory()]
    try:
        with Stop("this picture") as stop:
            scores = [
                score_model(directory, pictures, stop, plain=args.plain, limit=args.limit)
                for directory in directories
            ]
    except (VisionError, SetInvalid, PicturesInvalid) as error:
        print(f"bin/train score: {error}", file=sys.stderr)
        return EXIT_USAGE
    whole = [score for score in scores if score is not None]
    if len(whole) < len(scores):
        return EXIT_INTERRUPTED
    return _tell(whole, args)


def score_model(
    directory: Path, pictures: Path, stop: Stop, *, plain: bool = False, limit: int | None = None
) -> Score | None:
    """Show the pictures to one model; None if it was stopped.

    Raises:
        ModelError: the model cannot be used.
        PicturesInvalid: the pictures cannot.
    """
    from models.vision import open_detector
    from rvm_edge.train.referee import score

    detector = open_detector(directory)
    try:
        lots = _show_all(detector, pictures, stop, plain=plain, limit=limit)
    finally:
        detector.close()
    return None if stop.asked else score(detector.info, str(pictures), lots)


def _show_all(
    detector: Detector, pictures: Path, stop: Stop, *, plain: bool, limit: int | None
) -> dict[str, list[Answer]]:
    from rvm_edge.train.answers import look
    from rvm_edge.train.disturbed import DISTURBANCES
    from rvm_edge.train.referee import UNDISTURBED
    from rvm_edge.train.shown import PicturesInvalid, count, show

    lots: dict[str, Disturbance | None] = {UNDISTURBED: None}
    if not plain:
        lots.update(DISTURBANCES)
    answers: dict[str, list[Answer]] = {name: [] for name in lots}
    there = count(pictures)
    total = min(there, limit or there)
    if not total:
        raise PicturesInvalid(f"{pictures} holds no picture to measure on")
    clock = SystemClock()
    with closing(Meter(f"pictures shown to {detector.info.name}", total)) as meter:
        for shown in show(pictures):
            if stop.asked or len(answers[UNDISTURBED]) == total:
                break
            for name, disturb in lots.items():
                answers[name].append(look(detector, shown, clock, disturb))
            meter.step()
    return answers


def _tell(scores: Sequence[Score], args: argparse.Namespace) -> int:
    from rvm_edge.train.referee import best

    winner = best(scores)
    if args.json:
        print(json.dumps(msgspec.to_builtins(scores)))
    else:
        for score in scores:
            print("\n".join(_table(score)), end="\n\n")
        if len(scores) > 1:
            print(f"the referee ships {winner.model} ({winner.sha256[:12]})")
    if args.at_least is not None and winner.plain.right.share < args.at_least:
        text = f"{winner.plain.right.share:.1%} right, wanted at least {args.at_least:.1%}"
        print(f"bin/train score: {winner.model}: {text}", file=sys.stderr)
        return EXIT_NOT_GOOD
    return EXIT_OK


def _table(score: Score) -> list[str]:
    plain = score.plain
    lines = [
        f"{score.model}  {score.sha256[:12]}  {score.backend}  {plain.median_ms:.1f} ms a picture",
        f"{'':<14}{''.join(f'{title:>20}' for title in COLUMNS)}{'mAP50':>8}",
    ]
    for name, sitting in score.sittings.items():
        columns = (
            sitting.right,
            sitting.taken_right,
            sitting.false_accepts,
            sitting.false_rejects,
        )
        rates = "".join(f"{_rate(column):>20}" for column in columns)
        lines.append(f"{name:<14}{rates}{sitting.map50:>8.3f}")
    by_class = ", ".join(f"{name} {value:.2f}" for name, value in plain.by_class.items())
    lines.append(f"mAP50 per class: {by_class}")
    wrong = [
        f"{times} x {kinds} {decision} ({reason})"
        for kinds, decision, reason, times in plain.kinds
        if (decision == "accept") != (kinds == "mineral")
    ]
    lines.append(f"wrong: {'; '.join(wrong) or 'none'}")
    return lines


def _rate(rate: Counted) -> str:
    return f"{rate.share:.1%} ({rate.low:.0%}–{rate.high:.0%})"
