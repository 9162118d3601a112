"""One write transaction: the tables, what is counted, the room that is left, the journal.

An operation looks first and writes then: what it refuses, it has not begun to write, so of a group
of operations in one transaction only that one is refused.
"""

from __future__ import annotations

from typing import Any

import lmdb

from actors.store.tables import (
    NUMBER,
    Counters,
    Tables,
    entries,
    fetch,
    write_counters,
)
from config.settings import StorageSettings
from models.ledger.chain import Damaged, Entry, digest, pack, seal, unseal
from models.ledger.room import Level, Room

_COPIES = 3
"""A record is written to the journal, to its table, and perhaps to the outbox."""


_KEY_BYTES_MAX = 500  # LMDB's is 511
_KEY_CHARACTERS = _KEY_BYTES_MAX // 4  # so many fit, whatever they are


class Refused(Exception):
    """An operation that is not carried out.

    Attributes:
        code: as in `protocol.message.Failed`.
    """

    def __init__(self, code: str, detail: str) -> None:
        """Args: code: one word. detail: a sentence."""
        super().__init__(detail)
        self.code = code


class Books:
    """See the module.

    Attributes:
        txn: the transaction; nobody keeps it.
        at: wall clock of what is written.
        counters: as they will be when this is committed.
        limits: the settings of the store.
        room: as it was measured last.
        written_bytes: added since then.
    """

    def __init__(
        self,
        txn: lmdb.Transaction,
        tables: Tables,
        counters: Counters,
        at: float,
        room: Room,
        limits: StorageSettings,
        since_bytes: int = 0,
    ) -> None:
        """Args: as the attributes; since_bytes: what was added before this transaction."""
        self.txn = txn
        self.at = at
        self.room = room
        self.limits = limits
        self.counters = counters
        self.written_bytes = since_bytes
        self._tables = tables
        self._entries: list[tuple[bytes, bytes]] = []
        self._open_bytes = room.line_bytes - room.used_bytes
        self._edge_bytes = room.edge_bytes - room.used_bytes

    def finish(self) -> None:
        """Write the journal's entries and what was counted; the last thing before the commit."""
        if self._entries:
            with self.txn.cursor(self._tables["journal"]) as cursor:
                _, added = cursor.putmulti(self._entries, append=True)
            if added != len(self._entries):
                raise Damaged(f"the journal already has entry {self.counters.journal} or a later")
        write_counters(self.txn, self.counters)

    # -- tables ---------------------------------------------------------------------------------

    def table(self, name: str) -> Any:
        """A table's handle, for a cursor."""
        return self._tables[name]

    def get(self, table: str, key: bytes) -> bytes | None:
        """A value as it is stored."""
        return fetch(self.txn, self._tables[table], key)

    def put(self, table: str, key: bytes, stored: bytes) -> None:
        """Write a value."""
        self.written_bytes += len(stored)
        self.txn.put(key, stored, db=self._tables[table])

    def append(self, table: str, number: int, stored: bytes) -> None:
        """Write a value behind all others of its table: fills pages, where `put` halves them."""
        self.written_bytes += len(stored)
        done = self.txn.put(NUMBER.pack(number), stored, db=self._tables[table], append=True)
        if not done:
            raise Damaged(f"{table} already has something behind {number}")

    def delete(self, table: str, key: bytes) -> bool:
        """Remove a row; whether it was there."""
        return bool(self.txn.delete(key, db=self._tables[table]))

    def rows(self, table: str) -> int:
        """How many there are."""
        return entries(self.txn, self._tables[table])

    # -- room -----------------------------------------------------------------------------------

    def level(self, more_bytes: int) -> Level:
        """Where the store would stand with so much more, after what this transaction wrote."""
        more_bytes = self.written_bytes + _COPIES * more_bytes
        if more_bytes <= self._open_bytes:
            return "open"
        return "reserve" if more_bytes <= self._edge_bytes else "edge"

    def need(self, more_bytes: int, *, is_money: bool) -> None:
        """Check that so much may be added.

        Raises:
            Refused: with ``store_full``.
        """
        level = self.level(more_bytes)
        if level == "edge" or (level == "reserve" and not is_money):
            used, capacity = self.room.used_bytes, self.room.capacity_bytes
            kept = "nothing more fits" if is_money else "the rest is kept for items under way"
            raise Refused("store_full", f"{used} of {capacity} bytes are used: {kept}")

    # -- the journal ----------------------------------------------------------------------------

    def journal(self, kind: str, body: bytes, before: int = 0) -> int:
        """Append an entry, chained to the last; returns its sequence.

        No operation reads the journal, so all of a transaction's go into it at once, in `finish`.
        """
        counters = self.counters
        sequence = counters.journal + 1
        packed = pack(Entry(sequence, before, counters.head, self.at, kind, body))
        stored = seal(packed)
        self.written_bytes += len(stored)
        self._entries.append((NUMBER.pack(sequence), stored))
        counters.journal, counters.head = sequence, digest(packed)
        return sequence


def damaged(what: str, error: Damaged) -> Refused:
    """A damaged value refuses its own operation, and no other."""
    return Refused("store_failed", f"{what} is damaged: {error}; see: ledger verify")


def check_key(id_: str) -> None:
    """An id has to be one that LMDB can look up.

    Raises:
        Refused: with ``invalid``.
    """
    if not 0 < len(id_) <= _KEY_CHARACTERS and not 0 < len(id_.encode()) <= _KEY_BYTES_MAX:
        raise Refused("invalid", f"an id has 1 to {_KEY_BYTES_MAX} bytes")


def count(books: Books, table: str, key: bytes) -> int:
    """A number in a table of numbers, 0 where there is none.

    Raises:
        Damaged: it is not what was written.
    """
    stored = books.get(table, key)
    return 0 if stored is None else NUMBER.unpack(unseal(stored))[0]
