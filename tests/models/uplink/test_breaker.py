"""The breaker: closed, open, and half open with exactly one on its way."""

from hypothesis import given
from hypothesis import strategies as st

from models.uplink.breaker import (
    FAILURES,
    WAIT_S,
    WAIT_S_MAX,
    Breaker,
    admit,
    cancelled,
    failed,
    succeeded,
)


def opened(now_s: float = 0.0) -> Breaker:
    breaker = Breaker()
    for _ in range(FAILURES):
        breaker, held = admit(breaker, now_s)
        breaker = failed(breaker, held, now_s, 1.0)
    return breaker


def test_it_opens_after_so_many_failures_in_a_row():
    breaker = opened()
    assert admit(breaker, WAIT_S - 0.1)[1] == "refused"
    assert admit(breaker, WAIT_S)[1] == "trial"


def test_a_success_in_between_begins_the_count_again():
    breaker = Breaker()
    for _ in range(10):
        for _ in range(FAILURES - 1):
            breaker = failed(breaker, "ordinary", 0.0, 1.0)
        breaker = succeeded(breaker, "ordinary")
    assert admit(breaker, 0.0)[1] == "ordinary"


def test_half_open_lets_exactly_one_through():
    breaker, first = admit(opened(), WAIT_S)
    others = [admit(breaker, WAIT_S + 1.0)[1] for _ in range(3)]
    assert (first, others) == ("trial", ["refused"] * 3)
    assert admit(succeeded(breaker, first), WAIT_S)[1] == "ordinary"


def test_a_trial_that_fails_waits_longer_up_to_a_limit():
    breaker, now_s = opened(), 0.0
    waits = []
    for _ in range(6):
        now_s = breaker.open_until_s
        breaker, held = admit(breaker, now_s)
        breaker = failed(breaker, held, now_s, 1.0)
        waits.append(breaker.open_until_s - now_s)
    assert waits == [10.0, 20.0, 40.0, 60.0, 60.0, 60.0]


def test_a_trial_that_nobody_waited_for_lets_another_try():
    breaker, held = admit(opened(), WAIT_S)
    assert admit(cancelled(breaker, held), WAIT_S)[1] == "trial"


def test_who_comes_back_late_says_nothing_about_now():
    breaker = opened()
    assert failed(breaker, "ordinary", 1.0, 1.0) == breaker
    assert succeeded(breaker, "ordinary") == breaker
    assert cancelled(breaker, "ordinary") == breaker


@given(st.lists(st.tuples(st.floats(0, 100), st.sampled_from(["in", "ok", "no", "gone"]))))
def test_never_two_trials_at_a_time_and_never_shut_for_longer_than_the_limit(history):
    breaker, now_s, trials = Breaker(), 0.0, 0
    for wait_s, event in history:
        now_s += wait_s
        if event == "in":
            breaker, held = admit(breaker, now_s)
            trials += held == "trial"
        elif trials:
            trials -= 1
            end = {"ok": succeeded, "gone": cancelled}.get(event)
            breaker = end(breaker, "trial") if end else failed(breaker, "trial", now_s, 1.0)
        else:
            breaker = failed(breaker, "ordinary", now_s, 1.0)
        assert trials <= 1
        assert (breaker.open_until_s or 0.0) <= now_s + WAIT_S_MAX
