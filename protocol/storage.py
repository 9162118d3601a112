"""What is said to the store. Every answer comes after the data is on the disk.

deposit ── OpenEpoch ────▶ storage    a number no other run of this machine has had
deposit ◀─ Epoch ───────── storage
deposit ── StoreDeposit ─▶ storage
deposit ◀─ Stored | Failed storage
anybody ── ListDeposits ─▶ storage
anybody ◀─ Deposits ────── storage
"""

from __future__ import annotations

from typing import ClassVar, Literal

import msgspec

from protocol.message import Delivery, Message

DepositState = Literal["reserved", "confirmed", "rejected", "review", "void"]
"""reserved before the belt moves; confirmed with proof of the drop, which is the credit; rejected
and void pay nothing; review waits for a human decision."""


class DepositRecord(msgspec.Struct, frozen=True):
    """One item as the ledger knows it.

    Attributes:
        id: hardware id, boot epoch, counter: unique without a clock.
        state: see `DepositState`.
        reason: the code behind it.
        started_at: wall clock, for people.
        model_sha256: of the weights that decided; empty when none did.
    """

    id: str
    state: DepositState
    reason: str
    started_at: float
    updated_at: float
    item: str = ""
    confidence: float | None = None
    model: str = ""
    model_sha256: str = ""
    trace: int = 0


class OpenEpoch(Message, frozen=True, tag="storage.open_epoch"):
    """Deposit: begin a run; what the last one left undecided goes to review."""

    delivery: ClassVar[Delivery] = Delivery.MONEY


class Epoch(Message, frozen=True, tag="storage.epoch"):
    """Storage: this run's number, and what was put to review."""

    number: int
    reviewed: tuple[str, ...] = ()


class StoreDeposit(Message, frozen=True, tag="storage.store_deposit"):
    """Deposit: write this state of an item."""

    delivery: ClassVar[Delivery] = Delivery.MONEY

    record: DepositRecord


class Stored(Message, frozen=True, tag="storage.stored"):
    """Storage: it is on the disk."""

    id: str
    state: DepositState


class ListDeposits(Message, frozen=True, tag="storage.list_deposits"):
    """Anybody: the newest records, newest first."""

    limit: int = 50


class Deposits(Message, frozen=True, tag="storage.deposits"):
    """Storage: here they are, and how many there are altogether."""

    records: tuple[DepositRecord, ...]
    total: int


StorageMessage = OpenEpoch | Epoch | StoreDeposit | Stored | ListDeposits | Deposits
