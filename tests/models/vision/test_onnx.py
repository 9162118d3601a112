"""The shipped detector on real pictures, and what the back end refuses."""

import sys
from collections import Counter
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from models.acceptance import Decision, judge
from models.vision import default_detector_directory, load_manifest
from models.vision.errors import ContractBroken, FrameInvalid
from models.vision.onnx import _check_contract, _rows_seen

MANIFEST = load_manifest(default_detector_directory())


def looks(detector, item):
    return detector.detect(cv2.imread(str(item.picture)))


def test_says_which_one_it_is(detector):
    assert detector.info.name == "detector-v0"
    assert detector.info.sha256 == MANIFEST.weights.sha256
    assert detector.info.backend.startswith("onnxruntime ")


def test_finds_something_on_most_pictures_with_an_item(detector, catalogue):
    with_item = [item for item in catalogue if item.kinds]
    found = sum(bool(looks(detector, item)) for item in with_item)
    assert found > len(with_item) / 2


def test_two_looks_agree(detector, catalogue):
    for item in list(catalogue)[:10]:
        assert looks(detector, item) == looks(detector, item)


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


@pytest.mark.parametrize("shape", [(1, 1), (1, 3000), (3000, 1), (7, 13), (2160, 3840)])
def test_any_size_of_picture(detector, shape):
    height, width = shape
    frame = np.random.default_rng(1).integers(0, 256, (height, width, 3), dtype=np.uint8)
    for seen in detector.detect(frame):
        x1, y1, x2, y2 = seen.box
        assert 0 <= x1 <= x2 <= width
        assert 0 <= y1 <= y2 <= height


def test_boxes_lie_in_the_picture_and_the_surest_comes_first(detector, catalogue):
    for item in list(catalogue)[:20]:
        detections = looks(detector, item)
        assert all(0 <= x1 <= x2 <= 448 for x1, _, x2, _ in (seen.box for seen in detections))
        assert all(0 <= y1 <= y2 <= 336 for _, y1, _, y2 in (seen.box for seen in detections))
        confidences = [seen.confidence for seen in detections]
        assert confidences == sorted(confidences, reverse=True)
        assert all(seen.confidence >= MANIFEST.seen_from for seen in detections)


def test_a_view_of_a_larger_frame_is_a_frame(detector, catalogue):
    frame = cv2.imread(str(next(iter(catalogue)).picture))
    crop = frame[10:300:2, ::-1]
    assert detector.detect(crop) == detector.detect(np.ascontiguousarray(crop))


@pytest.mark.parametrize("shape", [(10, 10), (10, 10, 4), (0, 0, 3)])
def test_what_is_no_frame_is_refused(detector, shape):
    with pytest.raises(FrameInvalid):
        detector.detect(np.zeros(shape, np.uint8))


def session(inputs, outputs):
    def ends(shapes, kind="tensor(float)"):
        return [SimpleNamespace(name="images", shape=shape, type=kind) for shape in shapes]

    return SimpleNamespace(get_inputs=lambda: ends(inputs), get_outputs=lambda: ends(outputs))


SQUARE = [1, 3, 320, 320]


@pytest.mark.parametrize("rows", [300, "N"])
def test_the_end_to_end_contract_is_taken(rows):
    assert _check_contract(session([SQUARE], [[1, rows, 6]]), MANIFEST) == "images"


@pytest.mark.parametrize(
    ("inputs", "outputs", "says"),
    [
        ([SQUARE], [[1, 11, 2100]], "raw head.*nms"),
        ([SQUARE], [[1, 300, 7]], "end to end"),
        ([SQUARE], [[1, 300, 38], [1, 32, 80, 80]], "2 outputs"),
        ([[1, 3, 640, 640]], [[1, 300, 6]], "640"),
        ([["batch", 3, 320, 320]], [[1, 300, 6]], "batch"),
    ],
)
def test_another_contract_is_refused(inputs, outputs, says):
    with pytest.raises(ContractBroken, match=says):
        _check_contract(session(inputs, outputs), MANIFEST)


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ([0, 0, 1, 1, np.nan, 0], "numbers"),
        ([0, 0, np.inf, 1, 0.9, 0], "numbers"),
        ([0, 0, 1, 1, 0.9, 7], "classes"),
        ([0, 0, 1, 1, 0.9, -1], "classes"),
        ([0, 0, 1, 1, 0.9, 0.5], "classes"),
    ],
)
def test_an_answer_that_makes_no_sense_is_refused(row, says):
    with pytest.raises(ContractBroken, match=says):
        _rows_seen(np.array([[row]], np.float32), MANIFEST)
