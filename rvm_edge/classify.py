"""`rvm-edge classify PICTURE…`: the shipped detector and the acceptance rule on picture files.

Runs in its own process, with or without a daemon beside it. Exit codes: 0 all classified, 1 some
files failed, 2 there is no usable model, 130 interrupted, 141 nobody reads the output any more.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Protocol, TypeAlias, final

import msgspec

from models.acceptance import Decision, judge
from models.reasons import Reason
from models.texts import reason_text
from models.vision.detector import Detection, Detector
from models.vision.errors import ModelError
from supervisors.clock import SystemClock

if TYPE_CHECKING:
    from supervisors.clock import Clock

EXIT_OK, EXIT_SOME_FAILED, EXIT_USAGE, EXIT_INTERRUPTED, EXIT_PIPE = 0, 1, 2, 130, 141
FILE_COLUMNS_MAX = 48  # a longer name pushes its own line only
DECISION_COLUMNS = 8
PIXEL_DIGITS, CONFIDENCE_DIGITS, TIME_DIGITS = 2, 4, 2


class Classified(msgspec.Struct, frozen=True):
    """What the machine makes of one picture.

    Attributes:
        milliseconds: decoding, detection and rule, without loading the model.
    """

    file: str
    decision: Decision
    reason: Reason
    detections: tuple[Detection, ...]
    milliseconds: float


class Failed(msgspec.Struct, frozen=True):
    """A file that could not be classified."""

    file: str
    error: str


Outcome: TypeAlias = Classified | Failed


class Report(Protocol):
    """Shows outcomes while they come."""

    def show(self, outcome: Outcome) -> None:
        """Show one."""
        ...

    def end(self) -> None:
        """No more will come; also after an interruption."""
        ...


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say which arguments `classify` takes."""
    parser.add_argument(
        "pictures", metavar="PICTURE", nargs="+", help="a picture file, or a directory of pictures"
    )
    parser.add_argument("--json", action="store_true", help="print a JSON array for programs")
    parser.add_argument(
        "--model", metavar="DIR", type=Path, help="a model's directory (default: the shipped one)"
    )
    parser.add_argument(
        "--backend",
        metavar="NAME",
        choices=("auto", "tensorrt", "onnxruntime", "opencv", "ultralytics"),
        default="auto",
        help="auto, tensorrt, onnxruntime, opencv or ultralytics (default: the best that is here)",
    )


def run(args: argparse.Namespace) -> int:
    """Classify the pictures; give the exit code."""
    from models.vision import default_detector_directory, open_detector

    try:
        # Their libraries take a third of a second to import: not while this file is imported.
        from actors.drivers.pictures import load_cv2

        load_cv2()
        model = args.model or default_detector_directory()
        detector = open_detector(model, backend=args.backend)
    except ModelError as error:
        print(f"rvm-edge classify: {error}", file=sys.stderr)
        return EXIT_USAGE
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    try:
        with _Interruption() as interruption:
            return _classify_all(args, detector, interruption)
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # What is still buffered has nowhere to go; the interpreter must not try at its exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_PIPE
    finally:
        detector.close()


def _classify_all(args: argparse.Namespace, detector: Detector, interruption: _Interruption) -> int:
    clock = SystemClock()
    work = list(_expand(args.pictures))
    report: Report = _JsonReport() if args.json else _Table(work)
    progress = _Progress(len(work), quiet=not args.json and sys.stdout.isatty())
    failed = 0
    try:
        for item in work:
            if interruption.asked:
                return EXIT_INTERRUPTED
            outcome = item if isinstance(item, Failed) else classify(item, detector, clock)
            failed += isinstance(outcome, Failed)
            progress.clear()
            report.show(outcome)
            progress.step()
    finally:
        progress.clear()
        report.end()
    return EXIT_SOME_FAILED if failed else EXIT_OK


