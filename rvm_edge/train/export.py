"""`bin/train export`: a training run → a model directory that proves itself.

    OUT/model.onnx        the network with its decoding, (1, N, 6)
    OUT/manifest.json     classes, input, thresholds, digests, where it comes from
    OUT/golden/*.png      pictures with the answers that it has to give before it serves
    OUT/card.md, plots/   what it was trained on, how it scores, what it is bad at

The directory appears when all of it is there and the golden test has passed. Exit codes: 0 done,
1 the model does not do what its own directory says, 2 wrong usage, 130 interrupted.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from models.acceptance import ACCEPTED_CLASS, LIQUID_CLASS, Decision
from rvm_edge.train import golden, runs
from rvm_edge.train.arguments import folder, natural
from rvm_edge.train.describing import (
    CARD,
    WEIGHTS,
    Choice,
    Job,
    describe,
    weaknesses,
)
from rvm_edge.train.meter import Meter
from rvm_edge.train.stopping import Stop
from supervisors.clock import SystemClock

if TYPE_CHECKING:
    from models.vision.training.thresholds import Thresholds
    from rvm_edge.train.answers import Answer
    from rvm_edge.train.runs import RunAbout

EXIT_OK, EXIT_FAILED, EXIT_USAGE, EXIT_INTERRUPTED = 0, 1, 2, 130
VARIANTS = 2

EPILOG = """\
examples:
  bin/train export --run work/run --out work/detector-v1
  bin/train export --run work/yolo --out work/yolo26n --pictures work/rendered

Thresholds, golden pictures and the card's scores come from pictures that the network never learned
from: by default the validation side of what the run was trained on. Afterwards the referee's
pictures are shown once, for the card; nothing is chosen on them.
"""


class Stopped(Exception):
    """Ctrl-C: nothing was written."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say which arguments `export` takes."""
    parser.epilog = EPILOG
    parser.add_argument(
        "--run", metavar="RUN", dest="run_path", type=folder, required=True, help="of bin/train fit"
    )
    parser.add_argument(
        "--out", metavar="DIR", type=Path, required=True, help="the model; its name is DIR's"
    )
    parser.add_argument(
        "--pictures",
        metavar="DIR",
        type=folder,
        nargs="+",
        default=(),
        help="to choose thresholds on (default: the run's)",
    )
    parser.add_argument(
        "--variants",
        type=natural,
        default=VARIANTS,
        help=f"photographs of each rendered picture (default: {VARIANTS})",
    )
    parser.add_argument("--json", action="store_true", help="print what was made for programs")


def run(args: argparse.Namespace) -> int:
    """Export; give the exit code."""
    from models.vision import load_manifest
    from models.vision.errors import VisionError
    from models.vision.rendering.dataset import SetInvalid
    from rvm_edge.train.shown import PicturesInvalid

    with Stop("this picture") as stop:
        try:
            export(args.run_path, args.out, stop, pictures=args.pictures, variants=args.variants)
        except Stopped:
            return EXIT_INTERRUPTED
        except (runs.RunInvalid, SetInvalid, PicturesInvalid) as error:
            print(f"bin/train export: {error}", file=sys.stderr)
            return EXIT_USAGE
        except VisionError as error:
            print(f"bin/train export: the model was made, but: {error}", file=sys.stderr)
            return EXIT_FAILED
    if args.json:
        manifest = load_manifest(args.out)
        facts = {"sha256": manifest.weights.sha256, "seen_from": manifest.seen_from}
        print(json.dumps({"model": str(args.out), **facts, "thresholds": manifest.thresholds}))
    else:
        print(f"{args.out}: made and proven; read {args.out / CARD}")
    return EXIT_OK


