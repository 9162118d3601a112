"""What a damaged page may do to a process, and how the machine gets away from it.

LMDB checks much of what it reads, but not all: a page whose bytes have changed can end the whole
process, by an assertion or a signal. Restarted, it would meet the same page again. So beside the
store lies `IN_USE` while it is open, with the number of runs that ended without closing it. After
the second in a row the store is walked by a process of its own, before this one touches it.

    python -m actors.store.ends DIRECTORY      the walk: 0 well, 1 damaged, or it dies
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import lmdb

from actors.store.files import STORE, StoreDamaged, StoreUnusable, open_store
from actors.store.tables import (
    OUTBOXES,
    SCHEMA,
    open_tables,
    read_counters,
    read_schema,
    rows,
    write_counters,
)
from models.ledger.chain import Damaged, seal, unseal

IN_USE = "store.in-use"
ENDS_MAX = 2
"""A power cut is one; two in a row, within a minute of running, are looked into."""
_WALK_S_MAX = 8.0  # a start may take ten; what has not shown by then is left to the verifier
_WALK_MAP_BYTES = 1 << 32  # nothing of it is kept, but it must not fail for want of pages
_GROWING = ("journal", "deposits", "sessions", "commands", *OUTBOXES)
_DAMAGED = 1


def begin(data_dir: Path) -> int:
    """Note that the store is open from now on; returns how many runs did not close it."""
    ends = _read(data_dir)
    _write(data_dir, ends + 1)
    return ends


def well(data_dir: Path) -> None:
    """It has been open for a while: whatever happened before is no series."""
    _write(data_dir, 1)


def end(data_dir: Path) -> None:
    """It was closed as it should be."""
    try:
        (data_dir / IN_USE).unlink(missing_ok=True)
    except OSError:
        pass  # read-only by now: the next start looks once too often


def look(data_dir: Path) -> None:
    """Have another process walk through the store.

    Raises:
        StoreDamaged: it found damage, or died of it.
    """
    command = [sys.executable, "-m", __name__, str(data_dir / STORE)]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=_WALK_S_MAX
        )
    except subprocess.TimeoutExpired:
        return
    if done.returncode < 0:
        msg = f"reading {data_dir / STORE} ends a process (signal {-done.returncode})"
        raise StoreDamaged(msg)
    if done.returncode == _DAMAGED:
        raise StoreDamaged(done.stdout.strip() or f"{data_dir / STORE} is damaged")


def _read(data_dir: Path) -> int:
    try:
        return int(unseal((data_dir / IN_USE).read_bytes()).decode("ascii"))
    except (OSError, Damaged, ValueError):
        return 0


def _write(data_dir: Path, count: int) -> None:
    """Not synced: it is about processes that die, and those leave their files."""
    try:
        (data_dir / IN_USE).write_bytes(seal(f"{count}".encode()))
    except OSError:
        pass  # no room, or read-only: the store itself will say so


def _walk(directory: Path) -> None:
    """Read every page, both ways, and write every row again without keeping it."""
    env = open_store(directory, _WALK_MAP_BYTES)
    try:
        meta = env.open_db(b"meta", create=False)
        with env.begin() as txn:
            if read_schema(txn, meta) != SCHEMA:
                return
        tables = open_tables(env)
        with env.begin(write=True) as txn:
            for name, table in tables.items():
                for _ in rows(txn, table):
                    pass
                _rewrite(txn, table)
                if name in _GROWING:
                    txn.put(b"\xff" * 8, b"\0" * 1000, db=table, append=True)
            txn.abort()
        with env.begin(write=True) as txn:
            write_counters(txn, read_counters(txn))
    finally:
        env.close()


def _rewrite(txn: lmdb.Transaction, table: Any) -> None:
    with txn.cursor(db=table) as cursor:
        found = cursor.last()
        while found:
            cursor.put(cursor.key(), cursor.value())
            found = cursor.prev()


def _main(directory: Path) -> int:
    os.nice(5)
    try:
        _walk(directory)
    except (StoreDamaged, Damaged, lmdb.Error) as error:
        if not isinstance(error, (lmdb.DiskError, lmdb.MapFullError)):
            print(error)  # noqa: T201 - to the process that asked
            return _DAMAGED
    except StoreUnusable:
        pass  # not damage: the process that asked will find the same, and say it
    return 0


if __name__ == "__main__":
    sys.exit(_main(Path(sys.argv[1])))
