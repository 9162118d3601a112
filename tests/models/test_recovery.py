"""What becomes of deposits whose story was interrupted."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from models.deposit import decisions, facts
from models.recovery import Sensed, fates
from protocol.storage import DepositRecord
from tests.models.deposit_bench import CLEAR, WELL, Bench

QUIET = Sensed(
    inside=False,
    exit=False,
    gate="closed",
    door_closed=True,
    estop_released=True,
    beam_gate=False,
)


def record(state, id_="m-1-7", **more):
    known = {"length_m": 0.23, "mass_g": 20.0, "session": "s-0", **more}
    return DepositRecord(id_, state, "accepted", 1.0, 1.0, **known)


def fate(state, **sensed):
    ((_, decided),) = fates([record(state)], replace(QUIET, **sensed))
    return decided


@pytest.mark.parametrize("inside", [True, False, None])
@pytest.mark.parametrize("door", [True, False, None])
def test_what_was_confirmed_is_credited_whatever_the_machine_reads(inside, door):
    assert fate("confirmed", inside=inside, door_closed=door) == "credit"


def test_what_was_reserved_has_not_moved_and_goes_back():
    assert fate("reserved") == "void"
    assert fate("reserved", inside=True) == "void"


@pytest.mark.parametrize("exit_", [True, None])
def test_what_was_reserved_and_covers_the_exit_is_a_riddle(exit_):
    assert fate("reserved", exit=exit_) == "review"


def test_what_was_on_its_way_is_finished_when_that_is_safe():
    assert fate("transporting") == "finish"


@pytest.mark.parametrize(
    "sensed",
    [
        {"gate": "open"},
        {"gate": "between"},
        {"gate": "unknown"},
        {"door_closed": False},
        {"door_closed": None},
        {"estop_released": False},
        {"estop_released": None},
        {"beam_gate": True},
        {"beam_gate": None},
        {"inside": True},
        {"inside": None},
        {"exit": True},
        {"exit": None},
    ],
)
def test_and_is_for_review_when_anything_is_not_as_it_was_left(sensed):
    assert fate("transporting", **sensed) == "review"


def test_only_the_newest_can_be_on_the_belt():
    records = [
        record("transporting", "m-2-1"),
        record("reserved", "m-1-12"),
        record("confirmed", "m-1-9"),
    ]
    decided = {each.id: fate for each, fate in fates(records, QUIET)}
    assert decided == {"m-2-1": "finish", "m-1-12": "review", "m-1-9": "credit"}


STATES = st.sampled_from(["reserved", "transporting", "confirmed"])


@given(st.lists(STATES, max_size=5), st.booleans(), st.booleans())
def test_everything_that_was_open_gets_one_fate(states, door, exit_):
    records = [record(state, f"m-1-{n}") for n, state in enumerate(states)]
    decided = fates(records, replace(QUIET, door_closed=door, exit=exit_))
    assert [each.id for each, _ in decided] == [each.id for each in records]
    assert sum(fate in ("finish", "void") for _, fate in decided) <= 1
    for each, fate in decided:
        assert (fate == "credit") == (each.state == "confirmed")


# -- the same in the cycle ----------------------------------------------------------------------


def test_a_confirmed_deposit_is_credited_at_boot_to_the_session_it_belongs_to():
    bench = Bench().boot(record("confirmed"))
    assert bench.written == [("credited", "accepted")]
    assert bench.all_said(decisions.Credited) == [decisions.Credited("m-1-7", "s-0")]
    bench.at("selftest")


def test_a_reserved_one_is_void_and_what_lies_there_comes_back_under_its_id():
    bench = Bench().boot(record("reserved"))
    assert bench.written == [("void", "interrupted")]
    bench.weigh(25.0)  # more than an empty scale that nobody has tared
    bench.at("rejecting").opened()
    bench.beam("inside", True)
    bench.beam("entry", True)
    bench.beam("inside", False)
    bench.stand("stopped")
    bench.beam("entry", False)
    bench.at("leaving").shut().at("selftest")
    assert {each.id for each in bench.records} == {"m-1-7"}


def test_one_that_was_on_its_way_is_finished_with_the_whole_proof():
    bench = Bench().boot(record("transporting"))
    bench.at("transporting").exit()
    bench.wait(0.16)
    bench.stand("stopped")
    bench.drop()
    assert bench.states == ["confirmed", "credited"]


def test_one_that_does_not_come_may_have_fallen_before_and_is_for_review():
    bench = Bench().boot(record("transporting"))
    bench.wait(2.5)
    bench.stand()
    assert bench.written == [("review", "interrupted")]
    assert bench.cycle.unproven == 0


@pytest.mark.parametrize("state", ["reserved", "transporting", "confirmed"])
def test_with_the_door_open_nothing_moves_and_everything_is_settled(state):
    bench = Bench()
    bench.tell(facts.Opened("m-1", (record(state),)))
    bench.tell(facts.Guarded(False, True, "closed", False, "door"), facts.Sensed(CLEAR))
    bench.at("service")
    assert bench.all_said(decisions.Move) == []
    end = {"reserved": "void", "transporting": "review", "confirmed": "credited"}[state]
    assert bench.states == [end]


def test_an_item_without_a_story_goes_back_and_is_recorded_once_it_has_shown_itself():
    bench = Bench()
    bench.tell(facts.Opened("m-1"), WELL, facts.Sensed({**CLEAR, "inside": True}))
    bench.opened()
    assert bench.written == []
    bench.beam("entry", True)
    bench.beam("inside", False)
    bench.stand("stopped")
    bench.beam("entry", False)
    bench.shut()
    assert bench.written == [("rejected", "restarted")]
    bench.at("selftest")
