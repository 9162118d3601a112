"""The peer's far end: ultralytics itself, in an interpreter that knows nothing of ours.

    python ultralytics_child.py predict WEIGHTS PICTURE.npy CONFIDENCE WIDTHxHEIGHT
    python ultralytics_child.py make    NAME CLASSES WIDTHxHEIGHT

`predict`: each line in is a number of predictions; each line out is JSON. The first line out tells
what it took to get to the first answer, and what that was. `make`: random weights, as NAME.pt and
as the NAME.onnx that ultralytics exports of them, in the working directory.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TextIO

_NETWORK = "yolo26n.yaml"


def main(argv: list[str]) -> None:
    """Do one of the two."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # the library prints, too
    command, *arguments = argv
    (predict if command == "predict" else make)(answers, *arguments)


def predict(answers: TextIO, weights: str, picture: str, confidence: str, size: str) -> None:
    """Load, look once, then as often as is asked for."""
    began_s = time.perf_counter()
    import numpy as np
    from ultralytics import YOLO

    if Path(weights).suffix == ".onnx":
        _one_thread()
    model = YOLO(weights, task="detect")
    frame = np.load(picture)
    options = {"imgsz": _sides(size), "conf": float(confidence), "device": "cpu", "verbose": False}
    if Path(weights).suffix == ".pt":
        options["nms"] = False  # the head that needs none: the faster one, and the exported one

    def look() -> list[list[float]]:
        (seen,) = model.predict(frame, **options)
        rows: list[list[float]] = seen.boxes.data.tolist()
        return rows

    ready_s = time.perf_counter()
    rows = look()
    ended_s = time.perf_counter()
    _say(answers, ready_s=ready_s - began_s, first_s=ended_s - ready_s, rows=rows)
    for line in sys.stdin:
        _say(answers, ms=statistics.median(_timed_ms(look) for _ in range(int(line))))


def _one_thread() -> None:
    """Give the session as many threads as the one CPU has use for.

    ultralytics leaves that to ONNX Runtime, which counts the cores of the machine and not those it
    may run on. Two threads then wait for each other on one: spinning, in a real-time class forever.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession

    def open_session(weights: str, given: object = None, **more: object) -> object:
        return session(weights, given or options, **more)

    onnxruntime.InferenceSession = open_session


def make(answers: TextIO, name: str, classes: str, size: str) -> None:
    """How long a network takes does not depend on what it has learned."""
    import torch
    from ultralytics import YOLO
    from ultralytics.nn.tasks import DetectionModel

    torch.manual_seed(0)
    model = YOLO(_NETWORK, task="detect")
    model.model = DetectionModel(_NETWORK, nc=int(classes), verbose=False)
    model.save(f"{name}.pt")
    YOLO(f"{name}.pt").export(format="onnx", imgsz=_sides(size), nms=False, verbose=False)
    _say(answers, made=name)


def _sides(size: str) -> tuple[int, int]:
    """Height and width."""
    width, height = size.split("x")
    return int(height), int(width)


def _timed_ms(look: Callable[[], object]) -> float:
    began_s = time.perf_counter()
    look()
    return (time.perf_counter() - began_s) * 1e3


def _say(answers: TextIO, **words: object) -> None:
    print(json.dumps(words), file=answers, flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
