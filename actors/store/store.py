"""The open environment: group commit, room, growth, and opening it again after an error.

A write is answered after its synced commit and never before. There is no unsafe flag.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from importlib import metadata
from itertools import islice
from pathlib import Path

import lmdb

from actors.store import ends, files
from actors.store.books import Books, Refused
from actors.store.files import StoreDamaged, StoreTooNew, StoreUnusable
from actors.store.migrate import SCHEMA_1, SCHEMA_2, add_commands, migrate
from actors.store.outbox import give_way
from actors.store.tables import (
    NAMES,
    SCHEMA,
    SCHEMA_KEY,
    Counters,
    Tables,
    fetch,
    number_of,
    open_tables,
    read_counters,
    read_schema,
    rows_back,
    used_bytes,
    write_counters,
)
from config.settings import StorageSettings
from models.ledger.chain import Break, Damaged, digest, follow, unseal
from models.ledger.room import Room, grown, room
from protocol.message import Done, Failed, Message

Operation = Callable[[Books], Message]
"""Something to be written, and its answer."""

_RELEASE_KEY = b"release"
_MEASURE_BYTES = 64 << 10
"""So much is written between two looks at what is used and free: half of what an alarm leaves."""
_LOOK_BYTES = 8 << 10
"""So much is written between two looks at how far the file reaches."""
_TAIL = 16
"""Entries of the journal that are checked when it is opened."""


class StoreBroken(Exception):
    """A commit failed in a way after which no later one may be trusted: close, open, look.

    Attributes:
        is_damage: the file's content is wrong, not the disk.
    """

    def __init__(self, error: Exception, *, is_damage: bool) -> None:
        """Args: error: what was said."""
        super().__init__(str(error))
        self.is_damage = is_damage


class Store:
    """See the module.

    Attributes:
        aside: the damaged store that the last `open` put aside, and why.
        deposits: how many there are.
    """

    def __init__(self, data_dir: Path, limits: StorageSettings) -> None:
        """Args: data_dir: the machine's; limits: sizes and shares."""
        self.data_dir = data_dir
        self.deposits = 0
        self.aside: tuple[Path, str] | None = None
        self._directory = data_dir / files.STORE
        self._limits = limits
        self._map_bytes = limits.map_mb << 20
        self._map_bytes_max = limits.map_mb_max << 20
        self._room: Room | None = None
        self._since_bytes = 0
        self._stretch_at_bytes = 0
        self._unseen_bytes = 0
        self._counters: Counters | None = None
        self._env: lmdb.Environment | None = None
        self._tables: Tables = {}

    # -- life -----------------------------------------------------------------------------------

    @property
    def owed(self) -> dict[str, int]:
        """By class of the outbox the sequence of the newest that was ever put in."""
        if self._counters is None:
            return {}
        return {name: queue.last for name, queue in self._counters.outbox.items()}

    @property
    def is_open(self) -> bool:
        """Whether it can be used."""
        return self._env is not None

    def open(self, *, thorough: bool = False) -> None:
        """Open it; a damaged one is put aside and a new one made.

        Args:
            thorough: have every page looked at, not only the newest entries.

        Raises:
            StoreUnusable: not now, or not by this release; the message names the cure.
            AlreadyOpen: by a part of this process that could not be ended.
        """
        self.aside = None
        try:
            self._open(thorough=thorough)
        except StoreDamaged as error:
            try:
                aside = files.put_aside(self.data_dir)
            except OSError as cause:
                raise StoreUnusable(f"{error}; it cannot be put aside: {cause.strerror}") from error
            self._open(thorough=False)
            self.aside = (aside, str(error))

    def _open(self, *, thorough: bool) -> None:
        self.close()
        if (self._directory / files.DATA).exists():
            is_suspect = ends.begin(self.data_dir) >= ends.ENDS_MAX
            if thorough or is_suspect:
                ends.look(self.data_dir)
        env = files.open_store(self._directory, self._map_bytes)
        try:
            self._tables = _settle(env, self._directory)
            _check_tail(env, self._tables)
            self._note_release(env)
            env.reader_check()
        except lmdb.Error as error:
            env.close()
            raise files.unusable(self._directory, error) from error
        except Damaged as error:
            env.close()
            msg = f"{self._directory} is damaged: {error}; see: rvm-edge ledger verify"
            raise StoreDamaged(msg) from error
        except BaseException:
            env.close()
            raise
        with env.begin() as txn:
            self._counters = read_counters(txn)
        self.deposits = self._counters.deposits
        self._map_bytes = int(env.info()["map_size"])
        self._env = env

    def _note_release(self, env: lmdb.Environment) -> None:
        """Keep which release wrote here last, for the words that refuse a newer schema."""
        release = metadata.version("rvm-edge").encode()
        with env.begin() as txn:
            known = fetch(txn, self._tables["meta"], _RELEASE_KEY)
        if known != release:
            with contextlib.suppress(lmdb.DiskError, lmdb.MapFullError), env.begin(write=True) as t:
                t.put(_RELEASE_KEY, release, db=self._tables["meta"])

    def probe(self, at: float) -> None:
        """Commit something that says nothing: does the disk sync again?

        Raises:
            StoreBroken: it does not.
        """
        self.commit([_nothing], at)

    def note_well(self) -> None:
        """It has been open for a while and ended nobody."""
        if self._env is not None:
            ends.well(self.data_dir)

    def check_readers(self) -> None:
        """Free the places of readers that died while they read."""
        if self._env is not None:
            self._env.reader_check()

    def close(self) -> None:
        """Close it."""
        env, self._env = self._env, None
        self._room, self._counters = None, None
        self._stretch_at_bytes = self._unseen_bytes = 0
        if env is not None:
            env.close()
            ends.end(self.data_dir)

    # -- writing --------------------------------------------------------------------------------

    def commit(self, operations: Sequence[Operation], at: float) -> list[Message]:
        """Carry out a group of operations in one synced transaction.

        One that is refused does not hinder the others. Where the group as a whole does not fit, it
        is tried in halves, down to the one that does not.

        Args:
            at: wall clock of what is written.

        Returns:
            The answers, in order; `Failed` for a refused one.

        Raises:
            StoreBroken: nothing of it is certain.
        """
        try:
            return self._commit(operations, at)
        except (lmdb.MapFullError, lmdb.TxnFullError, lmdb.DiskError) as error:
            if isinstance(error, lmdb.MapFullError) and self._grow():
                return self.commit(operations, at)
            failure = Failed("store_full", str(error))
        except Damaged as error:
            failure = Failed("store_failed", f"{error}; see: rvm-edge ledger verify")
        except lmdb.Error as error:
            raise StoreBroken(error, is_damage=files.is_damage(error)) from error
        if len(operations) == 1:
            return [failure]
        half = len(operations) // 2
        return self.commit(operations[:half], at) + self.commit(operations[half:], at)

    def _commit(self, operations: Sequence[Operation], at: float) -> list[Message]:
        env = self._opened()
        there_is, since_bytes = self._room_about_now(), self._since_bytes
        self._grow_in_time(there_is.used_bytes + since_bytes)
        counters, self._counters = self._counters, None  # after a failure they are read again
        with env.begin(write=True) as txn:
            counters = counters or read_counters(txn)
            books = Books(txn, self._tables, counters, at, there_is, self._limits, since_bytes)
            give_way(books)
            answers = [_carry_out(operation, books) for operation in operations]
            books.finish()
        self._counters = counters
        self.deposits = counters.deposits
        self._since_bytes = books.written_bytes
        self._stretch(env, books.written_bytes - since_bytes)
        return answers

    def _stretch(self, env: lmdb.Environment, written_bytes: int) -> None:
        self._unseen_bytes += written_bytes
        if self._unseen_bytes < _LOOK_BYTES and self._stretch_at_bytes:
            return
        self._unseen_bytes = 0
        end_bytes = (int(env.info()["last_pgno"]) + 1) * int(env.stat()["psize"])
        if end_bytes > self._stretch_at_bytes:
            self._stretch_at_bytes = files.stretch(self._directory, end_bytes)

    # -- room -----------------------------------------------------------------------------------

    def _room_about_now(self) -> Room:
        """The last measurement, as long as little was written since and nothing was scarce."""
        known = self._room
        if known is None or self._since_bytes > _MEASURE_BYTES or not known.has_ease:
            known = self._room = self.room()
            self._since_bytes = 0
        return known

    def room(self) -> Room:
        """What is used and what there is, measured now."""
        env = self._opened()
        with env.begin() as txn:
            used = used_bytes(txn, self._tables)
        disk = os.statvfs(self._directory)
        return room(
            map_bytes_max=self._map_bytes_max,
            file_bytes=(self._directory / files.DATA).stat().st_size,
            disk_free_bytes=disk.f_bavail * disk.f_frsize,
            used_bytes=used,
            percent=self._limits.reserve_percent,
        )

    @property
    def map_bytes(self) -> int:
        """Size of the map now."""
        return self._map_bytes

    def _grow_in_time(self, used_bytes: int) -> None:
        wanted = grown(self._map_bytes, used_bytes, self._map_bytes_max)
        if wanted > self._map_bytes:
            self._set_map(wanted)

    def _grow(self) -> bool:
        """Double the map; whether that was possible."""
        wanted = min(self._map_bytes * 2, self._map_bytes_max)
        if wanted <= self._map_bytes:
            return False
        self._set_map(wanted)
        return True

    def _set_map(self, size: int) -> None:
        """Between transactions only: open ones would die of it."""
        self._opened().set_mapsize(size)
        self._map_bytes = size

    # -- reading --------------------------------------------------------------------------------

    @contextlib.contextmanager
    def view(self) -> Iterator[tuple[lmdb.Transaction, Tables]]:
        """A short look at what is committed. Nobody keeps it: an open one makes the file grow."""
        with self._opened().begin() as txn:
            yield txn, self._tables

    def _opened(self) -> lmdb.Environment:
        if self._env is None:
            msg = "the store is closed"
            raise StoreBroken(RuntimeError(msg), is_damage=False)
        return self._env


