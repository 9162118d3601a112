"""What is said to the store. Every answer comes after the data is on the disk.

    deposit ── OpenEpoch ─────▶ storage    a number no other run of this machine has had
    deposit ◀─ Epoch ────────── storage    and what the last run left open
    deposit ── StoreDeposit ──▶ storage
    deposit ◀─ Stored | Failed ─ storage
    session ── StoreSession ──▶ storage
    session ◀─ SessionStored | Failed ─ storage
    person  ── ReviewDeposit, ResendRefused ─▶ storage
    uplink  ── PeekOutbox, AckOutbox, RefuseOutbox, WatchOutbox ─▶ storage
    uplink  ◀─ OutboxGrew ───── storage
    commands ─ OpenCommands, FindCommands ─▶ storage
    commands ◀ CommandsFound ── storage
    commands ─ StoreCommands ──▶ storage
    commands ◀ CommandsStored | Failed ─ storage
    anybody ── ListDeposits, ListSessions, ListCommands, DescribeStore ─▶ storage

Failed codes: ``store_full``, ``store_failed``, ``illegal_transition``, ``quota``, ``unknown``.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

import msgspec

from protocol.message import Delivery, Message
from protocol.platform.remote import CommandReport, CommandState

DepositState = Literal[
    "reserved", "transporting", "confirmed", "credited", "rejected", "review", "void"
]
"""``reserved`` before anything moves for it; ``transporting`` before the belt runs; ``confirmed``
with proof of the drop: from here on the credit exists; ``credited`` when it is booked to a session
and waits in the outbox. ``rejected`` and ``void`` pay nothing; ``review`` waits for a person."""

OutboxClass = Literal["money", "event", "status", "telemetry", "media"]


class DepositRecord(msgspec.Struct, frozen=True):
    """One item as the ledger knows it.

    Attributes:
        id: hardware id, boot epoch, counter: unique without a clock; the idempotency key.
        state: see `DepositState`.
        reason: the code behind it.
        started_at: wall clock, for people.
        clock_quality: ``bad`` while the wall clock has not been set since the machine started.
        item: what the detector saw.
        model_sha256: of the weights that decided; empty when none did.
        session: id of the session it belongs to.
        mass_g, length_m: as measured; None if not.
        evidence: SHA-256 over what the decision rested on.
        proof: what proved the drop: ``drop_beam``, ``scale``.
        decision: who decided a review, and why, in their words.
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
    session: str = ""
    mass_g: float | None = None
    length_m: float | None = None
    evidence: str = ""
    proof: str = ""
    clock_quality: Literal["good", "bad"] = "good"
    decision: str = ""


class SessionRecord(msgspec.Struct, frozen=True):
    """One session as the ledger knows it.

    Attributes:
        id: hardware id, ``s``, boot epoch, counter.
        kind: a guest, or a user known to the platform.
        user: the platform's reference of the user, empty for a guest.
        state: open, or closed for a reason.
        credited: number of items credited to it; counted by storage itself, never by the asker.
        refused: items given back; as told.
        reason: why it ended: ``finished``, ``idle``, ``expired``, ``revoked``, ``interrupted`` …
        claim: the signed claim token handed out at its end, if any.
    """

    id: str
    kind: Literal["guest", "user"]
    state: Literal["open", "closed"]
    started_at: float
    updated_at: float
    user: str = ""
    credited: int = 0
    refused: int = 0
    reason: str = ""
    claim: str = ""


Stopped = Literal["", "service", "maintenance", "estop"]
"""By whom the machine was stopped until somebody says that it may go on: at it (``service``), by
the platform (``maintenance``), by the emergency stop; empty: by nobody."""


class OpenEpoch(Message, frozen=True, tag="storage.open_epoch"):
    """Deposit: begin a run."""

    delivery: ClassVar[Delivery] = Delivery.MONEY


class Epoch(Message, frozen=True, tag="storage.epoch"):
    """Storage: this run's number, and the deposits that the last one left undecided.

    They are ``reserved``, ``transporting`` or ``confirmed``; whoever asked settles them
    (`models.recovery`) before anything else moves.
    """

    number: int
    open: tuple[DepositRecord, ...] = ()
    stopped: Stopped = ""


class NoteStop(Message, frozen=True, tag="storage.note_stop"):
    """Deposit: somebody has stopped the machine, or let it go on; `Epoch` tells the next run."""

    delivery: ClassVar[Delivery] = Delivery.MONEY

    stopped: Stopped


class StoreDeposit(Message, frozen=True, tag="storage.store_deposit"):
    """Deposit: write this state of an item.

    Writing ``credited`` counts it to its session and puts it into the money outbox, in the same
    transaction. Writing the same state again changes nothing and is answered as the first time;
    a transition that the ledger does not know is refused with ``illegal_transition``.
    """

    delivery: ClassVar[Delivery] = Delivery.MONEY

    record: DepositRecord


