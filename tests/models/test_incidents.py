"""Actors that fail are told of: at once, then by numbers, and never as a flood."""

from hypothesis import given
from hypothesis import strategies as st

from models.incidents import (
    AT_ONCE_MAX,
    KEYS_MAX,
    KINDS,
    PER_S,
    WINDOW_S,
    Incident,
    heard,
    nothing,
    passed,
)


def crash(path="/a", kind="actor_failed", at=0.0):
    return Incident(kind, path, "Crash(Boom)", at)


def test_the_first_is_told_at_once_and_the_others_as_one_number():
    known, told = heard(nothing(0.0), crash(at=1.0), 0.0)
    assert (told.incident.path, told.times) == ("/a", 1)
    for second in range(1, 400):
        known, told = heard(known, crash(at=float(second)), float(second))
        assert told is None
    known, told = passed(known, WINDOW_S - 1)
    assert told == ()
    known, (told,) = passed(known, WINDOW_S)
    assert (told.times, told.incident.at) == (399, 399.0)
    assert passed(known, WINDOW_S + 1) == (known, ())


def test_who_has_been_quiet_is_told_of_at_once_again():
    known, _ = heard(nothing(0.0), crash(), 0.0)
    known, told = passed(known, WINDOW_S)
    assert (told, known.windows) == ((), {})
    _, told = heard(known, crash(), WINDOW_S)
    assert told.times == 1


def test_a_quarantine_is_told_although_failures_were():
    known, _ = heard(nothing(0.0), crash(), 0.0)
    _, told = heard(known, crash(kind="actor_quarantined"), 1.0)
    assert told.incident.kind == "actor_quarantined"


def test_names_that_somebody_makes_up_take_no_memory():
    known = nothing(0.0)
    for number in range(3 * KEYS_MAX):
        known, _ = heard(known, crash(f"/a{number}"), 0.0)
    assert len(known.windows) == KEYS_MAX


def test_every_kind_has_a_name_of_its_own_or_shares_it_on_purpose():
    assert KINDS["quarantined"] == "actor_quarantined"
    assert {KINDS["child_terminated"], KINDS["start_error"]} == {"actor_failed"}
    assert "restarting" not in KINDS  # it follows every failure
    assert "started" not in KINDS


@given(
    st.lists(
        st.tuples(st.sampled_from(["/a", "/b", "/c"]), st.floats(0, 3 * WINDOW_S)), max_size=200
    )
)
def test_in_any_history_nothing_is_lost_and_the_rate_is_kept(history):
    known, now_s, counted = nothing(0.0), 0.0, 0
    moments = []
    for path, gap_s in history:
        now_s += gap_s
        known, late = passed(known, now_s)
        known, told = heard(known, crash(path), now_s)
        for each in (*late, *((told,) if told else ())):
            counted += each.times
            moments.append(now_s)
    while known.windows:
        now_s += WINDOW_S
        known, late = passed(known, now_s)
        counted += sum(each.times for each in late)
        moments += [now_s] * len(late)
    assert counted == len(history)
    for begin, at_s in enumerate(moments):
        for count, until_s in enumerate(moments[begin:], 1):
            assert count <= AT_ONCE_MAX + (until_s - at_s) * PER_S + 1e-6
