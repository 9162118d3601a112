"""One contract for every back end: what holds for one of them holds for all that are here.

TensorRT is a stand-in in three versions; ultralytics takes part where it is installed.
"""

import gc
import os
from contextlib import ExitStack, closing
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import pytest

from models.vision import open_detector
from models.vision.errors import ContractBroken, FrameInvalid, InferenceFailed, ModelError
from tests.models.vision.maker import write_model
from tests.models.vision.tiny_onnx import FLOAT16, network

ONNX_BACKENDS = ("onnxruntime", "opencv", "tensorrt 8.6.1", "tensorrt 10.3.0", "tensorrt 11.4.0")
RED, GREEN, BLUE = 0.4, 0.2, 0.1
# Three things and a row of noise, the surest last; two reach beyond the picture.
ROWS = (
    (10, 5, 50, 40, 0.3, 0),
    (-20, -10, 30, 30, 0.2, 1),
    (0, 0, 0, 0, 0.01, 0),
    (80, 50, 120, 90, 0.5, 2),
)
# Of the last row: the confidence grows by so much with red, green and blue.
SLOPES = tuple(
    tuple(0.0 if at < 22 else slope * (at == 22) for at in range(24))
    for slope in (RED, GREEN, BLUE)
)


@pytest.fixture(params=ONNX_BACKENDS)
def backend(request, install_tensorrt):
    """A back end for .onnx files; what it opens is closed in the end."""
    name, _, version = request.param.partition(" ")
    if version:
        install_tensorrt(version)
    with ExitStack() as opened:
        yield Backend(name, opened)


class Backend(NamedTuple):
    name: str
    opened: ExitStack

    def open(self, directory):
        return self.opened.enter_context(closing(open_detector(directory, backend=self.name)))


@pytest.fixture(params=[*ONNX_BACKENDS, "ultralytics"])
def detector(request, install_tensorrt, tmp_path):
    """Every back end there is, with a model that sees something on everything."""
    name, _, version = request.param.partition(" ")
    if name == "ultralytics":
        directory = request.getfixturevalue("yolo_model")
    else:
        if version:
            install_tensorrt(version)
        directory = write_model(tmp_path / "model", network(ROWS, SLOPES))
    opened = open_detector(directory, backend=name)
    yield opened
    opened.close()


def picture(height=64, width=96, level=0):
    return np.full((height, width, 3), level, np.uint8)


def near(seen, wanted):
    """The same things in the same order, up to rounding."""
    assert [one.class_name for one in seen] == [one.class_name for one in wanted]
    for one, other in zip(seen, wanted, strict=True):
        assert one.confidence == pytest.approx(other.confidence, abs=1e-4)
        assert one.box == pytest.approx(other.box, abs=0.01)


# ----- what it sees ---------------------------------------------------------------------------


def test_sorted_clipped_and_without_noise(backend, tmp_path):
    directory = write_model(tmp_path / "model", network(ROWS, SLOPES))
    seen = backend.open(directory).detect(picture())
    assert [one.class_name for one in seen] == ["soda", "mineral", "not_empty"]
    assert [one.confidence for one in seen] == pytest.approx([0.5, 0.3, 0.2], abs=1e-6)
    assert [one.box for one in seen] == [(80, 50, 96, 64), (10, 5, 50, 40), (0, 0, 30, 30)]


def test_colours_arrive_as_red_green_and_blue(backend, tmp_path):
    detector = backend.open(write_model(tmp_path / "model", network(ROWS, SLOPES)))
    for channel, slope in ((2, RED), (1, GREEN), (0, BLUE)):
        frame = picture()
        frame[:, :, channel] = 255
        surest = detector.detect(frame)[0].confidence
        assert surest == pytest.approx(0.5 + slope, abs=1e-5)
        assert detector.detect(picture())[0].confidence == pytest.approx(0.5, abs=1e-5)


def test_a_picture_of_another_shape_gets_grey_bars_and_its_own_coordinates(backend, tmp_path):
    detector = backend.open(write_model(tmp_path / "model", network(ROWS, SLOPES)))
    seen = detector.detect(
        picture(128, 96)
    )  # half its size, 48 px wide, 24 px of grey at each side
    grey = (RED + GREEN + BLUE) * 0.5 * 114 / 255
    assert seen[0].confidence == pytest.approx(0.5 + grey, abs=1e-4)
    mineral = next(one for one in seen if one.class_name == "mineral")
    assert mineral.box == pytest.approx((0, 10, 52, 80), abs=1e-3)
    before = detector.detect(picture())[0].confidence
    assert before == pytest.approx(0.5, abs=1e-5)  # the bars are gone from the shared buffer


def test_agrees_with_onnxruntime_on_the_shipped_detector(backend, catalogue, detector_directory):
    if backend.name == "opencv" and cv2.__version__.startswith("4."):
        pytest.skip("OpenCV 4 has no TopK, with which this detector may end; install OpenCV 5")
    reference = open_detector(detector_directory, backend="onnxruntime")
    mine = backend.open(detector_directory)
    seen_any = 0
    for item in list(catalogue)[:12]:
        frame = cv2.imread(str(item.picture))
        wanted = reference.detect(frame)
        near(mine.detect(frame), wanted)
        seen_any += bool(wanted)
    assert seen_any > 4


# ----- what it refuses ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "frame",
    [
        np.zeros((10, 10), np.uint8),
        np.zeros((10, 10, 4), np.uint8),
        np.zeros((0, 0, 3), np.uint8),
        np.zeros((10, 10, 3), np.float32),
        np.zeros((10, 10, 3), np.int8),
        None,
    ],
)
def test_what_is_no_frame_is_refused_and_harms_nothing(detector, frame):
    before = detector.detect(picture(level=7))
    with pytest.raises(FrameInvalid):
        detector.detect(frame)
    assert detector.detect(picture(level=7)) == before


