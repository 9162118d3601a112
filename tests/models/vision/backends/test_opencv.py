"""What is OpenCV's own among the back ends."""

import cv2
import pytest

from models.vision.backends.opencv import OpenCvNetwork
from models.vision.errors import BackendMissing, OutOfMemory
from tests.models.vision.maker import manifest_of, write_model
from tests.models.vision.tiny_onnx import network

WEIGHTS = network([[0.5] * 6] * 3)


@pytest.fixture
def manifest(tmp_path):
    return manifest_of(write_model(tmp_path / "model", WEIGHTS))


@pytest.fixture(autouse=True)
def same_threads_after():
    before = cv2.getNumThreads()
    yield
    cv2.setNumThreads(before)


@pytest.mark.parametrize("threads", [1, 2])
def test_as_many_threads_as_asked_for(manifest, threads):
    OpenCvNetwork(WEIGHTS, manifest, threads=threads).close()
    assert cv2.getNumThreads() == threads


def test_jetpack_has_one_engine_and_no_argument_for_it(manifest, monkeypatch):
    """OpenCV 4.8 knows no ENGINE_AUTO and takes the file alone."""
    read = cv2.dnn.readNetFromONNX
    monkeypatch.delattr(cv2.dnn, "ENGINE_AUTO", raising=False)

    def read_one(buffer):
        return read(buffer)

    monkeypatch.setattr(cv2.dnn, "readNetFromONNX", read_one)
    monkeypatch.setattr(cv2, "__version__", "4.8.0")
    assert OpenCvNetwork(WEIGHTS, manifest).backend == "opencv 4.8.0"


@pytest.mark.parametrize("version", ["4.5.4", "3.4.18", "4.7.0-dev"])
def test_one_that_is_too_old_says_so(manifest, monkeypatch, version):
    monkeypatch.setattr(cv2, "__version__", version)
    with pytest.raises(BackendMissing, match=r"too old.*4\.8"):
        OpenCvNetwork(WEIGHTS, manifest)


def test_too_little_memory_is_called_by_its_name(manifest, monkeypatch):
    def full(*_):
        error = cv2.error("Failed to allocate 123 bytes")
        error.code = -4
        raise error

    monkeypatch.setattr(cv2.dnn, "readNetFromONNX", full)
    with pytest.raises(OutOfMemory, match="raise the limit"):
        OpenCvNetwork(WEIGHTS, manifest)
