"""One machine's doorbell: a WebSocket, driven by the rule that a real machine's channel obeys.

All rules stand in `models.uplink.doorbell`; here are a socket, a timer, and a signature to ask for.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from random import Random
from typing import Any
from urllib.parse import urlencode, urlsplit

import aiohttp
import msgspec

from actors.uplink.channel import CLOSE_S, HEARTBEAT_S, MESSAGE_BYTES_MAX
from actors.uplink.resolving import check_near
from actors.uplink.way import CallFailed
from models.uplink import doorbell as rule
from models.uplink.doorbell_terms import (
    Bell,
    Closed,
    Connect,
    Decision,
    Fact,
    Garbled,
    HangUp,
    Heard,
    Limits,
    NotSigned,
    Opened,
    Passed,
    Ring,
    Send,
    Sign,
    Signed,
    Wanted,
)
from protocol.platform.identity import Doorbell
from protocol.platform.pusher import MalformedFrame, read_frame
from protocol.uplink import Call, Called
from rvm_edge.fleet.shared import Shared

_FORM = "application/x-www-form-urlencoded"
_LOST = 1006
_SOONEST_S = 0.001
_OK = range(200, 300)

Ask = Callable[[Call], Awaitable[Called]]


class _Auth(msgspec.Struct):
    """Answer to a request for a signature."""

    auth: str
    channel_data: str = ""


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
        code = _LOST
        try:
            await self._check(connect.url)
            code = await self._converse(connect, outgoing)
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

    async def _converse(self, connect: Connect, outgoing: asyncio.Queue[str]) -> int:
        ws = await self._shared.sockets.ws_connect(
            connect.url, heartbeat=HEARTBEAT_S, max_msg_size=MESSAGE_BYTES_MAX
        )
        writing = asyncio.get_running_loop().create_task(_write(ws, outgoing))
        try:
            self._learn(Opened(connect.socket))
            async for message in ws:
                self._learn(_fact(connect.socket, message))
        finally:
            writing.cancel()
            with contextlib.suppress(asyncio.TimeoutError, asyncio.CancelledError):
                await asyncio.wait_for(ws.close(), CLOSE_S)
        return ws.close_code or _LOST

    async def _sign(self, sign: Sign) -> None:
        form = urlencode({"socket_id": sign.socket_id, "channel_name": sign.channel}).encode()
        call = Call(
            "POST", sign.path, form, content_type=_FORM, timeout_s=self._limits.answer_s
        )  # fmt: skip
        fact: Fact
        try:
            called = await self._ask(call)
            if called.status in _OK:
                auth = msgspec.json.decode(called.body, type=_Auth)
                fact = Signed(sign.socket, auth.auth, auth.channel_data)
            else:
                fact = NotSigned(sign.socket, f"HTTP {called.status}")
        except CallFailed as error:
            fact = NotSigned(sign.socket, error.code)
        except (msgspec.MsgspecError, UnicodeError):
            fact = NotSigned(sign.socket, "the platform's answer holds no signature")
        self._learn(fact)


async def _write(ws: Any, outgoing: asyncio.Queue[str]) -> None:
    """Send what is to be sent, in order; a socket that takes nothing ends by its reader."""
    with contextlib.suppress(ConnectionError, aiohttp.ClientError):
        while True:
            await ws.send_str(await outgoing.get())


def _fact(number: int, message: Any) -> Fact:
    if message.type is not aiohttp.WSMsgType.TEXT:
        return Garbled(number, "no text")
    try:
        return Heard(number, read_frame(message.data))
    except MalformedFrame as error:
        return Garbled(number, str(error))
