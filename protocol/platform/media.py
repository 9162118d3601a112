"""Files: pictures of decisions, diagnostics. Whole in one form, or in pieces that can be resumed.

machine ── POST  /files  form: ``metadata`` (FileMetadata as JSON), ``file``  ▶ FileKnown
machine ── POST  /uploads  FileMetadata        ▶ Upload       known already: offset = size
machine ── HEAD  /uploads/{id}                 ▶ header Upload-Offset
machine ── PATCH /uploads/{id}  bytes, headers Upload-Offset, Content-Type
                                               ▶ 204 with Upload-Offset; 409 another offset
machine ── POST  /uploads/{id}/end             ▶ FileKnown; 422 ``digest``: begin again

The words of pieces are those of tus 1.0 (https://tus.io/protocols/resumable-upload). A file is
known by its SHA-256: sent twice it is there once.
"""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta, Struct

from protocol.platform.identity import ClockQuality
from protocol.platform.reports import Key

FILE_BYTES_MAX = 32 << 20
PIECE_BYTES_MAX = 1 << 20
UPLOAD_OFFSET = "Upload-Offset"
PIECE_TYPE = "application/offset+octet-stream"

Sha256 = Annotated[str, Meta(min_length=64, max_length=64, pattern=r"^[0-9a-f]+\Z")]


class FileMetadata(Struct, frozen=True):
    """What a file is.

    Attributes:
        key: what refers to it (`Detection.image_path`, `CommandReport.result`).
        timestamp: RFC 3339, UTC.
    """

    key: Key
    name: Annotated[str, Meta(min_length=1, max_length=200)]
    content_type: Annotated[str, Meta(min_length=3, max_length=100)]
    size: Annotated[int, Meta(ge=0, le=FILE_BYTES_MAX)]
    sha256: Sha256
    timestamp: str
    clock_quality: ClockQuality = "good"
    session_token: str = ""
    detection_id: str = ""
    more: dict[str, Any] = {}


class FileKnown(Struct, frozen=True):
    """Platform: I have it."""

    file_id: int
    key: Key
    sha256: Sha256
    size: int


class Upload(Struct, frozen=True):
    """Platform: send the rest, from `offset` on."""

    upload_id: str
    offset: int
    size: int
