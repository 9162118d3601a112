"""The canary: one miss is forgiven, two in a row are not."""

from hypothesis import given
from hypothesis import strategies as st

from models.vision.canary import MISSES_MAX, Canary, answered

LIMIT_MS = 2000.0


def show(canary, wrong="", took_ms=10.0):
    return answered(canary, wrong, took_ms=took_ms, limit_ms=LIMIT_MS, at_s=1.0)


def test_a_right_answer_in_time_is_well():
    canary = show(Canary())
    assert (canary.shown, canary.misses, canary.why, canary.is_dead) == (1, 0, "", False)


def test_a_late_answer_is_a_miss():
    canary = show(Canary(), took_ms=2001.0)
    assert canary.misses == 1
    assert "2001 ms" in canary.why


def test_two_misses_in_a_row_are_its_end():
    once = show(Canary(), "wrong")
    assert not once.is_dead
    assert show(once, "wrong").is_dead
    assert not show(show(once), "wrong").is_dead


@given(st.lists(st.booleans(), max_size=50))
def test_it_is_dead_exactly_while_the_last_answers_were_all_missed(answers):
    canary = Canary()
    for right in answers:
        canary = show(canary, "" if right else "wrong")
    last = answers[-MISSES_MAX:]
    assert canary.is_dead == (len(last) == MISSES_MAX and not any(last))
    assert canary.shown == len(answers)
