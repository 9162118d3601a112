"""The tables and what stands in them.

    (unnamed)    beside LMDB's list of tables, which every commit writes: counters (`Counters`)
    meta         schema, release
    journal      sequence → an entry (`models.ledger.chain`)
    deposits     number → journal sequence, record: the present state of each
    ids          deposit id → number
    open         number → "": the undecided ones, so that a start looks at no other
    sessions, session_ids, session_open     the same for sessions
    credits      session id → number of items credited to it
    commands, command_ids, command_open     the same for remote commands; the oldest are forgotten
    money, event, status, telemetry, media  sequence → what waits for the platform
    dead         class, sequence → what the platform will never take

Numbers are 8 bytes, big-endian: LMDB keeps them in order. Every value carries a checksum, but those
of `ids`, `session_ids` and `command_ids`, whose target names the id again.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any, TypeVar, cast, get_args

import lmdb
import msgspec

from models.ledger.chain import GENESIS, Damaged, seal, unseal
from protocol.storage import (
    CommandRecord,
    DepositRecord,
    DepositState,
    OutboxClass,
    OutboxRecord,
    SessionRecord,
    Stopped,
)

SCHEMA = 3
OUTBOXES: tuple[OutboxClass, ...] = get_args(OutboxClass)
NAMES = (
    "meta",
    "journal",
    "deposits",
    "ids",
    "open",
    "sessions",
    "session_ids",
    "session_open",
    "credits",
    "dead",
    *OUTBOXES,
    "commands",
    "command_ids",
    "command_open",
)
SCHEMA_KEY = b"schema"
_COUNTERS_KEY = b"counters"
NUMBER = struct.Struct(">Q")
_OWN_PAGES = 3  # two heads and the list of tables

Tables = dict[str, Any]
"""Handles by name."""


class Queue(msgspec.Struct):
    """What is counted of one outbox class: the last sequence ever given, and bytes waiting."""

    last: int = 0
    waiting_bytes: int = 0


def _empty_queues() -> dict[str, Queue]:
    return {name: Queue() for name in OUTBOXES}


class Standing(msgspec.Struct, frozen=True):
    """What a new state of a deposit is judged by; the rest of the record is not looked at."""

    id: str
    state: DepositState


class Counters(msgspec.Struct):
    """Everything that is counted; written once in each transaction.

    Attributes:
        epoch: number of the last run.
        journal: sequence of the newest entry.
        head: its SHA-256.
        deposits, sessions, commands: last number given.
        command_cursor: sequence of the newest remote command that has been taken down.
        maintained_at: wall clock of the last maintenance; 0: none is known.
        stopped: who has stopped the machine until somebody says so.
    """

    epoch: int = 0
    journal: int = 0
    head: bytes = GENESIS
    deposits: int = 0
    sessions: int = 0
    outbox: dict[str, Queue] = msgspec.field(default_factory=_empty_queues)
    commands: int = 0
    command_cursor: int = 0
    maintained_at: float = 0.0
    stopped: Stopped = ""


encode = msgspec.msgpack.Encoder().encode
_counters = msgspec.msgpack.Decoder(Counters)
_deposit = msgspec.msgpack.Decoder(DepositRecord)
_standing = msgspec.msgpack.Decoder(Standing)
_session = msgspec.msgpack.Decoder(SessionRecord)
_waiting = msgspec.msgpack.Decoder(OutboxRecord)
_command = msgspec.msgpack.Decoder(CommandRecord)
T = TypeVar("T")


def open_tables(env: lmdb.Environment) -> Tables:
    """Handles of all tables.

    Raises:
        lmdb.Error: one is missing.
    """
    return {name: env.open_db(name.encode(), create=False) for name in NAMES}


# ----- Access: what LMDB gives is bytes, for nobody asks it for buffers ------------------------


def fetch(txn: lmdb.Transaction, table: Any, key: bytes) -> bytes | None:
    """A value as it is stored."""
    return cast("bytes | None", txn.get(key, None, table))


def rows(txn: lmdb.Transaction, table: Any, start: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
    """Keys and stored values in order, from ``start`` on."""
    with txn.cursor(db=table) as cursor:
        if cursor.set_range(start) if start else cursor.first():
            for key, value in cursor.iternext(keys=True, values=True):
                yield bytes(key), bytes(value)


def rows_back(
    txn: lmdb.Transaction, table: Any, before: bytes = b""
) -> Iterator[tuple[bytes, bytes]]:
    """The same backwards, from the last one before ``before``, or from the very last."""
    with txn.cursor(db=table) as cursor:
        is_inside = bool(before) and cursor.set_range(before)
        if cursor.prev() if is_inside else cursor.last():
            for key, value in cursor.iterprev(keys=True, values=True):
                yield bytes(key), bytes(value)


def keys_of(txn: lmdb.Transaction, table: Any) -> list[bytes]:
    """All keys in order, of a table that is short."""
    with txn.cursor(db=table) as cursor:
        return [bytes(key) for key in cursor.iternext(keys=True, values=False)]


def number_of(key: bytes) -> int:
    """The number that a key is.

    Raises:
        Damaged: it is none.
    """
    if len(key) != NUMBER.size:
        raise Damaged(f"a key of {len(key)} bytes, where numbers have {NUMBER.size}")
    number: int = NUMBER.unpack(key)[0]
    return number


def numbered(txn: lmdb.Transaction, table: Any) -> list[bytes]:
    """All keys that are numbers, of a table that is short; the verifier tells of others."""
    return [key for key in keys_of(txn, table) if len(key) == NUMBER.size]


def entries(txn: lmdb.Transaction, table: Any) -> int:
    """How many rows there are."""
    return int(txn.stat(table)["entries"])


# ----- Values ---------------------------------------------------------------------------------


def read_counters(txn: lmdb.Transaction) -> Counters:
    """What is counted.

    Raises:
        Damaged: it cannot be read.
    """
    stored = cast("bytes | None", txn.get(_COUNTERS_KEY))
    if stored is None:
        raise Damaged("the counters are missing")
    return _decoded(_counters, unseal(stored))


def write_counters(txn: lmdb.Transaction, counters: Counters) -> None:
    """Keep it."""
    txn.put(_COUNTERS_KEY, seal(encode(counters)))


def read_schema(txn: lmdb.Transaction, meta: Any) -> int | None:
    """Which layout the store has; None for one that has just been made.

    Raises:
        Damaged: it is no number.
    """
    stored = fetch(txn, meta, SCHEMA_KEY)
    if stored is None:
        return None
    if not stored.isdigit():
        raise Damaged(f"the schema is {stored!r}")
    return int(stored)


def pack_record(sequence: int, body: bytes) -> bytes:
    """A row of `deposits` or `sessions`: its last entry in the journal, and the record."""
    return seal(NUMBER.pack(sequence) + body)


def unpack_deposit(stored: bytes) -> tuple[int, DepositRecord]:
    """Read a row of `deposits`.

    Raises:
        Damaged: it is not what was written.
    """
    data = unseal(stored)
    return NUMBER.unpack_from(data)[0], _decoded(_deposit, data[NUMBER.size :])


def unpack_standing(stored: bytes) -> tuple[int, Standing]:
    """Read what matters of a row of `deposits` when it is written again.

    Raises:
        Damaged: it is not what was written.
    """
    data = unseal(stored)
    return NUMBER.unpack_from(data)[0], _decoded(_standing, data[NUMBER.size :])


def unpack_session(stored: bytes) -> tuple[int, SessionRecord]:
    """Read a row of `sessions`.

    Raises:
        Damaged: it is not what was written.
    """
    data = unseal(stored)
    return NUMBER.unpack_from(data)[0], _decoded(_session, data[NUMBER.size :])


def unpack_command(stored: bytes) -> tuple[int, CommandRecord]:
    """Read a row of `commands`.

    Raises:
        Damaged: it is not what was written.
    """
    data = unseal(stored)
    return NUMBER.unpack_from(data)[0], _decoded(_command, data[NUMBER.size :])


def unpack_waiting(stored: bytes) -> OutboxRecord:
    """Read a row of an outbox.

    Raises:
        Damaged: it is not what was written.
    """
    return _decoded(_waiting, unseal(stored))


def deposit_of(body: bytes) -> DepositRecord:
    """Read a deposit from an entry of the journal.

    Raises:
        Damaged: it is none.
    """
    return _decoded(_deposit, body)


def session_of(body: bytes) -> SessionRecord:
    """Read a session from an entry of the journal.

    Raises:
        Damaged: it is none.
    """
    return _decoded(_session, body)


def _decoded(decoder: msgspec.msgpack.Decoder[T], data: bytes) -> T:
    try:
        return decoder.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Damaged(str(error)) from None


def used_bytes(txn: lmdb.Transaction, tables: Tables) -> int:
    """Bytes of the pages that hold something: the file less what is free inside it."""
    pages, page_bytes = _OWN_PAGES, 0
    for table in tables.values():
        stat = txn.stat(table)
        page_bytes = int(stat["psize"])
        pages += int(stat["branch_pages"]) + int(stat["leaf_pages"]) + int(stat["overflow_pages"])
    return pages * page_bytes
