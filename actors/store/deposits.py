"""Operations on deposits: every state of each into the journal, the present one into its table."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import msgspec

from actors.store.books import Books, Refused, check_key, count, damaged
from actors.store.outbox import enqueue, fits
from actors.store.tables import (
    NUMBER,
    Standing,
    encode,
    number_of,
    numbered,
    pack_record,
    unpack_deposit,
    unpack_standing,
)
from models.ledger.chain import Damaged, seal
from models.ledger.transitions import UNDECIDED, judge
from protocol.storage import DepositRecord, Epoch, ReviewDeposit, Stored

_ALWAYS = frozenset(("transporting", "confirmed", "credited", "review", "void"))
"""The states that finish an item which has begun: the reserve is theirs."""
R = TypeVar("R", Standing, DepositRecord)


class Epochal(msgspec.Struct, frozen=True):
    """Body of an ``epoch`` entry."""

    number: int


def store_deposit(books: Books, record: DepositRecord) -> Stored:
    """Write a state.

    Raises:
        Refused: not legal, no room, or its row is damaged.
    """
    check_key(record.id)
    if record.session:
        check_key(record.session)
    key, before, sequence = _find(books, record.id, unpack_standing)
    if _is_same(record, before, decided=False):
        return Stored(record.id, record.state)
    body = encode(record)
    books.need(len(body), is_money=record.state in _ALWAYS)
    _put(books, record, before, key, pack_record(books.journal("deposit", body, sequence), body))
    if record.state == "credited":
        _credit(books, record, body)
    elif record.state == "review":
        _tell(books, record, body)
    return Stored(record.id, record.state)


def review_deposit(books: Books, message: ReviewDeposit) -> Stored:
    """Write what somebody decided.

    Raises:
        Refused: it is not under review, or not known.
    """
    check_key(message.id)
    key, before, sequence = _find(books, message.id, unpack_deposit)
    if before is None:
        raise Refused("unknown", f"the ledger knows no deposit {message.id}")
    decision = f"{message.by}: {message.why}" if message.by else message.why
    record = msgspec.structs.replace(
        before, state=message.state, updated_at=books.at, decision=decision
    )
    if _is_same(record, before, decided=True):
        return Stored(record.id, record.state)
    body = encode(record)
    books.need(len(body), is_money=True)
    _put(books, record, before, key, pack_record(books.journal("decision", body, sequence), body))
    if record.state == "credited":
        _credit(books, record, body)
    else:
        _tell(books, record, body)
    return Stored(record.id, record.state)


def open_epoch(books: Books, floor: int) -> Epoch:
    """Count this run; tell what the last one left undecided.

    Args:
        floor: the last number that is known from elsewhere.
    """
    books.need(0, is_money=True)
    number = max(books.counters.epoch, floor) + 1
    books.journal("epoch", encode(Epochal(number)))
    books.counters.epoch = number
    return Epoch(number, tuple(undecided(books)), books.counters.stopped)


def undecided(books: Books) -> list[DepositRecord]:
    """The open deposits, oldest first. A damaged one is the verifier's to report."""
    records: list[DepositRecord] = []
    for key in numbered(books.txn, books.table("open")):
        stored = books.get("deposits", key)
        try:
            if stored is not None:
                records.append(unpack_deposit(stored)[1])
        except Damaged:
            continue
    return records


def _find(
    books: Books, id_: str, read: Callable[[bytes], tuple[int, R]]
) -> tuple[bytes | None, R | None, int]:
    """Where a deposit stands, what it is now, and its last entry in the journal.

    Args:
        read: reads its row, as far as is needed.
    """
    key = books.get("ids", id_.encode())
    if key is None:
        return None, None, 0
    try:
        number_of(key)
        stored = books.get("deposits", key)
        if stored is None:
            raise Damaged("its row is missing")
        sequence, record = read(stored)
        if record.id != id_:
            raise Damaged(f"its row holds {record.id}")
    except Damaged as error:
        raise damaged(f"the record of {id_}", error) from None
    return key, record, sequence


def _is_same(
    record: DepositRecord, before: Standing | DepositRecord | None, *, decided: bool
) -> bool:
    """Whether there is nothing to do.

    Raises:
        Refused: the transition is not legal.
    """
    was = None if before is None else before.state
    worth = judge(was, record.state, decided=decided)
    if worth == "illegal":
        raise Refused("illegal_transition", f"{record.id} is {was or 'new'}, not {record.state}")
    return worth == "same"


def _put(
    books: Books,
    record: DepositRecord,
    before: Standing | DepositRecord | None,
    key: bytes | None,
    row: bytes,
) -> None:
    """Write its row, and whether it is undecided. Pages that need no change are not touched."""
    if key is None:
        books.counters.deposits += 1
        key = NUMBER.pack(books.counters.deposits)
        books.put("ids", record.id.encode(), key)
        books.append("deposits", books.counters.deposits, row)
    else:
        books.put("deposits", key, row)
    was_open = before is not None and before.state in UNDECIDED
    is_open = record.state in UNDECIDED
    if is_open and not was_open:
        books.put("open", key, b"")
    elif was_open and not is_open:
        books.delete("open", key)


def _credit(books: Books, record: DepositRecord, body: bytes) -> None:
    """Count it to its session, and owe it to the platform."""
    if record.session:
        session = record.session.encode()
        credited = count(books, "credits", session) + 1
        books.put("credits", session, seal(NUMBER.pack(credited)))
    enqueue(books, "money", record.id, "deposit", body)


def _tell(books: Books, record: DepositRecord, body: bytes) -> None:
    """Let the platform know of what is not paid for, or not yet; money goes before it."""
    if fits(books, "event", len(body)):
        enqueue(books, "event", record.id, "deposit", body)
