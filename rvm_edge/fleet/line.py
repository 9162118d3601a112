"""A machine's way to the platform, measured; and names that are looked up once for all of them."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Mapping

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from actors.uplink.resolving import resolve
from actors.uplink.way import Answer, CallFailed, Probed, Way
from rvm_edge.fleet.tally import Tally
from supervisors.clock import Clock

NAME = "direct"
_THROUGH = "http"
_KEPT_S = 60.0


class Names(AbstractResolver):
    """Addresses by name; thousands of machines ask for the same one at the same moment."""

    def __init__(self, clock: Clock) -> None:
        """Nothing is known yet."""
        self._clock = clock
        self._known: dict[tuple[str, int], tuple[float, asyncio.Task[list[str]]]] = {}

    async def find(self, host: str, port: int) -> list[str]:
        """Addresses of a name.

        Raises:
            OSError, ValueError: there are none, or it is no name.
        """
        now_s = self._clock.monotonic()
        at_s, looking = self._known.get((host, port), (now_s, None))
        is_old = now_s - at_s >= _KEPT_S
        if looking is None or is_old or (looking.done() and looking.exception() is not None):
            looking = asyncio.get_running_loop().create_task(resolve(host, port))
            self._known[host, port] = now_s, looking
        return await asyncio.shield(looking)

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The same, as aiohttp asks."""
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
            for address in await self.find(host, port)
        ]

    async def close(self) -> None:
        """Nothing is held."""


class Line(Way):
    """A real machine's way, with its own connections: the platform sees as many as in the field."""

    def __init__(
        self,
        url: str,
        context: ssl.SSLContext,
        connect_timeout_s: float,
        clock: Clock,
        names: Names,
        tally: Tally,
    ) -> None:
        """Args: context: for TLS; one for all of them."""
        super().__init__(NAME, url, context, connect_timeout_s, clock)
        self._names = names
        self._tally = tally

    async def send(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: bytes = b"",
        *,
        timeout_s: float,
        bytes_per_s: float = 0.0,
    ) -> Answer:
        """As `Way.send`, counted."""
        asked_s = self._clock.monotonic()
        self._tally.asked(asked_s)
        try:
            answer = await super().send(
                method, path, headers, body, timeout_s=timeout_s, bytes_per_s=bytes_per_s
            )
        except CallFailed as error:
            self._tally.failed(error.code)
            raise
        self._tally.answered(answer.status, asked_s, self._clock.monotonic())
        return answer

    async def probe(self) -> Probed:
        """As `Way.probe`; one that gets nowhere is an error of the fleet's."""
        probed = await super().probe()
        if probed.reached != _THROUGH:
            self._tally.failed("no_way")
        return probed

    async def _up(self, session: aiohttp.ClientSession, timeout: aiohttp.ClientTimeout) -> Answer:
        asked_s = self._clock.monotonic()
        self._tally.asked(asked_s)
        answer = await super()._up(session, timeout)
        self._tally.answered(answer.status, asked_s, self._clock.monotonic())
        return answer

    async def _addresses(self, host: str, port: int) -> list[str]:
        return await self._names.find(host, port)
