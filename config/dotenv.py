r"""`.env` files: `NAME=value`, one a line, as shells, systemd and Docker mostly agree on.

    NAME=value            # a comment after a space
    export NAME='as it is, with # and \n'
    NAME="escapes \n \t \" \\ are read; it may go on over several lines"

Nothing is expanded and nothing is executed.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

_LINE = re.compile(
    r"""
    [^\S\n]* (?:export[^\S\n]+)? (?P<name>[A-Za-z_][A-Za-z0-9_]*) [^\S\n]* = [^\S\n]*
    (?: '(?P<single>[^']*)'
      | "(?P<double>(?:[^"\\]|\\.)*)"
      | (?P<bare>(?:[^\s'"\#][^\n]*?)?)
    )
    (?: [^\S\n]+ \#[^\n]* | (?<==)\#[^\n]* | [^\S\n]* ) (?:\n|\Z)
    """,
    re.VERBOSE | re.DOTALL,
)
_NOTHING = re.compile(r"[^\S\n]*(?:\#[^\n]*)?(?:\n|\Z)")
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "\n": ""}


class BadLine(Exception):
    """A line that is no `NAME=value`; it is not repeated, it may hold a secret."""


class Line(NamedTuple):
    """One assignment and the line it begins on."""

    number: int
    name: str
    value: str


def parse(text: str) -> Iterator[Line]:
    """Read the assignments, in their order.

    Raises:
        BadLine: with the number of the line.
    """
    text = text.replace("\r\n", "\n")
    at = 0
    number = 1
    while at < len(text):
        found = _LINE.match(text, at)
        if found is not None:
            yield Line(number, found["name"], _value(found))
        else:
            found = _NOTHING.match(text, at)
        if found is None:
            raise BadLine(f"line {number}: is not NAME=value (or a quote is not closed)")
        number += text.count("\n", at, found.end())
        at = found.end()


def _value(found: "re.Match[str]") -> str:
    if found["single"] is not None:
        return found["single"]
    if found["double"] is not None:
        return _ESCAPE.sub(lambda one: _ESCAPES.get(one[1], one[1]), found["double"])
    return found["bare"].strip()
