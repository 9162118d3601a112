"""Imports native libraries, one after the other, and says after each that it lives.

A process of its own (`python -m rvm_edge.doctor.probe`): a library that was built for another
processor ends it with a signal, and whoever started it sees after which line.
"""

from __future__ import annotations

import importlib
import json
import signal

STEPS = ("lmdb", "numpy", "cv2", "back ends", "onnxruntime")
"""What is tried, in this order; each ends with a line of JSON."""
PROBE_S = 1.5
"""How long all of it may take: the doctor is to be done within two seconds."""


def main() -> None:
    """Try all of them, for so long and no longer."""
    signal.setitimer(signal.ITIMER_REAL, PROBE_S)
    for name in ("lmdb", "numpy", "cv2"):
        _say(name, _version(name))
    backends = importlib.import_module("models.vision.backends")
    msgspec = importlib.import_module("msgspec")
    reports = msgspec.to_builtins(backends.available_backends())
    _say("back ends", reports)
    if any(one["name"] == "onnxruntime" and one["usable"] for one in reports):
        # Before the library itself: it keeps it from telling its maker.
        importlib.import_module("models.vision.backends.onnx")
        _say("onnxruntime", _version("onnxruntime"))
    else:
        _say("onnxruntime", None)


def _version(name: str) -> str:
    return str(importlib.import_module(name).__version__)


def _say(step: str, value: object) -> None:
    print(json.dumps([step, value]), flush=True)


if __name__ == "__main__":
    main()
