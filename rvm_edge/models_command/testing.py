"""`rvm-edge models test`: does it answer what is known, and how good is it on other pictures?"""

from __future__ import annotations

import argparse
import json
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from models.acceptance import Decision
from models.vision import load_manifest, open_detector
from models.vision.backends import available_backends
from models.vision.metrics import Decisions, class_confusion, mean_average_precision
from models.vision.trial import Job, Passed, TrialLimits
from rvm_edge.models_command.places import Unusable, find, home
from rvm_edge.models_command.trials import rehearse
from rvm_edge.progress import Progress
from supervisors.clock import SystemClock

if TYPE_CHECKING:
    from models.vision.metrics import Rate
    from rvm_edge.train.answers import Answer


class Golden(msgspec.Struct, frozen=True):
    """What one back end makes of the golden pictures; `why` is empty if all is as it should be."""

    backend: str
    pictures: int
    why: str = ""


def run(args: argparse.Namespace) -> int:
    """Test one model; 1 if an answer to a golden picture is wrong."""
    where = home(args.data_dir)
    place = find(args.model, where.store)
    golden = _golden(place, where.engines)
    score = None if args.pictures is None else _score(place, args.pictures)
    if args.json:
        report = {"directory": str(place), "golden": msgspec.to_builtins(golden), "score": score}
        print(json.dumps(report, indent=2))
    else:
        print("\n".join(_lines(golden, score)))
    return 1 if any(one.why for one in golden) or not golden else 0


def _golden(place: Path, engines: Path) -> list[Golden]:
    manifest = load_manifest(place)
    results = []
    for report in available_backends():
        if not report.usable or manifest.weights.format not in report.formats:
            continue
        job = Job(str(place), backend=report.name, cache=str(engines), needs_golden=False, rounds=1)
        answer = rehearse(job, TrialLimits())
        if isinstance(answer, Passed):
            results.append(Golden(answer.backend, answer.golden))
        else:
            results.append(Golden(report.name, len(manifest.golden), answer.why))
    return results


def _score(place: Path, pictures: Path) -> dict[str, Any]:
    """Show it pictures with labels, in the layout of models/world/chamber."""
    from rvm_edge.train.answers import look
    from rvm_edge.train.shown import PicturesInvalid, count, show

    detector = open_detector(place)
    clock = SystemClock()
    try:
        with closing(Progress("pictures", count(pictures))) as progress:
            answers = []
            for shown in show(pictures):
                answers.append(look(detector, shown, clock))
                progress.step()
    except PicturesInvalid as error:
        raise Unusable(str(error)) from error
    finally:
        detector.close()
    if not answers:
        raise Unusable(f"{pictures} holds no picture")
    return _scored(answers, detector.info.thresholds)


def _scored(answers: list[Answer], thresholds: Any) -> dict[str, Any]:
    decisions = Decisions(
        (answer.expected, answer.verdict(thresholds).decision) for answer in answers
    )
    precision = mean_average_precision([answer.picture for answer in answers])
    taken = class_confusion([answer.picture for answer in answers], thresholds)
    return {
        "pictures": len(answers),
        "right": _rate(decisions.right),
        "taken_right": _rate(decisions.taken_right),
        "false_accepts": _rate(decisions.false_accepts),
        "false_rejects": _rate(decisions.false_rejects),
        "map50": round(precision.mean, 4),
        "map50_by_class": {name: round(value, 4) for name, value in precision.by_class.items()},
        "decisions": [
            {"expected": expected.value, "decided": decided.value, "pictures": number}
            for (expected, decided), number in sorted(decisions.confusion.items(), key=_as_text)
        ],
        "classes": [
            {"true": true, "seen": seen, "things": number}
            for (true, seen), number in sorted(taken.items())
        ],
    }


def _as_text(entry: tuple[tuple[Decision, Decision], int]) -> tuple[str, str]:
    return entry[0][0].value, entry[0][1].value


def _rate(rate: Rate) -> dict[str, Any]:
    low, high = rate.interval()
    return {
        "hits": rate.hits,
        "of": rate.of,
        "share": round(rate.share, 4),
        "low": round(low, 4),
        "high": round(high, 4),
    }


# ----- For people ------------------------------------------------------------------------------


def _lines(golden: list[Golden], score: dict[str, Any] | None) -> list[str]:
    lines = [_of_golden(one) for one in golden] or ["no back end here runs it"]
    if score is None:
        return lines
    lines.append(f"{score['pictures']} pictures, with 95 % intervals:")
    for name, text in (
        ("taken_right", "accepted or not as it should be"),
        ("right", "decided exactly as expected"),
        ("false_accepts", "accepted, of what must not be"),
        ("false_rejects", "not accepted, of what must be"),
    ):
        rate = score[name]
        span = f"{100 * rate['low']:.1f}–{100 * rate['high']:.1f} %"
        count = f"{rate['hits']} of {rate['of']}"
        lines.append(f"  {text:<34}{100 * rate['share']:>6.1f} %  ({span}; {count})")
    by_class = ", ".join(f"{name} {value:.2f}" for name, value in score["map50_by_class"].items())
    lines.append(f"  mAP50 {score['map50']:.3f}: {by_class}")
    lines.append("  taken for something else (true, seen, how often):")
    mistaken = [one for one in score["classes"] if one["true"] != one["seen"]]
    mistaken.sort(key=lambda one: -int(one["things"]))
    return lines + [
        f"    {one['true']:<12}  {one['seen']:<12}  {one['things']:>4}" for one in mistaken
    ]


def _of_golden(one: Golden) -> str:
    if one.why:
        return f"golden pictures by {one.backend}: WRONG: {one.why}"
    if not one.pictures:
        return f"golden pictures by {one.backend}: it has none, so nobody knows whether it sees"
    return f"golden pictures by {one.backend}: {one.pictures} right"
