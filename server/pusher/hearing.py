"""What a client says, and what that leads to.

Errors are answered as Reverb answers them: with ``pusher:error``, and the connection stays.
"""

from __future__ import annotations

import hmac
from typing import Any

import msgspec

from protocol.platform.pusher import Frame, MalformedFrame, channel_signature, read_frame
from server.pusher import frames
from server.pusher.channels import is_channel_name, kind_of
from server.pusher.hub import Hub
from server.pusher.limits import Limits
from server.pusher.room import Member
from server.pusher.socket import Socket

EVENT_CHARACTERS_MAX = 200


class _Subscribe(msgspec.Struct):
    channel: str
    auth: str | None = None
    channel_data: str | None = None


class _Unsubscribe(msgspec.Struct):
    channel: str


class _ChannelData(msgspec.Struct):
    user_id: str | int
    user_info: Any = None


def hear(hub: Hub, socket: Socket, text: str | None) -> None:
    """A message has come in.

    Args:
        text: None: it was not text.
    """
    now_s = hub.monotonic_s()
    weighed = socket.weigh(now_s)
    if weighed == "flood":
        socket.say_goodbye(4301, "Too many messages", now_s)
    elif weighed == "too_fast":
        socket.tell(frames.error(4301, "Rate limit exceeded"), now_s)
    elif text is not None and len(text.encode()) > hub.limits.frame_bytes:
        socket.say_goodbye(4200, "Message too large", now_s)
    else:
        _understand(hub, socket, text)


def _understand(hub: Hub, socket: Socket, text: str | None) -> None:
    try:
        if text is None:
            raise MalformedFrame("not text")
        _answer(hub, socket, read_frame(text))
    # A frame so deep that it could just be read may be too deep to be written again.
    except (MalformedFrame, msgspec.MsgspecError, RecursionError):
        socket.tell(frames.error(4200, "Invalid message format"), hub.monotonic_s())


def _answer(hub: Hub, socket: Socket, frame: Frame) -> None:
    match frame.event:
        case "pusher:ping":
            socket.tell(frames.PONG, hub.monotonic_s())
        case "pusher:pong":
            pass  # that it has spoken is all that counts
        case "pusher:subscribe":
            _subscribe(hub, socket, msgspec.convert(frame.data, _Subscribe))
        case "pusher:unsubscribe":
            hub.part(socket, msgspec.convert(frame.data, _Unsubscribe).channel)
        case event if event.startswith("client-") and len(event) <= EVENT_CHARACTERS_MAX:
            _relay(hub, socket, frame)
        case _:
            raise MalformedFrame("unknown event")


def _subscribe(hub: Hub, socket: Socket, asked: _Subscribe) -> None:
    if not is_channel_name(asked.channel):
        raise MalformedFrame("no name of a channel")
    kind = kind_of(asked.channel)
    if kind.is_private and not _is_signed(hub, socket, asked):
        socket.tell(frames.error(4009, "Connection is unauthorized"), hub.monotonic_s())
        return
    if len(socket.channels) >= hub.limits.channels and asked.channel not in socket.channels:
        socket.tell(frames.error(4100, "Too many channels"), hub.monotonic_s())
        return
    member = None
    if kind.is_presence:
        member = _member(hub.limits, asked.channel_data or "")
    hub.join(socket, asked.channel, member)


def _member(limits: Limits, channel_data: str) -> Member:
    """Raises: MalformedFrame, MsgspecError: it says nobody, or says too much of him."""
    data = msgspec.json.decode(channel_data, type=_ChannelData)
    user_id = str(data.user_id)
    info_bytes = len(msgspec.json.encode(data.user_info))
    if len(user_id) > limits.user_id_characters or info_bytes > limits.user_bytes:
        raise MalformedFrame("too much about a user")
    return Member(user_id, data.user_info)


def _is_signed(hub: Hub, socket: Socket, asked: _Subscribe) -> bool:
    app = hub.app
    signature = channel_signature(
        app.secret, socket.socket_id, asked.channel, asked.channel_data or ""
    )
    return hmac.compare_digest((asked.auth or "").encode(), f"{app.key}:{signature}".encode())


def _relay(hub: Hub, socket: Socket, frame: Frame) -> None:
    if frame.channel not in socket.channels or not kind_of(frame.channel).is_relaying:
        refusal = "The client is not a member of the specified channel"
        socket.tell(frames.error(4009, refusal), hub.monotonic_s())
        return
    hub.relay(socket, frame.channel, frame.event, frame.data)