def export(
    run_path: Path,
    out: Path,
    stop: Stop,
    *,
    pictures: Sequence[Path] = (),
    variants: int = VARIANTS,
) -> None:
    """Make the model directory.

    Raises:
        Stopped: somebody wanted it to end.
        RunInvalid: there is no run, or `out` holds something else.
        VisionError: the model does not work as its directory says.
    """
    from models.vision import load_manifest, open_detector
    from models.vision.golden import load_golden, prove

    about = _about(run_path, pictures)
    if out.exists() and not (out / "manifest.json").exists():
        raise runs.RunInvalid(f"{out} is there and is no model; name another folder")
    part = out.with_name(f".{out.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    try:
        unseen = tuple(pictures) or tuple(Path(source) for source in about.sources)
        job = Job(run_path, about, part, out.name, unseen, variants)
        _assemble(job, stop)
        with closing(open_detector(part)) as detector:
            prove(detector, load_golden(part, load_manifest(part)))
        _put(part, out)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _put(part: Path, out: Path) -> None:
    """Let the new directory take the old one's place, which is gone for two renames."""
    old = out.with_name(f".{out.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if out.exists():
        out.rename(old)
    part.rename(out)
    shutil.rmtree(old, ignore_errors=True)


def _about(run_path: Path, pictures: Sequence[Path]) -> RunAbout:
    """Read what the run is; one of the trainer's own is taken over, with the pictures named."""
    from rvm_edge.train.centre import adopt

    if pictures and not (run_path / runs.RUN_FILE).exists():
        about = adopt(run_path, tuple(str(path.resolve()) for path in pictures))
        if about is not None:
            return about
    return runs.read(run_path)


def _assemble(job: Job, stop: Stop) -> None:
    """Fill the directory: each step needs what the one before has found out."""
    from rvm_edge.train.card import Facts, write_card
    from rvm_edge.train.score import score_model
    from rvm_edge.train.shown import default_pictures, show_all

    weights = export_weights(job.run_path, job.about)
    (job.part / WEIGHTS).write_bytes(weights)
    describe(job, Choice.lowest(), weights)
    answers = _look(job, stop)
    chosen = choose(answers)
    choice = Choice.of(chosen)
    proofs = golden.write(
        job.part,
        golden.choose(answers, choice.thresholds, choice.seen_from),
        show_all(job.pictures, job.variants),
        choice.thresholds,
    )
    describe(job, choice, weights, golden=proofs, shown=len(answers))
    referee = score_model(job.part, default_pictures(), stop)
    if referee is None:
        raise Stopped
    seen = tuple(golden.above(answer, choice.seen_from) for answer in answers)
    manifest = describe(
        job, choice, weights, golden=proofs, shown=len(answers), weak=weaknesses(referee)
    )
    facts = Facts(manifest, job.run_path, job.about, seen, chosen, referee)
    write_card(job.part, facts, show_all(job.pictures, job.variants))


def export_weights(run_path: Path, about: RunAbout) -> bytes:
    """Give the run's network as ONNX.

    Raises:
        RunInvalid: nothing is saved yet.
    """
    from rvm_edge.train.centre import export_centre
    from rvm_edge.train.yolo import export_yolo

    return (export_centre if about.network == "centre" else export_yolo)(run_path, about)


def _look(job: Job, stop: Stop) -> tuple[Answer, ...]:
    """Show the unseen pictures to the exported network, by the back end that will serve it."""
    from models.vision import open_detector
    from rvm_edge.train.answers import look
    from rvm_edge.train.shown import PicturesInvalid, count, show_all

    total = sum(count(path, job.variants) for path in job.pictures)
    if not total:
        names = ", ".join(map(str, job.pictures))
        raise PicturesInvalid(f"there is no picture in {names} to choose thresholds on")
    clock, answers = SystemClock(), []
    with (
        closing(open_detector(job.part)) as detector,
        closing(Meter("unseen pictures looked at", total)) as meter,
    ):
        for shown in show_all(job.pictures, job.variants):
            if stop.asked:
                raise Stopped
            answers.append(look(detector, shown, clock))
            meter.step()
    return tuple(answers)


def choose(answers: Sequence[Answer]) -> Thresholds:
    """Choose the thresholds on pictures that the network never learned from."""
    from models.vision.training.thresholds import Judged
    from models.vision.training.thresholds import choose as choose_thresholds

    return choose_thresholds(
        [
            Judged(
                answer.seen,
                should_accept=answer.expected is Decision.ACCEPT,
                is_empty=answer.expected is Decision.EMPTY,
                is_wet={one.class_name for one in answer.true} == {ACCEPTED_CLASS, LIQUID_CLASS},
            )
            for answer in answers
        ]
    )
