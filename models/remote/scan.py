"""JSON cut into its parts without recursion: nesting is as deep as somebody likes to make it.

Only cuts: whether a part is right is for whoever decodes it. A decoder that recurses would refuse
a whole page for the sake of one command in it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice

# A text that nobody has ended goes on to the end: looking for its end anew from each quote in it
# would take the square of its length.
_TOKEN = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"?|[\[\]{},]', re.DOTALL)
_MEMBER = re.compile(rb'\s*"([^"\\]{1,100})"\s*:', re.DOTALL)


ELEMENTS_MAX = 20_000
"""Of an array; a platform gives a thousand commands at most, and a body of commas has millions."""


def elements(array: bytes) -> list[bytes]:
    """The first elements of an array, as they stand there; nothing if it is none."""
    return list(islice(_parts(array), ELEMENTS_MAX)) if array.lstrip()[:1] == b"[" else []


def members(of_object: bytes) -> dict[str, bytes]:
    """The members of an object by name, as they stand there; nothing if it is none."""
    if of_object.lstrip()[:1] != b"{":
        return {}
    found: dict[str, bytes] = {}
    for part in _parts(of_object):
        name = _MEMBER.match(part)
        if name is not None:
            found[name[1].decode(errors="replace")] = part[name.end() :].strip()
    return found


def depth(json: bytes) -> int:
    """How deep it is nested: 1 for an object of numbers."""
    deepest = now = 0
    for token in _TOKEN.finditer(json):
        if token[0] in (b"[", b"{"):
            now += 1
            deepest = max(deepest, now)
        elif token[0] in (b"]", b"}"):
            now -= 1
    return deepest


def _parts(json: bytes) -> Iterator[bytes]:
    """What stands between the commas of the outermost brackets; one that is cut off is left out."""
    level = begins = 0
    for token in _TOKEN.finditer(json):
        mark = token[0]
        if mark in (b"[", b"{"):
            level += 1
            begins = token.end() if level == 1 else begins
        elif mark in (b"]", b"}"):
            level -= 1
            if level == 0:
                last = json[begins : token.start()].strip()
                if last:
                    yield last
                return
        elif mark == b"," and level == 1:
            yield json[begins : token.start()].strip()
            begins = token.end()
