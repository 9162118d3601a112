"""What an ONNX file says of its ends, against what ONNX Runtime says."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.vision.backends.onnx import ort
from models.vision.backends.onnx_ends import NotOnnx, read_ends
from tests.models.vision.tiny_onnx import FLOAT16, end, field, floats, network

ROWS = [[0.5] * 6] * 3
SHIPPED_ROWS_MIN = 1


def test_the_shipped_detector(detector_directory):
    content = next(detector_directory.glob("*.onnx")).read_bytes()
    session = ort.InferenceSession(content, providers=["CPUExecutionProvider"])
    ends = read_ends(content)
    assert ends.inputs == [("float", session.get_inputs()[0].shape)]
    assert ends.outputs == [session.get_outputs()[0].shape]
    assert ends.outputs[0][1] >= SHIPPED_ROWS_MIN


@pytest.mark.parametrize(
    ("content", "inputs", "outputs"),
    [
        (network(ROWS), [("float", [1, 3, 64, 96])], [[1, 3, 6]]),
        (network(ROWS, width="w"), [("float", [1, 3, 64, -1])], [[1, 3, 6]]),
        (network(ROWS, kind=FLOAT16), [("type 10", [1, 3, 64, 96])], [[1, 3, 6]]),
        (network(ROWS, outputs=2), [("float", [1, 3, 64, 96])], [[1, 3, 6]] * 2),
    ],
)
def test_small_networks(content, inputs, outputs):
    assert read_ends(content) == (inputs, outputs)


def test_constants_of_old_files_are_no_inputs():
    graph = (
        field(5, floats("weights", [1], [0.5]))
        + field(11, end("weights", [1]))
        + field(11, end("images", [1, 3, 8, 8]))
        + field(12, end("output0", [1, 2, 6]))
    )
    assert read_ends(field(7, graph)).inputs == [("float", [1, 3, 8, 8])]


@given(st.binary(max_size=300))
def test_garbage_is_no_network(content):
    with pytest.raises(NotOnnx):
        read_ends(content)


@given(st.data())
def test_a_damaged_file_never_does_worse_than_being_refused(data):
    content = bytearray(network(ROWS))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    try:
        ends = read_ends(bytes(content[: data.draw(st.integers(0, len(content)))]))
    except NotOnnx:
        return
    assert ends.inputs is not None
    assert ends.outputs
