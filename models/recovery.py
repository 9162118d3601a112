"""What becomes of a deposit whose story was interrupted, by what the machine reads now.

    last record     what the machine reads                              fate
    confirmed       –                                                   credit: the item is ours
    reserved        the exit is free: the belt has not run for it       void: it goes back
    reserved        something covers the exit                           review
    transporting    safe to go on, nothing covers inside or exit        finish: inward, with proof
    transporting    anything else                                       review

Only the newest of several can be on the belt: an older one that is not confirmed is for review.

The scale has no say here. Its zero is lost with the sensors' restart, and a proof needs the whole
passage from exit to drop in any case: where nothing lies, nothing will be seen to fall.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

from protocol.machine import GateState
from protocol.storage import DepositRecord

Fate = Literal["credit", "void", "finish", "review"]


class Sensed(msgspec.Struct, frozen=True):
    """What the machine reads now; None: unknown."""

    inside: bool | None
    exit: bool | None
    gate: GateState
    door_closed: bool | None
    estop_released: bool | None
    beam_gate: bool | None


def fates(
    records: Sequence[DepositRecord], sensed: Sensed
) -> tuple[tuple[DepositRecord, Fate], ...]:
    """Decide about every deposit that was left open, oldest first."""
    ordered = sorted(records, key=_age)
    return tuple(
        (record, _fate(record, sensed, is_newest=record is ordered[-1])) for record in ordered
    )


def _age(record: DepositRecord) -> tuple[int, int, str]:
    """Epoch and counter at the end of the id: the wall clock may have jumped in between."""
    parts = record.id.rsplit("-", 2)
    if len(parts) == 3 and parts[1].isdecimal() and parts[2].isdecimal():  # noqa: PLR2004
        return int(parts[1]), int(parts[2]), record.id
    return 0, 0, record.id


def _fate(record: DepositRecord, sensed: Sensed, *, is_newest: bool) -> Fate:
    if record.state == "confirmed":
        return "credit"
    if record.state == "reserved" and is_newest and sensed.exit is False:
        return "void"
    if record.state == "transporting" and is_newest and _is_safe(sensed):
        return "finish"
    return "review"


def _is_safe(sensed: Sensed) -> bool:
    """Whether the belt may carry it inward, and its whole passage can still be seen.

    No hand, door closed, and all of that is known. What covers the entry lies outside the closed
    gate: the next customer's item. Once an item covers the exit its length is not known any more.
    """
    return (
        sensed.gate == "closed"
        and sensed.door_closed is True
        and sensed.estop_released is True
        and sensed.beam_gate is False
        and sensed.inside is False
        and sensed.exit is False
    )
