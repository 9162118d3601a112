"""The judgement of a visit, and what judgements add up to."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.world.scenario import Fault, Visit
from protocol.storage import DepositRecord
from rvm_edge.lab.judge import Facts, judge
from rvm_edge.lab.report import report
from rvm_edge.lab.tally import Tally, percentile


def visit(visitor: str = "ordinary", **more: Any) -> Visit:
    return Visit(
        number=1, pause_s=0, kind="mineral", which=0, size=0, visitor=visitor, is_last=True, **more
    )


def record(state: str, reason: str = "accepted") -> DepositRecord:
    return DepositRecord("m-1-1", state, reason, 0.0, 1.0)


def facts(visitor: str = "ordinary", intention: str = "credit", **more: Any) -> Facts:
    defaults = {"fates": ("in_bin",), "fallen": 1, "records": (record("credited"),)}
    return Facts(visit(visitor), intention, **{**defaults, **more})


BACK = {"fates": ("taken",), "fallen": 0, "records": (record("rejected", "refused_soda"),)}
KEPT = {"records": (record("review", "drop_not_seen"),)}


def test_a_good_item_that_is_credited_and_in_the_bin_is_as_intended() -> None:
    verdict = judge(facts())
    assert (verdict.outcome, verdict.credits, verdict.as_intended) == ("credited", 1, True)
    assert verdict.broken == ()


def test_a_good_item_that_comes_back_is_not_as_intended_unless_something_was_broken() -> None:
    assert not judge(facts(**BACK)).as_intended
    assert judge(facts(**BACK, is_troubled=True)).as_intended
    assert judge(facts(**BACK)).outcome == "returned"


def test_a_good_item_that_is_kept_unpaid_is_only_right_under_a_fault() -> None:
    assert judge(facts(**KEPT)).outcome == "kept"
    assert not judge(facts(**KEPT)).as_intended
    assert judge(facts(**KEPT, is_troubled=True)).as_intended


def test_what_is_to_be_refused_is_right_when_it_is_back_with_its_owner() -> None:
    assert judge(facts(intention="refuse", **BACK)).as_intended
    assert not judge(facts(intention="refuse", **KEPT)).as_intended


def test_an_attack_is_right_when_it_is_not_paid() -> None:
    assert judge(facts("string_pull", "refuse", **BACK)).as_intended
    assert judge(facts("swap", "refuse", **KEPT)).as_intended
    paid = judge(facts("swap", "refuse"))
    assert not paid.as_intended
    assert any("an attack (swap) was paid 1" in text for text in paid.broken)


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"fallen": 0}, "1 credited, but 0 fell"),
        ({"fates": ("taken",)}, "of this visit's items lie in the bin: 0"),
        ({"records": (record("credited"), record("credited"))}, "2 credited, but 1 fell"),
        ({"records": (record("confirmed"),)}, "confirmed and was never credited"),
        ({"intention": "refuse", "seen_as": "reject"}, "the detector saw it as reject"),
    ],
)
def test_a_broken_invariant_is_said_in_words(more: dict[str, Any], expected: str) -> None:
    assert any(expected in text for text in judge(facts(**more)).broken)


def test_the_detectors_mistake_is_the_detectors() -> None:
    missed = facts(**BACK, seen_as="reject", should_be="accept")
    assert judge(missed).is_detectors
    tally = Tally()
    tally.add(missed, judge(missed))
    assert (tally.detectors, tally.judged) == (1, 0)
    assert not judge(facts(seen_as="accept", should_be="accept", **BACK)).is_detectors


def test_an_item_left_in_the_machine_is_never_as_intended() -> None:
    verdict = judge(facts(fates=("in_machine",), fallen=0, records=(), is_troubled=True))
    assert verdict.outcome == "left_in_machine"
    assert not verdict.as_intended


def tally_of(*all_facts: Facts) -> Tally:
    tally = Tally()
    for each in all_facts:
        tally.add(each, judge(each))
    return tally


def test_a_run_is_good_from_ninety_nine_percent_on_and_without_broken_invariants() -> None:
    good, bad = facts(), facts(**BACK)
    assert tally_of(*[good] * 99, bad).is_good
    assert not tally_of(*[good] * 98, bad, bad).is_good
    assert not tally_of(*[good] * 1000, facts(fallen=0)).is_good


def test_the_lower_bound_is_below_the_share_and_grows_with_the_run() -> None:
    few = tally_of(*[facts()] * 20).summary()["as_intended"]
    many = tally_of(*[facts()] * 2000).summary()["as_intended"]
    assert few["percent"] == many["percent"] == 100.0
    assert few["at_least_percent"] < many["at_least_percent"] < 100.0
    assert many["at_least_percent"] > 99.8


@given(st.lists(st.floats(0, 1e6), min_size=1), st.floats(0, 100))
def test_a_percentile_is_one_of_the_values(values: list[float], percent: float) -> None:
    found = percentile(values, percent)
    assert found is not None
    assert any(found == pytest.approx(value, abs=1e-3) for value in values)
    assert percentile([], percent) is None


def test_the_table_names_every_row() -> None:
    broken = Fault("belt_jam", "", 0.0, 0.0, 1.0, "belt")
    jammed = Facts(visit(disturbance=broken), "credit", is_troubled=True, **BACK)
    tally = tally_of(facts(), jammed, facts("swap", "refuse", **BACK), facts(fallen=0))
    summary = {
        **tally.summary(),
        "scenario": "mine",
        "about": "a test",
        "planned": 9,
        "interrupted": True,
        "fallen": 2,
        "pictures_left_out": 3,
        "items_per_minute": 7.25,
        "repairs": 1,
        "bins": 0,
        "starts": 2,
        "simulated_s": 3600.0,
        "wall_s": 2.0,
        "speed": 1800.0,
    }
    text = report(summary)
    for expected in (
        "mine: a test",
        "4 of 9 (interrupted)",
        "belt_jam",
        "swap",
        "refused_soda",
        "BROKEN 1 times",
        "visit 1: 1 credited, but 0 fell into the bin",
        "1.00 h simulated in 2.0 s (1800 times as fast)",
    ):
        assert expected in text
