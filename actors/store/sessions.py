"""Operations on sessions. What is credited to one is counted here, never by the asker."""

from __future__ import annotations

import msgspec

from actors.store.books import Books, Refused, check_key, count, damaged
from actors.store.outbox import enqueue, fits
from actors.store.tables import NUMBER, encode, number_of, pack_record, unpack_session
from models.ledger.chain import Damaged
from models.ledger.transitions import judge_session
from protocol.storage import SessionRecord, SessionStored


def store_session(books: Books, record: SessionRecord) -> SessionStored:
    """Write a session; closing one puts it into the event outbox.

    Raises:
        Refused: it is closed already, there is no room for another, or its row is damaged.
    """
    check_key(record.id)
    key, before, sequence = _find(books, record.id)
    try:
        credited = count(books, "credits", record.id.encode())
    except Damaged as error:
        raise damaged(f"the credits of session {record.id}", error) from None
    record = msgspec.structs.replace(record, credited=credited)
    worth = judge_session(None if before is None else before.state, record.state)
    if worth == "illegal":
        raise Refused("illegal_transition", f"session {record.id} is closed")
    if before is not None and (worth == "same" or before == record):
        return SessionStored(msgspec.structs.replace(before, credited=credited))
    body = encode(record)
    books.need(len(record.id) + len(body), is_money=before is not None or record.state == "closed")
    _put(books, record, key, books.journal("session", body, sequence))
    return SessionStored(record)


def _find(books: Books, id_: str) -> tuple[bytes | None, SessionRecord | None, int]:
    key = books.get("session_ids", id_.encode())
    if key is None:
        return None, None, 0
    try:
        number_of(key)
        stored = books.get("sessions", key)
        if stored is None:
            raise Damaged("its row is missing")
        sequence, record = unpack_session(stored)
        if record.id != id_:
            raise Damaged(f"its row holds {record.id}")
    except Damaged as error:
        raise damaged(f"the record of session {id_}", error) from None
    return key, record, sequence


def _put(books: Books, record: SessionRecord, key: bytes | None, sequence: int) -> None:
    body = encode(record)
    if key is None:
        books.counters.sessions += 1
        key = NUMBER.pack(books.counters.sessions)
        books.put("session_ids", record.id.encode(), key)
        books.append("sessions", books.counters.sessions, pack_record(sequence, body))
    else:
        books.put("sessions", key, pack_record(sequence, body))
    if record.state == "open":
        books.put("session_open", key, b"")
        return
    books.delete("session_open", key)
    if fits(books, "event", len(body)):
        enqueue(books, "event", record.id, "session", body)
