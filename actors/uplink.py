"""The uplink's link: knows whether the way to the server is open, stage by stage.

Owns the knowledge of the path.
Hears `ProbeServer`.
Says nothing by itself. Nothing is sent to the server yet: records wait in the ledger.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from typing import Any
from urllib.parse import urlsplit

from protocol.health import ProbeServer, ServerProbed
from protocol.message import Message
from supervisors import AsyncActor, handles


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

    @handles(_Period, deadline_s=60.0)
    async def period(self, message: _Period) -> None:
        """Probe, and again after the period."""
        self.ctx.schedule_once(self._period_s, _Period())
        await self._probe()

    @handles(ProbeServer, command=True, deadline_s=60.0)
    async def probe_server(self, message: ProbeServer) -> ServerProbed:
        """Probe for an operator."""
        return await self._probe()

    async def _probe(self) -> ServerProbed:
        if not self._server_url:
            return ServerProbed("nothing", "no server is configured (uplink.server_url)")
        probed = await self._stages(self._server_url)
        if probed.reached != self._reached:
            self._reached = probed.reached
            self.ctx.emit("link", reached=probed.reached, detail=probed.detail)
        self.ctx.note(reached=probed.reached, detail=probed.detail or None)
        return probed

    async def _stages(self, url: str) -> ServerProbed:
        parts = urlsplit(url)
        is_tls = parts.scheme in ("https", "wss")
        port = parts.port or (443 if is_tls else 80)
        host = parts.hostname or ""
        reached = "nothing"
        try:
            loop = asyncio.get_running_loop()
            found = await self._in_time(loop.getaddrinfo(host, port, type=socket.SOCK_STREAM))
            reached = "dns"
            address = found[0][4][0]
            context = ssl.create_default_context() if is_tls else None
            _, writer = await self._in_time(asyncio.open_connection(address, port))
            reached = "tcp"
            if context is not None:
                await self._in_time(writer.start_tls(context, server_hostname=host))
                reached = "tls"
            writer.close()
        except (OSError, asyncio.TimeoutError, ssl.SSLError) as error:
            return ServerProbed(reached, f"{type(error).__name__}: {error}".rstrip(": "))
        return ServerProbed(reached, "")

    async def _in_time(self, work: Any) -> Any:
        return await asyncio.wait_for(work, self._timeout_s)
