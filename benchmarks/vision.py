"""The eyes beside their peers: ultralytics, a bare ONNX Runtime session; and what they see.

    bin/bench vision [--quick] [--only CASE …] [--models DIR …] [--frames N] [--json]

One picture from the ring to a decision, the memory of the process that decides, import and load,
the first picture; then tables without a peer: accuracy against time and size, memory over very many
frames, the speed of the recipe. Absolute times belong to this machine; the ratios are what we hold
ourselves to. RVM_BENCH_ULTRALYTICS names the interpreter that has ultralytics.
"""

from __future__ import annotations

import argparse
import sys

from benchmarks.cases import accuracy, detector, eyes, frames_memory, recipe
from benchmarks.kit.suite import Suite


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    accuracy.add_arguments(parser)
    frames_memory.add_arguments(parser)


SUITE = Suite(
    "vision",
    __doc__,
    (*eyes.CASES, *detector.CASES),
    (accuracy.SURVEY, frames_memory.SURVEY, recipe.SURVEY),
    _add_arguments,
)

if __name__ == "__main__":
    sys.exit(SUITE.main(sys.argv[1:]))
