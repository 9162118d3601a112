"""Operations on the outbox: what waits for the platform, class by class.

A sequence is counted in the same transaction as the record it is given to, so that none is given
twice, also when a queue has been emptied in between. Delivery is at least once: the key in each
record lets the platform see a repetition.

Over its quota the oldest of a class give way. Of money nothing ever does.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import takewhile

import lmdb
import msgspec

from actors.store.books import Books, Refused
from actors.store.tables import NUMBER, Queue, Tables, encode, rows, unpack_waiting
from config.settings import StorageSettings
from models.ledger.chain import Damaged, seal, unseal
from protocol.message import Done
from protocol.storage import OutboxAcked, OutboxClass, OutboxRecord, PutOutbox, Resent

LESSER: tuple[OutboxClass, ...] = ("media", "telemetry", "status", "event")
"""What gives way to money where there is no room, in this order."""
SEQUENCE_MAX = (1 << 63) - 1
_PEEK_MAX = 1000
_PEEK_BYTES_MAX = 4 << 20  # an answer has to fit into one message
_EVICT_MAX = 1000  # in one transaction
DEAD_MAX = 1000
"""Of each lesser class the newest are kept, for people to read: a platform that refuses something
for years must not fill the store with it. Of money all are."""


class Gone(msgspec.Struct, frozen=True):
    """Body of an ``acked`` or ``refused`` entry: what no longer waits, and why."""

    outbox: OutboxClass
    keys: tuple[str, ...]
    why: str = ""


class Dead(msgspec.Struct, frozen=True):
    """What the platform will never take, in its words."""

    record: OutboxRecord
    why: str
    at: float


def quota_bytes(outbox: OutboxClass, limits: StorageSettings, capacity_bytes: int) -> int:
    """What a class may take, in bytes of waiting records."""
    percent = {
        "money": 100.0,
        "event": limits.event_quota_percent,
        "status": limits.status_quota_percent,
        "telemetry": limits.telemetry_quota_percent,
        "media": limits.media_quota_percent,
    }
    return int(capacity_bytes * percent[outbox] / 100)


# ----- Coming in ------------------------------------------------------------------------------


def put(books: Books, message: PutOutbox) -> Done:
    """Keep something for the platform.

    Raises:
        Refused: money without room (``quota``), or larger than its class's quota.
    """
    size = len(message.body) + len(message.key)
    if message.outbox == "money":
        try:
            books.need(size, is_money=True)
        except Refused as error:
            raise Refused("quota", str(error)) from None
    elif not fits(books, message.outbox, size):
        raise Refused("quota", f"{size} bytes are more than {message.outbox} may keep")
    enqueue(books, message.outbox, message.key, message.kind, message.body)
    if message.outbox == "money":
        books.journal("owed", encode(Gone("money", (message.key,))))
    return Done()


def fits(books: Books, outbox: OutboxClass, size: int) -> bool:
    """Make room in a class by letting its oldest go; whether there is enough."""
    queue = books.counters.outbox[outbox]
    most = quota_bytes(outbox, books.limits, books.room.capacity_bytes)
    if size > most:
        return False
    evict(books, outbox, queue.waiting_bytes + size - most)
    if books.level(size) == "open":
        return queue.waiting_bytes + size <= most
    return evict(books, outbox, size) >= size and books.level(0) != "edge"


def enqueue(books: Books, outbox: OutboxClass, key: str, kind: str, body: bytes) -> None:
    """Put a record behind the others of its class."""
    queue = books.counters.outbox[outbox]
    queue.last += 1
    stored = seal(encode(OutboxRecord(queue.last, key, kind, body, books.at)))
    queue.waiting_bytes += len(stored)
    books.append(outbox, queue.last, stored)


def evict(books: Books, outbox: OutboxClass, size: int) -> int:
    """Let the oldest of a class go until so many bytes are free; returns how many are."""
    freed = 0
    if size <= 0:
        return freed
    with books.txn.cursor(db=books.table(outbox)) as cursor:
        for _ in range(_EVICT_MAX):
            if freed >= size or not cursor.first():
                break
            freed += len(cursor.value())
            cursor.delete()
    queue = books.counters.outbox[outbox]
    queue.waiting_bytes = max(queue.waiting_bytes - freed, 0)
    return freed


def give_way(books: Books) -> int:
    """Where only money may be added, the lesser classes make room; returns the bytes freed."""
    short, freed = books.room.short_bytes, 0
    if not short:
        return freed
    for outbox in LESSER:
        freed += evict(books, outbox, short - freed)
    return freed


# ----- Going out ------------------------------------------------------------------------------


def peek(
    txn: lmdb.Transaction, tables: Tables, outbox: OutboxClass, limit: int, after: int
) -> tuple[OutboxRecord, ...]:
    """The oldest of a class behind ``after``; a damaged one is passed over, and blocks no other."""
    records: list[OutboxRecord] = []
    size = 0
    start = NUMBER.pack(min(max(after, 0), SEQUENCE_MAX) + 1)
    for _, stored in rows(txn, tables[outbox], start):
        size += len(stored)
        if len(records) >= min(limit, _PEEK_MAX) or (records and size > _PEEK_BYTES_MAX):
            break
        try:
            records.append(unpack_waiting(stored))
        except Damaged:
            continue
    return tuple(records)


def ack(books: Books, outbox: OutboxClass, sequences: Iterable[int]) -> OutboxAcked:
    """Forget what the platform has; which money it has stays in the journal."""
    taken = [(number, *_take(books, outbox, number)) for number in sorted(set(sequences))]
    gone = tuple(_key(record, number) for number, stored, record in taken if stored is not None)
    if gone and outbox == "money":
        books.journal("acked", encode(Gone(outbox, gone)))
    return OutboxAcked(len(gone), books.rows(outbox))


def refuse(books: Books, outbox: OutboxClass, sequence: int, why: str) -> OutboxAcked:
    """Move a record that the platform will never take among the dead letters."""
    stored, record = _take(books, outbox, sequence)
    if stored is None:
        return OutboxAcked(0, books.rows(outbox))
    kept = stored if record is None else seal(encode(Dead(record, why, books.at)))
    books.put("dead", outbox.encode() + b"/" + NUMBER.pack(sequence), kept)
    if outbox != "money":
        _forget_oldest_dead(books, outbox)
    else:
        books.journal("refused", encode(Gone(outbox, (_key(record, sequence),), why)))
    return OutboxAcked(1, books.rows(outbox))


def resend(books: Books, outbox: OutboxClass) -> Resent:
    """Let dead letters wait again under their own keys; what is damaged or has no room stays."""
    sent = 0
    keys = _dead_keys(books, outbox)
    for key in keys[:_EVICT_MAX]:
        try:
            stored = unseal(books.get("dead", key) or b"")
            record = msgspec.msgpack.decode(stored, type=Dead).record
        except (Damaged, msgspec.MsgspecError):
            continue
        if books.level(len(record.body)) != "open":
            break
        enqueue(books, outbox, record.key, record.kind, record.body)
        if outbox == "money":
            books.journal("owed", encode(Gone(outbox, (record.key,))))
        books.delete("dead", key)
        sent += 1
    return Resent(sent, len(keys) - sent)


def _forget_oldest_dead(books: Books, outbox: OutboxClass) -> None:
    keys = _dead_keys(books, outbox)
    for key in keys[: min(max(len(keys) - DEAD_MAX, 0), _EVICT_MAX)]:
        books.delete("dead", key)


def _dead_keys(books: Books, outbox: OutboxClass) -> list[bytes]:
    """Of one class, oldest first."""
    first = outbox.encode() + b"/"
    with books.txn.cursor(db=books.table("dead")) as cursor:
        cursor.set_range(first)
        keys = map(bytes, cursor.iternext(keys=True, values=False))
        return list(takewhile(lambda key: key.startswith(first), keys))


def _key(record: OutboxRecord | None, sequence: int) -> str:
    return f"damaged:{sequence}" if record is None else record.key


def _take(
    books: Books, outbox: OutboxClass, sequence: int
) -> tuple[bytes | None, OutboxRecord | None]:
    """Take a record out, as it is stored and as it reads; None: not there, or not readable."""
    if not 0 < sequence <= SEQUENCE_MAX:
        return None, None
    place = NUMBER.pack(sequence)
    stored = books.get(outbox, place)
    if stored is None:
        return None, None
    books.delete(outbox, place)
    queue: Queue = books.counters.outbox[outbox]
    queue.waiting_bytes = max(queue.waiting_bytes - len(stored), 0)
    try:
        return stored, unpack_waiting(stored)
    except Damaged:
        return stored, None
