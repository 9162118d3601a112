"""What the command line says to the daemon over its control socket.

Each side sends msgpack maps; one request, one answer, any number of times. A request is at most
64 KiB; an answer carries plain data.

    cli ── GetStatus | GetStacks ────▶ daemon    read from what supervisors publish
    cli ── SendCommand ──────────────▶ daemon    routed to an actor
    cli ── Supervise ────────────────▶ daemon    kick, stop, start, suspend, resume of a child
    cli ── Misbehave ────────────────▶ daemon    simulated profile only
    cli ── StopMachine ──────────────▶ daemon
    cli ◀─ Answer | Refusal ────────── daemon
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

MAX_REQUEST_BYTES = 64 * 1024


class _Word(msgspec.Struct, tag=True, frozen=True):
    pass


class GetStatus(_Word, frozen=True):
    """The whole tree."""


class GetStacks(_Word, frozen=True):
    """Where every actor stands."""


class SendCommand(_Word, frozen=True):
    """A command for an actor; ``args`` are checked against its schema."""

    address: str
    command: str
    args: dict[str, Any] = {}
    timeout_s: float = 5.0


Verb = Literal["kick", "stop", "start", "suspend", "resume"]


class Supervise(_Word, frozen=True):
    """A supervision verb for a child."""

    address: str
    verb: Verb


class Misbehave(_Word, frozen=True):
    """Make a child misbehave."""

    address: str
    kind: str
    seconds: float = 3600.0
    megabytes: int = 1024
    count: int = 100_000


class StopMachine(_Word, frozen=True):
    """Stop the daemon in order."""


class Answer(_Word, frozen=True):
    """It was done; this came of it."""

    value: Any = None


class Refusal(_Word, frozen=True):
    """It was not done.

    Attributes:
        code: one word; ``unknown_address``, ``unknown_command`` and ``invalid`` are the caller's
            mistakes.
        detail: a sentence that names the cure.
    """

    code: str
    detail: str


ControlRequest = GetStatus | GetStacks | SendCommand | Supervise | Misbehave | StopMachine
ControlAnswer = Answer | Refusal
