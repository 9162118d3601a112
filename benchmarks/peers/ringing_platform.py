"""The reference platform, which also rings for whom it is told to on its standard input.

A line in: the number of a machine. After an empty one a line out: for every ring since the last
such line the monotonic clock before the hub was told, in nanoseconds. Saying it with each ring
would take the processor from who hears it. The rest is `bin/rvm-server start`.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import dataclasses
import socket
import sys
import time
from pathlib import Path

from fastapi import FastAPI

from server.app import create_app
from server.bell import machine_channel
from server.pusher.serving import Server, config_for, listen
from server.settings import database_url, from_environment


async def _ring(app: FastAPI) -> None:
    """For every line."""
    lines = asyncio.StreamReader()
    protocol = asyncio.StreamReaderProtocol(lines)
    await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, sys.stdin)
    began_ns: list[int] = []
    while line := await lines.readline():
        if line.strip():
            channel = machine_channel(int(line))
            began_ns.append(time.monotonic_ns())
            await app.state.services.bell.ring(channel, "commands", {})
        else:
            print(*began_ns, flush=True)
            began_ns.clear()


class _Ringing(Server):
    """Says where it is once it listens, and rings from then on."""

    app: FastAPI
    ringing: asyncio.Task[None]

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        for each in sockets or ():
            print(f"http://127.0.0.1:{each.getsockname()[1]} ", flush=True)
        self.ringing = asyncio.create_task(_ring(self.app))


async def _serve(data: Path) -> None:
    settings = dataclasses.replace(
        from_environment(), data_dir=data, database_url=database_url("", data)
    )
    app = create_app(settings)
    with listen("127.0.0.1", 0) as listening:
        config = config_for(app, access_log=False, log_level="warning")
        server = _Ringing(config, app.state.say_goodbye)
        server.app = app
        await server.serve([listening])


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, required=True)
    # uvicorn has ended in order, and says the signal once more.
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(parser.parse_args().data))
