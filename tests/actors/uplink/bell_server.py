"""A Pusher server on loopback that speaks as Reverb or as soketi do, and can misbehave.

What each of them says in which case was taken down from the real ones: `data` as a text or as an
object, errors with and without a channel, closes with and without a frame.
"""

import asyncio
import contextlib
import hashlib
import hmac
import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from aiohttp import web

SECRET, KEY = "rvm-secret", "rvm-key"


def signature(socket_id: str, channel: str) -> str:
    signed = f"{socket_id}:{channel}".encode()
    return f"{KEY}:{hmac.new(SECRET.encode(), signed, hashlib.sha256).hexdigest()}"


@dataclass
class BellServer:
    """`dialect`: ``reverb`` or ``soketi``; `refuses`: an error code instead of a greeting."""

    dialect: str = "reverb"
    refuses: int = 0
    activity_timeout_s: float = 30
    greets: bool = True
    status: int = 0
    port: int = 0
    scheme: str = "ws"
    connects: int = 0
    subscribed: int = 0
    heard: list[dict[str, Any]] = field(default_factory=list)
    sockets: list[web.WebSocketResponse] = field(default_factory=list)
    transports: list[asyncio.Transport] = field(default_factory=list)
    loop: Any = None

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}"

    async def serve(self, request: web.Request) -> web.StreamResponse:
        self.connects += 1
        self.transports.append(request.transport)
        if self.status:
            return web.Response(status=self.status, text="<html>busy</html>")
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        if request.match_info["key"] != KEY:
            await self._error(ws, 4001, "Application does not exist")
            return await self._abort(request, ws)
        if self.refuses:
            await self._error(ws, self.refuses, "no")
            if self.dialect == "soketi":
                await ws.close(code=self.refuses)
                return ws
        elif self.greets:
            self.sockets.append(ws)
            greeting = {
                "socket_id": f"{self.connects}.1",
                "activity_timeout": self.activity_timeout_s,
            }
            # Both send this one as a text.
            await self._send(ws, "pusher:connection_established", json.dumps(greeting))
        async for message in ws:
            if message.type is not aiohttp.WSMsgType.TEXT:
                break
            await self._take(ws, json.loads(message.data), f"{self.connects}.1")
        return ws

    async def _take(self, ws: web.WebSocketResponse, frame: dict[str, Any], socket_id: str) -> None:
        self.heard.append(frame)
        if frame["event"] == "pusher:ping":
            data = None if self.dialect == "reverb" else {}
            await self._send(ws, "pusher:pong", data)
        if frame["event"] != "pusher:subscribe":
            return
        channel = frame["data"]["channel"]
        if frame["data"]["auth"] != signature(socket_id, channel):
            if self.dialect == "reverb":
                await self._error(ws, 4009, "Connection is unauthorized")
            else:
                data = {"type": "AuthError", "error": "unauthorized", "status": 401}
                await self._send(ws, "pusher:subscription_error", data, channel)
            return
        data = "{}" if self.dialect == "reverb" else None
        await self._send(ws, "pusher_internal:subscription_succeeded", data, channel)
        self.subscribed += 1

    async def _error(self, ws: web.WebSocketResponse, code: int, message: str) -> None:
        data: Any = {"code": code, "message": message}
        await self._send(ws, "pusher:error", json.dumps(data) if self.dialect == "reverb" else data)

    async def _abort(
        self, request: web.Request, ws: web.WebSocketResponse
    ) -> web.WebSocketResponse:
        """Reverb ends the connection without a close frame: the client sees 1006."""
        if self.dialect == "reverb" and request.transport is not None:
            request.transport.abort()
        else:
            await ws.close(code=4001)
        return ws

    async def _send(
        self, ws: web.WebSocketResponse, event: str, data: Any = None, channel: str = ""
    ) -> None:
        frame = {"event": event}
        if data is not None:
            frame["data"] = data
        if channel:
            frame["channel"] = channel
        await ws.send_str(json.dumps(frame))

    # -- for the test's thread --------------------------------------------------------------------

    def do(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(10)

    def publish(self, event: str, data: Any, channel: str = "private-rvm.1") -> None:
        text = json.dumps(data) if self.dialect == "reverb" else data
        self.do(self._send(self.sockets[-1], event, text, channel))

    def say(self, text: str) -> None:
        with contextlib.suppress(ConnectionError):  # the client may hang up in the middle of it
            self.do(self.sockets[-1].send_str(text))

    def error(self, code: int, message: str) -> None:
        self.do(self._error(self.sockets[-1], code, message))

    def close(self, code: int) -> None:
        self.do(self.sockets[-1].close(code=code))


@contextmanager
def ringing(server: BellServer, context: ssl.SSLContext | None = None) -> Iterator[BellServer]:
    """Let it listen."""
    loop = server.loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="bell server", daemon=True)
    thread.start()

    async def begin() -> web.AppRunner:
        app = web.Application()
        app.router.add_get("/app/{key}", server.serve)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", server.port, ssl_context=context)
        await site.start()
        server.port = site._server.sockets[0].getsockname()[1]
        server.scheme = "wss" if context else "ws"
        return runner

    async def end(runner: web.AppRunner) -> None:
        for transport in server.transports:
            transport.abort()  # one of TLS would wait for the client's farewell
        await runner.cleanup()
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        for transport in list(loop._transports.values()):
            transport.abort()  # in the middle of its handshake; nobody else knows of it
        await asyncio.sleep(0)

    runner = server.do(begin())
    try:
        yield server
    finally:
        server.do(end(runner))
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
