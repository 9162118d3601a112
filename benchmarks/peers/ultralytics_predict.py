"""The peer: what somebody has who calls `YOLO(...).predict(...)` on the same weights and picture.

It runs in an interpreter of its own, RVM_BENCH_ULTRALYTICS, because it brings torch; without that
variable in ours, if the extra `train` is installed.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple

import numpy as np

from benchmarks.peers import ultralytics_child
from benchmarks.peers.ultralytics_words import labelled

if TYPE_CHECKING:
    from models.vision import Detection, Manifest
    from models.vision.detector import Frame
    from models.vision.manifest import InputContract

INTERPRETER = "RVM_BENCH_ULTRALYTICS"
PINS = "torch==2.13.0 torchvision==0.28.0 ultralytics-opencv-headless==8.4.190"
INSTALL = (
    f"python3 -m venv DIR && DIR/bin/pip install {PINS} onnx onnxslim onnxruntime (1.5 GB), then"
    f" {INTERPRETER}=DIR/bin/python"
)
_SETTINGS = {
    "YOLO_AUTOINSTALL": "false",
    "YOLO_OFFLINE": "true",
    "YOLO_VERBOSE": "false",
    "OMP_NUM_THREADS": "1",
    "ORT_DISABLE_TELEMETRY": "1",
}
_CONFIDENCE_TOLERANCE = 0.01
_BOX_TOLERANCE_PX = 1.0


class PeerAbsent(Exception):
    """ultralytics cannot be had here, or does not do the same work; the message says why."""


class Start(NamedTuple):
    """What it took to come to the first answer.

    Attributes:
        ready_s: import and `YOLO(...)`, which does not load the network yet.
        first_s: of the first prediction, which does.
    """

    ready_s: float
    first_s: float


class Ultralytics:
    """A process that predicts when it is told to."""

    def __init__(self, process: subprocess.Popen[str], log: IO[str]) -> None:
        self._process, self._log = process, log
        first = self._hear()
        self.start = Start(first["ready_s"], first["first_s"])
        self.rows: list[list[float]] = first["rows"]

    @classmethod
    @contextmanager
    def started(cls, weights: Path, manifest: Manifest, frame: Frame) -> Iterator[Ultralytics]:
        """One that has looked at the picture once.

        Args:
            weights: `.onnx` of any detector with the contract of ours, or a `.pt`.
            manifest: what is known of them.

        Raises:
            PeerAbsent: there is none, or it fails; the last thing it said stands in the message.
        """
        with tempfile.TemporaryDirectory(prefix="bench-ultralytics-") as home:
            given, picture = Path(home) / f"weights{weights.suffix}", Path(home) / "picture.npy"
            content = weights.read_bytes()
            given.write_bytes(labelled(content, manifest) if given.suffix == ".onnx" else content)
            np.save(picture, frame)
            words = (str(given), str(picture), str(manifest.seen_from), _size(manifest.input))
            with _child(Path(home), "predict", *words) as (process, log):
                yield cls(process, log)

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    def predict_ms(self, count: int) -> float:
        """Median of so many predictions."""
        assert self._process.stdin is not None
        print(count, file=self._process.stdin, flush=True)
        return float(self._hear()["ms"])

    def agrees_with(self, seen: Sequence[Detection], classes: Sequence[str]) -> bool:
        """Whether it sees the same things at the same places, so that the work was the same."""
        theirs = sorted(self.rows, key=lambda row: -row[4])
        if len(theirs) != len(seen):
            return False
        return all(
            classes[int(row[5])] == ours.class_name
            and abs(row[4] - ours.confidence) <= _CONFIDENCE_TOLERANCE
            and max(abs(a - b) for a, b in zip(row, ours.box, strict=False)) <= _BOX_TOLERANCE_PX
            for row, ours in zip(theirs, seen, strict=True)
        )

    def _hear(self) -> Any:
        return _hear(self._process, self._log)


def make_yolo(home: Path, classes: int, wanted: InputContract) -> tuple[Path, Path]:
    """Have ultralytics make a YOLO26n and export it.

    Returns:
        Its own file and the ONNX of it: the same random weights.

    Raises:
        PeerAbsent: as `Ultralytics.started`.
    """
    with _child(home, "make", "yolo", str(classes), _size(wanted)) as (process, log):
        _hear(process, log)
    return home / "yolo.pt", home / "yolo.onnx"


@contextmanager
def _child(home: Path, *words: str) -> Iterator[tuple[subprocess.Popen[str], IO[str]]]:
    command = [_interpreter(), "-I", str(ultralytics_child.__file__), *words]
    with (
        (home / "log").open("w+") as log,
        subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            cwd=home,
            env={**os.environ, **_SETTINGS, "YOLO_CONFIG_DIR": str(home)},
        ) as process,
    ):
        try:
            yield process, log
        finally:
            process.kill()


def _interpreter() -> str:
    named = os.environ.get(INTERPRETER, "")
    if not named and find_spec("ultralytics") is None:
        raise PeerAbsent(f"not measured without ultralytics: {INSTALL}")
    if named and not Path(named).is_file():
        raise PeerAbsent(f"{INTERPRETER} names {named}, which is no file: {INSTALL}")
    return str(Path(named).absolute()) if named else sys.executable


def _hear(process: subprocess.Popen[str], log: IO[str]) -> Any:
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        log.seek(0)
        last = ([text for text in log.read().splitlines() if text.strip()] or ["?"])[-1]
        raise PeerAbsent(f"ultralytics ended: {last.strip()}")
    return json.loads(line)


def _size(wanted: InputContract) -> str:
    return f"{wanted.width_px}x{wanted.height_px}"
