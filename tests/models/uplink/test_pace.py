"""The pace of a backlog, on networks and platforms of any speed."""

from hypothesis import given
from hypothesis import strategies as st

from models.uplink.pace import BATCH, BATCH_FIRST, FLIGHTS_MAX, Pace, landed

TIMES = st.floats(0.001, 60.0)


def settled(record_s: float, trip_s: float) -> Pace:
    """Where it ends when a batch takes that long; flights beside each other share the way."""
    pace = Pace()
    for _ in range(30):
        pace = landed(pace, pace.batch, trip_s + pace.batch * pace.flights * record_s)
    return pace


def test_it_begins_with_little_and_grows_to_all_where_it_is_quick():
    pace, seen = Pace(), []
    for _ in range(7):
        seen.append((pace.batch, pace.flights))
        pace = landed(pace, pace.batch, 0.1)
    assert seen == [(10, 1), (20, 1), (40, 1), (80, 1), (100, 1), (100, 2), (100, 3)]
    assert (pace.batch, pace.flights) == (BATCH, FLIGHTS_MAX)


def test_on_a_slow_way_what_is_new_waits_for_two_seconds_at_most():
    """500 bytes each at 64 kbit/s: a hundred of them would take six seconds."""
    record_s = 500 * 8 / 64_000
    pace = settled(record_s, 0.1)
    assert pace.flights == 1
    assert 0.1 + pace.batch * record_s < 2.0


def test_a_long_way_alone_makes_no_batch_smaller():
    """A satellite: the way there and back takes longer than all that is in the batch."""
    pace = settled(0.0001, 1.2)
    assert (pace.batch, pace.flights) == (BATCH, FLIGHTS_MAX)


def test_a_platform_that_becomes_slow_gets_less_at_once():
    pace = landed(Pace(BATCH, FLIGHTS_MAX, 0.05), BATCH, 4.0)
    assert (pace.batch, pace.flights) == (BATCH_FIRST, 1)


def test_a_small_batch_says_nothing_about_larger_ones():
    assert landed(Pace(40), 3, 0.01).batch == 40


@given(st.lists(st.tuples(st.integers(0, BATCH), TIMES)))
def test_it_stays_within_its_bounds(flights):
    pace = Pace()
    for records, took_s in flights:
        pace = landed(pace, records, took_s)
        assert BATCH_FIRST <= pace.batch <= BATCH
        assert 1 <= pace.flights <= FLIGHTS_MAX
