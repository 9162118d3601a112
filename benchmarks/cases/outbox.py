"""The outbox on its way to the platform: a backlog's delivery, and a start with a million waiting.

Ours are the real storage, link and courier under a supervisor, with LMDB on the disk: a record
counts when the platform has said that it has it and the outbox has written that down. The peer of
the delivery is a bare aiohttp client that posts bodies made of as many such records, one after the
other; it reads the answers and keeps nothing. Both speak to the same reference platform, which runs
in a process of its own, and neither sends what it has sent before.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import count
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import aiohttp

from actors.storage import Storage
from actors.store.outbox import put
from actors.store.store import Store
from actors.store.tables import encode
from actors.uplink import Courier, Link
from benchmarks.kit.contest import Case, Contender, Versus
from benchmarks.kit.platform_rig import Machine, Opened, Platform, absent, nobody, platform
from benchmarks.kit.tree import root
from config.settings import StorageSettings
from models.uplink.pace import BATCH
from models.uplink.payloads import Batch, batches, part_of
from protocol.message import Done
from protocol.platform import ROOT
from protocol.storage import (
    DepositRecord,
    DescribeStore,
    Outbox,
    OutboxRecord,
    PeekOutbox,
    PutOutbox,
    StoreDescribed,
)
from protocol.uplink import LinkChanged
from supervisors import ActorSystem, ChildSpec, Supervisor

_LIMITS = StorageSettings(map_mb=1024, map_mb_max=8192)
_BACKLOG, _BACKLOG_MIN = 2000, 1000
_WAITING, _WAITING_MIN, _WAITING_FEW = 1_000_000, 100_000, 1000
_GROUP = 10_000
_PACE_S = 0.005
_PATIENCE_S = 120.0
_DRAIN = ("storage, link, courier", "bare aiohttp loop")
_DEEP, _SHALLOW, _EMPTY = "a million waiting", "a thousand waiting", "an empty outbox"
_OPEN, _FIRST = "way open", "first deposit"
_START = tuple(f"{one}, {what}" for one in (_DEEP, _SHALLOW, _EMPTY) for what in (_OPEN, _FIRST))


def _deposits(hardware_id: str) -> Iterator[DepositRecord]:
    """Credited deposits, each with a key of its own."""
    for number in count(1):
        at = 1.79e9 + number
        yield DepositRecord(
            f"{hardware_id}-1-{number}", "credited", "accepted", at, at, "mineral", 0.93, "yolo",
            "a" * 64, number, f"{hardware_id}-s-1-1", 21.5, 0.22, "b" * 64, "drop_beam",
        )  # fmt: skip


def _fill(data: Path, deposits: Iterator[DepositRecord], records: int) -> None:
    """Let so many wait in the outbox of a machine that does not run."""
    store = Store(data, _LIMITS)
    store.open()
    for first in range(0, records, _GROUP):
        chosen = [next(deposits) for _ in range(min(_GROUP, records - first))]
        store.commit([partial(put, message=_waiting(one)) for one in chosen], 1.79e9)
    store.close()


def _waiting(deposit: DepositRecord) -> PutOutbox:
    return PutOutbox("money", deposit.id, "deposit", encode(deposit))


class _Running:
    """Storage, link and courier of a machine, from their start to their end.

    Attributes:
        opened_ns: when the way to the platform was open.
    """

    def __init__(self, sup: Supervisor, changes: SimpleQueue[tuple[int, LinkChanged]]) -> None:
        self.sup = sup
        while True:
            self.opened_ns, change = changes.get(timeout=_PATIENCE_S)
            if change.is_open:
                break

    @property
    def sent(self) -> int:
        """How many records have been acknowledged, and the outbox knows it."""
        courier: Any = self.sup.rows["courier"].running
        return 0 if courier is None else int(courier.vitals.facts.get("sent", 0))


@contextmanager
def _running(here: Platform, machine: Machine) -> Iterator[_Running]:
    changes: SimpleQueue[tuple[int, LinkChanged]] = SimpleQueue()
    link = {
        "limits": here.limits(),
        "hardware_id": machine.hardware_id,
        "key_file": str(machine.key_file),
        "listeners": ("/opened", "/courier"),
        "storage": "/storage",
    }
    courier = {"limits": here.limits(), "link": "/link", "storage": "/storage"}
    children = (
        ChildSpec("storage", Storage, args={"directory": str(machine.data), "limits": _LIMITS}),
        Opened.spec(lambda change: changes.put((time.perf_counter_ns(), change))),
        ChildSpec("courier", Courier, args=courier),
        ChildSpec("link", Link, args=link),
    )
    with root(ActorSystem(), *children) as sup:
        yield _Running(sup, changes)


# -- a backlog's delivery -------------------------------------------------------------------------


class _Drain:
    """Both sides, each as a machine of its own with fresh deposits every time."""

    def __init__(self, here: Platform, records: int) -> None:
        self._here = here
        self._records = records
        self._ours, self._theirs = here.machine("rvm-ours"), here.machine("rvm-bare")
        self._for_ours = _deposits("rvm-ours")
        self._for_theirs = _deposits("rvm-bare")
        self._token = here.token(self._theirs)

    def ours_us(self) -> float:
        """From the opening of the way until nothing waits any more, a record."""
        _fill(self._ours.data, self._for_ours, self._records)
        with _running(self._here, self._ours) as running:
            limit_ns = running.opened_ns + int(_PATIENCE_S * 1e9)
            while running.sent < self._records:
                assert time.perf_counter_ns() < limit_ns, running.sent
                time.sleep(0.002)
            took_ns = time.perf_counter_ns() - running.opened_ns
        return took_ns / 1e3 / self._records

    def bare_us(self) -> float:
        """From the first request to the last answer, a record."""
        records = [
            OutboxRecord(number, one.id, "deposit", encode(one), one.updated_at)
            for number, one in zip(range(self._records), self._for_theirs, strict=False)
        ]
        bodies = [
            batch
            for first in range(0, len(records), BATCH)
            for batch in batches([part_of(one) for one in records[first : first + BATCH]])
        ]
        return asyncio.run(self._post(bodies)) / self._records

    async def _post(self, bodies: Sequence[Batch]) -> float:
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}
        async with aiohttp.ClientSession(self._here.url, headers=headers) as session:
            async with session.get("/up") as answer:  # ours has its connection as well
                await answer.read()
            began_ns = time.perf_counter_ns()
            for one in bodies:
                async with session.post(f"{ROOT}{one.path}", data=one.body) as answer:
                    said = await answer.json()
                    assert answer.status == 200, said
            return (time.perf_counter_ns() - began_ns) / 1e3


@contextmanager
def _drain(scale: float) -> Iterator[Mapping[str, Contender]]:
    why = absent()
    if why is not None:
        yield nobody(_DRAIN, why)
        return
    with platform() as (here, _):
        both = _Drain(here, max(round(_BACKLOG * scale), _BACKLOG_MIN))
        yield dict(zip(_DRAIN, (both.ours_us, both.bare_us), strict=True))


# -- the start ------------------------------------------------------------------------------------


class _Outbox:
    """A machine that has so many records waiting, and is started again and again."""

    def __init__(self, here: Platform, name: str, records: int) -> None:
        self._here, self._records = here, records
        self._machine = here.machine(name)
        self._deposits = _deposits(name)
        self._last = 0
        self._left = 0
        self._first_ms = 0.0

    def open_ms(self) -> float:
        """From the supervisor's start until the way to the platform is open."""
        _fill(self._machine.data, self._deposits, self._records - self._left)
        self._last += self._records - self._left
        self._here.token(self._machine)  # answered when what the last run left there is done
        began_ns = time.perf_counter_ns()
        with _running(self._here, self._machine) as running:
            self._deliver(running)
            self._first_ms = (time.perf_counter_ns() - began_ns) / 1e6
            described = running.sup.request("storage", DescribeStore(), reply=StoreDescribed)
        self._left = min(described.outbox["money"], self._records)
        return (running.opened_ns - began_ns) / 1e6

    def first_ms(self) -> float:
        """The same until the platform has a deposit that was made after the opening."""
        return self._first_ms

    def _deliver(self, running: _Running) -> None:
        """Make deposits, one every few milliseconds, until the platform has one of them.

        The courier looks after the opening, and what was there before it looked is backlog.
        """
        before = self._last
        while True:
            self._last += 1
            new = _waiting(next(self._deposits))
            running.sup.request("storage", new, reply=Done)
            question = PeekOutbox("money", 1000, before)
            waiting = running.sup.request("storage", question, reply=Outbox)
            if len(waiting.records) < self._last - before:
                return
            assert self._last - before < 1000, "nothing new is delivered"
            time.sleep(_PACE_S)

    def named(self, name: str) -> dict[str, Contender]:
        return {f"{name}, {_OPEN}": self.open_ms, f"{name}, {_FIRST}": self.first_ms}


