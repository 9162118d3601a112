"""What can happen to a request between a machine and its platform.

before the platform   reset, black hole, half of the request, somebody else's answer
behind it             the answer is dropped, cut, late, slow, comes twice; the request does
somebody else's       a page, a login's redirect, 502 in HTML, 503 and 429 with Retry-After, JSON
                      that is none, no HTTP at all, a head or a body without end, a body that
                      unfolds
"""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import random
import re
import socket
import struct
from collections.abc import Awaitable, Callable, Mapping
from typing import NamedTuple

GIGABYTE = 1 << 30
_CHUNK = b" " * (64 << 10)
_LATE_S = 0.4
_BOMB = gzip.compress(b" " * (16 << 20))
_CONNECTION = re.compile(rb"\r\nconnection: [^\r]*", re.IGNORECASE)


class Hole:
    """Whatever falls into it stays there until it is closed, and is cut then."""

    def __init__(self) -> None:
        self._gates: set[asyncio.Future[None]] = set()

    async def hold(self, reader: asyncio.StreamReader) -> None:
        """Until the other side goes, or the hole is closed."""
        gate = asyncio.get_running_loop().create_future()
        gone = asyncio.ensure_future(reader.read())
        self._gates.add(gate)
        try:
            await asyncio.wait((gate, gone), return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._gates.discard(gate)
            gone.cancel()
            await asyncio.gather(gone, return_exceptions=True)

    def close(self) -> None:
        for gate in self._gates:
            if not gate.done():
                gate.set_result(None)


class Exchange(NamedTuple):
    """One request, read to its end, and where its answer goes."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    head: bytes
    body: bytes
    upstream: int
    rng: random.Random
    hole: Hole

    async def ask(self) -> bytes:
        """The platform's answer, whole."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.upstream)
        try:
            head = _CONNECTION.sub(b"", self.head)
            writer.write(head.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n") + self.body)
            await writer.drain()
            answer = await reader.read()
        finally:
            writer.close()
        head, blank, body = answer.partition(b"\r\n\r\n")
        if not blank:
            raise ConnectionResetError  # it was killed
        return _CONNECTION.sub(b"", head) + blank + body

    async def say(self, answer: bytes) -> bool:
        if self.writer.is_closing():
            raise ConnectionResetError
        self.writer.write(answer)
        await self.writer.drain()
        await asyncio.sleep(0)  # or the loop does not hear that the other side has gone
        return True

    async def pass_on(self) -> bool:
        return await self.say(await self.ask())


Fate = Callable[[Exchange], Awaitable[bool]]
"""Gives whether the connection may be used again."""


def abort(writer: asyncio.StreamWriter) -> bool:
    """End a connection as a network does that has forgotten it: with a reset."""
    bare = writer.get_extra_info("socket")
    if bare is not None:  # the other side was not faster
        with contextlib.suppress(OSError):
            bare.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
    return False


async def splice(exchange: Exchange, *, cuts: bool) -> None:
    """A WebSocket, byte by byte; cut in the middle of what comes down, after a while."""
    upstream = await asyncio.open_connection("127.0.0.1", exchange.upstream)
    upstream[1].write(exchange.head)
    left = exchange.rng.randrange(200, 900) if cuts else GIGABYTE
    ways = [
        asyncio.ensure_future(_carry(exchange.reader, upstream[1], GIGABYTE)),
        asyncio.ensure_future(_carry(upstream[0], exchange.writer, left)),
    ]
    try:
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)
        abort(exchange.writer)
        upstream[1].close()


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, left: int) -> None:
    while left > 0 and (chunk := await reader.read(4096)) and not writer.is_closing():
        writer.write(chunk[:left])
        await writer.drain()
        left -= len(chunk)


# -- before the platform --------------------------------------------------------------------------


async def _reset(exchange: Exchange) -> bool:
    return abort(exchange.writer)


async def _black_hole(exchange: Exchange) -> bool:
    await exchange.hole.hold(exchange.reader)
    return abort(exchange.writer)


async def _half_a_request(exchange: Exchange) -> bool:
    """The platform sees its beginning."""
    _, writer = await asyncio.open_connection("127.0.0.1", exchange.upstream)
    request = exchange.head + exchange.body
    writer.write(request[: exchange.rng.randrange(1, len(request))])
    writer.close()
    return abort(exchange.writer)


# -- behind it ------------------------------------------------------------------------------------


async def _dropped_behind_the_commit(exchange: Exchange) -> bool:
    await exchange.ask()
    return abort(exchange.writer)


async def _swallowed_behind_the_commit(exchange: Exchange) -> bool:
    await exchange.ask()
    return await _black_hole(exchange)


async def _half_an_answer(exchange: Exchange) -> bool:
    answer = await exchange.ask()
    await exchange.say(answer[: exchange.rng.randrange(1, len(answer))])
    exchange.writer.close()
    return False


