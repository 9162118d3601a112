"""Import and load of the detector in a fresh interpreter, and its first picture.

The interpreter's own start is not counted: ours, the bare session and ultralytics begin to count
when their first line runs.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from actors.drivers.pictures import read_picture
from benchmarks.kit.contest import Absent, Case, Contender, Versus
from benchmarks.peers.ultralytics_predict import PeerAbsent, Ultralytics
from models.vision import default_detector_directory, load_manifest
from models.world.catalogue import load_catalogue

_ROOT = Path(__file__).resolve().parents[2]
_STEADY = 20
_OURS = """\
import time
began = time.perf_counter_ns()
import json, statistics, sys
from pathlib import Path
from models.vision import open_detector
detector = open_detector(Path(sys.argv[1]))
ready = time.perf_counter_ns()
from actors.drivers.pictures import read_picture
frame, took = read_picture(Path(sys.argv[2])), []
for _ in range(1 + int(sys.argv[3])):
    before = time.perf_counter_ns()
    detector.detect(frame)
    took.append((time.perf_counter_ns() - before) / 1e6)
print(json.dumps([(ready - began) / 1e6, took[0], statistics.median(took[1:])]))
"""
_BARE = """\
import time
began = time.perf_counter_ns()
import sys, numpy, cv2, onnxruntime
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
session = onnxruntime.InferenceSession(sys.argv[1], options)
print((time.perf_counter_ns() - began) / 1e6)
"""
_LOAD, _LOAD_BARE = "our detector: import and load", "bare session: import and load"
_ANSWER, _ANSWER_PREDICT = "our detector: to the first answer", "ultralytics: to the first answer"
_FIRST, _STEADY_STATE = "first picture after load", "steady state"


class _Life(NamedTuple):
    """What one interpreter's detector took, in ms."""

    load_ms: float
    first_ms: float
    steady_ms: float


def _live() -> _Life:
    picture = load_catalogue().of_kind("mineral")[0].picture
    said = _python(_OURS, str(default_detector_directory()), str(picture), str(_STEADY))
    return _Life(*json.loads(said))


def _bare_ms(path: Path) -> float:
    return float(_python(_BARE, str(path)))


def _python(code: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=_ROOT,
        env={**os.environ, "ORT_DISABLE_TELEMETRY": "1"},
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    return done.stdout


@contextmanager
def _load(work: float) -> Iterator[Mapping[str, Contender]]:
    del work
    directory = default_detector_directory()
    weights = directory / load_manifest(directory).weights.file
    last: list[_Life] = []

    def load() -> float:
        last[:] = [_live()]
        return last[0].load_ms

    yield {
        _LOAD: load,
        _LOAD_BARE: lambda: _bare_ms(weights),
        _ANSWER: lambda: last[0].load_ms + last[0].first_ms,
        _ANSWER_PREDICT: _first_answer(directory),
        _FIRST: lambda: last[0].first_ms,
        _STEADY_STATE: lambda: last[0].steady_ms,
    }


def _first_answer(directory: Path) -> Contender:
    """Ultralytics loads a network when it predicts for the first time."""
    manifest = load_manifest(directory)
    weights = directory / manifest.weights.file
    frame = read_picture(load_catalogue().of_kind("mineral")[0].picture)

    def answer_ms() -> float:
        with Ultralytics.started(weights, manifest, frame) as peer:
            return (peer.start.ready_s + peer.start.first_s) * 1e3

    return _or_absent(answer_ms)


def _or_absent(contender: Callable[[], float]) -> Contender:
    try:
        contender()
    except PeerAbsent as error:
        return Absent(str(error))
    return contender


CASES = (
    Case(
        "load",
        "a fresh interpreter's way to a loaded detector, and its first picture",
        "ms",
        _load,
        (
            Versus(_LOAD, _LOAD_BARE),
            Versus(_ANSWER, _ANSWER_PREDICT),
            Versus(_FIRST, _STEADY_STATE),
        ),
        rounds=5,
        placements=("one",),
    ),
)
