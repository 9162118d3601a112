"""A storm is answered, and then read more slowly, so that the journal does not run full of it."""

from hypothesis import given
from hypothesis import strategies as st

from models.remote.turn import IDLE_AT_ONCE, IDLE_PER_S, PAGE_MAX, Strain


def test_a_burst_costs_no_pause_and_a_storm_does():
    strain = Strain(0.0, 0.0).after(IDLE_AT_ONCE, 0.0)
    assert strain.pause_s == 0.0
    assert strain.after(PAGE_MAX, 0.0).pause_s == PAGE_MAX / IDLE_PER_S
    assert strain.after(1, 1e6).pause_s == 0.0  # long ago


def test_a_clock_that_goes_back_gives_nothing_away():
    assert Strain(300.0, 100.0).after(0, 50.0).owed == 300.0


@given(st.lists(st.tuples(st.integers(0, PAGE_MAX), st.floats(0, 100)), max_size=60))
def test_who_keeps_the_pauses_writes_no_more_than_the_burst_and_the_rate(pages):
    strain, now_s, written = Strain(0.0, 0.0), 0.0, 0
    for more, gap_s in pages:
        now_s += strain.pause_s + gap_s
        strain = strain.after(more, now_s)
        written += more
        assert written <= IDLE_AT_ONCE + PAGE_MAX + now_s * IDLE_PER_S + 1e-6
