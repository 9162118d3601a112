"""Campaigns in virtual time: hundreds of visits on the parts that ship, judged by the truth."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import NamedTuple

import pytest
from msgspec.structs import replace

from config.settings import Settings
from models.world.catalogue import load_catalogue
from models.world.scenario import ATTACKS, Scenario, visits
from models.world.scenario_file import read, shipped, with_visits
from rvm_edge.lab.judge import judge
from rvm_edge.lab.machine import Lab
from rvm_edge.lab.shelf import Shelf, look_at_all
from rvm_edge.lab.tally import Tally
from rvm_edge.lab.visits import Visits


class Run(NamedTuple):
    """What a campaign came to."""

    tally: Tally
    people: Visits
    lab: Lab


@pytest.fixture(scope="module")
def shelf() -> Shelf:
    catalogue = load_catalogue()
    return Shelf(catalogue, look_at_all(catalogue))


@contextmanager
def machine(directory: Path, seed: int) -> Iterator[Lab]:
    lab = Lab(Settings(), directory, seed=seed)
    lab.start()
    yield lab
    assert lab.close_and_audit() == []


def play(scenario: Scenario, shelf: Shelf, directory: Path) -> Run:
    with machine(directory, scenario.seed) as lab:
        tally, people = Tally(), Visits(lab, shelf, scenario)
        for visit in visits(scenario, Random(scenario.seed)):
            facts = people.carry_out(visit)
            tally.add(facts, judge(facts))
    return Run(tally, people, lab)


def of(name: str, visits: int) -> Scenario:
    return with_visits(read(shipped()[name]), visits)


@pytest.mark.timeout(120)
def test_hundreds_of_deposits_under_the_default_mix_end_as_intended(
    shelf: Shelf, tmp_path: Path
) -> None:
    run = play(of("stress", 160), shelf, tmp_path)
    assert run.tally.broken == []
    assert run.people.stuck == []
    assert run.tally.as_intended / run.tally.judged >= 0.99
    assert run.tally.paid / run.tally.good >= 0.97
    assert run.people.injected


@pytest.mark.timeout(120)
def test_no_attack_is_ever_paid(shelf: Shelf, tmp_path: Path) -> None:
    run = play(of("attacks", 70), shelf, tmp_path)
    attacks = run.tally.summary()["attacks"]
    assert run.tally.broken == []
    assert run.people.stuck == []
    assert set(attacks) == set(ATTACKS)
    assert {row["credits"] for row in attacks.values()} == {0}


@pytest.mark.timeout(180)
def test_every_fault_and_every_death_costs_nobody_anything(shelf: Shelf, tmp_path: Path) -> None:
    scenario = read(shipped()["faults"])
    once = replace(
        scenario,
        visits=60,
        faults=tuple(replace(plan, times=1) for plan in scenario.faults),
        interruptions=tuple(replace(plan, times=1) for plan in scenario.interruptions),
    )
    run = play(once, shelf, tmp_path)
    assert run.tally.broken == []
    assert run.people.stuck == []
    assert {plan.fault for plan in scenario.faults} <= set(run.people.injected)


@pytest.mark.timeout(60)
def test_the_same_seed_plays_the_same_campaign(shelf: Shelf, tmp_path: Path) -> None:
    first = play(of("quick", 12), shelf, tmp_path / "a").tally.summary()
    assert play(of("quick", 12), shelf, tmp_path / "b").tally.summary() == first
