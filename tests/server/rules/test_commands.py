"""The state of a command is what its reports make of it, in whatever order they come."""

from __future__ import annotations

import itertools
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.platform.remote import FINAL, CommandReport, CommandState
from server.rules.commands import state_after

STATES = get_args(CommandState)


def after(*states: str) -> str:
    state = ""
    for one in states:
        state = state_after(state, CommandReport(one, 1.0))
    return state


@given(st.lists(st.sampled_from(STATES)))
def test_the_first_final_report_stays(states: list[str]):
    finals = [one for one in states if one in FINAL]
    assert after(*states) in ([finals[0]] if finals else ["", "received", "accepted", "running"])


@pytest.mark.parametrize("order", list(itertools.permutations(["received", "accepted", "running"])))
def test_steps_that_come_out_of_order_do_not_go_back(order: tuple[str, ...]):
    assert after(*order) == "running"


def test_a_duplicate_is_about_a_delivery():
    assert after("duplicate") == ""
    assert after("received", "duplicate") == "received"
