"""What a detector is worth against what it costs: input size, back end, time, megabytes.

The pictures are the chamber's that ship, which are the visible referee: nothing was trained on them
and no threshold was chosen on them. A table like this one is no reason to begin with that.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.kit.survey import Cells, Survey
from models.vision import available_backends, default_detector_directory, open_detector
from models.vision.errors import ModelError
from models.vision.manifest import load_manifest
from rvm_edge.train.answers import look_at_all
from rvm_edge.train.meter import Meter
from rvm_edge.train.referee import Counted, Sitting, sit
from rvm_edge.train.shown import Shown, default_pictures, show
from supervisors.clock import SystemClock

if TYPE_CHECKING:
    from models.vision import Manifest

_QUICK_PICTURES = 16


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which models are compared."""
    parser.add_argument(
        "--models",
        metavar="DIR",
        nargs="+",
        type=Path,
        default=[],
        help="accuracy: directories of models (default: those that ship)",
    )


def shipped() -> list[Path]:
    """The models that lie beside the one that serves by default."""
    return sorted(
        path.parent for path in default_detector_directory().parent.glob("*/manifest.json")
    )


def _take(args: argparse.Namespace) -> Iterator[Cells]:
    pictures = tuple(show(default_pictures()))[: _QUICK_PICTURES if args.quick else None]
    directories: Sequence[Path] = args.models or shipped()
    backends = [report.name for report in available_backends() if report.usable]
    with closing(Meter("models and back ends", len(directories) * len(backends))) as meter:
        for directory in directories:
            try:
                manifest = load_manifest(directory)
            except ModelError as error:
                yield (str(directory), "", "", None, None, "", "", None, str(error))
                continue
            for backend in backends:
                yield _row(directory, manifest, backend, pictures)
                meter.step()


def _row(directory: Path, manifest: Manifest, backend: str, pictures: Sequence[Shown]) -> Cells:
    size = f"{manifest.input.width_px}x{manifest.input.height_px}"
    weights_mb = manifest.weights.size_bytes / 1e6
    try:
        detector = open_detector(directory, backend=backend)
    except ModelError as error:
        return (manifest.name, backend, size, weights_mb, None, "", "", None, str(error))
    with closing(detector):
        answers = look_at_all(detector, pictures, SystemClock())
        found = sit(answers, detector.info.thresholds)
        return (manifest.name, detector.info.backend, size, weights_mb, *_worth(found), "")


def _worth(found: Sitting) -> Cells:
    return (
        found.median_ms,
        _share(found.right),
        _share(found.false_accepts_of_all),
        found.map50,
    )


def _share(counted: Counted) -> str:
    return f"{counted.hits} of {counted.of}, {counted.share:.1%}"


SURVEY = Survey(
    "accuracy",
    "decisions and boxes on the chamber's pictures (the visible referee: never learned from)",
    ("model", "back end", "input", "MB", "ms", "right", "false accepts", "mAP50", ""),
    _take,
)
