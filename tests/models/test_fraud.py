"""Lockout, pace and memory, with exact times and with histories at random."""

from hypothesis import given
from hypothesis import strategies as st

from config.settings import FraudSettings
from models.fraud import MINUTE_S, VOIDS_KEPT, Seen, Suspicion, closed, credited, is_known, voided
from models.reasons import Reason

LIMITS = FraudSettings()
BOTTLE = Seen(0.23, 20.0)
TIMES = st.lists(st.floats(0, 10_000), max_size=200).map(sorted)


def voids_at(*times_s: float, seen: Seen = BOTTLE) -> Suspicion:
    known = Suspicion()
    for at_s in times_s:
        known = voided(known, seen, at_s, LIMITS)
    return known


def test_a_fresh_memory_suspects_nobody():
    assert closed(Suspicion(), 0.0, LIMITS) is None
    assert not is_known(Suspicion(), BOTTLE, 0.0, LIMITS)


def test_the_third_void_within_the_window_closes_the_inlet_for_a_while():
    assert closed(voids_at(0.0, 100.0), 100.0, LIMITS) is None
    locked = voids_at(0.0, 100.0, 200.0)
    assert closed(locked, 200.0, LIMITS) is Reason.LOCKED_OUT
    assert closed(locked, 259.9, LIMITS) is Reason.LOCKED_OUT
    assert closed(locked, 260.0, LIMITS) is None


def test_voids_far_apart_close_nothing():
    assert closed(voids_at(0.0, 200.0, 301.0), 301.0, LIMITS) is None


def test_one_more_void_after_a_lockout_locks_again():
    assert closed(voids_at(0.0, 10.0, 20.0, 90.0), 91.0, LIMITS) is Reason.LOCKED_OUT


def test_the_pace_is_limited_and_comes_back_by_itself():
    known = Suspicion()
    for number in range(LIMITS.items_per_minute_max):
        assert closed(known, number * 1.0, LIMITS) is None
        known = credited(known, number * 1.0, LIMITS)
    assert closed(known, 30.0, LIMITS) is Reason.TOO_FAST
    assert closed(known, 59.9, LIMITS) is Reason.TOO_FAST
    assert closed(known, 60.0, LIMITS) is None


def test_a_lockout_is_named_before_the_pace():
    known = voids_at(0.0, 0.0, 0.0)
    for _ in range(LIMITS.items_per_minute_max):
        known = credited(known, 1.0, LIMITS)
    assert closed(known, 2.0, LIMITS) is Reason.LOCKED_OUT


def test_an_item_that_was_void_is_known_for_two_minutes():
    known = voids_at(0.0)
    assert is_known(known, Seen(0.24, 21.0), 120.0, LIMITS)
    assert not is_known(known, BOTTLE, 120.1, LIMITS)


def test_another_length_or_another_mass_is_another_item():
    known = voids_at(0.0)
    assert not is_known(known, Seen(0.25, 20.0), 1.0, LIMITS)
    assert not is_known(known, Seen(0.23, 22.0), 1.0, LIMITS)


def test_a_missing_measure_leaves_the_decision_to_the_other():
    assert is_known(voids_at(0.0, seen=Seen(0.23, None)), BOTTLE, 1.0, LIMITS)
    assert is_known(voids_at(0.0), Seen(None, 20.0), 1.0, LIMITS)
    assert not is_known(voids_at(0.0), Seen(None, 30.0), 1.0, LIMITS)


def test_what_was_not_measured_at_all_is_never_known():
    assert not is_known(voids_at(0.0, seen=Seen(None, None)), BOTTLE, 1.0, LIMITS)
    assert not is_known(voids_at(0.0, seen=Seen(0.23, None)), Seen(None, 20.0), 1.0, LIMITS)


@given(TIMES, st.integers(1, 100), st.floats(0.1, 86_400), st.floats(0.1, 86_400))
def test_the_lockout_is_what_a_look_at_the_whole_history_says(times_s, most, window_s, lockout_s):
    limits = FraudSettings(voids_max=most, voids_window_s=window_s, lockout_s=lockout_s)
    known = Suspicion()
    for count, at_s in enumerate(times_s, start=1):
        known = voided(known, BOTTLE, at_s, limits)
        is_too_many = sum(at_s - past_s <= window_s for past_s in times_s[:count]) >= most
        assert (closed(known, at_s, limits) is Reason.LOCKED_OUT) == is_too_many


@given(TIMES, st.integers(1, 600))
def test_a_machine_that_obeys_never_pays_for_more_than_the_limit_in_a_minute(times_s, most):
    limits = FraudSettings(items_per_minute_max=most)
    known, paid_s = Suspicion(), []
    for at_s in times_s:
        if closed(known, at_s, limits) is None:
            known = credited(known, at_s, limits)
            paid_s.append(at_s)
        assert sum(at_s - past_s < MINUTE_S for past_s in paid_s) <= most


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 1_000)), max_size=2_000))
def test_the_memory_is_bounded(facts):
    known = Suspicion()
    for is_void, at_s in facts:
        paid = credited(known, at_s, LIMITS)
        known = voided(known, BOTTLE, at_s, LIMITS) if is_void else paid
    assert len(known.voids) <= VOIDS_KEPT
    assert len(known.credits_s) <= LIMITS.items_per_minute_max


@given(st.floats(0, 1), st.floats(0, 200), st.floats(0, 120))
def test_the_very_same_item_is_always_known_while_it_is_remembered(length_m, mass_g, later_s):
    seen = Seen(length_m, mass_g)
    assert is_known(voids_at(0.0, seen=seen), seen, later_s, LIMITS)


def test_the_next_customers_bottle_of_the_same_make_is_another_one():
    mine, theirs = Seen(0.23, 20.0, "m-s-1-1"), Seen(0.23, 20.0, "m-s-1-2")
    suspicion = voided(Suspicion(), mine, 10.0, LIMITS)
    assert is_known(suspicion, mine, 11.0, LIMITS)
    assert not is_known(suspicion, theirs, 11.0, LIMITS)
