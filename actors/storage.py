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

from actors.store import SCHEMA, STORE, StoreUnusable, open_store, open_to_read
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
from supervisors import Actor, Waiting, handles
from supervisors.exits import ExitReason

_EPOCH = b"epoch"
_SEQUENCE = b"sequence"
_SCHEMA = b"schema"
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
        """Open the environment. One that cannot be opened is waited for: no crash would mend it."""
        try:
            self._env = open_store(self._directory, self._map_bytes)
            self._open_tables()
        except (StoreUnusable, lmdb.DiskError) as error:
            self._close()
            raise Waiting(str(error)) from error
        self.ctx.note(deposits=self._total())

    def _open_tables(self) -> None:
        self._meta = self._env.open_db(b"meta")
        self._deposits = self._env.open_db(b"deposits")
        self._ids = self._env.open_db(b"ids")
        self._open = self._env.open_db(b"open")
        with self._env.begin() as txn:
            version = txn.get(_SCHEMA, db=self._meta)
        if version is None:  # not written again every time: a full disk may still be read
            with self._env.begin(write=True) as txn:
                txn.put(_SCHEMA, SCHEMA, db=self._meta)
        elif version != SCHEMA:
            msg = (
                f"the store in {self._directory} has schema {version.decode(errors='replace')}, "
                f"this build knows {SCHEMA.decode()}: install the release that wrote it"
            )
            raise StoreUnusable(msg)

    def on_stop(self, reason: ExitReason) -> None:
        """Close it."""
        self._close()

    def _close(self) -> None:
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
            return self._failed(error)
        return Epoch(epoch, reviewed)

    @handles(StoreDeposit)
    def store_deposit(self, message: StoreDeposit) -> Stored | Failed:
        """Write one state of an item; answered when it is on the disk."""
        record = message.record
        try:
            with self._env.begin(write=True) as txn:
                self._put(txn, record)
        except lmdb.Error as error:
            return self._failed(error)
        self.ctx.note(deposits=self._total(), trouble=None)
        return Stored(record.id, record.state)

    @handles(ListDeposits, command=True)
    def list_deposits(self, message: ListDeposits) -> Deposits | Failed:
        """The newest records."""
        if message.limit < 1:
            return Failed("invalid", f"limit is {message.limit}; at least 1")
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

    def _failed(self, error: lmdb.Error) -> Failed:
        """A money record that cannot be kept shows in status and record until one can again."""
        code = "store_full" if isinstance(error, lmdb.MapFullError) else "store_failed"
        self.ctx.emit("storage_trouble", code=code, why=str(error))
        self.ctx.note(trouble=f"{code}: nothing can be accepted")
        return Failed(code, str(error))

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
    """The same from the files, whether their machine runs or not.

    Raises:
        FileNotFoundError: there is no store in that data directory.
        StoreUnusable: it is there and cannot be read.
    """
    with open_to_read(data_dir / STORE) as env:
        try:
            table = env.open_db(b"deposits", create=False)
            with env.begin(db=table) as txn:
                return Deposits(newest(txn.cursor(), limit), int(txn.stat(table)["entries"]))
        except (lmdb.NotFoundError, lmdb.ReadonlyError):
            return Deposits((), 0)
        except (lmdb.Error, msgspec.MsgspecError) as error:
            msg = f"cannot read {data_dir / STORE}: {error}; keep a copy and move it away"
            raise StoreUnusable(msg) from error


def _count(txn: lmdb.Transaction, table: Any, name: bytes) -> int:
    number = int.from_bytes(txn.get(name, b"\0", db=table), "big") + 1
    txn.put(name, _NUMBER.pack(number), db=table)
    return number
