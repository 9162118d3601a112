"""Visits are drawn as the scenario says, and the same seed draws the same."""

from collections import Counter
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.world.scenario import (
    ATTACKS,
    GOOD,
    HABITS,
    REFUSED,
    Fault,
    FaultPlan,
    Interrupt,
    InterruptionPlan,
    Scenario,
    Visit,
    visits,
)


def scenario(**more: Any) -> Scenario:
    return Scenario(**{"about": "a test", "visits": 50, "items": {"mineral": 3, "can": 1}, **more})


def drawn(plan: Scenario, seed: int = 1) -> list[Visit]:
    return list(visits(plan, Random(seed)))


ranges = st.tuples(st.floats(0, 100), st.floats(0, 100)).map(lambda pair: tuple(sorted(pair)))
scenarios = st.builds(
    lambda n, pause, between, each, faults, stops: scenario(
        visits=n,
        pause_s=pause,
        between_s=between,
        items_each=(each, each + 3),
        visitors={"ordinary": 5, "swap": 1, "abandoned": 1},
        faults=(FaultPlan(fault="belt_jam", per_thousand=faults, value=(1.0, 2.0)),),
        interruptions=(InterruptionPlan(what="core_kill", per_thousand=stops),),
    ),
    st.integers(1, 60),
    ranges,
    ranges,
    st.integers(1, 5),
    st.floats(0, 500),
    st.floats(0, 500),
)


@given(scenarios, st.integers(0, 2**32))
def test_every_visit_keeps_to_the_scenario(plan: Scenario, seed: int) -> None:
    found = drawn(plan, seed)
    assert [visit.number for visit in found] == list(range(1, plan.visits + 1))
    assert found[-1].is_last
    is_new = True
    for visit in found:
        low, high = plan.pause_s if is_new else plan.between_s
        assert low <= visit.pause_s <= high or visit.pause_s == pytest.approx(low)
        assert visit.kind in {**plan.items, REFUSED: 1}
        assert 0 <= visit.which < 1
        if visit.is_attack:
            assert visit.kind == (REFUSED if visit.visitor == "abandoned" else GOOD)
            assert visit.is_last
        is_new = visit.is_last


@given(scenarios, st.integers(0, 2**32))
def test_the_same_seed_draws_the_same(plan: Scenario, seed: int) -> None:
    assert drawn(plan, seed) == drawn(plan, seed)


def test_another_seed_draws_something_else() -> None:
    assert drawn(scenario(), 1) != drawn(scenario(), 2)


@given(st.lists(st.integers(1, 5), min_size=1, max_size=8), st.integers(0, 1000))
def test_what_is_to_happen_so_often_happens_so_often(times: list[int], seed: int) -> None:
    faults = tuple(FaultPlan(fault="noise", times=one, of=(str(i),)) for i, one in enumerate(times))
    found = drawn(scenario(visits=50, faults=faults), seed)
    happened = Counter(
        visit.disturbance.of for visit in found if isinstance(visit.disturbance, Fault)
    )
    assert happened == {str(index): one for index, one in enumerate(times)}


def test_rates_and_weights_are_met_on_the_long_run() -> None:
    plan = scenario(
        visits=20_000,
        visitors={"ordinary": 9, "string_pull": 1},
        items_each=(1, 1),
        faults=(FaultPlan(fault="belt_jam", per_thousand=20),),
        interruptions=(
            InterruptionPlan(what="guard_kill", per_thousand=10, phases=("opening", "closing")),
        ),
    )
    found = drawn(plan)
    share = Counter(visit.visitor for visit in found)["string_pull"] / len(found)
    assert share == pytest.approx(0.1, abs=0.01)
    kinds = Counter(visit.kind for visit in found if not visit.is_attack)
    assert kinds["can"] / kinds.total() == pytest.approx(0.25, abs=0.02)
    jams = [visit for visit in found if isinstance(visit.disturbance, Fault)]
    stops = [visit.disturbance for visit in found if isinstance(visit.disturbance, Interrupt)]
    assert len(jams) / len(found) == pytest.approx(0.02, abs=0.004)
    assert len(stops) / len(found) == pytest.approx(0.01, abs=0.003)
    assert {stop.phase for stop in stops} == {"opening", "closing"}


def test_a_visitor_of_weight_nothing_never_comes() -> None:
    found = drawn(scenario(visits=2000, visitors={"ordinary": 1, "swap": 0}))
    assert {visit.visitor for visit in found} == {"ordinary"}


def test_habits_and_attacks_are_different_things() -> None:
    assert not set(HABITS) & set(ATTACKS)
