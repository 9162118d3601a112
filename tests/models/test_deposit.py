"""The item cycle: whatever happens in whatever order, nobody is paid without a drop, nor twice."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models import deposit as rule
from models.deposit import Cycle, learn

A = "m-1-1"
ARRIVED = rule.Arrived(A, 100)
PICTURED = rule.Pictured(A, 150)
ACCEPTED = rule.Judged(A, accepted=True, reason="accepted")
REFUSED = rule.Judged(A, accepted=False, reason="refused_soda")
RESERVED = rule.Written(A, "reserved")
CONFIRMED = rule.Written(A, "confirmed")
DROPPED, STOOD, CLEARED = rule.Dropped(), rule.Stood(A), rule.Cleared()


def run(*facts):
    cycle, decisions = Cycle(), []
    for fact in facts:
        cycle, more = learn(cycle, fact)
        decisions += more
    return cycle, decisions


def test_an_accepted_item_is_paid_after_belt_and_beam_and_disk():
    way = (ARRIVED, PICTURED, ACCEPTED, RESERVED, DROPPED, STOOD, CONFIRMED)
    cycle, decisions = run(*way)
    assert cycle == Cycle()
    assert decisions == [
        rule.TakePicture(100),
        rule.Judge(),
        rule.Write("reserved", "accepted"),
        rule.Run(inward=True),
        rule.Write("confirmed", "accepted"),
        rule.Close(credited=True, reason="accepted"),
    ]


@pytest.mark.parametrize("order", [(DROPPED, STOOD), (STOOD, DROPPED)])
def test_drop_and_standstill_come_in_any_order_and_both_are_needed(order):
    before, _ = run(ARRIVED, PICTURED, ACCEPTED, RESERVED, order[0])
    assert before.phase == "transporting"
    after, decisions = learn(before, order[1])
    assert after.phase == "confirming"
    assert decisions == (rule.Write("confirmed", "accepted"),)


def test_the_belt_does_not_move_before_the_reservation_is_on_the_disk():
    _, decisions = run(ARRIVED, PICTURED, ACCEPTED)
    assert not any(isinstance(decision, rule.Run) for decision in decisions)


def test_a_refused_item_goes_back_and_pays_nothing():
    cycle, decisions = run(ARRIVED, PICTURED, REFUSED, CLEARED, STOOD)
    assert cycle == Cycle()
    assert decisions[-3:] == [
        rule.Write("rejected", "refused_soda"),
        rule.Run(inward=False),
        rule.Close(credited=False, reason="refused_soda"),
    ]


def test_a_picture_from_before_the_arrival_decides_nothing():
    cycle, decisions = run(ARRIVED, rule.Pictured(A, 99))
    assert (cycle.phase, cycle.reason) == ("returning", "stale_picture")
    assert rule.Judge() not in decisions


def test_what_lay_there_at_the_start_goes_back_unjudged():
    cycle, decisions = run(rule.Found(A, 100))
    assert (cycle.phase, cycle.reason) == ("returning", "restarted")
    assert decisions == [rule.Write("rejected", "restarted"), rule.Run(inward=False)]


@pytest.mark.parametrize(
    ("way", "reason", "expected"),
    [
        ((ARRIVED,), "camera_failed", [rule.Write("rejected", "camera_failed"), rule.Run(False)]),
        ((ARRIVED, PICTURED), "late", [rule.Write("rejected", "late"), rule.Run(False)]),
        ((ARRIVED, PICTURED, ACCEPTED), "storage_failed", [rule.Run(False)]),
        (
            (ARRIVED, PICTURED, ACCEPTED, RESERVED),
            "transport_failed",
            [rule.Halt(), rule.Write("review", "transport_failed")],
        ),
    ],
)
def test_a_broken_step_gives_back_or_asks_for_review(way, reason, expected):
    cycle, _ = run(*way)
    _, decisions = learn(cycle, rule.Broke(A, reason))
    assert list(decisions) == expected


def test_facts_of_another_deposit_are_history():
    cycle, _ = run(ARRIVED, PICTURED)
    assert learn(cycle, rule.Judged("m-1-0", accepted=True, reason="accepted")) == (cycle, ())


IDS = st.sampled_from(["m-1-1", "m-1-2"])
FACTS = st.one_of(
    st.builds(rule.Arrived, IDS, st.integers(0, 50)),
    st.builds(rule.Found, IDS, st.integers(0, 50)),
    st.builds(rule.Pictured, IDS, st.integers(0, 100)),
    st.builds(rule.Judged, IDS, st.booleans(), st.sampled_from(["accepted", "refused_soda"])),
    st.builds(rule.Written, IDS, st.sampled_from(["reserved", "confirmed", "rejected", "review"])),
    st.just(DROPPED),
    st.builds(rule.Stood, IDS),
    st.just(CLEARED),
    st.builds(rule.Broke, IDS, st.sampled_from(["late", "camera_failed"])),
)


@given(st.lists(FACTS, max_size=60))
def test_no_history_pays_without_a_drop_or_twice(facts):
    cycle, dropped, credited = Cycle(), False, 0
    for fact in facts:
        before = cycle
        cycle, decisions = learn(before, fact)
        if before.phase == "idle" and cycle.phase != "idle":
            dropped, credited = False, 0
        dropped = dropped or (before.phase == "transporting" and isinstance(fact, rule.Dropped))
        for decision in decisions:
            if decision == rule.Write("confirmed", cycle.reason):
                assert dropped
            if isinstance(decision, rule.Run) and decision.inward:
                assert fact == rule.Written(before.deposit, "reserved")
            if isinstance(decision, rule.Close):
                credited += decision.credited
                assert cycle == Cycle()
        assert credited <= 1


@given(st.lists(FACTS, max_size=40))
def test_every_cycle_can_end(facts):
    """From wherever a history leads, the timeouts alone bring the cycle to its end."""
    cycle, _ = run(*facts)
    for _ in range(4):
        cycle, decisions = learn(cycle, rule.Broke(cycle.deposit, "late"))
        for decision in decisions:
            if isinstance(decision, rule.Write) and cycle.phase == "confirming":
                cycle, _ = learn(cycle, rule.Written(cycle.deposit, decision.state))
    assert cycle == Cycle()
