"""The Pusher protocol, version 7, as Laravel Reverb and other servers speak it: pure.

client ── ws(s)://HOST[:PORT][/path]/app/KEY?protocol=7&client=…&version=…
       ◀── pusher:connection_established {socket_id, activity_timeout}
       ── POST auth_path, form: socket_id, channel_name ─▶ {"auth": "KEY:HEX"}
       ── pusher:subscribe {channel, auth[, channel_data]} ─▶
       ◀── pusher_internal:subscription_succeeded
       ◀── <event> <data> on <channel>
       ◀─▶ pusher:ping, pusher:pong

Servers differ in one thing everywhere: `data` may be a JSON text, an object, or missing.
Source: https://pusher.com/docs/channels/library_auth_reference/pusher-websockets-protocol/
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Any, Literal
from urllib.parse import urlencode

import msgspec

PROTOCOL = 7
FRAME_BYTES_MAX = 10_000
"""Reverb refuses larger ones; whoever has more to say sends an id, and has it fetched."""

Reconnect = Literal["at_once", "later", "slowly", "never_unchanged"]


class MalformedFrame(Exception):
    """Not a frame of this protocol; the message says why."""


class Frame(msgspec.Struct, frozen=True):
    """One frame, with `data` read: a JSON text in it has been decoded."""

    event: str
    data: Any = None
    channel: str = ""


class _Raw(msgspec.Struct):
    event: str
    data: Any = None
    channel: str | None = None


_decoder = msgspec.json.Decoder(_Raw)


def read_frame(text: str | bytes) -> Frame:
    """Read a frame.

    Raises:
        MalformedFrame: it is none.
    """
    try:
        raw = _decoder.decode(text)
        data = raw.data
        if isinstance(data, str) and data[:1] in ("{", "["):
            data = msgspec.json.decode(data)
    except (msgspec.MsgspecError, RecursionError, UnicodeError) as error:
        raise MalformedFrame(str(error)) from None
    return Frame(raw.event, data, raw.channel or "")


def write_frame(
    event: str, data: Any = None, channel: str = "", *, as_text: bool = False, user_id: str = ""
) -> str:
    """Write a frame. Servers send `data` as text, clients as it is.

    Args:
        as_text: put `data` in as a JSON text.
        user_id: of a presence channel's member whose event a server passes on.
    """
    frame: dict[str, Any] = {"event": event}
    if data is not None:
        frame["data"] = msgspec.json.encode(data).decode() if as_text else data
    if channel:
        frame["channel"] = channel
    if user_id:
        frame["user_id"] = user_id
    return msgspec.json.encode(frame).decode()


def app_url(base: str, key: str, client: str, version: str) -> str:
    """Where to connect."""
    query = urlencode({"protocol": PROTOCOL, "client": client, "version": version})
    return f"{base.rstrip('/')}/app/{key}?{query}"


def channel_signature(secret: str, socket_id: str, channel: str, channel_data: str = "") -> str:
    """What allows a socket to subscribe to a private channel; hexadecimal HMAC-SHA256."""
    text = ":".join((socket_id, channel, channel_data) if channel_data else (socket_id, channel))
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()


def publish_signature(secret: str, method: str, path: str, query: dict[str, str]) -> str:
    """What allows a server to publish: `query` without ``auth_signature``, sorted by name."""
    asked = "&".join(f"{name.lower()}={query[name]}" for name in sorted(query))
    text = f"{method.upper()}\n{path}\n{asked}"
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()


def reconnect_after(code: int) -> Reconnect:
    """What a close or error code asks of a client.

    40xx: what was asked for is refused; 41xx: no room; 42xx: nothing is wrong; others: wait.
    A machine without anybody near takes ``never_unchanged`` as minutes, not as for ever.
    """
    kinds: dict[int, Reconnect] = {40: "never_unchanged", 41: "slowly", 42: "at_once"}
    return kinds.get(code // 100, "later")
