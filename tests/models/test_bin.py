"""The bin's stages: hysteresis, jumps, and the estimate while the sensor is silent."""

from hypothesis import given
from hypothesis import strategies as st

from config.settings import BinSettings
from models.bin import PERCENT_AN_ITEM, Bin, dropped, emptied, levelled

LIMITS = BinSettings()
LEVELS = st.floats(min_value=0, max_value=100)
READINGS = st.one_of(st.none(), st.floats(allow_nan=True, allow_infinity=True))


def told(*readings: float | None, bin_: Bin | None = None) -> Bin:
    known = bin_ or Bin()
    for reading in readings:
        known = levelled(known, reading, LIMITS)
    return known


def test_a_bin_that_nobody_has_measured_is_open_and_its_level_unknown():
    assert Bin().stage == "open"
    assert Bin().percent is None


def test_the_first_reading_counts_at_once():
    assert told(42.0).percent == 42.0


def test_the_stages_come_at_their_limits():
    stages = [told(level).stage for level in (0.0, 79.9, 80.0, 94.9, 95.0, 100.0)]
    assert stages == ["open", "open", "warn", "warn", "full", "full"]


def test_a_full_bin_stays_full_until_it_is_well_below():
    full = told(96.0)
    assert told(91.0, 91.0, bin_=full).stage == "full"
    assert told(89.0, 89.0, bin_=full).stage == "warn"
    assert told(10.0, 10.0, bin_=full).stage == "open"


def test_a_warning_does_not_flutter_either():
    warned = told(80.0)
    assert told(78.0, 78.0, bin_=warned).stage == "warn"
    assert told(74.0, 74.0, bin_=warned).stage == "open"


def test_a_single_jump_is_not_believed():
    known = told(20.0, 20.0, 97.0)
    assert known.percent == 20.0
    assert known.stage == "open"
    assert told(20.0, bin_=known).percent == 20.0


def test_a_jump_that_repeats_is_believed():
    assert told(20.0, 20.0, 97.0, 97.0).stage == "full"


def test_a_jump_that_still_stands_when_an_item_falls_is_believed():
    assert dropped(told(20.0, 20.0, 97.0)).stage == "full"


def test_a_sensor_that_works_has_the_say_over_the_count():
    known = told(50.0, 50.0, 50.0)
    for _ in range(200):
        known = dropped(known)
    assert known.percent == 50.0


def test_while_the_sensor_is_silent_the_level_goes_on_from_its_last_value():
    known = told(50.0, 50.0, None)
    assert known.percent == 50.0
    assert dropped(dropped(known)).percent == 50.0 + 2 * PERCENT_AN_ITEM


def test_a_silent_sensor_closes_the_machine_before_the_bin_is_full():
    known = emptied(told(96.0, None))
    drops = 0
    while known.stage != "full":
        known = dropped(known, LIMITS)
        drops += 1
    assert drops == 114  # 95 % of 120


def test_a_sensor_that_was_never_heard_closes_the_machine_too_and_no_level_is_made_up():
    known = told(None)
    for _ in range(114):
        known = dropped(known)
    assert known.stage == "full"
    assert known.percent is None


def test_the_first_echo_after_a_silence_alone_changes_nothing():
    known = told(30.0, None, 99.0)
    assert known.stage == "open"
    assert told(99.0, bin_=known).stage == "full"


def test_an_exchanged_bin_is_open_at_once():
    known = emptied(told(99.0))
    assert (known.stage, known.percent) == ("open", 0.0)


def test_a_bin_that_was_said_to_be_empty_and_is_not_closes_again():
    assert told(99.0, 99.0, bin_=emptied(told(99.0))).stage == "full"


@given(st.lists(st.one_of(READINGS, st.just("drop"), st.just("empty")), max_size=60))
def test_whatever_is_told_the_level_stays_a_percentage_and_fits_the_stage(facts):
    known = Bin()
    for fact in facts:
        if fact == "drop":
            known = dropped(known)
        elif fact == "empty":
            known = emptied(known)
        else:
            known = levelled(known, fact, LIMITS)
        assert known.percent is None or 0 <= known.percent <= 100
        if known.percent is not None and known.percent >= LIMITS.full_percent:
            assert known.stage == "full"
        if known.percent is not None and known.percent < LIMITS.reopen_percent:
            assert known.stage != "full"


@given(st.lists(LEVELS, min_size=3), st.integers(0, 200))
def test_items_never_make_an_estimate_smaller(readings, drops):
    known = told(*readings, None)
    for _ in range(drops):
        following = dropped(known)
        assert following.percent >= known.percent
        known = following
