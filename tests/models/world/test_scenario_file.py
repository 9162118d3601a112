"""Scenarios are read strictly: what is wrong is named with its file, its key and a cure."""

from pathlib import Path
from random import Random
from typing import Any, get_args

import pytest

from models.world.catalogue import load_catalogue
from models.world.scenario import ATTACKS, INTERRUPTIONS, Fault, Interrupt, Scenario, visits
from models.world.scenario_file import ScenarioInvalid, find, parse, read, shipped
from protocol.simulation import FaultName

GOOD: dict[str, Any] = {"about": "a test", "visits": 3, "items": {"mineral": 1}}

WRONG = [
    ({"visit": 3}, "test.toml: visit: there is no such key; did you mean visits?"),
    ({"visits": 0}, "test.toml: visits: expected `int` >= 1; correct it"),
    ({"visits": "many"}, "test.toml: visits: expected `int`, got `str`; correct it"),
    ({"pause_s": [3, 1]}, "pause_s: from 3 to 1 is no range; turn it round"),
    ({"items": {}}, "test.toml: items: expected `object` of length >= 1; correct it"),
    ({"items": {"mineral": 0}}, "items: all weights are 0; give at least one of them more"),
    ({"visitors": {"ordinery": 1}}, "'ordinery' is not known; did you mean ordinary?"),
    (
        {"faults": [{"fault": "belt_jamm"}]},
        "faults[0].fault: 'belt_jamm' is not known; did you mean belt_jam?",
    ),
    (
        {"faults": [{"fault": "noise"}, {"fault": "noise", "tims": 1}]},
        "faults[1].tims: there is no such key; did you mean times?",
    ),
    ({"faults": [{"fault": "beam_stuck", "times": 1}]}, "faults[0].of: beam_stuck needs to know"),
    ({"faults": [{"fault": "noise", "times": 4}]}, "times: 4 of them in 3 visits"),
    ({"faults": [{"fault": "noise", "per_thousand": 600}] * 2}, "per_thousand: together 1200"),
    (
        {"interruptions": [{"what": "guard_frieze"}]},
        "interruptions[0].what: 'guard_frieze' is not known; did you mean guard_freeze?",
    ),
    (
        {"interruptions": [{"what": "guard_freeze", "for_s": [0, 0]}]},
        "interruptions[0].for_s: a freeze of no time; give it some",
    ),
    (
        {"technician": {"come_after_s": 1}},
        "technician.come_after_s: there is no such key; did you mean comes_",
    ),
]


@pytest.mark.parametrize(("change", "expected"), WRONG, ids=[str(change) for change, _ in WRONG])
def test_what_is_wrong_is_named_with_a_cure(change: dict[str, Any], expected: str) -> None:
    with pytest.raises(ScenarioInvalid) as refused:
        parse({**GOOD, **change}, "test.toml")
    assert expected in str(refused.value)
    assert str(refused.value).startswith("test.toml: ")


@pytest.mark.parametrize("key", ["about", "visits", "items"])
def test_what_is_missing_is_named(key: str) -> None:
    table = {name: value for name, value in GOOD.items() if name != key}
    with pytest.raises(ScenarioInvalid, match=key):
        parse(table, "test.toml")


def test_a_file_that_is_no_toml_is_refused_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text("about = 'x'\nvisits = \n")
    with pytest.raises(ScenarioInvalid, match="line 2"):
        read(path)


def test_a_file_of_ones_own_is_found_by_its_path(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text("about = 'x'\nvisits = 7\nitems = {can = 1}\n")
    assert read(find(str(path))).visits == 7


def test_a_name_that_does_not_exist_is_answered_with_the_nearest() -> None:
    with pytest.raises(ScenarioInvalid, match="did you mean attacks"):
        find("atacks")
    with pytest.raises(ScenarioInvalid, match="those that ship: attacks, day"):
        find("zzz")


# -- the ones that ship -------------------------------------------------------------------------


def of(name: str) -> Scenario:
    return read(shipped()[name])


@pytest.mark.parametrize("name", shipped())
def test_a_scenario_that_ships_uses_items_there_are(name: str) -> None:
    scenario = of(name)
    assert set(scenario.items) <= set(load_catalogue().kinds)
    assert len(list(visits(scenario, Random(scenario.seed)))) == scenario.visits


def test_the_scenarios_that_were_promised_ship() -> None:
    assert set(shipped()) >= {"day", "attacks", "faults", "stress", "quick"}
    assert of("stress").visits == 10_000


def test_the_attacks_have_every_attack_many_times() -> None:
    scenario = of("attacks")
    happened = [visit.visitor for visit in visits(scenario, Random(scenario.seed))]
    assert all(happened.count(attack) >= 5 for attack in ATTACKS)


def test_the_faults_have_every_fault_and_every_interruption() -> None:
    scenario = of("faults")
    found = [visit.disturbance for visit in visits(scenario, Random(scenario.seed))]
    assert {one.fault for one in found if isinstance(one, Fault)} == set(get_args(FaultName))
    assert {one.what for one in found if isinstance(one, Interrupt)} == set(INTERRUPTIONS)
