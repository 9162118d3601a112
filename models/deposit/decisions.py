"""What the item cycle may decide, to be carried out in the order given."""

from __future__ import annotations

from typing import Any

import msgspec

from protocol.machine import Direction, MotorName, Until
from protocol.storage import DepositRecord


class Move(msgspec.Struct, frozen=True):
    """Run one motor; the answer is `facts.Stood`."""

    move: str
    motor: MotorName
    direction: Direction
    run_s: float
    until: Until = "time"


class Stop(msgspec.Struct, frozen=True):
    """Brake what runs."""

    why: str


class Weigh(msgspec.Struct, frozen=True):
    """Weigh what lies there, from now on."""

    tag: str


class Tare(msgspec.Struct, frozen=True):
    """Call what lies on the scale nothing."""


class TakePicture(msgspec.Struct, frozen=True):
    """Ask the camera for a picture that is newer than this."""

    deposit: str
    newer_than_ns: int


class Judge(msgspec.Struct, frozen=True):
    """Ask inference about that picture."""

    deposit: str


class Write(msgspec.Struct, frozen=True):
    """Have the ledger hold this; never decided while a motor runs. Wall clock times are missing."""

    record: DepositRecord


class Greet(msgspec.Struct, frozen=True):
    """Tell the session that an item waits and nobody is served."""

    at_ns: int


class Credited(msgspec.Struct, frozen=True):
    """Tell the session: the ledger has credited it."""

    deposit: str
    session: str


class Refused(msgspec.Struct, frozen=True):
    """Tell the session: given back, or kept without credit."""

    deposit: str
    session: str
    reason: str


class ResetGuard(msgspec.Struct, frozen=True):
    """Have the guard forget its latch."""


class Record(msgspec.Struct, frozen=True):
    """Put an event into the machine's record."""

    event: str
    fields: dict[str, Any] = {}


Decision = (
    Move
    | Stop
    | Weigh
    | Tare
    | TakePicture
    | Judge
    | Write
    | Greet
    | Credited
    | Refused
    | ResetGuard
    | Record
)
