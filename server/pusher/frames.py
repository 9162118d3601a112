"""What the server says; `data` is a JSON text in every frame, as Pusher's own servers have it."""

from __future__ import annotations

from typing import Any, Literal

from protocol.platform.pusher import write_frame

ErrorCode = Literal[4001, 4009, 4100, 4200, 4201, 4301]

PING = write_frame("pusher:ping", {}, as_text=True)
PONG = write_frame("pusher:pong", {}, as_text=True)


def established(socket_id: str, activity_s: float) -> str:
    """You are connected, under this number."""
    data = {"socket_id": socket_id, "activity_timeout": round(activity_s)}
    return write_frame("pusher:connection_established", data, as_text=True)


def error(code: ErrorCode, message: str) -> str:
    """That did not go well."""
    return write_frame("pusher:error", {"code": code, "message": message}, as_text=True)


def subscribed(channel: str, users: dict[str, Any] | None) -> str:
    """You are in; of a presence channel, with these.

    Args:
        users: `user_info` by user id; None: not a presence channel.
    """
    data: dict[str, Any] = {}
    if users is not None:
        data = {"presence": {"ids": list(users), "hash": users, "count": len(users)}}
    return write_frame("pusher_internal:subscription_succeeded", data, channel, as_text=True)


def member_added(channel: str, user_id: str, user_info: Any) -> str:
    """A user has come into this presence channel."""
    data = {"user_id": user_id, "user_info": user_info}
    return write_frame("pusher_internal:member_added", data, channel, as_text=True)


def member_removed(channel: str, user_id: str) -> str:
    """A user has left this presence channel with its last socket."""
    return write_frame(
        "pusher_internal:member_removed", {"user_id": user_id}, channel, as_text=True
    )


def cache_miss(channel: str) -> str:
    """Nothing has been said in this cache channel that you could have missed."""
    return write_frame("pusher:cache_miss", {}, channel, as_text=True)
