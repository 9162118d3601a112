"""What the routes share: made by `server.app`, found at ``request.app.state.services``."""

from __future__ import annotations

import asyncio
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends, Request

from server.bell import Bell, PusherApp, SilentBell
from server.clock import Clock
from server.rules import buckets
from server.settings import Settings
from server.store.blobs import Blobs
from server.store.database import Database
from server.store.gathered import Gathered

BUCKETS_MAX = 50_000
"""Forgotten all at once beyond that, which is kind to whoever was over his limit."""


class Limiter:
    """A token bucket for everybody who asks, in memory: a restart forgives."""

    def __init__(self, clock: Clock) -> None:
        """Starts with everybody's bucket full."""
        self._clock = clock
        self._buckets: dict[Hashable, buckets.Bucket] = {}

    def wait_s(self, who: Hashable, *, per_s: float, burst: int) -> float | None:
        """Take one token; None, or how long until there is one."""
        if len(self._buckets) > BUCKETS_MAX:
            self._buckets.clear()
        now_s = self._clock.monotonic_s()
        bucket, wait_s = buckets.take(self._buckets.get(who), now_s, per_s=per_s, burst=burst)
        self._buckets[who] = bucket
        return wait_s


class Signals:
    """Wakes whoever waits for something to change; he looks for himself whether it has."""

    def __init__(self) -> None:
        """Nobody waits."""
        self._events: dict[Hashable, asyncio.Event] = {}

    async def wait(self, what: Hashable, timeout_s: float) -> None:
        """Until somebody says it, or the time is over: another process says nothing here."""
        event = self._events.setdefault(what, asyncio.Event())
        try:
            await asyncio.wait_for(event.wait(), timeout_s)
        except asyncio.TimeoutError:
            pass  # the same as woken: he looks
        finally:
            if self._events.get(what) is event:
                del self._events[what]

    def say(self, what: Hashable) -> None:
        """It has changed."""
        event = self._events.pop(what, None)
        if event is not None:
            event.set()


@dataclass
class Services:
    """All of it.

    Attributes:
        gathered: for writes that come often, and may share a transaction.
        signing_key: of this platform; makes its challenges.
        pusher: the credentials of the doorbell; set when the platform starts.
        doorbell_url: where machines connect to it; empty: as they have asked for us.
        maintenance_s: None, or what everybody is told to wait.
        redelivers: commands come again and again, finished or not: a fault for tests.
    """

    settings: Settings
    database: Database
    clock: Clock
    gathered: Gathered
    limiter: Limiter
    blobs: Blobs
    signals: Signals = field(default_factory=Signals)
    bell: Bell = field(default_factory=SilentBell)
    signing_key: bytes = field(default=b"", repr=False)
    pusher: PusherApp = field(default_factory=lambda: PusherApp("", "", ""))
    doorbell_url: str = ""
    maintenance_s: float | None = None
    redelivers: bool = False


async def services_of(request: Request) -> Services:
    """Those of the app that was asked; `async`, or it would be called in another thread."""
    services: Services = request.app.state.services
    return services


Here = Annotated[Services, Depends(services_of)]
"""What a route says to get them."""