@pytest.mark.parametrize(
    ("weights", "says"),
    [
        (network([[0.5] * 40] * 7), "raw head.*nms"),
        (network([[0.5] * 7] * 3), "end to end"),
        (network(ROWS, outputs=2), "2 outputs"),
    ],
    ids=["raw head", "7 columns", "two outputs"],
)
def test_another_output_is_refused_with_the_cure(backend, tmp_path, weights, says):
    directory = write_model(tmp_path / "model", weights)
    with pytest.raises(ContractBroken, match=says):
        backend.open(directory)


@pytest.mark.parametrize(
    "weights",
    [
        network(ROWS, height=96, width=96),
        network(ROWS, height="height", width="width"),
        network(ROWS, kind=FLOAT16),
    ],
    ids=["another size", "any size", "half precision"],
)
def test_another_input_is_refused(backend, tmp_path, weights):
    directory = write_model(tmp_path / "model", weights)
    with pytest.raises(ContractBroken, match=r"its manifest says float \[1, 3, 64, 96\]"):
        backend.open(directory)


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ((0, 0, 9, 9, float("nan"), 0), "numbers"),
        ((0, 0, float("inf"), 9, 0.9, 0), "numbers"),
        ((0, 0, 9, 9, 0.9, 3), "classes"),
        ((0, 0, 9, 9, 0.9, -1), "classes"),
        ((0, 0, 9, 9, 0.9, 0.5), "classes"),
    ],
)
def test_an_answer_that_makes_no_sense_is_refused_before_it_serves(backend, tmp_path, row, says):
    with pytest.raises(ContractBroken, match=says):
        backend.open(write_model(tmp_path / "model", network([row])))


def test_numbers_that_are_none_on_one_picture_only_are_refused_then(backend, tmp_path):
    logarithms = [[1.0, 1.0, 2.0, 2.0, 1.7 - 10 * 114 / 255, 1.0]]
    slopes = [[0, 0, 0, 0, 10, 0], [0] * 6, [0] * 6]
    directory = write_model(tmp_path / "model", network(logarithms, slopes, operation="Log"))
    detector = backend.open(directory)
    assert detector.detect(picture(level=114))[0].confidence == pytest.approx(np.log(1.7), abs=1e-3)
    with pytest.raises(ContractBroken, match="numbers"):
        detector.detect(picture(level=0))
    assert detector.detect(picture(level=114))


@pytest.mark.parametrize("content", [b"not a network", b"\x08\x08" * 50_000, network(ROWS)[:-40]])
def test_authentic_bytes_that_are_no_network(backend, tmp_path, content):
    with pytest.raises(ModelError, match="tiny") as caught:
        backend.open(write_model(tmp_path / "model", content))
    assert caught.type.__name__ in {"WeightsUnreadable", "EngineFailed"}


# ----- how it behaves -------------------------------------------------------------------------


def test_says_what_it_is(detector):
    assert detector.info.name == "tiny"
    assert detector.info.backend.split()[0] in {"onnxruntime", "opencv", "tensorrt", "ultralytics"}
    assert detector.info.backend.split()[1][0].isdigit()
    assert (detector.info.width_px, detector.info.height_px) == (96, 64)
    assert detector.info.note == ""


@pytest.mark.parametrize("shape", [(1, 1), (1, 3000), (3000, 1), (7, 13), (2160, 3840)])
def test_any_size_of_picture(detector, shape):
    height, width = shape
    frame = np.random.default_rng(1).integers(0, 256, (height, width, 3), dtype=np.uint8)
    for seen in detector.detect(frame):
        x1, y1, x2, y2 = seen.box
        assert 0 <= x1 <= x2 <= width
        assert 0 <= y1 <= y2 <= height


@pytest.mark.parametrize(
    "view",
    [
        np.s_[10:100:2, 5:90],
        np.s_[::-1],
        np.s_[:, ::-1],
        np.s_[:, :, ::-1],
        np.s_[3:67, 7:103],  # the network's own size: no resize copies it
    ],
)
def test_a_view_of_a_larger_frame_is_a_frame(detector, view):
    frame = np.random.default_rng(2).integers(0, 256, (128, 192, 3), dtype=np.uint8)
    assert detector.detect(frame[view]) == detector.detect(np.ascontiguousarray(frame[view]))


def test_a_read_only_picture_is_looked_at_and_never_changed(detector):
    frame = np.random.default_rng(3).integers(0, 256, (64, 96, 3), dtype=np.uint8)
    kept = frame.copy()
    frame.flags.writeable = False
    assert detector.detect(frame) == detector.detect(kept)
    assert (frame == kept).all()


def test_two_looks_agree(detector):
    frame = np.random.default_rng(4).integers(0, 256, (300, 400, 3), dtype=np.uint8)
    first = detector.detect(frame)
    detector.detect(picture(level=255))
    assert detector.detect(frame) == first


def test_closing_twice_is_closing(detector):
    detector.close()
    detector.close()
    with pytest.raises(InferenceFailed, match="open it again"):
        detector.detect(picture())


def test_memory_does_not_grow(detector):
    rng = np.random.default_rng(5)
    frames = [rng.integers(0, 256, (90 + 30 * n, 160, 3), dtype=np.uint8) for n in range(3)]
    count = 300 if detector.info.backend.startswith("ultralytics") else 2000
    for number in range(300):
        detector.detect(frames[number % 3])
    gc.collect()
    before = resident_bytes()
    for number in range(count):
        detector.detect(frames[number % 3])
    gc.collect()
    assert resident_bytes() - before < 3 << 20


def resident_bytes():
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
