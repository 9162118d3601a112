"""The Pusher server on a port of loopback, and a client that says exactly what a test wants."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

if TYPE_CHECKING:
    from typing_extensions import Self

pytest.importorskip("fastapi", reason="needs the extra [server]")

from fastapi import APIRouter, FastAPI

from protocol.platform.pusher import app_url, channel_signature
from server.bell import PusherApp
from server.clock import SystemClock
from server.pusher.api import publish_routes
from server.pusher.hub import Hub
from server.pusher.limits import Limits
from server.pusher.serving import Server, config_for, listen
from server.pusher.signed import sign
from server.pusher.websocket import websocket_routes

APP = PusherApp(id="1001", key="rvm-key", secret="rvm-secret")
PATIENCE_S = 20.0
"""For what happens at once on a quiet machine."""


@dataclass
class Running:
    hub: Hub
    port: int

    @property
    def http_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def ws_url(self, key: str = APP.key) -> str:
        return app_url(f"ws://127.0.0.1:{self.port}", key, "test", "1")


@contextlib.asynccontextmanager
async def running(
    limits: Limits | None = None,
    port: int = 0,
    clock: Any = None,
    also: APIRouter | None = None,
    door: socket.socket | None = None,
) -> AsyncIterator[Running]:
    """A server, until the end of the block; it ends as by a signal.

    Args:
        also: more routes.
        door: a listening socket that stays open: who comes between two servers waits there.
    """
    clock = clock or SystemClock()
    hub = Hub(clock, limits)
    app = FastAPI(lifespan=lambda _: hub.running(APP))
    app.include_router(websocket_routes(hub))
    app.include_router(publish_routes(hub, clock))
    if also is not None:
        app.include_router(also)
    server = Server(config_for(app, log_level="critical"), hub.close)
    with door.dup() if door else listen("127.0.0.1", port) as listening:
        serving = asyncio.create_task(server.serve(sockets=[listening]))
        try:
            yield Running(hub, listening.getsockname()[1])
        finally:
            server.should_exit = True
            await serving


@dataclass
class Client:
    """A client that speaks frame by frame.

    Attributes:
        socket_id: the server's number for it.
        code: of the close frame, once `said` has met it.
    """

    url: str
    socket_id: str = ""
    http: aiohttp.ClientSession = field(init=False)
    ws: aiohttp.ClientWebSocketResponse = field(init=False)

    async def __aenter__(self) -> Self:
        self.http = aiohttp.ClientSession()
        self.ws = await self.http.ws_connect(self.url)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.ws.close()
        await self.http.close()

    async def meet(self) -> Client:
        """Take the server's welcome."""
        frame = await self.hear("pusher:connection_established")
        self.socket_id = frame["data"]["socket_id"]
        return self

    async def say(self, event: str, data: Any = None, channel: str | None = None) -> None:
        frame = {"event": event, "data": data, "channel": channel}
        await self.ws.send_json({name: part for name, part in frame.items() if part is not None})

    async def hear(self, event: str | None = None) -> dict[str, Any]:
        """The next frame, with `data` read; it must be this event."""
        message = await asyncio.wait_for(self.ws.receive(), PATIENCE_S)
        assert message.type is aiohttp.WSMsgType.TEXT, message
        frame = json.loads(message.data)
        if isinstance(frame.get("data"), str) and frame["data"][:1] in ("{", "["):
            frame["data"] = json.loads(frame["data"])
        if event is not None:
            assert frame["event"] == event, frame
        return dict(frame)

    async def hear_error(self) -> int:
        return int((await self.hear("pusher:error"))["data"]["code"])

    async def hear_close(self) -> int:
        """The code with which the server closes, after whatever it says before."""
        while True:
            message = await asyncio.wait_for(self.ws.receive(), PATIENCE_S)
            if message.type is not aiohttp.WSMsgType.TEXT:
                assert message.type is aiohttp.WSMsgType.CLOSE, message
                return int(message.data)

    async def ask_to_join(self, channel: str, channel_data: str = "") -> None:
        """Ask to be let in, with a good signature."""
        data = {"channel": channel}
        if channel.startswith(("private-", "presence-")):
            signature = channel_signature(APP.secret, self.socket_id, channel, channel_data)
            data["auth"] = f"{APP.key}:{signature}"
        if channel_data:
            data["channel_data"] = channel_data
        await self.say("pusher:subscribe", data)

    async def join(self, channel: str, channel_data: str = "") -> dict[str, Any]:
        await self.ask_to_join(channel, channel_data)
        return await self.hear("pusher_internal:subscription_succeeded")

    async def is_served(self) -> None:
        """The server still answers."""
        await self.say("pusher:ping")
        await self.hear("pusher:pong")


async def post(
    server: Running, path: str, body: Any, *, off_s: float = 0.0, **changed: str
) -> tuple[int, Any]:
    """Publish, signed by a clock that is `off_s`; `changed` is changed after signing."""
    text = json.dumps(body).encode()
    query = {**sign(APP, "POST", path, {}, text, SystemClock().wall_s() + off_s), **changed}
    url = server.http_url + path
    async with (
        aiohttp.ClientSession() as http,
        http.post(url, params=query, data=text) as answer,
    ):
        return answer.status, json.loads(await answer.text())


async def get(server: Running, path: str, **asked: str) -> tuple[int, Any]:
    query = sign(APP, "GET", path, asked, b"", SystemClock().wall_s())
    url = server.http_url + path
    async with aiohttp.ClientSession() as http, http.get(url, params=query) as answer:
        return answer.status, json.loads(await answer.text())


class ManualClock:
    """Stands still until a test moves it; the wall clock is the computer's."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def monotonic_s(self) -> float:
        return self.now_s

    def wall_s(self) -> float:
        return SystemClock().wall_s()


async def until(is_so: Callable[[], bool]) -> None:
    """Wait for something that this process does."""
    began_s = asyncio.get_running_loop().time()
    while not is_so():
        assert asyncio.get_running_loop().time() - began_s < PATIENCE_S
        await asyncio.sleep(0.01)
