"""Alive, late, lost, dead: by the time since a machine was heard."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from server.rules.liveness import liveness

ORDER = ("alive", "late", "lost")


def after(silence_s: float, heartbeat_s: float = 60.0) -> str:
    return liveness(last_seen_at=0.0, died_at=None, now_s=silence_s, heartbeat_s=heartbeat_s)


@given(st.floats(0, 1e6), st.floats(0, 1e6), st.floats(1, 3600))
def test_silence_never_makes_a_machine_more_alive(first: float, more: float, heartbeat_s: float):
    states = [after(silence, heartbeat_s) for silence in (first, first + more)]
    assert ORDER.index(states[0]) <= ORDER.index(states[1])


def test_a_heartbeat_with_its_jitter_and_a_retry_is_in_time():
    assert [after(seconds) for seconds in (0, 66, 90, 91, 150, 151)] == [
        "alive",
        "alive",
        "alive",
        "late",
        "late",
        "lost",
    ]


def test_a_machine_that_was_never_heard_is_not_lost():
    assert liveness(last_seen_at=None, died_at=None, now_s=9e9, heartbeat_s=60) == "unborn"


def test_who_has_said_goodbye_is_dead_and_not_lost():
    assert liveness(last_seen_at=0, died_at=0, now_s=9e9, heartbeat_s=60) == "dead"
