"""One machine's doorbell: a WebSocket, driven by the rule that a real machine's channel obeys.

All rules stand in `models.uplink.doorbell`; here are a socket, a timer, and a signature to ask for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from random import Random
from urllib.parse import urlsplit

import aiohttp

from actors.uplink.conversation import LOST, answered, call_for, converse
from actors.uplink.resolving import check_near
from actors.uplink.way import CallFailed
from models.uplink import doorbell as rule
from models.uplink.doorbell_terms import (
    Bell,
    Closed,
    Connect,
    Decision,
    Fact,
    HangUp,
    Limits,
    NotSigned,
    Passed,
    Ring,
    Send,
    Sign,
    Wanted,
)
from protocol.platform.identity import Doorbell
from protocol.uplink import Call, Called
from rvm_edge.fleet.shared import Shared

_SOONEST_S = 0.001

Ask = Callable[[Call], Awaitable[Called]]


class DoorbellClient:
    """See the module."""

    def __init__(
        self,
        shared: Shared,
        rng: Random,
        ask: Ask,
        rung: Callable[[str], None],
        changed: Callable[[], None],
    ) -> None:
        """Make it.

        Args:
            ask: the platform, with this machine's token.
            rung: hears the event of every ring; empty: something may have been missed.
            changed: hears that it has been subscribed, or is no more.
        """
        self._shared = shared
        self._rng = rng
        self._ask = ask
        self._rung = rung
        self._changed = changed
        self._limits = Limits()
        self._bell = Bell()
        self._socket: asyncio.Task[None] | None = None
        self._outgoing: asyncio.Queue[str] = asyncio.Queue()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def is_subscribed(self) -> bool:
        """Whether it would ring."""
        return self._bell.is_subscribed

    @property
    def is_wanted(self) -> bool:
        """Whether the platform has one."""
        return self._bell.doorbell is not None

    def want(self, doorbell: Doorbell | None) -> None:
        """The platform has this doorbell, or none."""
        if doorbell is not None and rule.why_not(doorbell.url, allows_plain=True):
            self._shared.tally.failed("doorbell_address")
            doorbell = None
        self._learn(Wanted(doorbell))

    def close(self) -> None:
        """Wait for nothing more."""
        if self._timer is not None:
            self._timer.cancel()

    # -- learning -------------------------------------------------------------------------------

    def _learn(self, fact: Fact) -> None:
        now_s, was_subscribed = self._shared.clock.monotonic(), self.is_subscribed
        self._bell, decisions = rule.learn(
            self._bell, fact, now_s, self._rng, self._limits, version=self._shared.version
        )
        for decision in decisions:
            self._carry_out(decision)
        self._set_timer(now_s)
        if self.is_subscribed != was_subscribed:
            self._shared.tally.subscribed += 1 if self.is_subscribed else -1
            self._changed()

    def _carry_out(self, decision: Decision) -> None:
        spawn = self._shared.crew.spawn
        if isinstance(decision, Connect):
            self._outgoing = asyncio.Queue()
            self._socket = spawn(self._live(decision, self._outgoing))
        elif isinstance(decision, HangUp):
            if self._socket is not None:
                self._socket.cancel()
        elif isinstance(decision, Sign):
            spawn(self._sign(decision))
        elif isinstance(decision, Send):
            self._outgoing.put_nowait(decision.text)
        elif isinstance(decision, Ring):
            self._rung(decision.event)

    def _set_timer(self, now_s: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        next_s = rule.next_look_s(self._bell)
        self._timer = None
        if next_s is not None:
            wait_s = max(next_s - now_s, _SOONEST_S)
            self._timer = asyncio.get_running_loop().call_later(wait_s, self._learn, Passed())

    # -- the socket -----------------------------------------------------------------------------

    async def _live(self, connect: Connect, outgoing: asyncio.Queue[str]) -> None:
        """One socket, from its opening to its end, which is told unless we have ended it."""
        code = LOST
        try:
            await self._check(connect.url)
            code = await converse(self._shared.sockets, connect, outgoing, self._learn)
        except aiohttp.ClientConnectorError:
            self._shared.tally.failed("no_way")
        except (aiohttp.ClientError, OSError, asyncio.TimeoutError, ValueError):
            self._shared.tally.failed("doorbell")
        self._learn(Closed(connect.socket, code))

    async def _check(self, url: str) -> None:
        """Raises: OSError: words in the clear would go to somebody far away."""
        parts = urlsplit(url)
        if parts.scheme == "ws":
            check_near(await self._shared.names.find(parts.hostname or "", parts.port or 80))

    async def _sign(self, sign: Sign) -> None:
        fact: Fact
        try:
            fact = answered(sign, await self._ask(call_for(sign, self._limits.answer_s)))
        except CallFailed as error:
            fact = NotSigned(sign.socket, error.code)
        self._learn(fact)
