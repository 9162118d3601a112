"""A proxy between machines and their platform that misbehaves, by seed.

It ends TLS, with a right or a wrong certificate, and speaks plain HTTP to the platform. Each
request gets a fate: it is passed on, or suffers one of the things that networks, proxies in front
of platforms and captive portals do; see `tests.faults.fates`.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import ssl
import threading
from collections import Counter
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from tests.faults.fates import FATES, Exchange, Hole, abort, splice

HEAD_BYTES_MAX = 64 << 10
T = TypeVar("T")


class Proxy:
    """Listens on loopback, in a thread of its own.

    Attributes:
        port: where machines find it.
        upstream: port of the platform; may change.
        share: of the requests, so many are hurt.
        wrong_share: of the TLS handshakes, so many show the wrong certificate.
        fates: names of those that are dealt out.
        dealt: how often each was.
        asked: heads of all requests, without their bodies.
    """

    def __init__(self, seed: int, right: ssl.SSLContext, wrong: ssl.SSLContext) -> None:
        self.port = self.upstream = 0
        self.share = self.wrong_share = 0.0
        self.fates = tuple(FATES)
        self.dealt: Counter[str] = Counter()
        self.asked: list[bytes] = []
        self._rng = random.Random(seed)
        self._right, self._wrong = right, wrong
        self._loop = asyncio.new_event_loop()
        self._hole = Hole()
        self._serving: set[asyncio.Task[Any] | None] = set()  # asyncio itself forgets them

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}"

    def behave(self) -> None:
        """From now on all is well, also for whoever hangs in a black hole."""
        self.share = self.wrong_share = 0.0
        self._loop.call_soon_threadsafe(self._hole.close)

    # -- one connection ---------------------------------------------------------------------------

    def _shake_hands(self, tls: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
        if self._rng.random() < self.wrong_share:
            self.dealt["wrong certificate"] += 1
            tls.context = self._wrong

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        self._serving.add(task)
        try:
            with contextlib.suppress(OSError, EOFError, asyncio.LimitOverrunError):
                while await self._one(reader, writer):
                    pass
        finally:
            self._serving.discard(task)
            if not writer.is_closing():
                writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Serve a request; whether another may follow."""
        head = await reader.readuntil(b"\r\n\r\n")
        body = await reader.readexactly(_length(head))
        self.asked.append(head)
        exchange = Exchange(reader, writer, head, body, self.upstream, self._rng, self._hole)
        is_hurt = self._rng.random() < self.share
        if b"\r\nupgrade: websocket" in head.lower():
            self.dealt["cut websocket" if is_hurt else "websocket"] += 1
            await splice(exchange, cuts=is_hurt)
            return False
        fate = self._rng.choice(self.fates) if is_hurt else "passed on"
        self.dealt[fate] += 1
        try:
            return await (FATES[fate](exchange) if is_hurt else exchange.pass_on())
        except ConnectionRefusedError:  # there is no platform
            abort(writer)
            return False

    # -- its life ---------------------------------------------------------------------------------

    async def _begin(self) -> asyncio.AbstractServer:
        self._right.sni_callback = self._shake_hands
        server = await asyncio.start_server(
            self._serve, "127.0.0.1", 0, ssl=self._right, limit=HEAD_BYTES_MAX
        )
        self.port = server.sockets[0].getsockname()[1]
        return server

    async def _end(self, server: asyncio.AbstractServer) -> None:
        server.close()
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        await asyncio.sleep(0)  # transports that were closed are gone a turn later

    @contextmanager
    def running(self) -> Iterator[Proxy]:
        thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        thread.start()
        server = self._do(self._begin())
        try:
            yield self
        finally:
            self._do(self._end(server))
            self._loop.call_soon_threadsafe(self._loop.stop)
            thread.join(10)
            self._loop.close()

    def _do(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)


def _length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line.partition(b":")[2])
    return 0