def _carry_out(operation: Operation, books: Books) -> Message:
    try:
        return operation(books)
    except Refused as error:
        return Failed(error.code, str(error))


def _nothing(_books: Books) -> Message:
    return Done()


# ----- Opening --------------------------------------------------------------------------------


def _settle(env: lmdb.Environment, directory: Path) -> Tables:
    """Bring what is there to the present schema.

    Raises:
        StoreTooNew: a later release wrote it.
        Damaged, lmdb.Error: it does not hold together.
    """
    schema = _schema(env)
    if schema is None:
        return _found(env)
    if schema > SCHEMA:
        raise StoreTooNew(_too_new(env, directory, schema))
    if schema == SCHEMA_1:
        migrate(env, directory)
    elif schema == SCHEMA_2:
        add_commands(env)
    elif schema != SCHEMA:
        raise Damaged(f"there has never been a schema {schema}")
    return open_tables(env)


def _schema(env: lmdb.Environment) -> int | None:
    """The schema; None for a store in which nothing has been written yet."""
    tables = int(env.stat()["entries"])
    try:
        meta = env.open_db(b"meta", create=False)
    except lmdb.NotFoundError:
        if tables:
            raise Damaged("it has tables, but none that says of which schema") from None
        return None
    with env.begin() as txn:
        schema = read_schema(txn, meta)
        if schema is None and (tables > 1 or txn.stat(meta)["entries"]):
            raise Damaged("it does not say of which schema it is")
    return schema


