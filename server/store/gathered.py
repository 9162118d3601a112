"""Writes of many callers in one transaction: a disk that syncs once can answer fifty machines.

While one transaction is being committed, what comes in waits, and goes into the next one. Nobody
waits longer than for two commits, and everybody is answered behind the commit, never before.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from server.store.database import AWAY, Connection, Database

TOGETHER_MAX = 200
"""A transaction stays short, so that a writer beside this one gets his turn."""

T = TypeVar("T")
Work = Callable[[Connection], Awaitable[Any]]


class Gathered:
    """One task that writes for everybody.

    Work must not raise for what is merely refused: it says so in what it returns. What does raise
    fails alone, and is undone alone; but when the database is away it is away for all of them: to
    find that out for each would take as many times as long.
    """

    def __init__(self, database: Database) -> None:
        """Starts with `start`."""
        self._database = database
        self._waiting: list[tuple[Work, asyncio.Future[Any]]] = []
        self._something = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._is_stopping = False

    def start(self) -> None:
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """What waits is still written."""
        self._is_stopping = True
        self._something.set()
        if self._task is not None:
            await self._task

    async def write(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        """Do this in a transaction, with others; returns what it returned, committed."""
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._waiting.append((work, future))
        self._something.set()
        return await future

    async def _run(self) -> None:
        while not self._is_stopping:
            await self._something.wait()
            self._something.clear()
            while self._waiting:
                await self._write(self._take())

    def _take(self) -> list[tuple[Work, asyncio.Future[Any]]]:
        taken, self._waiting = self._waiting[:TOGETHER_MAX], self._waiting[TOGETHER_MAX:]
        return [(work, future) for work, future in taken if not future.done()]

    async def _write(self, taken: list[tuple[Work, asyncio.Future[Any]]]) -> None:
        together = self._in_one([work for work, _ in taken])
        # As a value: whatever it is, it belongs to those who asked, and the task goes on.
        outcomes = await asyncio.gather(together, return_exceptions=True)
        outcome = outcomes[0]
        if not isinstance(outcome, BaseException):
            for (_, future), result in zip(taken, outcome, strict=True):
                if not future.done():
                    future.set_result(result)
        elif len(taken) > 1 and not isinstance(outcome, AWAY):
            for one in taken:  # one of them cannot be written: find out which
                await self._write([one])
        else:
            for _, future in taken:
                if not future.done():
                    future.set_exception(outcome)

    async def _in_one(self, works: list[Work]) -> list[Any]:
        async with self._database.write() as connection:
            results = []
            for work in works:
                results.append(await work(connection))
                await asyncio.sleep(0)  # whoever only asks does not wait for all of them
            return results