@contextmanager
def _start(scale: float) -> Iterator[Mapping[str, Contender]]:
    why = absent()
    if why is not None:
        yield nobody(_START, why)
        return
    with platform() as (here, _):
        yield {
            **_Outbox(here, "rvm-deep", _WAITING if scale >= 1 else _WAITING_MIN).named(_DEEP),
            **_Outbox(here, "rvm-shallow", _WAITING_FEW).named(_SHALLOW),
            **_Outbox(here, "rvm-empty", 0).named(_EMPTY),
        }


CASES = (
    Case(
        "drain",
        "a backlog's delivery with acknowledgements, a record",
        "us",
        _drain,
        (Versus(*_DRAIN, 1 / 0.8),),
        rounds=7,
        placements=("two",),
    ),
    Case(
        "outbox-start",
        "from the start to the way open, and to the first new deposit (--quick: 100 000)",
        "ms",
        _start,
        (
            Versus(f"{_DEEP}, {_OPEN}", f"{_EMPTY}, {_OPEN}", 1.2),
            Versus(f"{_DEEP}, {_FIRST}", f"{_EMPTY}, {_FIRST}", 1.2),
            Versus(f"{_DEEP}, {_FIRST}", f"{_SHALLOW}, {_FIRST}"),
            Versus(f"{_SHALLOW}, {_FIRST}", f"{_EMPTY}, {_FIRST}"),
        ),
        rounds=7,
        placements=("two",),
    ),
)
