"""The memory ladder: best first, smaller behind, and round what has killed processes."""

from hypothesis import given
from hypothesis import strategies as st

from models.vision.ladder import Rung, rungs

NAMES = ("tensorrt", "onnxruntime", "opencv")


def test_any_back_end_may_help_where_none_is_named():
    assert rungs("auto", 2, NAMES[1:]) == (
        Rung("auto", 2, lean=False),
        Rung("onnxruntime", 1, lean=True),
        Rung("opencv", 1, lean=True),
    )


def test_the_one_that_is_named_is_the_only_one():
    expected = (Rung("opencv", 4, lean=False), Rung("opencv", 1, lean=True))
    assert rungs("opencv", 4, NAMES) == expected
    assert rungs("opencv", 4, NAMES, cautious=True) == expected


def test_what_has_killed_processes_is_gone_round():
    cautious = rungs("auto", 1, NAMES, cautious=True)
    assert [rung.backend for rung in cautious] == ["onnxruntime", "opencv"]
    assert rungs("auto", 1, NAMES[2:], cautious=True)[0].backend == "auto"


@given(st.sampled_from(("auto", *NAMES)), st.integers(1, 16), st.booleans())
def test_there_is_always_a_rung_and_each_says_what_it_is(backend, threads, cautious):
    ladder = rungs(backend, threads, NAMES, cautious=cautious)
    assert ladder
    assert len({rung.text for rung in ladder}) == len(ladder)
    assert all(rung.threads == 1 for rung in ladder if rung.lean)
