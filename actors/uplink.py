"""The uplink's link: knows whether the way to the server is open, stage by stage.

Owns the knowledge of the path.
Hears `ProbeServer`.
Says nothing by itself. Nothing is sent to the server yet: records wait in the ledger.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import threading
from typing import Any
from urllib.parse import urlsplit

from protocol.health import ProbeServer, ServerProbed
from protocol.message import Message
from supervisors import AsyncActor, handles

_GRACE_S = 5.0
"""More than a stage may take; the handler's deadline is moved on with every stage."""


class _Period(Message, frozen=True, tag="uplink.period"):
    """Link to itself: probe again."""


class Link(AsyncActor):
    """See the module."""

    def __init__(self, server_url: str | None, period_s: float, timeout_s: float) -> None:
        """Args: server_url: where to go; period_s: between probes; timeout_s: per stage."""
        self._server_url = server_url
        self._period_s = period_s
        self._timeout_s = timeout_s
        self._reached = ""

    async def on_start(self) -> None:
        """Begin to probe, if there is a server to probe."""
        if not self._server_url:
            self.ctx.waiting("a server: none is configured (uplink.server_url)")
            return
        self.ctx.note(sends="nothing yet: records wait in the ledger")
        self.ctx.schedule_once(0.0, _Period())

    @handles(_Period)
    async def period(self, message: _Period) -> None:
        """Probe, and again after the period."""
        self.ctx.schedule_once(self._period_s, _Period())
        await self._probe()

    @handles(ProbeServer, command=True)
    async def probe_server(self, message: ProbeServer) -> ServerProbed:
        """Probe for an operator."""
        return await self._probe()

    async def _probe(self) -> ServerProbed:
        if not self._server_url:
            return ServerProbed("nothing", "no server is configured (uplink.server_url)")
        probed = await self._stages(self._server_url)
        if probed.reached != self._reached:
            if self._reached in ("", "nothing", "dns") and probed.reached in ("tcp", "tls"):
                self.ctx.announce("network")
            self._reached = probed.reached
            self.ctx.emit("link", reached=probed.reached, detail=probed.detail)
        self.ctx.note(reached=probed.reached, detail=probed.detail or None)
        return probed

    async def _stages(self, url: str) -> ServerProbed:
        reached = "nothing"
        try:
            parts = urlsplit(url)
            is_tls = parts.scheme in ("https", "wss")
            host, port = parts.hostname or "", parts.port or (443 if is_tls else 80)
            addresses = await self._in_time(_resolve(host, port))
            reached = "dns"
            address = await self._first_open(addresses, port)
            reached = "tcp"
            if is_tls:
                context = ssl.create_default_context()
                await self._visit(address, port, ssl=context, server_hostname=host)
                reached = "tls"
        except (OSError, asyncio.TimeoutError, ValueError) as error:  # ValueError: no such name
            return ServerProbed(reached, f"{type(error).__name__}: {error}".rstrip(": "))
        return ServerProbed(reached, "")

    async def _first_open(self, addresses: list[str], port: int) -> str:
        """The first address that lets us in; a server may have one of a family we cannot reach."""
        *others, last = addresses
        for address in others:
            try:
                await self._visit(address, port)
            except (OSError, asyncio.TimeoutError):
                continue
            return address
        await self._visit(last, port)
        return last

    async def _visit(self, address: str, port: int, **tls: Any) -> None:
        _, writer = await self._in_time(asyncio.open_connection(address, port, **tls))
        writer.close()
        with contextlib.suppress(OSError, asyncio.TimeoutError):
            await self._in_time(writer.wait_closed())

    async def _in_time(self, work: Any) -> Any:
        self.ctx.extend(self._timeout_s + _GRACE_S)
        return await asyncio.wait_for(work, self._timeout_s)


async def _resolve(host: str, port: int) -> list[str]:
    """Addresses of a name, asked for in a thread that nobody waits for.

    asyncio's own way uses threads that a stop has to wait for, and a resolver without a network
    takes its half minute.
    """
    loop = asyncio.get_running_loop()
    found: asyncio.Future[list[str]] = loop.create_future()

    def tell(addresses: list[str], error: Exception | None) -> None:
        if found.done():
            return
        if error is None:
            found.set_result(addresses)
        else:
            found.set_exception(error)

    def ask() -> None:
        addresses: list[str] = []
        error: Exception | None = None
        try:
            rows = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            addresses = list(dict.fromkeys(str(row[4][0]) for row in rows))
        except (OSError, ValueError) as failed:
            error = failed
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody wants to know
            loop.call_soon_threadsafe(tell, addresses, error)

    threading.Thread(target=ask, name="resolver", daemon=True).start()
    return await found
