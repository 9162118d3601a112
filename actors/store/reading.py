"""The store as others read it: the newest records, all of them in a stream, what stands open.

A stream takes a new transaction every thousand records: one that stayed open for minutes would make
the writer's file grow by all that is written meanwhile.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import lmdb
import msgspec

from actors.store.files import (
    STORE,
    StoreTooNew,
    StoreUnusable,
    damaged_stores,
    open_to_read,
    unusable,
)
from actors.store.tables import (
    NUMBER,
    OUTBOXES,
    SCHEMA,
    Tables,
    entries,
    fetch,
    keys_of,
    numbered,
    open_tables,
    read_counters,
    read_schema,
    rows_back,
    unpack_deposit,
    unpack_session,
    used_bytes,
)
from models.ledger.chain import Damaged, unseal
from models.ledger.room import Room
from protocol.storage import DepositRecord, Deposits, SessionRecord, Sessions, StoreDescribed

LIST_MAX = 10_000
_CHUNK = 1000
R = TypeVar("R")


# ----- In a transaction -----------------------------------------------------------------------


def newest_deposits(txn: lmdb.Transaction, tables: Tables, limit: int) -> Deposits:
    """The newest deposits; a damaged one is passed over, for `ledger verify` to name."""
    records = _newest(txn, tables["deposits"], limit, lambda value: unpack_deposit(value)[1])
    return Deposits(tuple(records), entries(txn, tables["deposits"]))


def newest_sessions(txn: lmdb.Transaction, tables: Tables, limit: int) -> Sessions:
    """The newest sessions, each with what is credited to it by now."""
    records = _newest(txn, tables["sessions"], limit, lambda value: unpack_session(value)[1])
    counted = tuple(_with_credits(txn, tables, record) for record in records)
    return Sessions(counted, entries(txn, tables["sessions"]))


def open_sessions(txn: lmdb.Transaction, tables: Tables) -> Sessions:
    """The sessions that nobody has closed, oldest first."""
    records: list[SessionRecord] = []
    for key in numbered(txn, tables["session_open"]):
        with contextlib.suppress(Damaged):
            record = unpack_session(fetch(txn, tables["sessions"], key) or b"")[1]
            records.append(_with_credits(txn, tables, record))
    return Sessions(tuple(records), entries(txn, tables["sessions"]))


def dead_letters(txn: lmdb.Transaction, tables: Tables) -> dict[str, int]:
    """How many of each class the platform will never take."""
    names = Counter(key.partition(b"/")[0] for key in keys_of(txn, tables["dead"]))
    return {name: names[name.encode()] for name in OUTBOXES}


def _newest(txn: lmdb.Transaction, table: Any, limit: int, read: Callable[[bytes], R]) -> list[R]:
    records: list[R] = []
    for _, stored in rows_back(txn, table):
        if len(records) >= min(limit, LIST_MAX):
            break
        with contextlib.suppress(Damaged):
            records.append(read(stored))
    return records


def _with_credits(txn: lmdb.Transaction, tables: Tables, record: SessionRecord) -> SessionRecord:
    stored = fetch(txn, tables["credits"], record.id.encode())
    credited = 0 if stored is None else NUMBER.unpack(unseal(stored))[0]
    return msgspec.structs.replace(record, credited=credited)


def described(
    txn: lmdb.Transaction, tables: Tables, there_is: Room, map_bytes: int, map_bytes_max: int
) -> StoreDescribed:
    """How the store stands, without what only its owner knows."""
    counters = read_counters(txn)
    count = {name: entries(txn, table) for name, table in tables.items()}
    return StoreDescribed(
        deposits=count["deposits"],
        sessions=count["sessions"],
        journal=counters.journal,
        epoch=counters.epoch,
        chain_head=counters.head.hex(),
        used_bytes=there_is.used_bytes,
        map_bytes=map_bytes,
        map_bytes_max=map_bytes_max,
        outbox={name: count[name] for name in OUTBOXES},
        dead=dead_letters(txn, tables),
        schema=SCHEMA,
        room=there_is.next_item,
        maintained_at=counters.maintained_at,
    )


# ----- From the files -------------------------------------------------------------------------


@contextlib.contextmanager
def opened(data_dir: Path, store: str = STORE) -> Iterator[tuple[lmdb.Environment, Tables]]:
    """The store's environment and tables, whether its machine runs or not.

    Args:
        store: name of its directory, for one that was put aside.

    Raises:
        FileNotFoundError: there is no store in that data directory.
        StoreUnusable: it is there and cannot be read.
    """
    directory = data_dir / store
    with open_to_read(directory) as env:
        try:
            yield env, _readable(env, directory)
        except lmdb.Error as error:
            raise unusable(directory, error) from error
        except Damaged as error:
            msg = f"cannot read {directory}: {error}; see: rvm-edge ledger verify"
            raise StoreUnusable(msg) from error


def _readable(env: lmdb.Environment, directory: Path) -> Tables:
    if env.stat()["entries"] == 0:
        raise FileNotFoundError(directory)
    meta = env.open_db(b"meta", create=False)
    with env.begin() as txn:
        schema = read_schema(txn, meta)
    if schema == SCHEMA:
        return open_tables(env)
    if schema is not None and schema > SCHEMA:
        msg = f"{directory} has schema {schema}, this release knows {SCHEMA}: install a later one"
        raise StoreTooNew(msg)
    msg = f"{directory} has schema {schema}: start the machine once, it brings it to {SCHEMA}"
    raise StoreUnusable(msg)


def describe(data_dir: Path, map_bytes_max: int) -> StoreDescribed:
    """How the store of a machine that does not run stands.

    Args:
        map_bytes_max: as the settings have it.

    Raises:
        FileNotFoundError, StoreUnusable: as `opened`.
    """
    damaged = tuple(path.name for path in damaged_stores(data_dir).values())
    with opened(data_dir) as (env, tables), env.begin() as txn:
        file_bytes = (int(env.info()["last_pgno"]) + 1) * int(env.stat()["psize"])
        there_is = Room(map_bytes_max, used_bytes(txn, tables), 0.0)
        found = described(txn, tables, there_is, file_bytes, map_bytes_max)
    return msgspec.structs.replace(found, damaged=damaged)


def newest_first(env: lmdb.Environment, tables: Tables) -> Iterator[DepositRecord]:
    """All deposits, newest first, in short transactions; damaged ones are passed over."""
    before = b""
    while True:
        with env.begin() as txn:
            chunk = list(islice(rows_back(txn, tables["deposits"], before), _CHUNK))
        for _, stored in chunk:
            with contextlib.suppress(Damaged):
                yield unpack_deposit(stored)[1]
        if not chunk:
            return
        before = chunk[-1][0]
