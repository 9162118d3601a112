"""The storage: the single owner of the LMDB environment.

Owns the ledger of deposits and the number of this run (the epoch).
Hears `OpenEpoch`, `StoreDeposit`, `ListDeposits`.
Says nothing by itself; it answers when the data is on the disk.

Every write is a transaction of its own, synced before the answer. The outbox, the hash chain,
quotas and group commit are not here yet.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import lmdb
import msgspec

from protocol.message import Failed
from protocol.storage import (
    DepositRecord,
    Deposits,
    Epoch,
    ListDeposits,
    OpenEpoch,
    Stored,
    StoreDeposit,
)
from supervisors import Actor, handles
from supervisors.exits import ExitReason

STORE = "store"
"""Directory of the environment, below the data directory."""
_EPOCH = b"epoch"
_SEQUENCE = b"sequence"
_SCHEMA = b"schema"
_SCHEMA_VERSION = b"1"
_NUMBER = struct.Struct(">Q")  # big-endian: LMDB keeps the records in the order of their start
_LIST_MAX = 10_000

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(DepositRecord).decode


class Storage(Actor):
    """See the module."""

    def __init__(self, directory: str, map_mb: int) -> None:
        """Args: directory: the data directory; map_mb: largest size of the environment."""
        self._directory = Path(directory) / STORE
        self._map_bytes = map_mb << 20
        self._env: lmdb.Environment

    # -- lifecycle ------------------------------------------------------------------------------

    def on_start(self) -> None:
        """Open the environment; synced transactions, no unsafe flag."""
        self._directory.mkdir(parents=True, exist_ok=True)
        self._env = lmdb.open(str(self._directory), map_size=self._map_bytes, max_dbs=4)
        self._meta = self._env.open_db(b"meta")
        self._deposits = self._env.open_db(b"deposits")
        self._ids = self._env.open_db(b"ids")
        self._open = self._env.open_db(b"open")
        with self._env.begin(write=True) as txn:
            version = txn.get(_SCHEMA, db=self._meta) or _SCHEMA_VERSION
            if version != _SCHEMA_VERSION:
                known = _SCHEMA_VERSION.decode()
                msg = f"the store has schema {version.decode()}, this build knows {known}"
                raise RuntimeError(msg)
            txn.put(_SCHEMA, version, db=self._meta)
        self.ctx.note(deposits=self._total())

    def on_stop(self, reason: ExitReason) -> None:
        """Close it."""
        env = getattr(self, "_env", None)
        if env is not None:
            env.close()

    # -- handlers -------------------------------------------------------------------------------

    @handles(OpenEpoch)
    def open_epoch(self, message: OpenEpoch) -> Epoch | Failed:
        """Count this run; what is still reserved goes to review, for nobody knows its end."""
        try:
            with self._env.begin(write=True) as txn:
                epoch = _count(txn, self._meta, _EPOCH)
                reviewed = self._review_open(txn)
        except lmdb.Error as error:
            return _store_failed(error)
        return Epoch(epoch, reviewed)

    @handles(StoreDeposit)
    def store_deposit(self, message: StoreDeposit) -> Stored | Failed:
        """Write one state of an item; answered when it is on the disk."""
        record = message.record
        try:
            with self._env.begin(write=True) as txn:
                self._put(txn, record)
        except lmdb.Error as error:
            return _store_failed(error)
        self.ctx.note(deposits=self._total())
        return Stored(record.id, record.state)

    @handles(ListDeposits, command=True)
    def list_deposits(self, message: ListDeposits) -> Deposits:
        """The newest records."""
        with self._env.begin(db=self._deposits) as txn:
            records = newest(txn.cursor(), message.limit)
        return Deposits(records, self._total())

    # -- private --------------------------------------------------------------------------------

    def _put(self, txn: lmdb.Transaction, record: DepositRecord) -> None:
        key = txn.get(record.id.encode(), db=self._ids)
        if key is None:
            key = _NUMBER.pack(_count(txn, self._meta, _SEQUENCE))
            txn.put(record.id.encode(), key, db=self._ids)
        txn.put(key, _encode(record), db=self._deposits)
        if record.state == "reserved":
            txn.put(key, b"", db=self._open)
        else:
            txn.delete(key, db=self._open)

    def _review_open(self, txn: lmdb.Transaction) -> tuple[str, ...]:
        with txn.cursor(db=self._open) as cursor:
            keys = list(cursor.iternext(keys=True, values=False))
        reviewed: list[str] = []
        for key in keys:
            record = _decode(txn.get(key, b"", db=self._deposits))
            now = self.ctx.clock.wall()
            undecided = msgspec.structs.replace(
                record, state="review", reason="interrupted", updated_at=now
            )
            self._put(txn, undecided)
            reviewed.append(record.id)
        return tuple(reviewed)

    def _total(self) -> int:
        with self._env.begin() as txn:
            return int(txn.stat(self._deposits)["entries"])


def newest(cursor: lmdb.Cursor, limit: int) -> tuple[DepositRecord, ...]:
    """The last records of the deposits table, newest first."""
    records: list[DepositRecord] = []
    for value in cursor.iterprev(keys=False, values=True):
        if len(records) >= min(limit, _LIST_MAX):
            break
        records.append(_decode(value))
    return tuple(records)


def read_deposits(data_dir: Path, limit: int) -> Deposits:
    """The same from the files of a machine that does not run.

    Raises:
        FileNotFoundError: there is no store in that data directory.
    """
    directory = data_dir / STORE
    if not (directory / "data.mdb").exists():
        raise FileNotFoundError(directory)
    with lmdb.open(str(directory), readonly=True, max_dbs=4) as env:
        try:
            table = env.open_db(b"deposits", create=False)
        except lmdb.NotFoundError:
            return Deposits((), 0)
        with env.begin(db=table) as txn:
            return Deposits(newest(txn.cursor(), limit), int(txn.stat(table)["entries"]))


def _count(txn: lmdb.Transaction, table: Any, name: bytes) -> int:
    number = int.from_bytes(txn.get(name, b"\0", db=table), "big") + 1
    txn.put(name, _NUMBER.pack(number), db=table)
    return number


def _store_failed(error: lmdb.Error) -> Failed:
    code = "store_full" if isinstance(error, lmdb.MapFullError) else "store_failed"
    return Failed(code, str(error))
