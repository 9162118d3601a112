"""Debouncing: a level counts once it has lasted; bounces, blips and clear bottles do not."""

from hypothesis import given
from hypothesis import strategies as st

from models.sensing.line import Line, Times, blips_since, looked

TIMES = Times(cover_s=0.03, free_s=0.06)
POLL_S = 0.01


def look(levels, line=None, start_s=100.0, times=TIMES):
    """Feed levels, a poll apart; yields time and line after each look."""
    line = line or Line()
    for number, level in enumerate(levels):
        now_s = start_s + number * POLL_S
        line = looked(line, level, now_s, times)
        yield now_s, line


def after(levels, line=None, start_s=100.0, times=TIMES):
    *_, (_, line) = look(levels, line, start_s, times)
    return line


FREE = after([False] * 10)
COVERED = after([True] * 10)


def test_the_first_level_is_believed_once_it_has_lasted_and_began_with_the_first_look():
    assert [line.is_known for _, line in look([True] * 4)] == [False, False, False, True]
    assert (COVERED.level, COVERED.since_s) == (True, 100.0)
    assert [line.is_known for _, line in look([False] * 7)] == [False] * 6 + [True]


def test_covered_counts_sooner_than_free():
    assert after([True] * 4, FREE, 200.0).level is True
    assert after([False] * 4, COVERED, 200.0).level is True
    assert after([False] * 7, COVERED, 200.0).level is False


def test_since_is_when_the_level_began_and_not_when_it_was_believed():
    assert after([True] * 9, FREE, 200.0).since_s == 200.0
    assert after([False] * 9, COVERED, 200.0).since_s == 200.0


def test_a_bouncing_contact_is_one_change():
    bounce = [True, False, True, True, True, True, True]
    changes = {line.level for _, line in look(bounce, FREE, 200.0)}
    assert changes == {False, True}
    assert after(bounce, FREE, 200.0).level is True


def test_a_clear_bottle_that_flickers_stays_covered():
    flicker = [False, False, True] * 50
    assert all(line.level is True for _, line in look(flicker, COVERED, 200.0))


def test_a_clear_bottle_is_seen_to_come_although_it_flickers():
    line = after([True, True, False, True, True, True, True], FREE, 200.0)
    assert (line.level, line.since_s) == (True, 200.0)


def test_a_short_interruption_of_a_free_beam_is_a_blip():
    line = after([True, False, False, True, False, False], FREE, 200.0)
    assert line.level is False
    assert blips_since(line, 199.0) == 2
    assert blips_since(line, 200.02) == 1
    assert not line.is_changing


def test_a_flicker_of_a_covered_beam_is_none():
    assert after([False, True] * 30, COVERED, 200.0).blips == ()


def test_what_cannot_be_read_is_unknown_and_comes_back_by_itself():
    lost = after([None] * 4, COVERED, 200.0)
    assert (lost.level, lost.is_known, lost.since_s) == (None, True, 200.0)
    assert after([None, None, True], COVERED, 200.0).level is True
    assert after([False] * 7, lost, 300.0).level is False


def test_without_debounce_every_look_counts():
    at_once = Times(0.0, 0.0)
    levels = [line.level for _, line in look([True, False, None, True], times=at_once)]
    assert levels == [True, False, None, True]


def test_a_look_with_nothing_new_costs_no_new_value():
    assert looked(FREE, False, 300.0, TIMES) is FREE


def test_a_falling_item_is_seen_in_two_looks():
    drop = Times(cover_s=0.005, free_s=0.06)
    line = after([True, True, False], after([False] * 10, times=drop), 200.0, drop)
    assert (line.level, line.since_s) == (True, 200.0)


levels = st.lists(st.sampled_from([True, False, None]), min_size=1, max_size=200)


@given(levels)
def test_nothing_is_believed_that_was_not_read_for_as_long_as_it_takes(read):
    before = Line()
    for number, (now_s, line) in enumerate(look(read)):
        if line.is_known and (not before.is_known or line.level is not before.level):
            needed_s = TIMES.free_s if line.level is False else TIMES.cover_s
            assert now_s - line.since_s >= needed_s - 1e-9
            began = round((line.since_s - 100.0) / POLL_S)
            seen = read[began : number + 1]
            assert seen[0] is seen[-1] is line.level
            if line.level is not True:  # only towards covered is a gap forgiven
                assert set(seen) == {line.level}
            else:
                assert seen.count(True) > seen.count(False)
        before = line


@given(levels, st.sampled_from([True, False, None]))
def test_a_level_that_lasts_is_believed_whatever_was_before(read, last):
    line = after(read + [last] * 30)
    assert (line.is_known, line.level, line.is_changing) == (True, last, False)


@given(levels)
def test_changes_come_in_the_order_of_their_times(read):
    times = [line.since_s for _, line in look(read) if line.is_known]
    assert times == sorted(times)


@given(st.lists(st.booleans(), max_size=60))
def test_blips_are_bounded(read):
    line = FREE
    for round_ in range(10):
        line = after([True, False, *read], line, 300.0 + round_ * 5)
    assert len(line.blips) <= 200