class ReviewDeposit(Message, frozen=True, tag="storage.review_deposit"):
    """A person, or the platform: this is what becomes of a deposit under review.

    The only way out of ``review``; anything else is refused with ``illegal_transition``.
    """

    delivery: ClassVar[Delivery] = Delivery.MONEY

    id: str
    state: Literal["credited", "void"]
    why: Annotated[str, msgspec.Meta(min_length=1, max_length=500)]
    by: Annotated[str, msgspec.Meta(max_length=100)] = ""


class Stored(Message, frozen=True, tag="storage.stored"):
    """Storage: it is on the disk."""

    id: str
    state: DepositState


class StoreSession(Message, frozen=True, tag="storage.store_session"):
    """Session: write this; ``credited`` in it is ignored. Closing puts it into the event outbox."""

    delivery: ClassVar[Delivery] = Delivery.MONEY

    record: SessionRecord


class SessionStored(Message, frozen=True, tag="storage.session_stored"):
    """Storage: it is on the disk, with the number of items that the ledger has credited to it."""

    record: SessionRecord


class OpenSessions(Message, frozen=True, tag="storage.open_sessions"):
    """Session: which ones did the last run leave open?"""


class ListDeposits(Message, frozen=True, tag="storage.list_deposits"):
    """Anybody: the newest records, newest first."""

    limit: int = 50


class Deposits(Message, frozen=True, tag="storage.deposits"):
    """Storage: here they are, and how many there are altogether."""

    records: tuple[DepositRecord, ...]
    total: int


class ListSessions(Message, frozen=True, tag="storage.list_sessions"):
    """Anybody: the newest sessions, newest first."""

    limit: int = 50


class Sessions(Message, frozen=True, tag="storage.sessions"):
    """Storage: here they are."""

    records: tuple[SessionRecord, ...]
    total: int


class OutboxRecord(msgspec.Struct, frozen=True):
    """One thing that waits for the platform.

    Attributes:
        sequence: of its class; grows for ever, also over an emptied outbox.
        key: the idempotency key, sent with every try.
        kind: what the body is: ``deposit``, ``session`` …
        body: msgpack.
        tries: how often it was sent without a final answer.
    """

    sequence: int
    key: str
    kind: str
    body: bytes
    stored_at: float
    tries: int = 0


class PutOutbox(Message, frozen=True, tag="storage.put_outbox"):
    """Anybody: keep this for the platform.

    Over its class's quota the oldest of the class gives way, but of money nothing ever does: that
    is refused with ``quota``.
    """

    delivery: ClassVar[Delivery] = Delivery.EVENT

    outbox: OutboxClass
    key: str
    kind: str
    body: bytes


class PeekOutbox(Message, frozen=True, tag="storage.peek_outbox"):
    """Uplink: the oldest of a class, behind ``after``."""

    outbox: OutboxClass
    limit: int = 100
    after: int = 0


class Outbox(Message, frozen=True, tag="storage.outbox"):
    """Storage: here they are, and how many wait in that class."""

    records: tuple[OutboxRecord, ...]
    waiting: int


class WatchOutbox(Message, frozen=True, tag="storage.watch_outbox"):
    """Uplink: tell me what is new, from now on; answered with how it stands. Twice is once."""


class OutboxGrew(Message, frozen=True, tag="storage.outbox_grew"):
    """Storage: something was put in; by class the sequence of the newest that ever was."""

    delivery: ClassVar[Delivery] = Delivery.TELEMETRY

    last: dict[str, int]


class AckOutbox(Message, frozen=True, tag="storage.ack_outbox"):
    """Uplink: the platform has these for good."""

    delivery: ClassVar[Delivery] = Delivery.MONEY

    outbox: OutboxClass
    sequences: tuple[int, ...]


class RefuseOutbox(Message, frozen=True, tag="storage.refuse_outbox"):
    """Uplink: the platform will never take this one; kept among the dead letters with its words."""

    delivery: ClassVar[Delivery] = Delivery.MONEY

    outbox: OutboxClass
    sequence: int
    why: str


class ResendRefused(Message, frozen=True, tag="storage.resend_refused"):
    """A person: the platform takes them now; offer it again what it has refused of this class.

    Under the keys that they had, so that what it has taken after all is there once.
    """

    delivery: ClassVar[Delivery] = Delivery.MONEY

    outbox: OutboxClass = "money"


class Resent(Message, frozen=True, tag="storage.resent"):
    """Storage: so many wait for the platform again, so many are still among the dead letters."""

    resent: int
    left: int


