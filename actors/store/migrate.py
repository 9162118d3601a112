"""From the stores of older releases to the present schema.

Schema 1 had deposits without journal, checksums, sessions or outbox, and called a credited item
``confirmed``. The old store is copied before anything is changed; the change is one transaction.
Schema 2 had no remote commands: their tables are added, and nothing that was there is touched.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import lmdb
import msgspec

from actors.store.files import sync_directory
from actors.store.tables import (
    NAMES,
    NUMBER,
    SCHEMA,
    SCHEMA_KEY,
    Counters,
    Queue,
    Tables,
    encode,
    fetch,
    pack_record,
    rows,
    write_counters,
)
from models.ledger.chain import Damaged, Entry, digest, pack, seal
from protocol.storage import DepositRecord, OutboxRecord

SCHEMA_1, SCHEMA_2 = 1, 2
_EPOCH_1, _SEQUENCE_1 = b"epoch", b"sequence"
_decode_1 = msgspec.msgpack.Decoder(DepositRecord).decode


class Migrated(msgspec.Struct, frozen=True):
    """Body of the journal's first entry after a migration."""

    schema: int
    deposits: int
    backup: str


def migrate(env: lmdb.Environment, directory: Path) -> None:
    """Bring a store of schema 1 to the present one, after a copy of it has been made.

    Raises:
        Damaged: it is not what that release wrote.
        OSError, lmdb.Error: there is no room for the copy or the change; nothing is changed then.
    """
    backup = _back_up(env, directory)
    with env.begin(write=True) as txn:
        tables: Tables = {name: env.open_db(name.encode(), txn) for name in NAMES}
        counters = _counters_1(txn, tables["meta"])
        deposits = int(txn.stat(tables["deposits"])["entries"])
        _Journal(txn, tables, counters).migrate(Migrated(SCHEMA_1, deposits, backup.name))
        txn.delete(_EPOCH_1, db=tables["meta"])
        txn.delete(_SEQUENCE_1, db=tables["meta"])
        txn.put(SCHEMA_KEY, str(SCHEMA).encode(), db=tables["meta"])
        write_counters(txn, counters)


def add_commands(env: lmdb.Environment) -> None:
    """Bring a store of schema 2 to the present one."""
    with env.begin(write=True) as txn:
        for name in NAMES:
            table = env.open_db(name.encode(), txn)
            if name == "meta":
                txn.put(SCHEMA_KEY, str(SCHEMA).encode(), db=table)


def _back_up(env: lmdb.Environment, directory: Path) -> Path:
    """Copy it, whole or not at all."""
    backup = directory.with_name(f"{directory.name}.schema-{SCHEMA_1}")
    if backup.exists():
        return backup  # the power failed between the copy and the change
    beside = directory.with_name(f"{backup.name}.new")
    beside.mkdir(exist_ok=True)
    for file in beside.iterdir():
        file.unlink()
    env.copy(str(beside))
    for file in beside.iterdir():
        fd = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
        os.fsync(fd)
        os.close(fd)
    sync_directory(beside)
    beside.rename(backup)
    sync_directory(backup.parent)
    return backup


def _counters_1(txn: lmdb.Transaction, meta: Any) -> Counters:
    epoch, deposits = (
        int.from_bytes(fetch(txn, meta, key) or b"", "big") for key in (_EPOCH_1, _SEQUENCE_1)
    )
    return Counters(epoch=epoch, deposits=deposits)


class _Journal:
    """Writes the imported records, as the present release would have."""

    def __init__(self, txn: lmdb.Transaction, tables: Tables, counters: Counters) -> None:
        self._txn = txn
        self._tables = tables
        self._counters = counters

    def migrate(self, what: Migrated) -> None:
        self._append("migrated", encode(what), 0.0)
        for key, value in list(rows(self._txn, self._tables["deposits"])):
            self._import(key, value)

    def _import(self, key: bytes, value: bytes) -> None:
        try:
            record = _decode_1(value)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            number = int.from_bytes(key, "big")
            raise Damaged(f"deposit number {number} of schema 1: {error}") from None
        if record.state == "confirmed":
            record = msgspec.structs.replace(record, state="credited")
        body = encode(record)
        sequence = self._append("imported", body, record.updated_at)
        self._put("deposits", key, pack_record(sequence, body))
        if record.state == "credited":
            queue: Queue = self._counters.outbox["money"]
            queue.last += 1
            owed = OutboxRecord(queue.last, record.id, "deposit", body, record.updated_at)
            stored = seal(encode(owed))
            queue.waiting_bytes += len(stored)
            self._put("money", NUMBER.pack(queue.last), stored)

    def _append(self, kind: str, body: bytes, at: float) -> int:
        counters = self._counters
        counters.journal += 1
        packed = pack(Entry(counters.journal, 0, counters.head, at, kind, body))
        counters.head = digest(packed)
        self._put("journal", NUMBER.pack(counters.journal), seal(packed))
        return counters.journal

    def _put(self, table: str, key: bytes, stored: bytes) -> None:
        self._txn.put(key, stored, db=self._tables[table])
