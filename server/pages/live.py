"""What changes in the fleet, as server-sent events.

operator ── GET /live ─▶ data: {server_time, whole, machines: […], gone: [numbers]} …

The first event is whole; those behind it have only machines that look different from what this
watcher was told last. So a slow watcher misses steps and never the newest state. All watchers
share one look at the database a second, and nobody looks while nobody watches.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

import msgspec
from fastapi import APIRouter, Response
from starlette.responses import StreamingResponse

from server.clock import Clock
from server.http.callers import AsOperator
from server.http.problems import ask_later
from server.payloads.fleet import Fleet, Machine
from server.routes.fleet.machines import snapshot
from server.services import Here, Services

LOOK_S = 1.0
KEEP_ALIVE_S = 15.0
"""Shorter than the silence after which proxies and the page give up."""
WATCHERS_MAX = 100
"""Open pages; each costs a comparison of the fleet a second."""
_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}  # nginx would hold it back


class Change(msgspec.Struct, frozen=True):
    """One event.

    Attributes:
        whole: these are all; otherwise those that differ.
        gone: numbers of machines that are no more.
    """

    server_time: float
    whole: bool
    machines: tuple[Machine, ...]
    gone: tuple[int, ...] = ()


def change_between(told: Mapping[int, Machine] | None, fleet: Fleet) -> Change | None:
    """What somebody who was told this has to be told now; None: nothing."""
    if told is None:
        return Change(fleet.server_time, True, fleet.machines)
    changed = tuple(each for each in fleet.machines if told.get(each.rvm_id) != each)
    gone = tuple(told.keys() - {each.rvm_id for each in fleet.machines})
    return Change(fleet.server_time, False, changed, gone) if changed or gone else None


class Live:
    """Everybody who watches, and the newest look at the fleet.

    Attributes:
        watchers: how many there are.
    """

    def __init__(self, clock: Clock) -> None:
        self._monotonic_s = clock.monotonic_s
        self._looking = asyncio.Lock()
        self._newest: Fleet | None = None
        self._looked_s = 0.0
        self.watchers = 0
        self._ended = asyncio.Event()

    def end(self) -> None:
        """Let everybody go: a stream that goes on keeps a server from ending."""
        self._ended.set()

    @property
    def is_full(self) -> bool:
        """Are there too many watchers already?"""
        return self.watchers >= WATCHERS_MAX

    async def watch(self, look: Callable[[], Awaitable[Fleet]]) -> AsyncIterator[bytes]:
        """The events for one watcher.

        Args:
            look: reads the fleet.
        """
        if self.is_full:
            return  # several have come at once, and the others were quicker
        told: dict[int, Machine] | None = None
        said_s = self._monotonic_s()
        self.watchers += 1
        try:
            while not self._ended.is_set():
                fleet = await self._look(look)
                change = change_between(told, fleet)
                told = {each.rvm_id: each for each in fleet.machines}
                if change is not None:
                    said_s = self._monotonic_s()
                    yield b"data: " + msgspec.json.encode(change) + b"\n\n"
                elif self._monotonic_s() - said_s >= KEEP_ALIVE_S:
                    said_s = self._monotonic_s()
                    yield b": still here\n\n"
                await self._pause()
        finally:
            self.watchers -= 1

    async def _look(self, look: Callable[[], Awaitable[Fleet]]) -> Fleet:
        """The fleet as it was at most `LOOK_S` ago."""
        async with self._looking:
            now_s = self._monotonic_s()
            if self._newest is None or now_s - self._looked_s >= LOOK_S:
                self._newest = await look()
                self._looked_s = now_s
            return self._newest

    async def _pause(self) -> None:
        try:
            await asyncio.wait_for(self._ended.wait(), LOOK_S)
        except asyncio.TimeoutError:
            pass  # the usual case


def live_routes(live: Live) -> APIRouter:
    """The stream; belongs below the fleet API."""
    routes = APIRouter(tags=["fleet"])

    @routes.get(
        "/live",
        response_class=StreamingResponse,
        responses={200: {"content": {"text/event-stream": {}}}, 401: {"description": "No token."}},
    )
    async def watch(here: Here, _operator: AsOperator) -> Response:
        """What changes, from the whole fleet on."""
        if live.is_full:
            raise ask_later(503, KEEP_ALIVE_S)
        events = live.watch(lambda: _fleet(here))
        return StreamingResponse(events, media_type="text/event-stream", headers=_HEADERS)

    return routes


async def _fleet(here: Services) -> Fleet:
    async with here.database.read() as connection:
        return await snapshot(here, connection)