async def _twice(exchange: Exchange) -> bool:
    """What the first said is lost."""
    await exchange.ask()
    return await exchange.pass_on()


async def _both_at_once(exchange: Exchange) -> bool:
    answers = await asyncio.gather(exchange.ask(), exchange.ask())
    return await exchange.say(answers[exchange.rng.randrange(2)])


async def _late(exchange: Exchange) -> bool:
    await asyncio.sleep(exchange.rng.uniform(0.0, _LATE_S))
    answer = await exchange.ask()
    await asyncio.sleep(exchange.rng.uniform(0.0, _LATE_S))
    return await exchange.say(answer)


async def _a_few_bytes_at_a_time(exchange: Exchange) -> bool:
    answer = await exchange.ask()
    step = max(len(answer) // 8, 1)
    for at in range(0, len(answer), step):
        await exchange.say(answer[at : at + step])
        await asyncio.sleep(_LATE_S / 16)
    return True


async def _answered_again(exchange: Exchange) -> bool:
    """What comes second is nobody's, or is taken for the next request's."""
    answer = await exchange.ask()
    await exchange.say(answer)
    await asyncio.sleep(exchange.rng.choice((0.0, _LATE_S / 8)))
    return await exchange.say(answer)


# -- somebody else --------------------------------------------------------------------------------


def _said(status: str, kind: str, body: bytes, *more: str) -> Fate:
    lines = (f"HTTP/1.1 {status}", f"Content-Type: {kind}", f"Content-Length: {len(body)}", *more)
    answer = "\r\n".join((*lines, "", "")).encode() + body
    return lambda exchange: exchange.say(answer)


def _but_of_tokens(say: Fate) -> Fate:
    """Who is told so of his key itself comes again in half a minute, which is too long here."""

    async def fate(exchange: Exchange) -> bool:
        about_tokens = any(
            word in exchange.head for word in (b"/tokens", b"/challenges", b"/enrol")
        )
        return await (exchange.pass_on() if about_tokens else say(exchange))

    return fate


async def _a_gigabyte(exchange: Exchange) -> bool:
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {GIGABYTE}"
    await exchange.say(head.encode() + b'\r\n\r\n{"success": true, "data": "')
    for _ in range(GIGABYTE // len(_CHUNK)):
        await exchange.say(_CHUNK)
    return False


async def _a_head_without_end(exchange: Exchange) -> bool:
    await exchange.say(b"HTTP/1.1 200 OK\r\n")
    for _ in range(1000):
        await exchange.say(b"X-Long: " + _CHUNK + b"\r\n")
    return False


async def _no_http(exchange: Exchange) -> bool:
    await exchange.say(exchange.rng.randbytes(500))
    return abort(exchange.writer)


_JSON, _HTML = "application/json", "text/html; charset=utf-8"
_PAGE = b"<!doctype html><title>Welcome</title>Please accept our terms."
_WAIT = b'{"message": "Too Many Attempts."}'
_RESULTS = b'{"success": true, "data": {"results": []}}'

FATES: Mapping[str, Fate] = {
    "reset": _reset,
    "black hole": _black_hole,
    "half a request": _half_a_request,
    "dropped behind the commit": _dropped_behind_the_commit,
    "swallowed behind the commit": _swallowed_behind_the_commit,
    "half an answer": _half_an_answer,
    "twice": _twice,
    "both at once": _both_at_once,
    "answered again": _answered_again,
    "late": _late,
    "a few bytes at a time": _a_few_bytes_at_a_time,
    "a page": _said("200 OK", _HTML, _PAGE),
    "a login": _said("302 Found", _HTML, b"", "Location: http://portal.invalid/"),
    "bad gateway": _said("502 Bad Gateway", _HTML, b"<h1>502</h1>"),
    "unauthenticated": _but_of_tokens(_said("401 Unauthorized", _JSON, b"{}")),
    "not found": _but_of_tokens(_said("404 Not Found", _JSON, b"{}")),
    "maintenance": _said("503 Service Unavailable", _JSON, b"{}", "Retry-After: 1"),
    "too many": _said("429 Too Many Requests", _JSON, _WAIT, "Retry-After: 1"),
    "JSON that is none": _said("200 OK", _JSON, b'{"success": true, "data": {"resul'),
    "an answer that names nobody": _said("200 OK", _JSON, _RESULTS),
    "another's words": _said("200 OK", _JSON, b'{"status": "ok"}'),
    "an answer that unfolds": _said("200 OK", _JSON, _BOMB, "Content-Encoding: gzip"),
    "a gigabyte": _a_gigabyte,
    "a head without end": _a_head_without_end,
    "no HTTP": _no_http,
}
