"""The ledger beside an append-only log and SQLite on the same disk, and its start when it is full.

A record of ours is a state of a deposit: journal, chain, table and indexes in one transaction.
``ledger`` is the store's own interface, ``storage`` the same through the actor's mailbox. The log
and SQLite get the same record, encode it and guard it with a checksum; that is all they do to it.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from itertools import count
from pathlib import Path

import msgspec

from actors.storage import Storage
from actors.store.deposits import store_deposit
from actors.store.store import Store
from actors.store.tables import encode
from benchmarks.cases.machine import Machine
from benchmarks.kit.contest import Case, Contender, Versus
from config.settings import StorageSettings
from models.ledger.chain import seal
from protocol.storage import DepositRecord, DepositState, Stored, StoreDeposit
from supervisors import ChildSpec, Put, Supervisor, SupervisorSpec

_LIMITS = StorageSettings(map_mb=1024, map_mb_max=8192)
_PATH: tuple[DepositState, ...] = ("reserved", "transporting", "confirmed", "credited")
_IN_FLIGHT = 64
_RECORDS = 1_000_000
_ROOT = Path(__file__).resolve().parents[2]
_START = (
    "import sys, time; from pathlib import Path; from actors.store.store import Store;"
    "from config.settings import StorageSettings as S;"
    "store = Store(Path(sys.argv[1]), S(map_mb=1024, map_mb_max=8192));"
    "began = time.perf_counter_ns(); store.open(); print(time.perf_counter_ns() - began)"
)


@contextlib.contextmanager
def _directory() -> Iterator[Path]:
    """On the disk that holds temporary files; TMPDIR chooses another."""
    path = Path(tempfile.mkdtemp(prefix="ledger-bench-"))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def _records() -> Iterator[DepositRecord]:
    """Deposits, one after the other, through all their states."""
    for number in count():
        at = 1.7e9 + number
        for state in _PATH:
            yield DepositRecord(
                f"rvm-0badcafe-12-{number}", state, "accepted", at, at, "mineral", 0.93, "yolo",
                "a" * 64, number, "rvm-0badcafe-s-12-1", 21.5, 0.22, "b" * 64, "drop_beam",
            )  # fmt: skip


def _timed_us(work: Callable[[int], object], times: int, records: int = 1) -> Callable[[], float]:
    """Microseconds a record, over so many calls."""

    def measure() -> float:
        began_ns = time.perf_counter_ns()
        for number in range(times):
            work(number)
        return (time.perf_counter_ns() - began_ns) / 1e3 / (times * records)

    return measure


class _Disk:
    """The contenders, each with files of its own on the same disk."""

    def __init__(self, directory: Path) -> None:
        self._for_store, self._for_actor = _records(), _records()
        self._record = next(_records())
        self._log = os.open(directory / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self._sqlite = sqlite3.connect(directory / "sqlite", isolation_level=None)
        for line in (
            "PRAGMA journal_mode=WAL",
            "PRAGMA synchronous=FULL",
            "CREATE TABLE journal (sequence INTEGER PRIMARY KEY, body BLOB)",
        ):
            self._sqlite.execute(line)
        (directory / "api").mkdir()
        self._store = Store(directory / "api", _LIMITS)
        self._store.open()
        args = {"directory": str(directory / "actor"), "limits": _LIMITS}
        self._sup = Supervisor.start(SupervisorSpec((ChildSpec("storage", Storage, args=args),)))

    def close(self) -> None:
        self._sup.stop()
        self._store.close()
        self._sqlite.close()
        os.close(self._log)

    def log(self, _number: int, records: int = 1) -> None:
        os.write(self._log, b"".join(self._sealed(records)))
        os.fdatasync(self._log)

    def _sealed(self, records: int) -> list[bytes]:
        return [seal(encode(self._record)) for _ in range(records)]

    def sqlite(self, _number: int, records: int = 1) -> None:
        rows = [(each,) for each in self._sealed(records)]
        self._sqlite.execute("BEGIN")
        self._sqlite.executemany("INSERT INTO journal (body) VALUES (?)", rows)
        self._sqlite.execute("COMMIT")

    def ledger(self, _number: int, records: int = 1) -> None:
        group = [partial(store_deposit, record=next(self._for_store)) for _ in range(records)]
        answers = self._store.commit(group, 1.7e9)
        assert all(isinstance(answer, Stored) for answer in answers), answers

    def storage(self, _number: int) -> None:
        """One asker, waiting for each answer."""
        self._sup.request("storage", StoreDeposit(next(self._for_actor)), reply=Stored)

    def storage_in_flight(self, _number: int) -> None:
        """So many records under way; the last is asked for, and the actor keeps their order."""
        for _ in range(_IN_FLIGHT - 1):
            assert self._sup.tell("storage", StoreDeposit(next(self._for_actor))) is Put.OK
        self.storage(0)


@contextlib.contextmanager
def _single(scale: float) -> Iterator[Mapping[str, Contender]]:
    with _directory() as directory, contextlib.closing(_Disk(directory)) as disk:
        times = max(int(100 * scale), 10)
        yield {
            "ledger": _timed_us(disk.ledger, times),
            "storage": _timed_us(disk.storage, times),
            "append + fdatasync": _timed_us(disk.log, times),
            "SQLite, WAL FULL": _timed_us(disk.sqlite, times),
        }


@contextlib.contextmanager
def _group(scale: float) -> Iterator[Mapping[str, Contender]]:
    with _directory() as directory, contextlib.closing(_Disk(directory)) as disk:
        times, groups = max(int(50 * scale), 10), max(int(20 * scale), 4)
        ledger = partial(disk.ledger, records=_IN_FLIGHT)
        log = partial(disk.log, records=_IN_FLIGHT)
        sqlite = partial(disk.sqlite, records=_IN_FLIGHT)
        yield {
            f"ledger, {_IN_FLIGHT}": _timed_us(ledger, groups, _IN_FLIGHT),
            f"storage, {_IN_FLIGHT}": _timed_us(disk.storage_in_flight, groups, _IN_FLIGHT),
            f"append, {_IN_FLIGHT}": _timed_us(log, groups, _IN_FLIGHT),
            f"SQLite, {_IN_FLIGHT}": _timed_us(sqlite, groups, _IN_FLIGHT),
            "ledger, 1": _timed_us(disk.ledger, times),
            "storage, 1": _timed_us(disk.storage, times),
        }


def _fill(directory: Path, records: int) -> None:
    """A ledger with so many deposits, none of them undecided."""
    store = Store(directory, _LIMITS)
    store.open()
    body = next(_records())
    for first in range(0, records, 10_000):
        group = [
            partial(
                store_deposit,
                record=msgspec.structs.replace(body, id=f"rvm-0badcafe-{n:08}", state="rejected"),
            )
            for n in range(first, min(first + 10_000, records))
        ]
        store.commit(group, 1.7e9)
    store.close()


def _open_ms(directory: Path) -> float:
    """In a process of its own; its interpreter's start is not counted."""
    done = subprocess.run(
        [sys.executable, "-c", _START, str(directory)], cwd=_ROOT, capture_output=True, check=True
    )
    return int(done.stdout) / 1e6


