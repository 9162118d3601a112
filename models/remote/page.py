"""What a platform's answer holds: commands, and commands that are wrong but can be answered."""

from __future__ import annotations

import re
from typing import NamedTuple

import msgspec

from models.remote.scan import depth, elements, members
from protocol.platform.remote import ARGS_BYTES_MAX, Command

COMMAND_BYTES_MAX = ARGS_BYTES_MAX + 4096
DEPTH_MAX = 8
"""Of the arguments; no schema of ours needs more than two."""
SEQ_MAX = (1 << 63) - 1
_ID = re.compile(r"[A-Za-z0-9._-]{8,64}\Z")
_TEXT_MAX = 200


class Wrong(NamedTuple):
    """A command that will not be carried out, whatever it was.

    Attributes:
        id: empty: it has none that an answer could be sent to.
        code: ``malformed``, ``too_large``, ``too_deep``.
    """

    seq: int
    id: str
    type: str
    code: str
    detail: str


class Page(NamedTuple):
    """An answer, read.

    Attributes:
        commands: in the order of their sequence.
        last: sequence of the newest command that the platform has.
        reach: the largest sequence in it; 0: there is none.
        lost: how many have neither an id nor a sequence.
    """

    commands: tuple[Command | Wrong, ...]
    last: int
    reach: int
    lost: int


class NoPage(Exception):
    """It is no answer to what was asked; the message says why."""


def read_page(body: bytes) -> Page:
    """Read an answer; what is wrong with one command stops no other.

    Raises:
        NoPage: it is no answer at all.
    """
    parts = members(body)
    if "commands" not in parts:
        raise NoPage("no list of commands")
    last = _number(parts.get("last", b""))
    found: list[Command | Wrong] = []
    lost = 0
    for element in elements(parts["commands"]):
        command = read_command(element)
        if isinstance(command, Wrong) and not command.id and not command.seq:
            lost += 1
        else:
            found.append(command)
    reach = max((command.seq for command in found), default=0)
    return Page(tuple(sorted(found, key=lambda one: one.seq)), max(last, reach), reach, lost)


def first_of(page: Page, most: int) -> Page:
    """The beginning of a page, which reaches less far; the rest is still to be fetched."""
    if len(page.commands) <= most:
        return page
    commands = page.commands[:most]
    return Page(commands, page.last, commands[-1].seq, page.lost)


def read_command(raw: bytes) -> Command | Wrong:
    """Read one command."""
    parts = members(raw)
    if len(raw) > COMMAND_BYTES_MAX or len(parts.get("args", b"")) > ARGS_BYTES_MAX:
        return _wrong(
            parts, "too_large", f"{len(raw)} bytes; {ARGS_BYTES_MAX} of arguments at most"
        )
    if depth(raw) > 1 + DEPTH_MAX:
        return _wrong(parts, "too_deep", f"nested deeper than {DEPTH_MAX}")
    try:
        command = msgspec.json.decode(raw, type=Command)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        return _wrong(parts, "malformed", str(error)[:_TEXT_MAX])
    if command.seq > SEQ_MAX:
        return _wrong(parts, "malformed", "its sequence is too large")
    return command


def _wrong(parts: dict[str, bytes], code: str, detail: str) -> Wrong:
    id_ = _text(parts.get("id", b""))
    kind = _text(parts.get("type", b""))
    seq = _number(parts.get("seq", b""))
    return Wrong(seq, id_ if _ID.match(id_) else "", kind[:_TEXT_MAX], code, detail)


def _number(raw: bytes) -> int:
    """A sequence; 0 where there is none."""
    try:
        number = msgspec.json.decode(raw, type=int)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return 0
    return number if 0 < number <= SEQ_MAX else 0


def _text(raw: bytes) -> str:
    try:
        return msgspec.json.decode(raw, type=str)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return ""