def _found(env: lmdb.Environment) -> Tables:
    """Make all tables, in one transaction: a store is there as a whole or not at all."""
    tables: Tables = {}
    with env.begin(write=True) as txn:
        for name in NAMES:
            tables[name] = env.open_db(name.encode(), txn)
        txn.put(SCHEMA_KEY, str(SCHEMA).encode(), db=tables["meta"])
        write_counters(txn, Counters())
    return tables


def _too_new(env: lmdb.Environment, directory: Path, schema: int) -> str:
    meta = env.open_db(b"meta", create=False)
    with env.begin() as txn:
        release = (fetch(txn, meta, _RELEASE_KEY) or b"that wrote it").decode(errors="replace")
    return (
        f"the store in {directory} has schema {schema}, this release knows {SCHEMA}: "
        f"install the release {release} or a later one"
    )


def _check_tail(env: lmdb.Environment, tables: Tables) -> None:
    """Read the newest entries: are they whole, chained, and the last the one that was counted?"""
    with env.begin() as txn:
        counters = read_counters(txn)
        tail = list(islice(rows_back(txn, tables["journal"]), _TAIL))
    newest = [(number_of(key), stored) for key, stored in reversed(tail)]
    last = newest[-1][0] if newest else 0
    if last != counters.journal:
        raise Damaged(f"the journal ends with entry {last}, not {counters.journal}")
    if not newest:
        return
    for found in follow(newest, newest[0][0], None):
        if isinstance(found, Break):
            raise Damaged(f"entry {found.sequence} of the journal: {found.why}")
    if digest(unseal(newest[-1][1])) != counters.head:
        raise Damaged("the newest entry of the journal is not the one that was counted")
