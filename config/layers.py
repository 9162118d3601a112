"""One layer of settings: what it says, checked key by key, and what is wrong with it.

Reading a layer never raises: its problems are collected, so that all of them can be told at once.
"""

import os.path
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from msgspec import Struct

from config.errors import Problem
from config.keys import NotAllowed, allowed, checked, given, keys, members, nearest, tables

# What is resolved against the folder of the file that says it; tests hold the list complete.
PATH_KEYS = frozenset(
    {
        "camera.source",
        "detail.articles",
        "detail.outline_model",
        "inference.model",
        "uplink.api_key_file",
        "uplink.ca_file",
        "uplink.enrolment_token_file",
    }
)
NOT_PATHS = frozenset({"chamber"})  # names that a path key knows
_SCHEME = re.compile(r"[a-z][a-z0-9]+:")  # of a camera that is no file: v4l2:…, rtsp://…


class Said(NamedTuple):
    """A value and where it was said."""

    value: Any
    origin: str


class Layer(Struct, frozen=True):
    """What one source says.

    Attributes:
        notes: what is there, not wrong, and yet without effect.
    """

    name: str
    origin: str
    says: Mapping[str, Said] = {}
    problems: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()


class Sentence(NamedTuple):
    """One thing that a source says, not yet checked."""

    key: str
    value: object
    origin: str


def layer_of(
    name: str,
    origin: str,
    sentences: Iterable[Sentence],
    *,
    folder: Path | None = None,
    problems: Iterable[Problem] = (),
    notes: Iterable[str] = (),
) -> Layer:
    """Check every sentence; keep the right ones, and say what is wrong with the others.

    Args:
        folder: where relative paths begin; None leaves them as they are.
    """
    says: dict[str, Said] = {}
    wrong = list(problems)
    for sentence in sentences:
        key = keys().get(sentence.key)
        if key is None:
            wrong.append(_unknown(name, sentence))
            continue
        try:
            value = _resolved(key.name, checked(key, sentence.value), folder)
        except NotAllowed:
            wrong.append(_refused(name, sentence))
            continue
        before = says.setdefault(key.name, Said(value, sentence.origin))
        if before.value != value:
            wrong.append(_contradicted(name, sentence, before))
    return Layer(name, origin, says, tuple(wrong), tuple(notes))


def flat(tree: Mapping[Any, object], origin: str, prefix: str = "") -> Iterator[Sentence]:
    """Turn tables within tables into dotted keys; what no table of ours holds is not searched."""
    for name, value in tree.items():
        path = f"{prefix}{name}"
        # Of an unknown section, say what it holds: one of that may have a right name.
        inside = path in tables() or not (prefix or path in keys())
        if isinstance(value, Mapping) and value and inside:
            yield from flat(value, origin, f"{path}.")
        elif not (isinstance(value, Mapping) and path in tables()):
            yield Sentence(path, value, origin)


def _resolved(name: str, value: Any, folder: Path | None) -> Any:
    if folder is None or name not in PATH_KEYS or value is None or value in NOT_PATHS:
        return value
    if _SCHEME.match(value):
        return value
    return os.path.normpath(folder / os.path.expanduser(value))  # noqa: PTH111 - "~nobody" may stay


def _unknown(layer: str, sentence: Sentence) -> Problem:
    name = sentence.key
    if name in tables():
        takes = f"a table with {', '.join(members(name))}"
        seen = given(name, sentence.value)
        text = f"{seen} is not allowed; it takes {takes}"
        return Problem(
            layer=layer, origin=sentence.origin, key=name, text=text, given=seen, allowed=takes
        )
    meant = nearest(name, keys())
    return Problem(
        layer=layer,
        origin=sentence.origin,
        key=name,
        text=f"there is no such setting; {_cure(name, meant)}",
        nearest=meant,
    )


def _cure(name: str, meant: str | None) -> str:
    if meant is not None:
        return f"did you mean {meant}?"
    table = name.rpartition(".")[0]
    while table not in tables() and table:
        table = table.rpartition(".")[0]
    return (
        f"{table or 'the sections are'}{':' if not table else ' has'} {', '.join(members(table))}"
    )


def _refused(layer: str, sentence: Sentence) -> Problem:
    takes = allowed(keys()[sentence.key].kind)
    seen = given(sentence.key, sentence.value)
    return Problem(
        layer=layer,
        origin=sentence.origin,
        key=sentence.key,
        text=f"{seen} is not allowed; it takes {takes}",
        given=seen,
        allowed=takes,
    )


def _contradicted(layer: str, sentence: Sentence, before: Said) -> Problem:
    return Problem(
        layer=layer,
        origin=sentence.origin,
        key=sentence.key,
        text=f"is also said by {before.origin}, and differently; say it once",
        given=given(sentence.key, sentence.value),
    )
