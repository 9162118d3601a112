"""Scenarios as files: TOML, read strictly; the ones that ship lie in `scenarios/` beside this."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import Any, get_args

import msgspec
from msgspec.structs import replace

from models.world.scenario import (
    FREEZES,
    INTERRUPTIONS,
    FaultPlan,
    InterruptionPlan,
    Scenario,
    TechnicianPlan,
    Visitor,
)
from protocol.simulation import FaultName

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_PLACE = re.compile(r"(?P<what>.*?)(?: - at (?:`key` in )?`\$(?P<place>.*)`)?\Z", re.DOTALL)
_UNKNOWN = re.compile(r"Object contains unknown field `(?P<name>.*)`")
_WORD = re.compile(r"Invalid enum value '(?P<word>.*)'")
_NEEDS_OF = frozenset({"beam_stuck", "beam_bounce", "beam_dropout", "limit_stuck"}) | frozenset(
    {"contact_broken", "motor_weld", "sensor_freeze", "line_lost"}
)
_PER_THOUSAND_MAX = 1000.0


class ScenarioInvalid(Exception):
    """A scenario cannot be used; the message names the file, the key and the cure."""


def shipped_directory() -> Path:
    """Say where the scenarios lie that ship with the machine."""
    return Path(__file__).resolve().parent / "scenarios"


def shipped() -> dict[str, Path]:
    """List the scenarios that ship, by name."""
    return {path.stem: path for path in sorted(shipped_directory().glob("*.toml"))}


def find(name: str) -> Path:
    """Find a scenario by the name of one that ships, or by its path.

    Raises:
        ScenarioInvalid: there is none; the message suggests the nearest.
    """
    known = shipped()
    if name in known:
        return known[name]
    path = Path(name)
    if path.is_file():
        return path
    near = get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]}?" if near else f"those that ship: {', '.join(known)}"
    raise ScenarioInvalid(f"no scenario {name!r}, and no such file; {hint}")


def read(path: Path) -> Scenario:
    """Read a file.

    Raises:
        ScenarioInvalid: with the file, the key and what to do about it.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ScenarioInvalid(f"{path}: {error.strerror}; name a file that can be read") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ScenarioInvalid(f"{path}: {error}; correct the line (it is TOML)") from error
    return parse(table, str(path))


def parse(table: dict[str, Any], origin: str) -> Scenario:
    """Check what a file says.

    Args:
        origin: the file's name, for the message.

    Raises:
        ScenarioInvalid: see `read`.
    """
    try:
        scenario = msgspec.convert(table, Scenario)
    except msgspec.ValidationError as error:
        raise ScenarioInvalid(f"{origin}: {_explained(str(error))}") from error
    problem = next(_disagreements(scenario), None)
    if problem is not None:
        raise ScenarioInvalid(f"{origin}: {problem}")
    return scenario


def with_visits(scenario: Scenario, visits: int) -> Scenario:
    """The same scenario with another number of visits.

    Raises:
        ScenarioInvalid: so few that what is to happen a fixed number of times has no room.
    """
    changed = replace(scenario, visits=visits)
    problem = next(_disagreements(changed), None)
    if problem is not None:
        raise ScenarioInvalid(f"{visits} visits are too few: {problem}")
    return changed


def _explained(text: str) -> str:
    """Turn msgspec's words into a place and a cure."""
    match = _PLACE.match(text)
    assert match is not None  # it matches anything
    what, place = match["what"], (match["place"] or "").lstrip(".")
    unknown, word = _UNKNOWN.match(what), _WORD.match(what)
    if unknown is not None:
        known = _fields(place)
        where = f"{place}.{unknown['name']}" if place else unknown["name"]
        return f"{where}: there is no such key; {_nearest(unknown['name'], known)}"
    if word is not None:
        return f"{place}: {word['word']!r} is not known; {_nearest(word['word'], _words(place))}"
    return f"{place or 'the file'}: {what[:1].lower()}{what[1:]}; correct it"


def _fields(place: str) -> tuple[str, ...]:
    inner = {
        "faults": FaultPlan,
        "interruptions": InterruptionPlan,
        "technician": TechnicianPlan,
    }.get(place.partition("[")[0], Scenario)
    return inner.__struct_fields__


def _words(place: str) -> tuple[str, ...]:
    """What may stand at a place that takes one of some words."""
    if place.startswith("visitors"):
        return tuple(word for one in get_args(Visitor) for word in (get_args(one) or (one,)))
    if place.endswith(".fault"):
        return get_args(FaultName)
    if place.endswith(".what"):
        return INTERRUPTIONS
    return ()


def _nearest(name: str, known: tuple[str, ...]) -> str:
    near = get_close_matches(name, known, n=1)
    return f"did you mean {near[0]}?" if near else f"known: {', '.join(known)}"


def _disagreements(scenario: Scenario) -> Iterator[str]:
    """Find what each key alone cannot say."""
    for name, pair in _ranges(scenario):
        if pair[0] > pair[1]:
            yield f"{name}: from {pair[0]:g} to {pair[1]:g} is no range; turn it round"
    for name, weights in (("items", scenario.items), ("visitors", scenario.visitors)):
        if not sum(weights.values()) > 0:
            yield f"{name}: all weights are 0; give at least one of them more"
    yield from _too_much(scenario)
    for index, fault in enumerate(scenario.faults):
        if fault.fault in _NEEDS_OF and not fault.of:
            yield f"faults[{index}].of: {fault.fault} needs to know of what; name a line or a motor"
    for index, stop in enumerate(scenario.interruptions):
        if stop.what in FREEZES and not stop.for_s[1] > 0:
            yield f"interruptions[{index}].for_s: a freeze of no time; give it some"


def _too_much(scenario: Scenario) -> Iterator[str]:
    plans: list[FaultPlan | InterruptionPlan] = [*scenario.faults, *scenario.interruptions]
    fixed = sum(plan.times for plan in plans)
    if fixed > scenario.visits:
        yield f"times: {fixed} of them in {scenario.visits} visits; one goes wrong in each at most"
    rate = sum(plan.per_thousand for plan in plans)
    if rate > _PER_THOUSAND_MAX:
        yield f"per_thousand: together {rate:g}; one goes wrong in each visit at most"


def _ranges(scenario: Scenario) -> Iterator[tuple[str, tuple[float, float]]]:
    yield "pause_s", scenario.pause_s
    yield "between_s", scenario.between_s
    yield "items_each", scenario.items_each
    for index, fault in enumerate(scenario.faults):
        yield f"faults[{index}].value", fault.value
        yield f"faults[{index}].after_s", fault.after_s
        yield f"faults[{index}].for_s", fault.for_s
    for index, stop in enumerate(scenario.interruptions):
        yield f"interruptions[{index}].after_s", stop.after_s
        yield f"interruptions[{index}].for_s", stop.for_s
