"""The channel: hears the platform ring.

Owns the WebSocket to the platform's Pusher server.
Hears `LinkChanged` from the link.
Says `Rung` to its listeners, after every subscription and every event; asks the link to have a
subscription signed.

What is rung is never acted upon: it only says that there is something to be fetched over HTTP,
where the platform has proved who it is. All rules stand in `models.uplink.doorbell`.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from importlib import metadata
from urllib.parse import urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from actors.uplink.conversation import LOST, TEXT_MAX, answered, call_for, converse
from actors.uplink.resolving import check_near, resolve
from actors.uplink.tls import pinned_context, read_pins
from actors.uplink.way import why
from config.settings import UplinkSettings
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
    Say,
    Send,
    Sign,
    Wanted,
)
from protocol.message import Message
from protocol.platform.identity import Doorbell
from protocol.uplink import Called, LinkChanged, Rung
from supervisors import AsyncActor, Waiting, handles
from supervisors.context import AsyncContext, RequestFailed

OUTGOING_MAX = 64
"""Frames that wait to be sent. We say three things, and a server that asks and asks without reading
the answers gets no more of them."""


class _Look(Message, frozen=True, tag="channel.look"):
    """Channel to itself: time has passed."""


class Channel(AsyncActor):
    """See the module."""

    ctx: AsyncContext

    def __init__(
        self,
        limits: UplinkSettings,
        link: str,
        listeners: tuple[str, ...],
        version: str = "",
        numbers: Limits | None = None,
    ) -> None:
        """Make it.

        Args:
            limits: pins, authorities, and whether plain words are allowed nearby.
            link: its address.
            listeners: who hears `Rung`.
            version: of this program, for the server's log; empty: as it is installed.
            numbers: of the rule; others than the usual ones are for tests.
        """
        self._limits = limits
        self._link = link
        self._listeners = listeners
        self._version = version or metadata.version("rvm-edge")
        self._numbers = numbers or Limits()
        self._bell = Bell()
        self._socket: asyncio.Task[None] | None = None
        self._outgoing: asyncio.Queue[str] = asyncio.Queue(OUTGOING_MAX)
        self._timer: int | None = None
        self._rings = 0
        self._unusable = ""

    # -- lifecycle ------------------------------------------------------------------------------

    async def on_start(self) -> None:
        """Wait for the link to say where the doorbell is."""
        try:
            self._tls = pinned_context(
                read_pins(self._limits.pins),
                self._limits.ca_file,
                self._report_pin if self._limits.pins_report_only else None,
            )
        except OSError as error:
            msg = f"authorities: {self._limits.ca_file}: {error.strerror or error} (uplink.ca_file)"
            raise Waiting(msg) from error
        self._show()

    def _report_pin(self, pin: str) -> None:
        self.ctx.log("pin_mismatch", level="warning", pin=pin)

    # -- handlers -------------------------------------------------------------------------------

    @handles(LinkChanged)
    def link_changed(self, message: LinkChanged) -> None:
        """A welcome says where the doorbell is; a way that is closed says nothing about it."""
        if not message.is_open or message.welcome is None:
            return
        doorbell = message.welcome.doorbell
        was, self._unusable = self._unusable, "" if doorbell is None else self._why_not(doorbell)
        if self._unusable and self._unusable != was:
            self.ctx.emit("doorbell_refused", why=self._unusable)
        self._learn(Wanted(None if self._unusable else doorbell))
        self._show()

    def _why_not(self, doorbell: Doorbell) -> str:
        return rule.why_not(doorbell.url, allows_plain=self._limits.allow_plain_http) or ""

    @handles(_Look)
    def look(self, message: _Look) -> None:
        """Something may have had its time."""
        self._timer = None
        self._learn(Passed())

    # -- learning -------------------------------------------------------------------------------

    def _learn(self, fact: Fact) -> None:
        """Teach the rule, and carry out what it decides; all of it in the actor's own loop."""
        now_s = self.ctx.clock.monotonic()
        was = self._bell
        self._bell, decisions = rule.learn(
            was, fact, now_s, self.ctx.rng, self._numbers, version=self._version
        )
        for decision in decisions:
            self._carry_out(decision)
        self._set_timer(now_s)
        if (was.phase, was.why, was.garbage) != (
            self._bell.phase,
            self._bell.why,
            self._bell.garbage,
        ):
            self._show()

    def _carry_out(self, decision: Decision) -> None:
        if isinstance(decision, Connect):
            self._outgoing = asyncio.Queue(OUTGOING_MAX)
            self._socket = self.ctx.spawn(self._live(decision, self._outgoing))
        elif isinstance(decision, HangUp):
            if self._socket is not None:
                self._socket.cancel()
        elif isinstance(decision, Sign):
            self.ctx.spawn(self._sign(decision))
        elif isinstance(decision, Send):
            with contextlib.suppress(asyncio.QueueFull):
                self._outgoing.put_nowait(decision.text)
        elif isinstance(decision, Ring):
            self._rings += 1
            for listener in self._listeners:
                self.ctx.tell(listener, Rung(decision.event))
        elif isinstance(decision, Say):
            self.ctx.emit(decision.event, **decision.fields)

    def _set_timer(self, now_s: float) -> None:
        next_s = rule.next_look_s(self._bell)
        if self._timer is not None:
            self.ctx.cancel(self._timer)
        # A moment is not before the clock says so: never in a circle by a rounding.
        wait_s = None if next_s is None else max(next_s - now_s, 0.001)
        self._timer = None if wait_s is None else self.ctx.schedule_once(wait_s, _Look())

    def _show(self) -> None:
        bell = self._bell
        is_wanted = bell.doorbell is not None
        self.ctx.note(
            doorbell=bell.phase if is_wanted else "none",
            detail=(bell.why[:TEXT_MAX] or self._unusable) or None,
            garbage=bell.garbage or None,
            rings=self._rings or None,
            waiting_for=None if is_wanted else self._unusable or "the platform's doorbell",
        )

    # -- the socket -----------------------------------------------------------------------------

    async def _live(self, connect: Connect, outgoing: asyncio.Queue[str]) -> None:
        """One socket, from its opening to its end, which is told unless we have ended it."""
        code, end = LOST, ""
        try:
            async with self._session(await self._addresses(connect.url)) as http:
                code = await converse(http, connect, outgoing, self._learn)
        except (aiohttp.ClientError, OSError, asyncio.TimeoutError, ValueError) as error:
            end = why(error)[:TEXT_MAX]
        self._learn(Closed(connect.socket, code, end))

    async def _addresses(self, url: str) -> list[str]:
        parts = urlsplit(url)
        is_plain = parts.scheme == "ws"
        addresses = await resolve(parts.hostname or "", parts.port or (80 if is_plain else 443))
        if is_plain:
            check_near(addresses)
        return addresses

    def _session(self, addresses: list[str]) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(ssl=self._tls, resolver=_Known(addresses))
        return aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())

    async def _sign(self, sign: Sign) -> None:
        answer_s = self._numbers.answer_s
        fact: Fact
        try:
            called: Called = await self.ctx.request(
                self._link, call_for(sign, answer_s), timeout_s=answer_s, reply=Called
            )
            fact = answered(sign, called)
        except RequestFailed as error:
            fact = NotSigned(sign.socket, str(error)[:TEXT_MAX])
        self._learn(fact)


class _Known(AbstractResolver):
    """What aiohttp asks: addresses that are known already."""

    def __init__(self, addresses: list[str]) -> None:
        self._addresses = addresses

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        flags = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=0,
                flags=flags,
            )
            for address in self._addresses
        ]

    async def close(self) -> None:
        """Nothing is held."""
