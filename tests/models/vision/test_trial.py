"""The trial: what is too much, and whose fault it is."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.vision.trial import (
    Began,
    Passed,
    Stumbled,
    TrialLimits,
    Word,
    is_its_own_fault,
    judged,
    median,
    percentile,
)

LIMITS = TrialLimits()
PASSED = Passed("/m", "m", "f" * 64, "m", "s" * 64, "onnxruntime", 90.0, (10.0,) * 9, 140.0, 3)


def test_one_that_is_quick_and_small_passes():
    assert judged(PASSED, LIMITS) == PASSED


@pytest.mark.parametrize(
    ("change", "word"),
    [({"picture_ms": (600.0,) * 9}, "600 ms a picture"), ({"rss_mb": 3000.0}, "3000 MB")],
)
def test_one_that_takes_too_much_has_stumbled(change, word):
    answer = judged(msgspec.structs.replace(PASSED, **change), LIMITS)
    assert isinstance(answer, Stumbled)
    assert word in answer.why
    assert answer.fingerprint == PASSED.fingerprint
    assert is_its_own_fault(answer)


def test_one_slow_round_is_nobodys_judgement():
    passed = msgspec.structs.replace(PASSED, picture_ms=(10.0, 10.0, 5000.0))
    assert judged(passed, LIMITS) == passed


def test_what_the_machine_lacks_is_not_the_models_fault():
    for kind in ("OutOfMemory", "StoreError", "BackendMissing", "Unproven"):
        assert not is_its_own_fault(Stumbled("load", kind, "why"))
    for kind in ("Ended", "GoldenFailed", "DigestMismatch", "PickleRefused"):
        assert is_its_own_fault(Stumbled("load", kind, "why"))


def test_a_step_is_given_the_time_that_it_honestly_takes():
    assert LIMITS.step_s("build") > LIMITS.step_s("load") > LIMITS.step_s("golden")
    patient = TrialLimits(picture_s_max=5.0, deadline_s=8.0)
    assert patient.step_s("bench") == 20.0


@pytest.mark.parametrize("word", [Began("load", "f"), PASSED, Stumbled("boot", "Ended", "why")])
def test_words_survive_the_pipe(word):
    assert msgspec.json.decode(msgspec.json.encode(word), type=Word) == word


@given(st.lists(st.floats(0, 1000), min_size=1), st.integers(1, 100))
def test_a_percentile_is_a_value_that_so_many_do_not_exceed(values, percent):
    found = percentile(values, percent)
    assert found in values
    assert sum(value <= found for value in values) * 100 >= percent * len(values)
    assert sum(value < found for value in values) * 100 < percent * len(values)


def test_of_nothing_there_is_nothing():
    assert (median(()), percentile((), 99)) == (0.0, 0.0)
