"""What is said about every key of a version: code, reason, and the value that is in force.

200 in force; 202 waits, or is being watched; 400 wrong; 409 not the platform's to say, or somebody
at the machine says otherwise; 424 right, but another key of the same version is not; 500 it was in
force and did harm.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from config.errors import Problem
from config.keys import keys, public
from config.layers import flat
from config.load import Loaded
from config.platform import ServerWord
from config.settings import value_of
from protocol.platform.twin import KeyReport, SettingsCode

REASON_CHARACTERS_MAX = 400
"""Of one key: a sentence and the nearest right name, however long the wrong name was."""
KEYS_MAX = 300
"""More than there are: a version with so many is not even looked at, key by key."""
_KEY_CHARACTERS_MAX = 120
_IN_FORCE = 200


def _names(word: ServerWord) -> tuple[str, ...]:
    return tuple(dict.fromkeys(sentence.key for sentence in flat(word.settings, "")))


def objection(word: ServerWord) -> str:
    """Why a version is refused as a whole, before anybody searches for right names; or nothing."""
    count = len(_names(word))
    return f"{count} keys are more than there are settings" if count > KEYS_MAX else ""


def _value(loaded: Loaded, key: str) -> Any:
    return public(key, value_of(loaded.settings, key)) if key in keys() else None


def accepted(word: ServerWord, loaded: Loaded) -> dict[str, KeyReport]:
    """Every key of a version that is in force: its own word, or a stronger one of the machine."""
    return {name: _accepted(word, loaded, name) for name in _names(word)}


def _accepted(word: ServerWord, loaded: Loaded, name: str) -> KeyReport:
    told = loaded.explain(name)
    value = _value(loaded, name)
    if told.winner == "server":
        return KeyReport(value, word.version, 200)
    return KeyReport(value, word.version, 409, f"{told.winner} says otherwise: {told.origin}")


def refused(word: ServerWord, problems: Sequence[Problem], loaded: Loaded) -> dict[str, KeyReport]:
    """Every key of a version that is not taken: what is wrong with it, or that another one is.

    Args:
        loaded: what is in force.
    """
    wrong = dict(_wrong(problems))
    reports: dict[str, KeyReport] = {}
    for name in dict.fromkeys((*_names(word), *wrong)):
        code, reason = wrong.get(name, (424, "another key of this version is wrong"))
        shown = name if len(name) <= _KEY_CHARACTERS_MAX else f"{name[:_KEY_CHARACTERS_MAX]}…"
        value = _value(loaded, name)
        reports[shown] = KeyReport(value, word.version, code, reason[:REASON_CHARACTERS_MAX])
    return reports


def _wrong(problems: Sequence[Problem]) -> Iterator[tuple[str, tuple[SettingsCode, str]]]:
    for problem in problems:
        if problem.key is not None:
            code: SettingsCode = 409 if problem.forbidden else 400
            yield problem.key, (code, problem.text)


def rolled_back(word: ServerWord, reason: str, loaded: Loaded) -> dict[str, KeyReport]:
    """Every key of a version that did harm."""
    reason = reason[:REASON_CHARACTERS_MAX]
    return {
        name: KeyReport(_value(loaded, name), word.version, 500, reason) for name in _names(word)
    }


def taken_back(reports: Mapping[str, KeyReport], reason: str) -> dict[str, KeyReport]:
    """The same, after the version has done harm; what is in force instead is told later."""
    reason = reason[:REASON_CHARACTERS_MAX]
    return {
        name: replace(one, value=None, code=500, reason=reason) for name, one in reports.items()
    }


def pending(reports: Mapping[str, KeyReport], reason: str) -> dict[str, KeyReport]:
    """The same, where what would be in force is not for good yet."""
    return {
        name: replace(one, code=202, reason=reason) if one.code == _IN_FORCE else one
        for name, one in reports.items()
    }
