"""A conversation with a Pusher server: what is said over one WebSocket becomes facts for the rule.

For the channel of a machine, and for the many of `rvm-edge fleet-sim`. No actor; the rule is
`models.uplink.doorbell`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import aiohttp
import msgspec

from models.uplink.doorbell_terms import (
    Connect,
    Fact,
    Garbled,
    Heard,
    NotSigned,
    Opened,
    Sign,
    Signed,
)
from protocol.platform.pusher import MalformedFrame, read_frame
from protocol.uplink import Call, Called

MESSAGE_BYTES_MAX = 1 << 20
"""A larger frame ends the socket; Pusher's are a hundredth of it at most."""
HEARTBEAT_S = 20.0
"""Of WebSocket pings. A peer that is gone is found within one and a half of them."""
LOST = 1006
"""What RFC 6455 calls an end without a word."""
TEXT_MAX = 200
_CLOSE_S = 1.0
_OK = range(200, 300)
_FORM = "application/x-www-form-urlencoded"


class _Auth(msgspec.Struct):
    """Answer to a request for a signature."""

    auth: str
    channel_data: str = ""


async def converse(
    http: aiohttp.ClientSession,
    connect: Connect,
    outgoing: asyncio.Queue[str],
    learn: Callable[[Fact], None],
) -> int:
    """Talk until it ends; returns the code of the end.

    Nothing limits a receive's time: one that is given up looks like a socket that is lost.

    Args:
        outgoing: frames to be sent, in order.
        learn: takes what is heard.
    """
    ws = await http.ws_connect(connect.url, heartbeat=HEARTBEAT_S, max_msg_size=MESSAGE_BYTES_MAX)
    writing = asyncio.get_running_loop().create_task(_write(ws, outgoing))
    try:
        learn(Opened(connect.socket))
        async for message in ws:
            learn(_fact(connect.socket, message))
    finally:
        writing.cancel()
        with contextlib.suppress(asyncio.TimeoutError, asyncio.CancelledError):
            await asyncio.wait_for(ws.close(), _CLOSE_S)
    return ws.close_code or LOST


def call_for(sign: Sign, timeout_s: float) -> Call:
    """Ask the platform for the signature under a subscription, as Laravel wants to be asked."""
    form = urlencode({"socket_id": sign.socket_id, "channel_name": sign.channel}).encode()
    return Call("POST", sign.path, form, content_type=_FORM, timeout_s=timeout_s)


def answered(sign: Sign, answer: Called) -> Signed | NotSigned:
    """What the platform's answer to that means."""
    if answer.status not in _OK:
        return NotSigned(sign.socket, f"HTTP {answer.status}")
    try:
        auth = msgspec.json.decode(answer.body, type=_Auth)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return NotSigned(sign.socket, "the platform's answer holds no signature")
    return Signed(sign.socket, auth.auth, auth.channel_data)


async def _write(ws: Any, outgoing: asyncio.Queue[str]) -> None:
    """Send what is to be sent, in order; a socket that takes nothing ends by its reader."""
    with contextlib.suppress(ConnectionError, aiohttp.ClientError):
        while True:
            await ws.send_str(await outgoing.get())


def _fact(number: int, message: Any) -> Fact:
    if message.type is not aiohttp.WSMsgType.TEXT:
        return Garbled(number, "no text")
    try:
        return Heard(number, read_frame(message.data))
    except MalformedFrame as error:
        return Garbled(number, str(error)[:TEXT_MAX])
