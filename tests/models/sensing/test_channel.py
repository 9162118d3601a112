"""One channel: dead, frozen or impossible, and well again."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.sensing.channel import HUMIDITY_PERCENT, Channel, Range, channel_fault, measured

POSSIBLE = Range(-10.0, 10.0)
FROZEN = 50


def feed(readings, channel=None, period_s=0.1, start=0):
    """Feed (value, quality) pairs, each measured anew."""
    channel = channel or Channel()
    for number, (value, quality) in enumerate(readings, start):
        now_s = 100.0 + number * period_s
        at_ns = round(now_s * 1e9)
        channel = measured(channel, value, quality, at_ns, now_s, POSSIBLE, 2.0)
    return channel


def good(count):
    return [(number / 1000, "ok") for number in range(count)]


def what(channel):
    found = channel_fault(channel, FROZEN)
    return found and found.what


BAD = {
    "dead": (None, "error"),
    "frozen": (1.0, "stale"),
    "implausible": (11.0, "ok"),
}


def test_a_live_channel_has_its_last_value_and_no_fault():
    channel = feed(good(100))
    assert channel.value == 0.099
    assert what(channel) is None


@pytest.mark.parametrize(("code", "reading"), BAD.items())
def test_five_bad_readings_are_a_fault_and_a_dozen_good_ones_clear_it(code, reading):
    assert what(feed([*good(10), *[reading] * 4])) is None
    faulty = feed([*good(10), *[reading] * 5])
    assert what(faulty) == code
    assert faulty.value is None
    assert what(feed(good(9), faulty, start=15)) == code
    assert what(feed(good(10), faulty, start=15)) is None


def test_a_bad_reading_has_no_value_from_the_first_on():
    assert feed([*good(10), (None, "error")]).value is None
    assert feed([*good(10), (math.nan, "ok")]).value is None
    assert feed([*good(10), (math.inf, "ok")]).value is None


def test_one_reading_in_ten_may_be_lost_and_every_second_may_not():
    assert what(feed([*good(9), (None, "error")] * 50)) is None
    assert what(feed([(0.1, "ok"), (None, "error")] * 50)) == "dead"


def test_the_very_same_value_again_and_again_is_frozen_until_it_changes():
    assert what(feed([(1.0, "ok")] * (FROZEN - 1))) is None
    frozen = feed([(1.0, "ok")] * FROZEN)
    assert what(frozen) == "frozen"
    assert what(feed([(1.001, "ok")], frozen, start=FROZEN)) is None


def test_a_channel_that_clips_may_read_its_end_for_long_and_no_other_value():
    for value, expected in ((100.0, None), (0.0, None), (50.0, "frozen")):
        channel = Channel()
        for number in range(FROZEN):
            now_s = float(number)
            channel = measured(channel, value, "ok", number, now_s, HUMIDITY_PERCENT, 2.0)
        assert what(channel) == expected


def test_the_same_measurement_read_again_says_nothing_new():
    once = measured(Channel(), 1.0, "ok", 5, 100.0, POSSIBLE, 2.0)
    assert measured(once, 1.0, "ok", 5, 101.9, POSSIBLE, 2.0) is once
    lost = measured(once, None, "error", 6, 102.0, POSSIBLE, 2.0)
    assert measured(lost, None, "error", 6, 102.1, POSSIBLE, 2.0) is lost


def test_a_driver_that_has_nothing_new_for_long_is_frozen():
    channel = measured(Channel(), 1.0, "ok", 5, 100.0, POSSIBLE, 2.0)
    for number in range(5):
        channel = measured(channel, 1.0, "ok", 5, 102.0 + number, POSSIBLE, 2.0)
        assert channel.value is None
    assert what(channel) == "frozen"


readings = st.tuples(
    st.one_of(st.none(), st.floats(allow_nan=True)), st.sampled_from(["ok", "stale", "error"])
)


@given(st.lists(readings, max_size=200))
def test_a_value_is_always_one_that_can_be(pairs):
    channel = Channel()
    for number, pair in enumerate(pairs):
        channel = feed([pair], channel, start=number)
        assert channel.value is None or POSSIBLE.low <= channel.value <= POSSIBLE.high
        assert 0 <= channel.bad <= 6


@given(st.lists(readings, max_size=100))
def test_whatever_was_a_channel_that_works_again_is_cleared(pairs):
    channel = feed(pairs)
    assert what(feed(good(13), channel, start=len(pairs))) is None
