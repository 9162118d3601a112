"""The item cycle as a pure rule: what has happened so far, a new fact, and what to do about it.

    idle ─arrived─▶ capturing ─captured─▶ deciding ─accept─▶ reserving ─stored─▶ transporting
                        │                    │                    │                  │
                        └──── failed, late ──┴─ reject, empty ────┴──▶ returning     │ dropped
                                                                          │          ▼
                          idle ◀──────── cleared and the belt stands ─────┴── confirming ─▶ idle

Credit exists with the durable CONFIRMED record and not before; that is asked for only after the
drop beam has seen the item. What cannot be decided becomes REVIEW and pays nobody by itself.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from protocol.storage import DepositState

Phase = Literal[
    "idle", "capturing", "deciding", "reserving", "transporting", "confirming", "returning"
]


class Cycle(msgspec.Struct, frozen=True):
    """What is known of the item in the machine.

    Attributes:
        dropped: the drop beam has seen it.
        stands: the belt has stopped after its run.
        cleared: the inlet has become free while the item was given back.
    """

    phase: Phase = "idle"
    deposit: str = ""
    reason: str = ""
    arrived_ns: int = 0
    dropped: bool = False
    stands: bool = False
    cleared: bool = False


# -- facts ------------------------------------------------------------------------------------


class Arrived(msgspec.Struct, frozen=True):
    """An item lies in the inlet."""

    deposit: str
    at_ns: int


class Found(msgspec.Struct, frozen=True):
    """An item lay in the inlet when the cycle began: nobody knows its story, so it goes back."""

    deposit: str
    at_ns: int


class Pictured(msgspec.Struct, frozen=True):
    """A picture of it was taken; ``exposed_ns`` on the monotonic clock."""

    deposit: str
    exposed_ns: int


class Judged(msgspec.Struct, frozen=True):
    """The acceptance rule has spoken."""

    deposit: str
    accepted: bool
    reason: str


class Written(msgspec.Struct, frozen=True):
    """A record is on the disk."""

    deposit: str
    state: DepositState


class Dropped(msgspec.Struct, frozen=True):
    """The drop beam was crossed."""


class Stood(msgspec.Struct, frozen=True):
    """The belt has run and stands."""

    deposit: str


class Cleared(msgspec.Struct, frozen=True):
    """The inlet is free."""


class Broke(msgspec.Struct, frozen=True):
    """A step failed or took too long; ``reason`` is the code."""

    deposit: str
    reason: str


Fact = Arrived | Found | Pictured | Judged | Written | Dropped | Stood | Cleared | Broke


# -- decisions --------------------------------------------------------------------------------


class TakePicture(msgspec.Struct, frozen=True):
    """Ask the camera for a picture newer than the arrival."""

    newer_than_ns: int


class Judge(msgspec.Struct, frozen=True):
    """Ask inference about that picture."""


class Write(msgspec.Struct, frozen=True):
    """Have the ledger hold this state before anything else happens."""

    state: DepositState
    reason: str


class Run(msgspec.Struct, frozen=True):
    """Run the belt."""

    inward: bool


class Halt(msgspec.Struct, frozen=True):
    """Stop the belt now."""


class Close(msgspec.Struct, frozen=True):
    """The item is dealt with."""

    credited: bool
    reason: str


Decision = TakePicture | Judge | Write | Run | Halt | Close
Next = tuple[Cycle, tuple[Decision, ...]]

_STALE = "stale_picture"
_RESTARTED = "restarted"


def learn(cycle: Cycle, fact: Fact) -> Next:
    """Add one fact; return the new knowledge and what is to be done, in order.

    A fact about another deposit than the present one is history and changes nothing.
    """
    about = getattr(fact, "deposit", cycle.deposit)
    if isinstance(fact, (Arrived, Found)):
        return _arrived(cycle, fact)
    if cycle.phase == "idle" or about != cycle.deposit:
        return cycle, ()
    if isinstance(fact, Pictured):
        return _pictured(cycle, fact)
    if isinstance(fact, Judged):
        return _judged(cycle, fact)
    if isinstance(fact, Written):
        return _written(cycle, fact)
    if isinstance(fact, Broke):
        return _broke(cycle, fact.reason)
    return _moved(cycle, fact)


def _arrived(cycle: Cycle, fact: Arrived | Found) -> Next:
    if cycle.phase != "idle":
        return cycle, ()
    new = Cycle("capturing", fact.deposit, arrived_ns=fact.at_ns)
    if isinstance(fact, Found):
        return _give_back(new, _RESTARTED)
    return new, (TakePicture(fact.at_ns),)


def _pictured(cycle: Cycle, fact: Pictured) -> Next:
    if cycle.phase != "capturing":
        return cycle, ()
    if fact.exposed_ns < cycle.arrived_ns:
        return _give_back(cycle, _STALE)
    return msgspec.structs.replace(cycle, phase="deciding"), (Judge(),)


def _judged(cycle: Cycle, fact: Judged) -> Next:
    if cycle.phase != "deciding":
        return cycle, ()
    if not fact.accepted:
        return _give_back(cycle, fact.reason)
    new = msgspec.structs.replace(cycle, phase="reserving", reason=fact.reason)
    return new, (Write("reserved", fact.reason),)


def _written(cycle: Cycle, fact: Written) -> Next:
    if cycle.phase == "reserving" and fact.state == "reserved":
        return msgspec.structs.replace(cycle, phase="transporting"), (Run(inward=True),)
    if cycle.phase == "confirming" and fact.state in ("confirmed", "review"):
        return Cycle(), (Close(credited=fact.state == "confirmed", reason=cycle.reason),)
    return cycle, ()


def _moved(cycle: Cycle, fact: Dropped | Stood | Cleared) -> Next:
    """Beams and belt while the item is on its way in or out.

    Both ways end when the belt stands, too: the next item must not find it running.
    """
    new = msgspec.structs.replace(
        cycle,
        dropped=cycle.dropped or isinstance(fact, Dropped),
        stands=cycle.stands or isinstance(fact, Stood),
        cleared=cycle.cleared or isinstance(fact, Cleared),
    )
    if cycle.phase == "transporting" and new.dropped and new.stands:
        new = msgspec.structs.replace(new, phase="confirming")
        return new, (Write("confirmed", cycle.reason),)
    if cycle.phase == "returning" and new.cleared and new.stands:
        return Cycle(), (Close(credited=False, reason=cycle.reason),)
    return (new if cycle.phase in ("transporting", "returning") else cycle), ()


def _broke(cycle: Cycle, reason: str) -> Next:
    if cycle.phase in ("capturing", "deciding"):
        return _give_back(cycle, reason)
    if cycle.phase == "reserving":  # the ledger cannot hold it: nothing has moved, nothing is owed
        new = msgspec.structs.replace(cycle, phase="returning", reason=reason)
        return new, (Run(inward=False),)
    if cycle.phase == "transporting":
        new = msgspec.structs.replace(cycle, phase="confirming", reason=reason)
        return new, (Halt(), Write("review", reason))
    if cycle.phase == "confirming":  # stays reserved on the disk: the next start puts it to review
        return Cycle(), (Close(credited=False, reason=reason),)
    return Cycle(), (Close(credited=False, reason=cycle.reason or reason),)


def _give_back(cycle: Cycle, reason: str) -> Next:
    new = msgspec.structs.replace(cycle, phase="returning", reason=reason)
    return new, (Write("rejected", reason), Run(inward=False))