@contextlib.contextmanager
def _start(scale: float) -> Iterator[Mapping[str, Contender]]:
    records = int(_RECORDS * scale)
    with _directory() as directory:
        _fill(directory / "full", records)
        _fill(directory / "empty", 0)
        yield {
            "machine, a million": partial(_launch_ms, directory / "full"),
            "machine, empty": partial(_launch_ms, directory / "empty"),
            "storage, a million": partial(_ready_ms, directory / "full"),
            "storage, empty": partial(_ready_ms, directory / "empty"),
            "opening, a million": partial(_open_ms, directory / "full"),
            "opening, empty": partial(_open_ms, directory / "empty"),
        }


def _launch_ms(directory: Path) -> float:
    """From the launch of the whole machine until all its actors are ready."""
    machine = Machine(directory)
    machine.stop()
    return machine.start_ms


def _ready_ms(directory: Path) -> float:
    """From the supervisor's start until the actor is ready."""
    args = {"directory": str(directory), "limits": _LIMITS}
    began_ns = time.perf_counter_ns()
    with Supervisor.start(SupervisorSpec((ChildSpec("storage", Storage, args=args),))):
        return (time.perf_counter_ns() - began_ns) / 1e6


CASES = (
    Case(
        "ledger-single",
        "one durable record, and the next when it is on the disk",
        "us",
        _single,
        (
            Versus("ledger", "append + fdatasync", 1 / 0.65),
            Versus("storage", "append + fdatasync"),
            Versus("ledger", "SQLite, WAL FULL"),
        ),
        placements=("two",),
    ),
    Case(
        "ledger-group",
        f"a durable record of {_IN_FLIGHT} in flight, beside one at a time",
        "us",
        _group,
        (
            Versus(f"ledger, {_IN_FLIGHT}", "ledger, 1", 1 / 25),
            Versus(f"storage, {_IN_FLIGHT}", "storage, 1", 1 / 25),
            Versus(f"ledger, {_IN_FLIGHT}", f"append, {_IN_FLIGHT}"),
            Versus(f"ledger, {_IN_FLIGHT}", f"SQLite, {_IN_FLIGHT}"),
        ),
        placements=("two",),
    ),
    Case(
        "ledger-start",
        "from the start to ready, with a million records and with none",
        "ms",
        _start,
        (
            Versus("machine, a million", "machine, empty", 1.2),
            Versus("opening, a million", "opening, empty", 1.2),
            Versus("storage, a million", "storage, empty"),
        ),
        rounds=9,
        placements=("two",),
    ),
)
