"""What beams prove: order, times and lengths."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from config.settings import DepositSettings
from models.passage import NS, Crossing, Passage, beams_ms, crossed, doubt, is_whole, length_m
from models.reasons import Reason

LIMITS = DepositSettings()
GOOD = (
    ("exit", True, 1.0),
    ("exit", False, 1.45),
    ("drop", True, 1.7),
    ("drop", False, 1.8),
)


def passage(*changes, since_s=0.0):
    made = Passage(round(since_s * NS))
    for beam, covered, at_s in changes:
        made = crossed(made, beam, covered, round(at_s * NS))
    return made


def test_a_whole_passage_of_the_right_length_leaves_no_doubt():
    made = passage(*GOOD)
    assert is_whole(made)
    assert doubt(made, 0.23, LIMITS) is None


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ((), Reason.TRANSPORT_TIMEOUT),
        (GOOD[:1], Reason.TRANSPORT_TIMEOUT),
        (GOOD[:2], Reason.DROP_NOT_SEEN),
        (GOOD[:3], Reason.DROP_NOT_SEEN),
        ((("inside", True, 1.2), *GOOD), Reason.PULLED_BACK),
        ((*GOOD, ("inside", True, 2.0)), Reason.PULLED_BACK),
        ((*GOOD[:2], ("drop", True, 2.2), ("drop", False, 2.3)), Reason.DROP_NOT_SEEN),
        ((GOOD[2], GOOD[3], ("exit", True, 2.0), ("exit", False, 2.45)), Reason.DROP_NOT_SEEN),
        ((("exit", True, 1.0), ("exit", False, 1.2), *GOOD[2:]), Reason.SWAPPED),
    ],
)
def test_anything_else_is_a_doubt_with_its_name(changes, reason):
    assert doubt(passage(*changes), 0.23, LIMITS) == reason


def test_without_a_length_at_the_inlet_nothing_is_proven():
    assert doubt(passage(*GOOD), None, LIMITS) == Reason.SENSOR_FAILED


def test_what_covered_the_exit_from_the_beginning_has_no_length():
    begun = Passage(0, exit=Crossing(times=1), is_partial=True)
    for beam, covered, at_s in GOOD[1:]:
        begun = crossed(begun, beam, covered, round(at_s * NS))
    assert is_whole(begun)
    assert doubt(begun, 0.23, LIMITS) == Reason.JAM


def test_what_changed_before_the_belt_started_is_no_part_of_it():
    assert passage(*GOOD, since_s=5.0) == Passage(5 * NS)


def test_a_flicker_within_an_item_does_not_cut_it():
    made = passage(
        ("exit", True, 1.0), ("exit", False, 1.1), ("exit", True, 1.15), ("exit", False, 1.45)
    )
    assert length_m(made, "exit", 0.51) == pytest.approx(0.2295)


def test_a_beam_that_becomes_free_without_having_been_covered_has_no_length():
    assert passage(("inside", False, 1.0)).inside == Crossing()
    assert length_m(Passage(), "inside", 0.51) is None


def test_what_stood_in_a_beam_before_the_belt_started_has_not_been_measured_meanwhile():
    changes = (("inside", True, 1.0), ("inside", False, 2.5))
    made = replace(passage(*changes), belt_ns=2 * NS)
    assert length_m(made, "inside", 0.51) == pytest.approx(0.255)


CHANGES = st.lists(
    st.tuples(
        st.sampled_from(["entry", "inside", "exit", "drop"]), st.booleans(), st.floats(0.0, 5.0)
    ),
    max_size=12,
)


@given(CHANGES, st.floats(0.05, 0.4))
def test_no_doubt_means_that_the_proof_is_there(changes, entered_m):
    changes = sorted(changes, key=lambda change: change[2])
    made = passage(*changes)
    if doubt(made, entered_m, LIMITS) is not None:
        return
    rises = [at for beam, covered, at in changes if beam == "exit" and covered]
    drops = [at for beam, covered, at in changes if beam == "drop" and covered]
    assert not any(beam == "inside" and covered for beam, covered, _ in changes)
    assert rises
    assert any(at > min(rises) for at in drops)
    assert any(beam == "drop" and not covered for beam, covered, _ in changes)


@given(st.floats(0.08, 0.36), st.floats(0.0, 0.6))
def test_every_item_of_the_same_length_that_falls_in_time_is_proven(long_m, wait_s):
    left_s = 1.0 + long_m / LIMITS.belt_m_per_s
    fell_s = left_s + wait_s
    made = passage(
        ("exit", True, 1.0), ("exit", False, left_s), ("drop", True, fell_s), ("drop", False, 9.0)
    )
    assert doubt(made, long_m, LIMITS) is None


def test_the_times_of_the_beams_count_from_the_start_of_the_passage():
    passage = Passage(
        5 * NS,
        exit=Crossing(2, 6 * NS, 7 * NS),
        drop=Crossing(1, 8 * NS),
        entry=Crossing(1, 4 * NS),
    )
    assert beams_ms(passage) == {
        "entry_covered": -1000.0,
        "exit_covered": 1000.0,
        "exit_freed": 2000.0,
        "drop_covered": 3000.0,
    }
    assert beams_ms(Passage()) == {}
