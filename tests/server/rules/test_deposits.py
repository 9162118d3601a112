"""New, the same again, a step, or another: told by hashes and states alone."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from models.ledger.transitions import DECIDED, NEXT
from protocol.platform.reports import Deposit
from server.rules.deposits import judge, known_of

STATES = ("reserved", "transporting", "confirmed", "credited", "rejected", "review", "void")
states = st.sampled_from(STATES)


def deposit(**changes) -> Deposit:
    said = {"key": "k", "state": "credited", "session_token": "s", "waste_type": "mineral"}
    return msgspec.convert({**said, "at": 1.0, "weight": 0.02, **changes}, Deposit)


def verdict(first: Deposit, second: Deposit) -> str:
    return judge(known_of(first), known_of(second))


@given(states)
def test_the_same_again_is_a_duplicate(state: str):
    assert verdict(deposit(state=state), deposit(state=state)) == "duplicate"


@given(states, states)
def test_a_step_forth_is_taken_and_the_way_back_changes_nothing(first: str, second: str):
    forth = verdict(deposit(state=first), deposit(state=second, at=2.0))
    back = verdict(deposit(state=second), deposit(state=first, at=2.0))
    if forth == "moved":
        assert back == "duplicate"
    assert "moved" not in {forth, back} or forth != back


@given(states, st.sampled_from(["credited", "rejected", "void"]))
def test_nothing_leaves_a_final_state(state: str, final: str):
    assert verdict(deposit(state=final), deposit(state=state, at=2.0)) != "moved"


@given(st.sampled_from(["credited", "void"]))
def test_a_decision_is_about_the_same_item(decision: str):
    review = deposit(state="review", reason="power_cut")
    assert verdict(review, deposit(state=decision, reason="operator", at=9.0)) == "moved"
    for change in ({"weight": 0.5}, {"waste_type": "soda"}, {"session_token": "another"}):
        assert verdict(review, deposit(state=decision, **change)) == "key_reused"


@given(states, states)
def test_every_step_of_the_machine_s_ledger_is_a_step_here(first: str, second: str):
    if second in NEXT.get(first, ()) or second in DECIDED.get(first, ()):
        assert verdict(deposit(state=first), deposit(state=second)) == "moved"
