"""Files on their way out: what waits, how it is packed, and in which pieces it goes."""

from __future__ import annotations

from msgspec import Struct, json

from protocol.platform.media import PIECE_BYTES_MAX, FileMetadata

KIND = "media"
"""Of such a record in the outbox; it stands in the class of the same name."""

WHOLE_BYTES_MAX = 4 << 20
"""More goes in pieces or not at all: a form is held in memory."""

RESUME_FROM_BYTES = 256 << 10
"""What is smaller is sent again sooner than it is resumed."""

_PIECE_S = 4.0
"""A piece takes about so long: what is lost when the way closes, what new money waits behind."""
_PIECE_BYTES_MIN, _PIECE_BYTES_FIRST = 16 << 10, 64 << 10
_SLOWEST_BYTES_PER_S = 4096.0
"""A way that is slower carries no files: half of 64 kbit/s, where money has the other half."""


class WaitingFile(Struct, frozen=True):
    """Body (msgpack) of a record of `KIND`.

    Attributes:
        path: of the file; it may be gone by the time it could be sent.
    """

    path: str
    metadata: FileMetadata


def goes_whole(size: int, ways: tuple[str, ...]) -> bool:
    """Whether a file of this size goes in one form.

    Args:
        ways: what the platform takes: ``multipart``, ``resumable``.
    """
    if "resumable" not in ways:
        return True
    return "multipart" in ways and size < RESUME_FROM_BYTES


def piece_bytes(limit_bytes_per_s: float, seen_bytes_per_s: float) -> int:
    """How much to send at a time.

    Args:
        limit_bytes_per_s: no faster; 0: as fast as it goes.
        seen_bytes_per_s: how fast the last one went; 0: not known.
    """
    if seen_bytes_per_s <= 0:
        return _PIECE_BYTES_FIRST
    speed = min(seen_bytes_per_s, limit_bytes_per_s or seen_bytes_per_s)
    return min(max(int(speed * _PIECE_S), _PIECE_BYTES_MIN), PIECE_BYTES_MAX)


def patience_s(size: int) -> float:
    """How long so many bytes may take, besides the platform's answer."""
    return size / _SLOWEST_BYTES_PER_S


def form(metadata: FileMetadata, content: bytes) -> tuple[bytes, str]:
    """A multipart form (RFC 7578), and its content type; the same file gives the same bytes."""
    boundary = f"rvm-edge-{metadata.sha256}"
    name = "".join(
        letter if letter.isascii() and letter.isprintable() and letter not in '"\\' else "_"
        for letter in metadata.name
    )
    head = (
        f"--{boundary}\r\n"
        'Content-Disposition: form-data; name="metadata"\r\n'
        "Content-Type: application/json\r\n\r\n"
    )
    between = (
        f"\r\n--{boundary}\r\n"
        f'Content-Disposition: form-data; name="file"; filename="{name}"\r\n'
        f"Content-Type: {metadata.content_type}\r\n\r\n"
    )
    end = f"\r\n--{boundary}--\r\n"
    body = head.encode() + json.encode(metadata) + between.encode() + content + end.encode()
    return body, f"multipart/form-data; boundary={boundary}"
