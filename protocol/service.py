"""What is said about serving a customer.

deposit  ── ItemWaiting ──▶ session    somebody holds an item at the inlet, and there is no
                                       session: a guest's opens if guests are served
deposit  ── CycleChanged ─▶ session    whether an item is being dealt with, and whether the
                                       machine takes any
deposit  ── CycleChanged ─▶ sensors    the same: an item that is dealt with may cover beams
deposit  ── CycleChanged ─▶ camera     the same: an item comes, and its picture will be wanted
deposit  ── CycleChanged ─▶ inference  the same: no other model while an item is dealt with
deposit  ◀─ SessionChanged  session    who is served now, if anybody
deposit  ── ItemCredited, ItemRefused ▶ session
customer ── OfferSession, StartSession, FinishSession, MoreTime ─▶ session
operator ── DescribeSession ─▶ session
technician  EnterService, LeaveService, EmptyBin, ResetMachine ─▶ deposit   at the machine only
platform ── EnterMaintenance, LeaveMaintenance ─▶ deposit   by a remote command
operator ── DescribeCycle ─▶ deposit
"""

from __future__ import annotations

from typing import ClassVar, Literal

from protocol.message import Delivery, Message

SessionKind = Literal["guest", "user"]


# -- between deposit and session --------------------------------------------------------------


class ItemWaiting(Message, frozen=True, tag="service.item_waiting"):
    """Deposit: an item is at the inlet and nobody is served."""

    at_ns: int


class CycleChanged(Message, frozen=True, tag="service.cycle_changed"):
    """Deposit: whether an item is in the machine, and why none is taken (empty: it takes them)."""

    busy: bool
    closed: str = ""


class SessionChanged(Message, frozen=True, tag="service.session_changed"):
    """Session: this one is open; ``session`` empty: none is, and items are not taken."""

    session: str
    kind: SessionKind | None = None


class ItemCredited(Message, frozen=True, tag="service.item_credited"):
    """Deposit: the ledger has credited this item to the session."""

    delivery: ClassVar[Delivery] = Delivery.MONEY

    deposit: str
    session: str = ""


class ItemRefused(Message, frozen=True, tag="service.item_refused"):
    """Deposit: this item was given back, or was kept without credit; ``reason`` is the code."""

    deposit: str
    reason: str
    session: str = ""


# -- what customers and the platform say ------------------------------------------------------


class OfferSession(Message, frozen=True, tag="service.offer"):
    """Screen: a fresh code to show; whoever scans it may start a session with it, once."""


class SessionOffered(Message, frozen=True, tag="service.offered"):
    """Session: this one, good for so long. An earlier offer is void."""

    code: str
    expires_in_s: float


class StartSession(Message, frozen=True, tag="service.start_session"):
    """Platform or screen: serve this customer.

    Attributes:
        kind: a guest needs neither user nor code.
        user: the platform's reference.
        code: the one that was offered and scanned.
    """

    delivery: ClassVar[Delivery] = Delivery.COMMAND

    kind: SessionKind = "guest"
    user: str = ""
    code: str = ""


class SessionStarted(Message, frozen=True, tag="service.started"):
    """Session: it is open.

    Refusals are `Failed` with ``busy``, ``closed``, ``code_unknown``, ``code_expired``,
    ``code_used``, ``guests_not_served``, ``store_failed``.
    """

    session: str
    kind: SessionKind


class MoreTime(Message, frozen=True, tag="service.more_time"):
    """Customer: do not end it yet."""


class FinishSession(Message, frozen=True, tag="service.finish"):
    """Customer or operator: that was all. The item in the machine is finished first."""


class RevokeSession(Message, frozen=True, tag="service.revoke"):
    """Platform: end this one; what it has been credited stays."""

    session: str
    why: str = "revoked"


class SessionEnded(Message, frozen=True, tag="service.ended"):
    """Session: closed with these totals.

    Attributes:
        claim: signed token that the platform redeems once; empty when there is nothing to claim
            or the user is known.
    """

    session: str
    kind: SessionKind
    credited: int
    refused: int
    reason: str
    claim: str = ""


class DescribeSession(Message, frozen=True, tag="service.describe"):
    """Operator: who is being served?"""


class SessionDescribed(Message, frozen=True, tag="service.described"):
    """Session: somebody, with these totals, or nobody.

    Attributes:
        ends_in_s: without another item; None while nobody is served.
        warns: the customer is being asked whether they need more time.
        closed: why no session can be opened; empty: one can.
        last: the session before this one, with its claim.
    """

    is_open: bool
    credited: int
    refused: int
    session: str = ""
    kind: SessionKind | None = None
    ends_in_s: float | None = None
    warns: bool = False
    closed: str = ""
    last: SessionEnded | None = None


# -- what technicians say ---------------------------------------------------------------------


class EnterService(Message, frozen=True, tag="service.enter"):
    """Technician: no customer is served, nothing is ever paid, motors may be jogged."""


class LeaveService(Message, frozen=True, tag="service.leave"):
    """Technician: done; the machine tests itself and serves again."""


class ResetMachine(Message, frozen=True, tag="service.reset"):
    """Technician at the machine: the cause of the fault or stop is gone; test and go on."""


class EnterMaintenance(Message, frozen=True, tag="service.enter_maintenance"):
    """Platform: as `EnterService`, but nobody is at the machine."""


class LeaveMaintenance(Message, frozen=True, tag="service.leave_maintenance"):
    """Platform: as `LeaveService`; refused with ``local`` once a technician has taken over."""


class EmptyBin(Message, frozen=True, tag="service.empty_bin"):
    """Technician: the bin was exchanged."""


class DescribeCycle(Message, frozen=True, tag="service.cycle"):
    """Operator: what is the item cycle doing?"""


class CycleDescribed(Message, frozen=True, tag="service.cycle_described"):
    """Deposit: this.

    Attributes:
        phase: of the transition table.
        reason: the code of the last refusal or fault.
        done: items dealt with in this run of the actor.
        closed: why no items are taken; empty: they are.
        bin_percent: None: unknown.
        remote: it is in service by the platform's word, and no technician has taken over.
    """

    phase: str
    deposit: str
    done: int
    reason: str = ""
    closed: str = ""
    bin_percent: float | None = None
    session: str = ""
    remote: bool = False


ServiceMessage = (
    ItemWaiting
    | CycleChanged
    | SessionChanged
    | ItemCredited
    | ItemRefused
    | OfferSession
    | SessionOffered
    | StartSession
    | SessionStarted
    | MoreTime
    | FinishSession
    | RevokeSession
    | SessionEnded
    | DescribeSession
    | SessionDescribed
    | EnterService
    | LeaveService
    | EnterMaintenance
    | LeaveMaintenance
    | ResetMachine
    | EmptyBin
    | DescribeCycle
    | CycleDescribed
)
