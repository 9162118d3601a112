"""What of the evidence behind a decision goes to the platform, and under which names."""

from __future__ import annotations

from typing import Literal

from models.uplink.dates import rfc3339
from protocol.platform.media import FileMetadata
from protocol.storage import DepositRecord, DepositState

Share = Literal["off", "review", "all"]
TYPES = {".jpg": "image/jpeg", ".json": "application/json"}
"""Of the files that go, by suffix."""
_PICTURE = "look-1-1.jpg"


def is_wanted(share: Share, state: DepositState) -> bool:
    """Whether the evidence of a deposit that has ended so goes to the platform."""
    return share == "all" or (share == "review" and state == "review")


def file_key(deposit: str, file: str) -> str:
    """The key of a file's upload."""
    return f"{deposit}/{file}"


def picture_key(record: DepositRecord) -> str | None:
    """Key of the picture that stands for an item, whether it is sent or not; None: nobody looked.

    It follows from the record alone: a record has to give the same bytes at every try.
    """
    return file_key(record.id, _PICTURE) if record.model else None


def metadata_of(
    record: DepositRecord, file: str, content_type: str, size: int, sha256: str
) -> FileMetadata:
    """What the platform is told of one file."""
    return FileMetadata(
        key=file_key(record.id, file),
        name=file,
        content_type=content_type,
        size=size,
        sha256=sha256,
        timestamp=rfc3339(record.updated_at),
        clock_quality=record.clock_quality,
        session_token=record.session,
        detection_id=f"{record.id}/detection",
        more={"deposit": record.id, "state": record.state, "reason": record.reason},
    )
