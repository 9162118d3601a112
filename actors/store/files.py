"""The store's files, opened with care.

LMDB reads and writes through mapped files. Where the disk has no room for a page of its lock file,
or the data file is shorter than its own head says, touching the map is a SIGBUS: the end of the
whole core, not an error. So both are looked at first, and said in words.

Beside the directory lies `EPOCH_FILE`: the number of the last run once more, so that it does not
repeat when the store is lost.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import lmdb

from models.ledger.chain import Damaged, seal, unseal

STORE = "store"
"""Directory of the environment, below the data directory."""
EPOCH_FILE = "store.epoch"
DATA = "data.mdb"
_LOCK = "lock.mdb"
_LOCK_BYTES = 8192
_TABLES_MAX = 32
_STRETCH_BYTES = 1 << 20
_STRETCH_AT_BYTES = 256 << 10
_STRETCH_DISK_BYTES = 64 << 20  # with less than that, room is worth more than time
_READER_MAP_BYTES = 1 << 40  # address space only: the writer may let its map grow meanwhile
_ENGINE = 0  # the format of LMDB 0.9, whatever LMDB_DEFAULT_LIB_VERSION says
_DAMAGED = re.compile(r"store\.damaged-([0-9]+)")
_LOST_EPOCHS = 1_000_000
_DAMAGE = (
    lmdb.CorruptedError,
    lmdb.PageNotFoundError,
    lmdb.InvalidError,
    lmdb.VersionMismatchError,
    lmdb.IncompatibleError,
    lmdb.PanicError,
    lmdb.NotFoundError,
    lmdb.CursorFullError,
    lmdb.PageFullError,
    lmdb.BadValsizeError,
    lmdb.ProblemError,
    lmdb.BadTxnError,
    lmdb.BadDbiError,
)
"""What LMDB says of a file whose pages do not fit together."""


class StoreUnusable(Exception):
    """The store cannot be opened; the message names the cure."""


class StoreDamaged(StoreUnusable):
    """Its content is not what was written."""


class StoreTooNew(StoreUnusable):
    """A later release wrote it."""


class AlreadyOpen(Exception):
    """Another incarnation of this process still holds it."""


def is_damage(error: lmdb.Error) -> bool:
    """Whether LMDB complains about the file's content, not about the disk or the caller."""
    return isinstance(error, _DAMAGE)


def open_store(directory: Path, map_bytes: int) -> lmdb.Environment:
    """Open it for writing, with synced transactions and no unsafe flag; made if need be.

    Raises:
        StoreUnusable: no room, not ours, damaged, or not writable.
        AlreadyOpen: by a part of this process that could not be ended.
    """
    try:
        if not directory.is_dir():
            directory.mkdir(parents=True)
            sync_directory(directory.parent)
        _claim_lock_pages(directory)
        env = lmdb.open(
            str(directory), map_size=map_bytes, max_dbs=_TABLES_MAX, lib_version=_ENGINE
        )
    except OSError as error:
        msg = f"cannot open {directory}: {error.strerror}; make room there, or make it writable"
        raise StoreUnusable(msg) from error
    except lmdb.Error as error:
        if "already open" in str(error):
            raise AlreadyOpen(str(error)) from error
        raise unusable(directory, error) from error
    _keep_from_children(directory)
    _check_length(directory, env)
    return env


def open_to_read(directory: Path) -> lmdb.Environment:
    """Open it beside whoever writes it, or when nobody does, also on a read-only file system.

    Raises:
        FileNotFoundError: there is none.
        StoreUnusable: not ours, or damaged.
    """
    data = directory / DATA
    if not data.exists():
        raise FileNotFoundError(directory)
    if data.stat().st_size == 0:
        raise StoreDamaged(f"{data} is empty")
    has_lock = os.access(directory / _LOCK, os.W_OK)
    try:
        env = lmdb.open(
            str(directory),
            readonly=True,
            lock=has_lock,
            map_size=_READER_MAP_BYTES,
            max_dbs=_TABLES_MAX,
            lib_version=_ENGINE,
        )
    except lmdb.Error as error:
        raise unusable(directory, error) from error
    _check_length(directory, env)
    return env


