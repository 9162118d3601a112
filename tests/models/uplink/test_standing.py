"""How a machine stands: the four words, the score, and what is news."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from models.condition import HEALTHY, health_score
from models.reasons import Reason
from models.uplink.standing import is_news, status_of, values_of, word_of
from protocol.health import Measured
from protocol.machine import Inputs
from protocol.service import CycleDescribed

COUNTS = st.integers(0, 10)
WELL = Measured(10.0, 20.0, 30.0, 40.0, ())


def cycle(closed="", **more):
    return CycleDescribed("waiting", "", 0, closed=closed, **more)


def status(cycle_=None, measured=WELL):
    return status_of(cycle_ or cycle(), measured, Inputs({}), True, 1.0, "good", None)


@pytest.mark.parametrize(
    ("closed", "word"),
    [
        ("", "active"),
        ("no_session", "active"),
        ("selftest", "active"),
        ("locked_out", "active"),
        ("service", "maintenance"),
        ("door_open", "maintenance"),
        ("bin_full", "full"),
        ("fault", "error"),
        ("estop", "error"),
        ("camera_failed", "error"),
        ("storage_failed", "error"),
    ],
)
def test_the_platforms_words(closed, word):
    assert word_of(cycle(closed)) == (word, closed)


@pytest.mark.parametrize("reason", list(Reason))
def test_every_reason_has_a_word(reason):
    assert word_of(cycle(reason.value))[0] in ("active", "maintenance", "full", "error")


def test_a_deposit_that_does_not_answer_is_an_error():
    assert word_of(None) == ("error", "deposit_silent")


def test_what_is_not_known_is_none_and_not_zero():
    found = status_of(None, None, None, False, 1.0, "bad", None)
    assert found.current_load is None
    assert found.camera_active is False
    assert status(cycle("camera_failed")).camera_active is False
    assert status(cycle(bin_percent=41.6)).current_load == 41.6


def test_a_machine_of_which_all_is_known_and_nothing_wrong_has_a_hundred():
    assert status().health_score == HEALTHY


@given(COUNTS, COUNTS, COUNTS, st.booleans(), st.sampled_from(["silent", "alarms", "unknown"]))
def test_one_trouble_more_never_makes_it_better(silent, alarms, unknown, is_faulty, more):
    counts = {"silent": silent, "alarms": alarms, "unknown": unknown}
    before = health_score(**counts, is_faulty=is_faulty)
    after = health_score(**{**counts, more: counts[more] + 1}, is_faulty=is_faulty)
    assert 0 <= after <= before <= HEALTHY
    assert health_score(**counts, is_faulty=True) <= before


def test_an_unknown_temperature_costs_and_is_no_good_one():
    unknown = status(measured=replace(WELL, temperature_c=None))
    assert unknown.health_score < HEALTHY


def test_values_of_both_and_of_one():
    inputs = Inputs({}, {"weight_g": 1.0, "temperature_c": None})
    assert values_of(WELL, inputs)["board_c"] == 40.0
    assert values_of(None, inputs) == inputs.values
    assert values_of(None, None) == {}


def test_time_alone_is_no_news_and_a_percent_is():
    before = status(cycle(bin_percent=41.0))
    assert is_news(None, before)
    assert not is_news(before, replace(before, at=99.0, current_load=41.3))
    assert is_news(before, replace(before, current_load=42.0))
    assert is_news(before, replace(before, camera_active=False))
