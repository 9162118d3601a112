"""Bodies: read with a limit, decoded into the structs of `protocol.platform`, refused by field."""

from __future__ import annotations

import re
from typing import Any, TypeVar

import msgspec
from fastapi import Depends, Request
from starlette.requests import ClientDisconnect

from server.http.problems import Refused, invalid

BODY_BYTES_MAX = 1 << 20
INTEGER_MAX = 2**53
"""Beyond it not every reader of JSON gets the same number."""

T = TypeVar("T", bound=msgspec.Struct)

# PostgreSQL has no text with a zero character; an even number of backslashes before it is text.
_ZERO = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
_MISSING = re.compile(r"missing required field `([^`]+)`")
_PLACE = re.compile(r" - at `(?:key in )?\$([^`]*)`$")


def says(kind: type[T]) -> Any:
    """A dependency of a route: the body, as this struct.

    Answers 413 for one that is too large, 422 for one that is wrong.
    """
    decoder = msgspec.json.Decoder(kind)

    async def read(request: Request) -> T:
        return decoded(await read_body(request), decoder)

    return Depends(read)


async def read_body(request: Request, bytes_max: int = BODY_BYTES_MAX) -> bytes:
    """All of the body.

    Raises:
        Refused: 413; reading ends where the limit is passed, whatever the header has promised.
    """
    promised = request.headers.get("content-length", "")
    if promised.isdigit() and int(promised) > bytes_max:
        raise Refused(413)
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > bytes_max:
                raise Refused(413)
    except ClientDisconnect:
        raise Refused(400, "incomplete", "The body has not come whole.") from None
    return bytes(body)


def decoded(raw: bytes, decoder: msgspec.json.Decoder[T]) -> T:
    """The struct that this is.

    Raises:
        Refused: 422, naming the field.
    """
    try:
        value = decoder.decode(raw)
    except msgspec.ValidationError as error:
        raise invalid(*field_and_reason(str(error))) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise invalid("body", "The body is no JSON that anybody can read.") from None
    if _ZERO.search(raw):
        raise invalid("body", "A text contains a zero character.")
    _check_integers(value, "")
    return value


def field_and_reason(message: str) -> tuple[str, str]:
    """Laravel's name of the field that msgspec complains about, and the complaint.

    ``Object missing required field `key` - at `$.items[0]` `` is about ``items.0.key``.
    """
    place = _PLACE.search(message)
    path = place[1] if place else ""
    reason = message[: place.start()] if place else message
    missing = _MISSING.search(reason)
    parts = re.findall(r"[^.\[\]]+", path) + ([missing[1]] if missing else [])
    return ".".join(parts) or "body", f"{reason}."


def _check_integers(value: Any, path: str) -> None:
    """In fields that say what they are; what stands in free ones is nobody's to count with."""
    if isinstance(value, bool):
        return
    if isinstance(value, int) and abs(value) > INTEGER_MAX:
        raise invalid(path, f"An integer beyond {INTEGER_MAX}.")
    if isinstance(value, msgspec.Struct):
        for name in value.__struct_fields__:
            _check_integers(getattr(value, name), f"{path}.{name}".lstrip("."))
    elif isinstance(value, tuple):
        for index, item in enumerate(value):
            _check_integers(item, f"{path}.{index}".lstrip("."))
    elif isinstance(value, dict):
        for key, item in value.items():
            if isinstance(item, msgspec.Struct):
                _check_integers(item, f"{path}.{key}".lstrip("."))
