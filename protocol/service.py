"""What is said about serving a customer.

deposit ── ItemCredited ─▶ session    an item has been paid for
deposit ── ItemRefused ──▶ session    an item has been given back
operator ─ DescribeSession ▶ session
operator ◀─ SessionDescribed ─ session
"""

from __future__ import annotations

from typing import ClassVar

from protocol.message import Delivery, Message


class ItemCredited(Message, frozen=True, tag="service.item_credited"):
    """Deposit: the ledger has confirmed this item."""

    delivery: ClassVar[Delivery] = Delivery.MONEY

    deposit: str


class ItemRefused(Message, frozen=True, tag="service.item_refused"):
    """Deposit: this item was given back."""

    deposit: str
    reason: str


class DescribeSession(Message, frozen=True, tag="service.describe"):
    """Operator: who is being served?"""


class SessionDescribed(Message, frozen=True, tag="service.described"):
    """Session: a guest, with these totals, or nobody."""

    is_open: bool
    credited: int
    refused: int


class FinishSession(Message, frozen=True, tag="service.finish"):
    """Customer or operator: that was all."""


class DescribeCycle(Message, frozen=True, tag="service.cycle"):
    """Operator: what is the item cycle doing?"""


class CycleDescribed(Message, frozen=True, tag="service.cycle_described"):
    """Deposit: this."""

    phase: str
    deposit: str
    done: int


ServiceMessage = (
    ItemCredited
    | ItemRefused
    | DescribeSession
    | SessionDescribed
    | FinishSession
    | DescribeCycle
    | CycleDescribed
)
