"""Requests that wait for their answer."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from typing import Protocol

from protocol.envelope import Envelope


class Waiter(Protocol):
    """Somebody waiting for one envelope."""

    def resolve(self, reply: Envelope) -> None:
        """Here it is; called at most once, from any thread."""


class BlockingWaiter:
    """A thread that waits. A raw lock: half the cost of a condition."""

    __slots__ = ("_lock", "reply")

    def __init__(self) -> None:
        """Not answered yet."""
        self.reply: Envelope | None = None
        self._lock = threading.Lock()
        self._lock.acquire()

    def resolve(self, reply: Envelope) -> None:
        """See `Waiter`."""
        self.reply = reply
        self._lock.release()

    def wait(self, timeout_s: float) -> Envelope | None:
        """Block for the reply; None when the time ran out."""
        self._lock.acquire(timeout=timeout_s)
        return self.reply


class AsyncWaiter:
    """A coroutine that waits."""

    def __init__(self) -> None:
        """Must be made on the event loop that waits."""
        self._loop = asyncio.get_running_loop()
        self._future: asyncio.Future[Envelope] = self._loop.create_future()

    def resolve(self, reply: Envelope) -> None:
        """See `Waiter`."""
        with contextlib.suppress(RuntimeError):  # its event loop is closed: it waits no longer
            self._loop.call_soon_threadsafe(self._set, reply)

    def _set(self, reply: Envelope) -> None:
        if not self._future.done():
            self._future.set_result(reply)

    async def wait(self, timeout_s: float) -> Envelope | None:
        """Await the reply; None when the time ran out.

        Not with `asyncio.wait_for`, which before Python 3.12 loses a cancellation that meets the
        reply: the task would live on.
        """
        await asyncio.wait((self._future,), timeout=timeout_s)
        return self._future.result() if self._future.done() else None
