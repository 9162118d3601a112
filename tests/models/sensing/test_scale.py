"""A weight is a weight once the scale is at rest; zero may wander only so far."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.settings import SensorsSettings
from models.sensing.scale import Rest, Scale, Window, add, ended, rest, scale_fault, tared, tracked

LIMITS = SensorsSettings()
PERIOD_NS = 12_500_000  # 80 readings a second


def window_of(values, period_ns=PERIOD_NS):
    window = Window()
    for number, value in enumerate(values):
        window = add(window, 10**12 + number * period_ns, value, LIMITS)
    return window


def noisy(mean_g, count=9, sigma_g=0.5, seed=1):
    rng = random.Random(seed)
    return [rng.gauss(mean_g, sigma_g) for _ in range(count)]


def swing(mass_g, from_s, count=9):
    """What the load cell reads after an item has come: 25 Hz, damping 0.08."""
    omega, noise = 2 * math.pi * 25, noisy(0.0, count)
    times = [from_s + number * 0.0125 for number in range(count)]
    return [
        mass_g * (1 - math.exp(-0.08 * omega * at) * math.cos(omega * at)) + noise[number]
        for number, at in enumerate(times)
    ]


def test_readings_that_agree_for_a_window_are_a_weight():
    found = rest(window_of(noisy(20.0)), LIMITS)
    assert found.raw_g == pytest.approx(20.0, abs=0.5)
    assert 0 < found.spread_g <= LIMITS.scale_spread_g_max


def test_a_window_that_is_not_full_is_none():
    assert rest(window_of(noisy(20.0, 8)), LIMITS) == Rest(None, why="few")
    assert rest(Window(), LIMITS) == Rest(None, why="few")
    ten_a_second = window_of(noisy(20.0, 20), period_ns=100_000_000)
    assert rest(ten_a_second, LIMITS).why == "few"


def test_what_is_older_than_the_window_does_not_count():
    found = rest(window_of([500.0] * 20 + noisy(20.0)), LIMITS)
    assert found.raw_g == pytest.approx(20.0, abs=0.5)


def test_an_item_that_still_swings_has_no_weight_and_later_has():
    early = rest(window_of(swing(20.0, 0.02)), LIMITS)
    assert (early.raw_g, early.why) == (None, "moves")
    assert early.spread_g > LIMITS.scale_spread_g_max
    assert rest(window_of(swing(20.0, 0.4)), LIMITS).raw_g == pytest.approx(20.0, abs=0.6)


def test_a_few_wild_readings_are_left_out_and_many_are_unrest():
    assert rest(window_of([*noisy(20.0, 7), 900.0, -300.0]), LIMITS).raw_g == pytest.approx(
        20, abs=1
    )
    assert rest(window_of([*noisy(20.0, 6), 900.0, 800.0, -300.0]), LIMITS).why == "moves"


def test_two_weights_in_one_window_are_unrest():
    assert rest(window_of([*noisy(20.0, 5), *noisy(40.0, 4)]), LIMITS).why == "moves"


def test_readings_that_agree_to_the_last_bit_are_no_weight():
    assert rest(window_of([20.0] * 9), LIMITS) == Rest(None, why="frozen")


@given(st.lists(st.floats(-1000, 10_000), min_size=1, max_size=40))
def test_a_weight_lies_between_its_readings_and_they_agree(values):
    window = window_of(values)
    found = rest(window, LIMITS)
    if found.raw_g is None:
        assert found.why in {"few", "moves", "frozen"}
        return
    kept = [value for _, value in window.readings]
    assert min(kept) - 1e-6 <= found.raw_g <= max(kept) + 1e-6
    assert found.spread_g <= LIMITS.scale_spread_g_max
    near = [one for one in kept if abs(one - found.raw_g) <= 2 * LIMITS.scale_spread_g_max]
    assert len(near) >= 0.75 * len(kept)


def test_zero_is_what_it_reads_with_nothing_on_it():
    scale, why = tared(Scale(), 12.5, LIMITS)
    assert (scale.zero_g, why, scale_fault(scale)) == (12.5, "", None)


def test_a_zero_too_far_from_the_installation_is_refused_and_a_fault_until_it_is_near():
    near, _ = tared(Scale(), 12.5, LIMITS)
    for raw_g in (50.1, -50.1):
        far, why = tared(near, raw_g, LIMITS)
        assert "calibrate" in why
        assert far.zero_g == 12.5
        assert scale_fault(far).what == "implausible"
        assert scale_fault(tared(far, 3.0, LIMITS)[0]) is None


def test_small_steps_do_not_carry_zero_away():
    scale = Scale()
    for step in range(20):
        scale, _ = tared(scale, step * 10.0, LIMITS)
    assert scale.zero_g == 50.0


MOVES, RESTS = Rest(None, 9.0, "moves"), Rest(20.0, 1.0)


def test_windows_that_do_not_rest_are_noise_and_three_that_do_clear_it():
    scale = Scale()
    for _ in range(6):
        assert scale_fault(scale) is None
        scale = ended(scale, MOVES)
    for _ in range(3):
        assert scale_fault(scale).what == "noisy"
        scale = ended(scale, RESTS)
    assert scale_fault(scale) is None


def test_three_weighings_in_a_row_without_rest_are_as_much():
    scale = Scale()
    for _ in range(3):
        assert scale_fault(scale) is None
        scale = ended(scale, MOVES, unrest=2)
    assert scale_fault(scale).what == "noisy"


def test_a_scale_of_which_half_the_windows_rest_is_of_use():
    scale = Scale()
    for _ in range(100):
        scale = ended(ended(scale, MOVES), RESTS)
        assert scale_fault(scale) is None


def test_zero_is_followed_as_it_wanders_but_no_item_is_taken_for_it():
    scale = Scale()
    for step in range(1, 26):
        scale = tracked(scale, step * 1.9, LIMITS)
    assert scale.zero_g == pytest.approx(47.5)
    assert tracked(scale, 55.5, LIMITS).zero_g == scale.zero_g  # an empty bottle of 8 g


@pytest.mark.parametrize("raw_g", [20.0, -20.0])
def test_a_weight_where_nothing_should_be_is_a_fault_until_it_goes_or_is_tared(raw_g):
    scale, _ = tared(Scale(), 0.1, LIMITS)
    for _ in range(4):
        assert scale_fault(scale) is None
        scale = tracked(scale, raw_g, LIMITS)
    assert scale_fault(scale).what == "implausible"
    assert scale_fault(tracked(scale, 0.5, LIMITS)) is None
    assert scale_fault(tared(scale, raw_g, LIMITS)[0]) is None


def test_before_zero_was_ever_found_no_weight_is_suspicious():
    scale = Scale()
    for _ in range(10):
        scale = tracked(scale, 5.3, LIMITS)
    assert (scale.zero_g, scale_fault(scale)) == (0.0, None)


def test_a_zero_that_wanders_too_far_is_a_fault_until_somebody_tares():
    scale = tracked(Scale(zero_g=49.5), 50.5, LIMITS)
    assert scale.zero_g == 49.5
    assert scale_fault(scale).what == "implausible"
    assert scale_fault(tracked(scale, 30.0, LIMITS)).what == "implausible"
    assert scale_fault(tared(scale, 5.0, LIMITS)[0]) is None


@given(st.lists(st.floats(-200, 200), max_size=100))
def test_zero_stays_near_the_installations_whatever_is_followed(values):
    scale = Scale()
    for raw_g in values:
        before, scale = scale, tracked(scale, raw_g, LIMITS)
        assert abs(scale.zero_g) <= LIMITS.tare_drift_g_max
        assert abs(scale.zero_g - before.zero_g) <= 2.0


def test_missing_and_frozen_readings_are_the_channels_business():
    scale = Scale()
    for why in ("few", "frozen") * 5:
        scale = ended(scale, Rest(None, why=why))
    assert scale_fault(scale) is None