def classify(path: Path, detector: Detector, clock: Clock) -> Outcome:
    """Decode one picture, look at it, and judge."""
    from actors.drivers.pictures import PicturesError, read_picture
    from models.vision.errors import FrameInvalid

    started_s = clock.monotonic()
    try:
        frame = read_picture(path)
        detections = detector.detect(frame)
    except (PicturesError, FrameInvalid) as error:
        return Failed(_printable(path), str(error))
    verdict = judge(detections, detector.info.thresholds)
    return Classified(
        file=_printable(path),
        decision=verdict.decision,
        reason=verdict.reason,
        detections=tuple(_rounded(seen) for seen in detections),
        milliseconds=round((clock.monotonic() - started_s) * 1000, TIME_DIGITS),
    )


def _expand(names: Sequence[str]) -> Iterator[Path | Failed]:
    """Put the pictures of a directory in its place."""
    from actors.drivers.pictures import SourceMissing, list_pictures

    for name in names:
        path = Path(name)
        if not path.is_dir():
            yield path
            continue
        try:
            yield from list_pictures(path)
        except SourceMissing as error:
            yield Failed(_printable(path), str(error))


def _rounded(seen: Detection) -> Detection:
    x1, y1, x2, y2 = (round(edge, PIXEL_DIGITS) for edge in seen.box)
    return Detection(seen.class_name, round(seen.confidence, CONFIDENCE_DIGITS), (x1, y1, x2, y2))


def _surest_of_each_class(detections: Sequence[Detection]) -> str:
    surest: dict[str, float] = {}
    for seen in detections:
        surest[seen.class_name] = max(seen.confidence, surest.get(seen.class_name, 0.0))
    return ", ".join(f"{name} {confidence:.2f}" for name, confidence in surest.items())


def _printable(path: Path) -> str:
    """A file's name may be any bytes; what is printed is text."""
    return os.fsencode(path).decode("utf-8", errors="replace")


@final
class _Interruption:
    """The first Ctrl-C ends the work between two pictures, so that no line is cut in half.

    The second one ends it wherever it is.
    """

    def __init__(self) -> None:
        self.asked = False

    def __enter__(self) -> _Interruption:
        self._outer = signal.signal(signal.SIGINT, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        signal.signal(signal.SIGINT, self._outer)

    def _note(self, _number: int, _frame: FrameType | None) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True


class _JsonReport:
    """One JSON array, an element a line, closed whatever happens."""

    def __init__(self) -> None:
        self._before = "["

    def show(self, outcome: Outcome) -> None:
        print(f"{self._before}\n  {json.dumps(msgspec.to_builtins(outcome))}", end="", flush=True)
        self._before = ","

    def end(self) -> None:
        print("[]" if self._before == "[" else "\n]", flush=True)


class _Table:
    """Aligned columns for people; what failed goes to stderr."""

    def __init__(self, work: Sequence[Path | Failed]) -> None:
        lengths = [len(_printable(item)) for item in work if isinstance(item, Path)]
        self._columns = min(FILE_COLUMNS_MAX, max(lengths, default=0))

    def show(self, outcome: Outcome) -> None:
        if isinstance(outcome, Failed):
            print(f"rvm-edge classify: {outcome.error}", file=sys.stderr, flush=True)
            return
        seen = _surest_of_each_class(outcome.detections)
        print(
            f"{outcome.file:<{self._columns}}  {outcome.decision.value:<{DECISION_COLUMNS}}"
            f"{outcome.milliseconds:>7.1f} ms  {reason_text(outcome.reason, 'en')}"
            f"{f'  ({seen})' if seen else ''}",
            flush=True,
        )

    def end(self) -> None:
        """A table has no end mark."""


class _Progress:
    """How far we are, on a terminal, where the results themselves do not say it."""

    def __init__(self, total: int, *, quiet: bool) -> None:
        self._total = total
        self._done = 0
        self._on = sys.stderr.isatty() and not quiet and total > 1

    def step(self) -> None:
        self._done += 1
        if self._on:
            print(f"\r{self._done}/{self._total}", end="", file=sys.stderr, flush=True)

    def clear(self) -> None:
        if self._on:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
