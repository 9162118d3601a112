"""What all machines of a fleet have in common."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

import aiohttp

from config.settings import UplinkSettings
from rvm_edge.fleet.line import Names
from rvm_edge.fleet.tally import Tally
from supervisors.clock import Clock


class Crew:
    """Tasks that live as long as the fleet; a mistake of ours in one of them ends it.

    Attributes:
        broken: done when one has failed, with its exception.
    """

    def __init__(self) -> None:
        """Nobody works yet."""
        self.broken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._tasks: set[asyncio.Task[None]] = set()

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Begin something."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if task.cancelled():
            return
        error = task.exception()
        if error is not None and not self.broken.done():
            self.broken.set_exception(error)

    async def dismiss(self) -> None:
        """End everything that is still going on."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@dataclass(frozen=True)
class Shared:
    """See the module.

    Attributes:
        context: for TLS.
        sockets: for WebSockets.
        has_doorbell: machines ring.
        deposits_per_h: of each machine.
        epoch: of every machine's ledger; grows from run to run, so that no key comes twice.
        version: of this program.
    """

    url: str
    context: ssl.SSLContext
    limits: UplinkSettings
    clock: Clock
    names: Names
    sockets: aiohttp.ClientSession
    tally: Tally
    crew: Crew
    has_doorbell: bool
    deposits_per_h: float
    epoch: int
    version: str
