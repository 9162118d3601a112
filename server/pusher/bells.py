"""The platform's own way to ring: the hub of this process, or another Pusher server.

Neither raises, and neither keeps who rings waiting: a machine that has not been rung for asks by
itself within a minute.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import OrderedDict
from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import Any, NamedTuple

import aiohttp
import msgspec

from protocol.platform.pusher import FRAME_BYTES_MAX
from server.bell import PusherApp
from server.clock import Clock
from server.pusher.hub import Hub
from server.pusher.signed import sign

WAITING_MAX = 10_000
"""One command for every machine of a large fleet, while the other server restarts."""
GOOD_S = 60.0
"""A ring that could not be sent for so long is given up: the machine has asked by itself."""
PAUSES_S = (0.2, 1.0, 5.0)
"""After the first, the second and every further failure in a row."""
TRY_TIMEOUT_S = 5.0
_PASSING = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS)
_SERVER_ERRORS = HTTPStatus.INTERNAL_SERVER_ERROR
_ANSWER_BYTES = 4096
"""As far as an answer is read."""


class LocalBell:
    """Rings through the hub of this process."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    async def ring(self, channel: str, event: str, data: dict[str, Any]) -> None:
        self._hub.publish(channel, event, msgspec.json.encode(data).decode())


class _Ring(NamedTuple):
    channel: str
    event: str
    data: str


class ExternalBell:
    """Publishes to a Pusher server by HTTP: Reverb, soketi, Pusher itself.

    What is rung waits in line, each ring once: the same one again changes nothing. Beyond
    `WAITING_MAX` the oldest is given up. One task sends; it says once that the server is away, and
    once that it is back.
    """

    def __init__(
        self, url: str, app: PusherApp, clock: Clock, log: logging.Logger | None = None
    ) -> None:
        """`url` of the server's HTTP side, ``https://HOST[:PORT][/path]``."""
        self._url = url.rstrip("/")
        self._app = app
        self._clock = clock
        self._log = log or logging.getLogger(__name__)
        self._waiting: OrderedDict[_Ring, float] = OrderedDict()  # and when it was rung
        self._wake = asyncio.Event()
        self._failures = 0

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Send what is rung, until the end; what still waits then is not sent."""
        timeout = aiohttp.ClientTimeout(total=TRY_TIMEOUT_S)
        async with aiohttp.ClientSession(timeout=timeout) as http:
            sender = asyncio.create_task(self._send_all(http))
            try:
                yield
            finally:
                sender.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await sender

    async def ring(self, channel: str, event: str, data: dict[str, Any]) -> None:
        text = msgspec.json.encode(data).decode()
        if len(text.encode()) > FRAME_BYTES_MAX:
            self._log.error("a ring of %d bytes is too large to be sent: %s", len(text), event)
            return
        self._waiting.setdefault(_Ring(channel, event, text), self._clock.monotonic_s())
        if len(self._waiting) > WAITING_MAX:
            self._waiting.popitem(last=False)
        self._wake.set()

    async def _send_all(self, http: aiohttp.ClientSession) -> None:
        while True:
            ring, rung_s = await self._next()
            wrong, is_passing = await self._try(http, ring)
            self._note(wrong)
            if wrong and is_passing:
                self._waiting.setdefault(ring, rung_s)
                self._waiting.move_to_end(ring, last=False)
                await asyncio.sleep(PAUSES_S[min(self._failures, len(PAUSES_S)) - 1])

    async def _next(self) -> tuple[_Ring, float]:
        """The oldest ring that is still worth sending.

        It is out of the line while it is being sent: what is rung meanwhile is news, and must ring
        again.
        """
        while True:
            while not self._waiting:
                self._wake.clear()
                await self._wake.wait()
            ring, rung_s = self._waiting.popitem(last=False)
            if self._clock.monotonic_s() - rung_s < GOOD_S:
                return ring, rung_s

    async def _try(self, http: aiohttp.ClientSession, ring: _Ring) -> tuple[str | None, bool]:
        """What went wrong, and whether it may pass by itself."""
        path = f"/apps/{self._app.id}/events"
        event = {"name": ring.event, "channels": [ring.channel], "data": ring.data}
        body = msgspec.json.encode(event)
        query = sign(self._app, "POST", path, {}, body, self._clock.wall_s())
        headers = {"Content-Type": "application/json"}
        try:
            async with http.post(
                self._url + path, params=query, data=body, headers=headers, allow_redirects=False
            ) as answer:
                is_passing = answer.status in _PASSING or answer.status >= _SERVER_ERRORS
                return await _complaint(answer), is_passing
        except asyncio.TimeoutError:
            return "no answer in time", True
        except aiohttp.ClientError as error:
            return type(error).__name__, True  # its text may name the address with the signature

    def _note(self, wrong: str | None) -> None:
        if wrong and not self._failures:
            self._log.warning("the Pusher server does not take what is rung: %s", wrong)
        elif not wrong and self._failures:
            self._log.info("the Pusher server takes what is rung again")
        self._failures = self._failures + 1 if wrong else 0


class _Refusal(msgspec.Struct):
    error: Any = None


async def _complaint(answer: aiohttp.ClientResponse) -> str | None:
    """Why it is not taken; None: it is.

    soketi says 200 to a wrong signature too, and what is wrong in the body. Where an answer sends
    us elsewhere, nobody has been rung.
    """
    if answer.status >= HTTPStatus.MULTIPLE_CHOICES:
        return f"status {answer.status}"
    try:
        refusal = msgspec.json.decode(await answer.content.read(_ANSWER_BYTES), type=_Refusal)
    except (msgspec.MsgspecError, UnicodeError):
        return None  # a server may say "ok" in its own words
    return None if refusal.error is None else f"status {answer.status}, and an error"
