"""Thresholds with hysteresis; unknown is not zero."""

from hypothesis import given
from hypothesis import strategies as st

from models.condition import Threshold, alarms

HOT = {"temperature_c": Threshold(75.0, 70.0)}
NONE: frozenset[str] = frozenset()
STANDING = frozenset({"temperature_c"})


def test_an_alarm_comes_at_its_limit_and_goes_only_below_the_clearing_value():
    assert alarms(NONE, {"temperature_c": 74.9}, HOT) == NONE
    assert alarms(NONE, {"temperature_c": 75.0}, HOT) == STANDING
    assert alarms(STANDING, {"temperature_c": 70.0}, HOT) == STANDING
    assert alarms(STANDING, {"temperature_c": 69.9}, HOT) == NONE


def test_an_unknown_value_neither_raises_nor_clears():
    for values in ({"temperature_c": None}, {}):
        assert alarms(NONE, values, HOT) == NONE
        assert alarms(STANDING, values, HOT) == STANDING


@given(st.lists(st.one_of(st.none(), st.floats(-50, 150)), max_size=50))
def test_it_never_flaps_within_the_band(values):
    standing = NONE
    for value in values:
        now = alarms(standing, {"temperature_c": value}, HOT)
        if value is None or 70.0 <= value < 75.0:
            assert now == standing
        standing = now
