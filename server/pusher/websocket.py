"""The way in: ``/app/KEY``. One task reads from a socket, one writes to it."""

from __future__ import annotations

import asyncio
import contextlib

from fastapi import APIRouter
from starlette.websockets import WebSocket, WebSocketDisconnect

from server.pusher import frames
from server.pusher.hearing import hear
from server.pusher.hub import Hub
from server.pusher.socket import Goodbye, Socket

_REFUSED = "Application does not exist"
_GONE = (WebSocketDisconnect, RuntimeError)
"""What sending raises when the client has gone, or when uvicorn itself has closed the connection: a
message that was too large, bytes that are no WebSocket."""


def websocket_routes(hub: Hub) -> APIRouter:
    """The WebSocket of this hub."""
    routes = APIRouter()

    @routes.websocket("/app/{key}")
    async def connect(websocket: WebSocket, key: str) -> None:
        await websocket.accept()
        if key == hub.app.key:
            await _serve(hub, websocket)
        else:
            with contextlib.suppress(*_GONE):
                await websocket.send_text(frames.error(4001, _REFUSED))
                await websocket.close(4001, _REFUSED)

    return routes


async def _serve(hub: Hub, websocket: WebSocket) -> None:
    task = asyncio.current_task()
    assert task is not None
    is_dropped = False

    def drop() -> None:
        nonlocal is_dropped
        is_dropped = True
        task.cancel()

    socket = hub.admit(drop)
    writer = asyncio.create_task(_write(socket, websocket))
    try:
        await _read(hub, socket, websocket)
    except asyncio.CancelledError:
        if not is_dropped:
            raise
    finally:
        hub.leave(socket)
        writer.cancel()


async def _read(hub: Hub, socket: Socket, websocket: WebSocket) -> None:
    """Hear the client until its connection ends; of who is to go, no more is heard."""
    while (message := await websocket.receive())["type"] == "websocket.receive":
        if socket.ending_s is None:
            hear(hub, socket, message.get("text"))


async def _write(socket: Socket, websocket: WebSocket) -> None:
    with contextlib.suppress(*_GONE):  # the reader notices it, too
        while not isinstance(letter := await socket.next_letter(), Goodbye):
            await websocket.send_text(letter)
        await websocket.close(letter.code, letter.reason)
