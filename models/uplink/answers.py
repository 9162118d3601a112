"""What an answer over HTTP means: whether the platform has spoken at all, and what it said.

Successes are ``{"success": true, "data": …}``, failures Laravel's ``{"message", "errors"}`` or
RFC 9457's problem; a proxy in front of a platform in trouble says 5xx in HTML. Everything else is
somebody else speaking: a captive portal, a login page, a redirect.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from models.remote.scan import members

WORDS_MAX = 500
_MESSAGE_MAX = 300
_SUCCESSES, _REDIRECTS = range(200, 300), range(300, 400)
_NOT_MODIFIED = 304
_BROKEN = 500
_REFUSED = 422


class Strange(Exception):
    """Not the platform's words; the message says why."""


class Read(NamedTuple):
    """A status and a body in JSON, empty if there is none."""

    status: int
    body: bytes


class Words(NamedTuple):
    """Why something was not done: a word for programs, a sentence for people."""

    code: str
    text: str


class _Envelope(msgspec.Struct):
    """``auth``: Pusher's libraries want the permission for a channel bare, and nothing else is."""

    data: msgspec.Raw = msgspec.Raw()
    success: bool | None = None
    auth: msgspec.Raw = msgspec.Raw()


_envelope = msgspec.json.Decoder(_Envelope)
_any = msgspec.json.Decoder()


def is_json(content_type: str) -> bool:
    """Whether this type is JSON: ``application/json``, ``application/problem+json``."""
    kind = content_type.partition(";")[0].strip().lower()
    return kind == "application/json" or (kind.startswith("application/") and kind.endswith("json"))


def read(status: int, content_type: str, body: bytes, *, in_envelope: bool = False) -> Read:
    """Make sense of an answer.

    A success with ``"success": false`` in it is a refusal, as some platforms say it.

    Args:
        in_envelope: what the platform says here is in its envelope; JSON without it, as from
            something in the way that says "ok" to everything, is not its word.

    Raises:
        Strange: these are not the platform's words.
    """
    if status in _REDIRECTS and status != _NOT_MODIFIED:
        raise Strange(f"{status}: redirects are not followed")
    if not body:
        return Read(status, b"")
    if not is_json(content_type):
        if status >= _BROKEN:  # the proxy before it says that the platform is not there
            return Read(status, b"")
        raise Strange(f"{status} with {content_type.partition(';')[0][:60] or 'no type'}, not JSON")
    try:
        if status not in _SUCCESSES:
            _any.decode(body)
            return Read(status, body)
        return _success(status, body, in_envelope=in_envelope)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Strange(f"{status} with JSON that is none: {error}") from None


def _success(status: int, body: bytes, *, in_envelope: bool) -> Read:
    if not in_envelope and not body.lstrip().startswith(b"{"):
        _any.decode(body)
        return Read(status, body)
    try:
        read = _envelope.decode(body)
    except (
        RecursionError
    ):  # somewhere in it something is too deep: that is for its reader to refuse
        parts = members(body)
        is_refused, data = parts.get("success") == b"false", parts.get("data", b"")
        is_said = bool(data) or "success" in parts or "auth" in parts
    else:
        is_refused, data = read.success is False, bytes(read.data)
        is_said = bool(data) or read.success is not None or bool(bytes(read.auth))
    if in_envelope and not is_said:
        raise Strange(f"{status} with JSON that is not the platform's: no data in it, no success")
    if is_refused:
        return Read(_REFUSED, body)
    return Read(status, data or body)


def words_of(status: int, body: bytes) -> Words:
    """What a failure says of itself, as far as it can be understood."""
    try:
        said = _any.decode(body) if body else None
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        said = None
    if not isinstance(said, dict):
        return Words(str(status), f"HTTP {status}")
    code = _text(said.get("code")) or _text(said.get("type")).rpartition("/")[2] or str(status)
    message = next((text for name in _SPOKEN if (text := _text(said.get(name)))), f"HTTP {status}")
    return Words(code[:60], f"{message[:_MESSAGE_MAX]}{_fields(said.get('errors'))}"[:WORDS_MAX])


_SPOKEN = ("message", "detail", "title", "error")


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _fields(errors: Any) -> str:
    """Laravel's errors per field, in a line."""
    if not isinstance(errors, dict):
        return ""
    told = [
        f"{name}: {_text(words[0] if isinstance(words, list) and words else words)}"
        for name, words in errors.items()
    ]
    return f" ({'; '.join(told)})" if told else ""
