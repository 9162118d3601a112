"""The store's files, opened with care.

LMDB reads and writes through mapped files. Where the disk has no room for a page of its lock file,
or the data file is shorter than its own head says, touching the map is a SIGBUS: the end of the
whole core, not an error. So both are looked at first, and said in words.
"""

from __future__ import annotations

import os
from pathlib import Path

import lmdb

STORE = "store"
"""Directory of the environment, below the data directory."""
SCHEMA = b"1"
_LOCK_BYTES = 8192
_TABLES = 4


class StoreUnusable(Exception):
    """The store cannot be opened; the message names the cure."""


class AlreadyOpen(Exception):
    """Another incarnation of this process still holds it."""


def open_store(directory: Path, map_bytes: int) -> lmdb.Environment:
    """Open it for writing, with synced transactions and no unsafe flag; made if need be.

    Raises:
        StoreUnusable: no room, not ours, damaged, or not writable.
        AlreadyOpen: by a part of this process that could not be ended.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        _claim_lock_pages(directory)
        env = lmdb.open(str(directory), map_size=map_bytes, max_dbs=_TABLES)
    except OSError as error:
        msg = f"cannot open {directory}: {error.strerror}; make room there, or make it writable"
        raise StoreUnusable(msg) from error
    except lmdb.Error as error:
        if "already open" in str(error):
            raise AlreadyOpen(str(error)) from error
        raise _unusable(directory, error) from error
    _check_length(directory, env)
    return env


def open_to_read(directory: Path) -> lmdb.Environment:
    """Open it beside whoever writes it, or when nobody does, also on a read-only file system.

    Raises:
        FileNotFoundError: there is none.
        StoreUnusable: not ours, or damaged.
    """
    if not (directory / "data.mdb").exists():
        raise FileNotFoundError(directory)
    has_lock = os.access(directory / "lock.mdb", os.W_OK)
    try:
        env = lmdb.open(str(directory), readonly=True, lock=has_lock, max_dbs=_TABLES)
    except lmdb.Error as error:
        raise _unusable(directory, error) from error
    _check_length(directory, env)
    return env


def _claim_lock_pages(directory: Path) -> None:
    fd = os.open(directory / "lock.mdb", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        os.posix_fallocate(fd, 0, _LOCK_BYTES)
    finally:
        os.close(fd)


def _check_length(directory: Path, env: lmdb.Environment) -> None:
    wanted = (int(env.info()["last_pgno"]) + 1) * int(env.stat()["psize"])
    found = (directory / "data.mdb").stat().st_size
    if found < wanted:
        env.close()
        msg = (
            f"{directory}/data.mdb is damaged: it has {found} bytes and should have {wanted}; "
            "keep a copy and move the directory away"
        )
        raise StoreUnusable(msg)


def _unusable(directory: Path, error: lmdb.Error) -> StoreUnusable:
    cure = "keep a copy and move the directory away"
    if isinstance(error, lmdb.DiskError):
        cure = "make room there"
    elif "Read-only" in str(error) or "denied" in str(error):
        cure = "make it writable"
    return StoreUnusable(f"cannot open {directory}: {error}; {cure}")
