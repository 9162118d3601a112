"""Writes of many callers in one transaction: a disk that syncs once can answer fifty machines.

While one transaction is being committed, what comes in waits, and goes into the next one. Nobody
waits longer than for two commits, and everybody is answered behind the commit, never before.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection

from server.store.database import Database

TOGETHER_MAX = 200
"""A transaction stays short, so that a writer beside this one gets his turn."""

T = TypeVar("T")
Work = Callable[[AsyncConnection], Awaitable[Any]]


class Gathered:
    """One task that writes for everybody.

    Work must not raise for what is merely refused: it says so in what it returns. What does raise
    fails alone, and is undone alone.
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

    async def write(self, work: Callable[[AsyncConnection], Awaitable[T]]) -> T:
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
        elif len(taken) > 1:
            for one in taken:  # one of them cannot be written: find out which
                await self._write([one])
        elif taken and not taken[0][1].done():
            taken[0][1].set_exception(outcome)

    async def _in_one(self, works: list[Work]) -> list[Any]:
        async with self._database.write() as connection:
            return [await work(connection) for work in works]
