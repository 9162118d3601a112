"""The detector around any network: what it checks, and that it lets go of what it was given."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from models.vision.backends.end_to_end import EndToEndDetector, check_ends, rows_seen
from models.vision.errors import ContractBroken, InferenceFailed, WeightsUnreadable
from tests.models.vision.maker import CLASSES, manifest_of, write_model


@pytest.fixture(scope="module")
def manifest(tmp_path_factory):
    return manifest_of(write_model(tmp_path_factory.mktemp("model"), b"-"))


class Network:
    """Gives what it was told to give."""

    backend, note = "told 1.0", ""

    def __init__(self, *answers):
        self.answers, self.closed = list(answers), 0

    def run(self, tensor):
        assert tensor.flags["C_CONTIGUOUS"]
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return np.array([answer], np.float32)

    def close(self):
        self.closed += 1


ROW = [0, 0, 9, 9, 0.5, 0]
RIGHT_INPUT = ("float", [1, 3, 64, 96])


@pytest.mark.parametrize("rows", [300, "N", -1])
def test_the_contract_is_taken(manifest, rows):
    check_ends([RIGHT_INPUT], [[1, rows, 6]], manifest)


@pytest.mark.parametrize(
    ("inputs", "outputs", "says"),
    [
        ([RIGHT_INPUT], [[1, 4 + len(CLASSES), 2100]], "raw head.*nms"),
        ([RIGHT_INPUT], [[1, 300, 7]], "end to end"),
        ([RIGHT_INPUT], [[300, 6]], "end to end"),
        ([RIGHT_INPUT], [[1, 300, 38], [1, 32, 80, 80]], "2 outputs"),
        ([RIGHT_INPUT, RIGHT_INPUT], [[1, 300, 6]], "2 inputs"),
        ([("float", [1, 3, 96, 64])], [[1, 300, 6]], "correct `input`"),
        ([("float", ["batch", 3, 64, 96])], [[1, 300, 6]], "batch"),
        ([("float16", [1, 3, 64, 96])], [[1, 300, 6]], "float16"),
    ],
)
def test_another_contract_is_refused(manifest, inputs, outputs, says):
    with pytest.raises(ContractBroken, match=says):
        check_ends(inputs, outputs, manifest)


numbers = st.floats(width=32) | st.sampled_from([0.0, 1.0, 2.0, 0.5])


@given(
    arrays.arrays(
        np.float32, st.tuples(st.just(1), st.integers(0, 8), st.just(6)), elements=numbers
    )
)
def test_rows_are_all_sound_and_sorted_or_refused(manifest, output):
    try:
        rows = rows_seen(output, manifest)
    except ContractBroken:
        seen = output[0][output[0][:, 4] >= manifest.seen_from] if np.isfinite(output).all() else ()
        assert not np.isfinite(output).all() or not set(seen[:, 5]) <= {0.0, 1.0, 2.0}
        return
    assert np.isfinite(rows).all()
    assert set(rows[:, 5]) <= {0.0, 1.0, 2.0}
    assert (np.diff(rows[:, 4]) <= 0).all()
    assert len(rows) == (output[0][:, 4] >= manifest.seen_from).sum()
    assert not np.shares_memory(rows, output)


def test_equals_stay_in_the_networks_order(manifest):
    rows = rows_seen(np.array([[[n, 0, 9, 9, 0.5, 0] for n in range(5)]], np.float32), manifest)
    assert rows[:, 0].tolist() == [0, 1, 2, 3, 4]


def test_it_looks_once_before_it_serves(manifest):
    network = Network([ROW], [ROW])
    detector = EndToEndDetector(network, manifest, note="second choice")
    assert len(network.answers) == 1
    assert (detector.info.backend, detector.info.note) == ("told 1.0", "second choice")
    assert detector.detect(np.zeros((64, 96, 3), np.uint8))[0].box == (0, 0, 9, 9)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (InferenceFailed("no"), WeightsUnreadable),
        ([[0] * 7], ContractBroken),
        (KeyboardInterrupt(), KeyboardInterrupt),
    ],
)
def test_a_network_that_is_refused_is_closed(manifest, answer, error):
    network = Network(answer) if not isinstance(answer, BaseException) else Raising(answer)
    with pytest.raises(error):
        EndToEndDetector(network, manifest)
    assert network.closed == 1


class Raising(Network):
    def run(self, tensor):
        raise self.answers[0]


def test_a_failure_while_looking_goes_to_the_caller(manifest):
    detector = EndToEndDetector(Network([ROW], InferenceFailed("gone; start it again")), manifest)
    with pytest.raises(InferenceFailed, match="gone"):
        detector.detect(np.zeros((64, 96, 3), np.uint8))
