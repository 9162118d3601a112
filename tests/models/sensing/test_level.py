"""How full the bin is, from echoes that get lost."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.settings import SensorsSettings
from models.sensing.level import Level, heard, is_news, level_fault, possible_m

LIMITS = SensorsSettings()
DEPTH_M = 0.7


def hear(echoes, level=None, period_s=0.5):
    level = level or Level()
    for number, echo_m in enumerate(echoes):
        level = heard(level, echo_m, DEPTH_M, 100.0 + number * period_s, LIMITS)
    return level


def test_the_middle_one_of_five_counts():
    assert hear([0.35, 0.35, 0.1, 0.7, 0.35]).percent == pytest.approx(50.0)


def test_lost_echoes_change_nothing_until_all_are_lost():
    known = hear([0.35] * 5)
    assert hear([None, None, None, 0.2], known).percent == pytest.approx(50.0)
    assert hear([None] * 5, known).percent is None


def test_a_few_echoes_at_the_start_are_no_level_yet():
    assert Level().percent is None
    assert hear([0.35, 0.35]).percent is None
    assert hear([0.35, 0.35, 0.35]).percent == pytest.approx(50.0)


@pytest.mark.parametrize(
    ("distance_m", "percent"), [(0.74, 0.0), (0.7, 0.0), (0.07, 90.0), (0.0, 100.0)]
)
def test_it_is_a_percentage_of_the_depth(distance_m, percent):
    assert hear([distance_m] * 5).percent == pytest.approx(percent)


def test_what_comes_from_below_the_floor_cannot_be():
    assert possible_m(0.7).high == pytest.approx(0.75)
    assert possible_m(0.7).low == 0.0


def test_an_ordinary_bin_is_well_though_its_surface_is_rugged():
    rng = random.Random(3)
    level = Level()
    for number in range(500):
        echo_m = None if rng.random() < 0.02 else 0.6 - number * 0.001 + rng.gauss(0, 0.0153)
        level = heard(level, echo_m, DEPTH_M, number * 0.5, LIMITS)
        assert level_fault(level) is None


def test_echoes_that_do_not_agree_are_noise():
    wild = [0.1, 0.6, 0.3, 0.7, 0.45]
    assert level_fault(hear(wild * 2)) is None
    noisy = hear(wild * 3)
    assert level_fault(noisy).what == "noisy"
    assert level_fault(hear([0.3, 0.31, 0.6, 0.29, 0.3], noisy)) is None


def test_a_bin_that_is_full_from_one_echo_to_the_next_is_no_fault():
    level = hear([0.6] * 5)
    for _ in range(10):
        level = hear([0.05], level)
        assert level_fault(level) is None
        assert round(level.percent) in {14, 93}


def test_a_bin_that_jumps_up_and_down_is_implausible_for_a_minute():
    up_and_down = ([0.6] * 5 + [0.1] * 5) * 3
    jumping = hear(up_and_down)
    assert level_fault(jumping).what == "implausible"
    assert level_fault(hear([0.6] * 130, jumping)) is None


def test_an_exchanged_bin_is_one_jump_and_no_fault():
    assert level_fault(hear([0.1] * 20 + [0.7] * 20)) is None


def test_a_level_is_worth_telling_when_it_is_another_percent_or_known_anew():
    assert is_news(None, 10.0)
    assert is_news(10.0, None)
    assert is_news(10.0, 11.1)
    assert not is_news(10.0, 10.9)
    assert not is_news(None, None)


@given(st.lists(st.one_of(st.none(), st.floats(0, 0.75)), max_size=60))
def test_it_stays_within_its_bounds(echoes):
    level = hear(echoes)
    assert len(level.echoes) <= LIMITS.bin_readings
    assert level.percent is None or 0 <= level.percent <= 100
    assert len(level.jumps) <= 4