class OutboxAcked(Message, frozen=True, tag="storage.outbox_acked"):
    """Storage: so many are gone from the class, so many are left."""

    gone: int
    waiting: int


class CommandRecord(msgspec.Struct, frozen=True):
    """One remote command as the journal knows it.

    Attributes:
        seq: of the platform; the cursor.
        type: as it was asked for; in the closed list, or rejected.
        issuer: who wanted it, by the platform's word.
        args: JSON, as it came.
        digest: SHA-256 of type and arguments: the same id with others is another command.
        boot: of the computer; while it is the same, `due_s` means something.
        due_s: it may begin until then, by the monotonic clock.
        run: of the program that has begun it.
        state, code, detail, result: as told last.
        reports: what the platform has not acknowledged yet, oldest first.
        repeats: how often it is still to be told again how this one stands.
    """

    id: str
    seq: int
    type: str
    state: CommandState
    received_at: float
    updated_at: float
    issuer: str = ""
    args: bytes = b""
    digest: str = ""
    boot: str = ""
    due_s: float = 0.0
    run: str = ""
    code: str = ""
    detail: str = ""
    result: dict[str, Any] = msgspec.field(default_factory=dict)
    reports: tuple[CommandReport, ...] = ()
    repeats: int = 0


class CommandWrite(msgspec.Struct, frozen=True):
    """How a command stands now, and the steps that led there: each is an entry of the journal."""

    record: CommandRecord
    steps: tuple[CommandReport, ...] = ()


class StoreCommands(Message, frozen=True, tag="storage.store_commands"):
    """Commands: write these, and how far the platform's list has been taken down; or none of it.

    Attributes:
        cursor: 0, or less than the one that is kept: it stays.
    """

    delivery: ClassVar[Delivery] = Delivery.MONEY

    writes: tuple[CommandWrite, ...] = ()
    cursor: int = 0


class CommandsStored(Message, frozen=True, tag="storage.commands_stored"):
    """Storage: they are on the disk."""

    cursor: int


class OpenCommands(Message, frozen=True, tag="storage.open_commands"):
    """Commands: which ones have not ended, or not been told?"""


class FindCommands(Message, frozen=True, tag="storage.find_commands"):
    """Commands: which of these are known?"""

    ids: tuple[str, ...]


class CommandsFound(Message, frozen=True, tag="storage.commands_found"):
    """Storage: these, and how far the platform's list has been taken down."""

    records: tuple[CommandRecord, ...]
    cursor: int


class ListCommands(Message, frozen=True, tag="storage.list_commands"):
    """Anybody: the newest remote commands, newest first."""

    limit: int = 50


class CommandsListed(Message, frozen=True, tag="storage.commands_listed"):
    """Storage: here they are, and how many are kept."""

    records: tuple[CommandRecord, ...]
    total: int
    cursor: int


class NoteMaintenance(Message, frozen=True, tag="storage.note_maintenance"):
    """Reports: somebody looked after the machine at that time (wall clock); the last one counts."""

    delivery: ClassVar[Delivery] = Delivery.EVENT

    at: float


class DescribeStore(Message, frozen=True, tag="storage.describe"):
    """Operator: how does the store stand?"""


class StoreDescribed(Message, frozen=True, tag="storage.described"):
    """Storage: sizes in bytes, counts, the head of the chain, and what is wrong with it, if so.

    ``room`` says who may still write (`models.ledger.room`); ``damaged`` names the stores that were
    put aside because they could not be read. ``maintained_at`` is the wall clock of the last
    maintenance; 0: none is known.
    """

    deposits: int
    sessions: int
    journal: int
    epoch: int
    chain_head: str
    used_bytes: int
    map_bytes: int
    map_bytes_max: int
    outbox: dict[str, int]
    dead: dict[str, int]
    trouble: str = ""
    schema: int = 0
    room: Literal["open", "reserve", "edge"] = "open"
    damaged: tuple[str, ...] = ()
    maintained_at: float = 0.0


StorageMessage = (
    OpenEpoch
    | Epoch
    | StoreDeposit
    | ReviewDeposit
    | Stored
    | StoreSession
    | SessionStored
    | OpenSessions
    | ListDeposits
    | Deposits
    | ListSessions
    | Sessions
    | PutOutbox
    | PeekOutbox
    | Outbox
    | WatchOutbox
    | OutboxGrew
    | AckOutbox
    | RefuseOutbox
    | ResendRefused
    | Resent
    | OutboxAcked
    | StoreCommands
    | CommandsStored
    | OpenCommands
    | FindCommands
    | CommandsFound
    | ListCommands
    | CommandsListed
    | NoteMaintenance
    | NoteStop
    | DescribeStore
    | StoreDescribed
)
