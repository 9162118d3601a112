"""Who may publish: a signature over method, path, query and body, and a time that is near.

Unlike Reverb and soketi we look at the time, so an old request cannot be sent again. Within the
allowed time it can: two equal events in one second are signed alike, and both are meant. What
that could do is ring a bell twice.
"""

from __future__ import annotations

import hashlib
import hmac

from protocol.platform.pusher import publish_signature
from server.bell import PusherApp

_SIGNATURE = "auth_signature"
_DIGITS_MAX = 15


def why_unsigned(
    app: PusherApp,
    method: str,
    path: str,
    query: list[tuple[str, str]],
    body: bytes,
    now_s: float,
    clock_s: float,
) -> str | None:
    """What is wrong with the signature of a request; None: nothing.

    Args:
        path: as it was asked for, decoded.
        now_s: seconds since 1970.
        clock_s: by how much the request's time may differ from it.
    """
    asked = dict(query)
    signature = asked.pop(_SIGNATURE, "")
    if len(asked) + 1 != len(query):
        return "A parameter is missing or repeated"
    if asked.get("auth_key") != app.key:
        return "Unknown auth_key"
    if asked.get("auth_version") != "1.0":
        return "auth_version must be 1.0"
    signed = publish_signature(app.secret, method, path, asked)
    if not hmac.compare_digest(signature.encode(), signed.encode()):
        return "Invalid signature"
    if not _is_near(asked.get("auth_timestamp", ""), now_s, clock_s):
        return "auth_timestamp is too far from the time here"
    if body and not hmac.compare_digest(asked.get("body_md5", "").encode(), md5(body).encode()):
        return "body_md5 is not that of the body"
    return None


def sign(
    app: PusherApp, method: str, path: str, query: dict[str, str], body: bytes, now_s: float
) -> dict[str, str]:
    """The query of a signed request."""
    signed = {
        **query,
        "auth_key": app.key,
        "auth_timestamp": str(int(now_s)),
        "auth_version": "1.0",
    }
    if body:
        signed["body_md5"] = md5(body)
    return {**signed, _SIGNATURE: publish_signature(app.secret, method, path, signed)}


def md5(body: bytes) -> str:
    """What the protocol wants of a body; it is the signature over it that protects."""
    return hashlib.md5(body, usedforsecurity=False).hexdigest()


def _is_near(timestamp: str, now_s: float, clock_s: float) -> bool:
    is_number = timestamp.isdecimal() and len(timestamp) <= _DIGITS_MAX
    return is_number and abs(int(timestamp) - now_s) <= clock_s
