"""The shipped detector on the referee's pictures, and what is ONNX Runtime's own."""

import os
import resource
import subprocess
import sys
from collections import Counter
from pathlib import Path

import cv2
import pytest

import models
from models.acceptance import Decision, judge
from models.vision import default_detector_directory, load_manifest, read_weights
from models.vision.backends.end_to_end import EndToEndDetector
from models.vision.backends.onnx import OnnxNetwork

MANIFEST = load_manifest(default_detector_directory())


def looks(detector, item):
    return detector.detect(cv2.imread(str(item.picture)))


def test_says_which_one_it_is(detector):
    assert detector.info.name == MANIFEST.name
    assert detector.info.sha256 == MANIFEST.weights.sha256
    assert detector.info.backend.startswith("onnxruntime ")


def test_finds_something_on_most_pictures_with_an_item(detector, catalogue):
    with_item = [item for item in catalogue if item.kinds]
    found = sum(bool(looks(detector, item)) for item in with_item)
    assert found > len(with_item) / 2


def test_score_on_the_referee_pictures(detector, catalogue, record_property):
    """Printed, not asserted: a referee is no target. `pytest -s` shows it."""
    table = Counter(
        (item.expected, judge(looks(detector, item), detector.info.thresholds).decision.value)
        for item in catalogue
    )
    takes = sum(n for (want, got), n in table.items() if (want == "accept") == (got == "accept"))
    exact = sum(n for (want, got), n in table.items() if want == got)
    lines = [f"{want:>8} -> {got:<6} {count:3}" for (want, got), count in sorted(table.items())]
    sys.stdout.write(
        f"\n{detector.info.name}: accept-or-not right on {takes} of {len(catalogue)}, all three"
        f" decisions right on {exact}; expected -> decided:\n" + "\n".join(lines) + "\n"
    )
    record_property("accept_or_not_right", takes)
    assert sum(table.values()) == len(catalogue)
    assert table["empty", Decision.ACCEPT.value] == 0


@pytest.mark.parametrize("threads", [1, 3])
def test_as_many_threads_as_asked_for(threads):
    weights = read_weights(default_detector_directory(), MANIFEST)
    before = len(os.listdir("/proc/self/task"))
    network = OnnxNetwork(weights, MANIFEST, threads=threads)
    assert len(os.listdir("/proc/self/task")) - before == threads - 1
    network.close()


def test_lean_sees_the_same(detector, catalogue):
    weights = read_weights(default_detector_directory(), MANIFEST)
    lean = EndToEndDetector(OnnxNetwork(weights, MANIFEST, lean=True), MANIFEST)
    for item in list(catalogue)[:5]:
        assert looks(lean, item) == looks(detector, item)


PROGRAM = """
import resource, sys
from models.vision import default_detector_directory, load_manifest, read_weights
from models.vision.errors import OutOfMemory
from models.vision.backends.onnx import OnnxNetwork

manifest = load_manifest(default_detector_directory())
weights = read_weights(default_detector_directory(), manifest)
pages = int(open("/proc/self/statm").read().split()[0])
limit = pages * resource.getpagesize() + (4 << 20)
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
try:
    OnnxNetwork(weights, manifest)
except OutOfMemory as error:
    print(error)
"""


def test_too_little_memory_is_called_by_its_name():
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
        env={**os.environ, "PYTHONPATH": str(Path(models.__file__).parent.parent)},
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "too little memory for" in done.stdout
    assert "raise the limit" in done.stdout
    assert resource.getrlimit(resource.RLIMIT_AS)[0] == resource.RLIM_INFINITY
