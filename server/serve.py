"""The platform as a process: a socket, a web server, and lines that say where."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from server.app import create_app
from server.pusher.serving import Server, config_for, listen
from server.settings import Settings


class Listen(NamedTuple):
    """Where, and with which certificate."""

    host: str
    port: int
    tls_cert: Path | None = None
    tls_key: Path | None = None


class _Talkative(Server):
    """Says that it is there once it is, and not before."""

    say: Callable[[], None]

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self.say()


def serve(settings: Settings, where: Listen) -> None:
    """Until Ctrl-C or SIGTERM.

    Raises:
        OSError: the address is taken, a file cannot be read.
    """
    token = ""

    def keep(made: str) -> None:
        nonlocal token
        token = made

    app = create_app(settings, on_operator_token=keep)
    with listen(where.host, where.port) as listening:
        url = _url(where, listening)
        server = _Talkative(config_for(app, **_options(where)), app.state.say_goodbye)
        server.say = lambda: _say(url, token)
        # uvicorn has ended in order, and says the signal once more.
        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(server.serve([listening]))


def _options(where: Listen) -> dict[str, Any]:
    options: dict[str, Any] = {"access_log": False, "log_level": "warning"}
    if where.tls_cert is not None:
        options |= {"ssl_certfile": str(where.tls_cert), "ssl_keyfile": str(where.tls_key)}
    return options


def _url(where: Listen, listening: socket.socket) -> str:
    scheme = "http" if where.tls_cert is None else "https"
    host = f"[{where.host}]" if ":" in where.host else where.host
    return f"{scheme}://{host}:{listening.getsockname()[1]}"


def _say(url: str, token: str) -> None:
    if token:
        print(f"rvm-server: operator token, shown this once: {token}")
    print(f"rvm-server: {url}  fleet page: {url}/fleet  Ctrl-C ends it", flush=True)