def _claim_lock_pages(directory: Path) -> None:
    fd = os.open(directory / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        os.posix_fallocate(fd, 0, _LOCK_BYTES)
    finally:
        os.close(fd)


def stretch(directory: Path, end_bytes: int) -> int:
    """Write zeros behind the last page, a megabyte at a time, before pages are needed there.

    A sync of a file that has grown writes the file system's journal, too: a commit into pages that
    are there already takes half the time. The zeros are synced with the next commit.

    Args:
        end_bytes: where LMDB's last page ends.

    Returns:
        Up to where pages may reach before it is to be called again.
    """
    fd = os.open(directory / DATA, os.O_WRONLY | os.O_CLOEXEC)
    try:
        size = os.fstat(fd).st_size
        if size - end_bytes >= _STRETCH_AT_BYTES:
            return size - _STRETCH_AT_BYTES
        disk = os.fstatvfs(fd)
        if disk.f_bavail * disk.f_frsize < _STRETCH_DISK_BYTES:
            return end_bytes
        start = max(size, end_bytes)
        return start + os.pwrite(fd, bytes(_STRETCH_BYTES), start) - _STRETCH_AT_BYTES
    except OSError:
        return end_bytes  # a disk that is filling up: the next commit says what it says
    finally:
        os.close(fd)


def _keep_from_children(directory: Path) -> None:
    """LMDB leaves its data file open to processes that this one starts; they have no use for it."""
    ours = (directory / DATA).stat()
    for entry in Path("/proc/self/fd").iterdir():
        try:
            found = entry.stat()
        except OSError:
            continue  # closed since, or the listing's own
        if (found.st_dev, found.st_ino) == (ours.st_dev, ours.st_ino):
            os.set_inheritable(int(entry.name), False)


def _check_length(directory: Path, env: lmdb.Environment) -> None:
    wanted = (int(env.info()["last_pgno"]) + 1) * int(env.stat()["psize"])
    found = (directory / DATA).stat().st_size
    if found < wanted and int(env.info()["last_txnid"]) > 0:
        env.close()
        msg = (
            f"{directory}/{DATA} is damaged: it has {found} bytes and should have {wanted}; "
            "keep a copy and move the directory away"
        )
        raise StoreDamaged(msg)


def unusable(directory: Path, error: lmdb.Error) -> StoreUnusable:
    """What LMDB said, in words, with the cure."""
    if is_damage(error):
        cure = "keep a copy and move the directory away"
        return StoreDamaged(f"cannot read {directory}: {error}; {cure}")
    cure = "make room there" if isinstance(error, lmdb.DiskError) else "look at its disk"
    if "Read-only" in str(error) or "denied" in str(error):
        cure = "make it writable"
    return StoreUnusable(f"cannot open {directory}: {error}; {cure}")


def sync_directory(directory: Path) -> None:
    """Make what was created, renamed or removed in it last."""
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


# ----- Put aside ------------------------------------------------------------------------------


def damaged_stores(data_dir: Path) -> dict[int, Path]:
    """The stores that were put aside, by number."""
    found: dict[int, Path] = {}
    for entry in data_dir.iterdir() if data_dir.is_dir() else ():
        match = _DAMAGED.fullmatch(entry.name)
        if match is not None:
            found[int(match[1])] = entry
    return dict(sorted(found.items()))


def put_aside(data_dir: Path) -> Path:
    """Rename a damaged store, for somebody to look at. Nothing of it is ever deleted.

    Raises:
        OSError: not even a name can be changed there.
    """
    number = max(damaged_stores(data_dir), default=0) + 1
    aside = data_dir / f"{STORE}.damaged-{number}"
    (data_dir / STORE).rename(aside)
    sync_directory(data_dir)
    return aside


# ----- The epoch's second home ----------------------------------------------------------------


def read_epoch(data_dir: Path) -> int:
    """The last run's number as the file beside the store has it, 0 if there has been none.

    Where a store was lost and the file too, the count goes on from so far up that no number comes
    again: the keys of its deposits are with the platform already.
    """
    try:
        return int(unseal((data_dir / EPOCH_FILE).read_bytes()).decode("ascii"))
    except (OSError, Damaged, ValueError):
        return max(damaged_stores(data_dir), default=0) * _LOST_EPOCHS


def write_epoch(data_dir: Path, number: int) -> None:
    """Keep it, synced. Written over the old one in place, which works on a full disk, too.

    Raises:
        OSError: it cannot be written.
    """
    fd = os.open(data_dir / EPOCH_FILE, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        is_new = os.fstat(fd).st_size == 0
        os.pwrite(fd, seal(f"{number:020d}".encode()), 0)
        os.fsync(fd)
    finally:
        os.close(fd)
    if is_new:
        sync_directory(data_dir)
