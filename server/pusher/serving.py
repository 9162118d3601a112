"""uvicorn, which takes leave in the protocol's words, and drops who does not read.

Things that an application cannot do from inside: say goodbye before uvicorn closes every
connection with 1012, end a connection whose client has stopped reading, and see what a client sends
below the level of messages.
"""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable
from typing import Any

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame

from protocol.platform.pusher import FRAME_BYTES_MAX

UNREAD_S = 60.0
"""A client that takes nothing for so long loses its connection, whoever has closed it."""
BACKLOG = 2048
"""A fleet that comes back at once fits into the line before the door."""


UNREAD_BYTES_MAX = 256 * 1024
"""In front of a client that sends pings and takes no pong. Our own letters stop at 64 kB, where
asyncio holds back; one whole letter may come on top."""
FRAGMENTS_MAX = 64
"""Of one message. It has 10 000 bytes at most, which nobody sends in more pieces."""


class Connection(WebSocketsSansIOProtocol):
    """One WebSocket; drops a client that floods it with what no application ever sees.

    uvicorn answers every ping at once, read or unread, and keeps every fragment of a message that
    does not end, also the empty ones. Both would grow for as long as the client likes.
    """

    _fragments = 0

    def handle_ping(self) -> None:
        """Answer, unless the answers are piling up."""
        if self.transport.is_closing():
            return  # there are more of them behind the one that was too many
        super().handle_ping()
        if self.transport.get_write_buffer_size() > UNREAD_BYTES_MAX:
            self.transport.abort()

    def handle_cont(self, event: Frame) -> None:
        """Take another piece, unless there are too many."""
        self._fragments = 0 if event.fin else self._fragments + 1
        if self._fragments > FRAGMENTS_MAX:
            self.transport.abort()
        else:
            super().handle_cont(event)


class Server(uvicorn.Server):
    """Waits for `say_goodbye` before it closes connections."""

    def __init__(self, config: uvicorn.Config, say_goodbye: Callable[[], Awaitable[None]]) -> None:
        super().__init__(config)
        self._say_goodbye = say_goodbye

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await self._say_goodbye()
        await super().shutdown(sockets)


def listen(host: str, port: int) -> socket.socket:
    """A listening socket whose connections end when nothing is read from them.

    A TCP connection with a peer that lives, but does not read, stays for ever otherwise: closing it
    waits for the peer. Accepted connections take the option over from the listening socket.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.create_server((host, port), family=family, backlog=BACKLOG)
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(UNREAD_S * 1000))
    return listening


KEEP_ALIVE_S = 90
"""An idle connection is kept longer than a machine keeps it (75 s, between two heartbeats): who
closes last never answers a request that was under way with nothing."""


def config_for(app: ASGIApp, **more: Any) -> uvicorn.Config:
    """How uvicorn serves many WebSockets; `more` of its options come first.

    Frames are small: to compress them takes more memory for 5 000 sockets than the frames, and lets
    a client send a small frame that grows large. Silence is this server's own to notice, by
    protocol; a client that cannot be closed must not keep the process from ending.
    """
    options: dict[str, Any] = {
        "ws": Connection,
        "ws_max_size": FRAME_BYTES_MAX,
        "ws_per_message_deflate": False,
        "ws_ping_interval": None,
        "timeout_graceful_shutdown": 5,
        "timeout_keep_alive": KEEP_ALIVE_S,
    }
    return uvicorn.Config(app, **{**options, **more})
