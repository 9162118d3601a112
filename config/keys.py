"""The dotted keys: what each takes, how it is written and read, and the nearest right name.

Everything is derived from the types in `settings.py`, so that nothing can be said twice.
"""

import functools
import json
import math
import re
import types
from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin

import msgspec
from msgspec import Meta, Struct

from config.settings import Settings

GIVEN_CHARACTERS_MAX = 60  # of a wrong value; enough to know it again, and it stays on its line
INT_BITS_MAX = 64  # no key takes more
_CUTOFF = 0.6  # difflib's own: `leese_s` finds `lease_s`, `colour` finds nothing
_WHOLE = re.compile(r"[+-]?[0-9]{1,20}\Z")  # int() alone takes 1_0 and digits of other scripts
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?\Z")
_WORDS = {"true": True, "yes": True, "on": True, "1": True} | {
    "false": False,
    "no": False,
    "off": False,
    "0": False,
}


class Key(NamedTuple):
    """One setting."""

    name: str
    kind: Any  # the annotation
    default: object


class NotAllowed(ValueError):
    """The key does not take this value."""


@functools.cache
def keys() -> dict[str, Key]:
    """Give all settings by their dotted names, in the order of `settings.py`."""
    return {key.name: key for key in _keys_of(Settings, "")}


def _keys_of(section: type[Struct], prefix: str) -> Iterator[Key]:
    for field in msgspec.structs.fields(section):
        name = prefix + field.name
        if isinstance(field.type, type) and issubclass(field.type, Struct):
            yield from _keys_of(field.type, f"{name}.")
        else:
            yield Key(name, field.type, field.default)


@functools.cache
def tables() -> frozenset[str]:
    """Give the names that are tables: `motor`, `sensors.gpio_lines`."""
    parts = [name.split(".") for name in keys()]
    return frozenset(".".join(path[:end]) for path in parts for end in range(1, len(path)))


def members(table: str) -> tuple[str, ...]:
    """Give what stands directly in a table; of the whole, with the empty name, the sections."""
    prefix = f"{table}." if table else ""
    names = (name.removeprefix(prefix) for name in keys() if name.startswith(prefix))
    return tuple(dict.fromkeys(name.split(".")[0] for name in names))


def nearest(name: str, candidates: Iterable[str]) -> str | None:
    """Find the name that was probably meant."""
    known = list(candidates)
    section, _, last = name.rpartition(".")
    moved = [one for one in known if one.rpartition(".")[2] == last]
    if len(moved) == 1:  # right name, wrong section
        return moved[0]
    siblings = {one.rpartition(".")[2]: one for one in known if one.rpartition(".")[0] == section}
    if section and siblings:  # right section: its name alone makes nothing alike
        near = get_close_matches(last, siblings, n=1, cutoff=_CUTOFF)
        return siblings[near[0]] if near else None
    found = get_close_matches(name, moved or known, n=1, cutoff=_CUTOFF)
    return found[0] if found else None


# ----- Values ---------------------------------------------------------------------------------


def checked(key: Key, value: object) -> Any:
    """Give the value as the key's own type.

    Raises:
        NotAllowed: wrong type, out of bounds, not finite, not text that can be passed on.
    """
    try:
        if isinstance(value, float) and not math.isfinite(value):
            raise NotAllowed
        if isinstance(value, str):
            value.encode()  # half characters from a broken environment
        return msgspec.convert(value, key.kind)
    except (msgspec.ValidationError, UnicodeError, OverflowError) as error:
        raise NotAllowed from error


def from_text(text: str, kind: Any) -> object:
    """Read what an environment variable says; what cannot be read stays text, and is refused."""
    kind = _bare(kind)
    if kind is bool:
        return _WORDS.get(text.lower(), text)
    if kind is int:
        return int(text) if _WHOLE.match(text) else text
    if kind is float:
        return float(text) if _NUMBER.match(text) else text
    if get_origin(kind) is Literal:
        return text.lower()  # the seeds write LOG_LEVEL=INFO
    if get_origin(kind) is tuple:
        inner = get_args(kind)[0]
        return [from_text(part.strip(), inner) for part in text.split(",")]
    return text


def shown(value: object) -> str:
    """Write a value as TOML would."""
    if value is None:
        return "not set"
    if isinstance(value, list | tuple):
        # No key takes a list of lists; what is deeper was nested to do harm.
        return f"[{', '.join('…' if isinstance(one, list) else shown(one) for one in value)}]"
    if isinstance(value, str | bool):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, int) and value.bit_length() > INT_BITS_MAX:
        return hex(value)  # Python refuses to write thousands of digits in base ten
    return str(value)


def public(name: str, value: Any) -> Any:
    """Give what may be shown of a value: no user, password or query of an address."""
    is_address = name.endswith("_url") or (name == "camera.source" and "://" in str(value))
    if is_address and isinstance(value, str):
        scheme, mark, rest = value.rpartition("@")[2].partition("?")
        hidden = "***@" if "@" in value else ""
        return f"{hidden}{scheme}{mark and '?***'}" if hidden or rest or mark else value
    return value


def given(name: str, value: object) -> str:
    """Describe a wrong value, with what kind of thing it is; never a secret."""
    kind = _kind_of(value)
    if name.endswith("_file") and kind == "text":
        return "what was given (text, not shown)"
    text = "" if kind == "a table" else shown(public(name, value))
    if len(text) > GIVEN_CHARACTERS_MAX:
        text = f"{text[:GIVEN_CHARACTERS_MAX]}…"
    return f"{text.encode(errors='replace').decode()} ({kind})" if text else kind


def _kind_of(value: object) -> str:
    match value:
        case None:
            return "nothing"
        case bool():
            return "true or false"
        case int():
            return "a whole number"
        case float():
            return "a number"
        case str():
            return "text"
        case list() | tuple():
            return "a list"
        case dict():
            return "a table"
        case _:
            return f"a {type(value).__name__}"


# ----- What a key takes, in words -------------------------------------------------------------


def allowed(kind: Any) -> str:
    """Say what a key takes: `a number from 0.05 to 0.5`."""
    optional, kind, meta = _parts(kind)
    text = _allowed(kind, meta)
    return f"{text}, or not set" if optional else text


def _allowed(kind: Any, meta: Meta | None) -> str:
    if get_origin(kind) is Literal:
        return "one of " + ", ".join(shown(one) for one in get_args(kind))
    if get_origin(kind) is tuple:
        inner = get_args(kind)
        return f"a list of {len(inner)}, each {allowed(inner[0])}"
    if kind is bool:
        return "true or false"
    if kind is str:
        return (meta and meta.description) or "text"
    words = "a whole number" if kind is int else "a number"
    if meta is None:
        return words
    note = f" ({meta.description})" if meta.description else ""
    if meta.gt is not None:
        return f"{words} above {meta.gt:g} and up to {meta.le:g}{note}"
    return f"{words} from {meta.ge:g} to {meta.le:g}{note}"


def _bare(kind: Any) -> Any:
    return _parts(kind)[1]


def _parts(kind: Any) -> tuple[bool, Any, Meta | None]:
    """Take `Annotated[int, Meta(…)] | None` apart."""
    optional = get_origin(kind) in (Union, types.UnionType)
    if optional:
        kind = next(one for one in get_args(kind) if one is not type(None))
    if get_origin(kind) is Annotated:
        inner, meta = get_args(kind)
        return optional, inner, meta
    return optional, kind, None
