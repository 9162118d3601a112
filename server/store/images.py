"""What is known of files: one row for each key of a machine, and for each upload in pieces."""

from __future__ import annotations

import secrets
from typing import Any

import msgspec
import sqlalchemy as sa

from protocol.platform.media import FileKnown, FileMetadata
from server.http.problems import invalid
from server.store.database import Connection, insert, row, rows
from server.tables import images, uploads

OPEN_MAX = 32
"""Uploads of one machine that are under way; it sends few at a time, and each may take 32 MiB."""

_image, _upload = images.c, uploads.c


async def find(connection: Connection, rvm_id: int, said: FileMetadata) -> FileKnown | None:
    """The file, if it is here: under this key, or under another with the same content.

    Raises:
        Refused: 422 ``key_reused``: another file has this key.
    """
    known = await row(
        connection, sa.select(images).where(_image.rvm_id == rvm_id, _image.key == said.key)
    )
    if known is not None and known.sha256 != said.sha256:
        raise invalid("key", "Another file has this key.", "key_reused")
    return None if known is None else _known(known)


async def has_content(connection: Connection, rvm_id: int, sha256: str) -> bool:
    """Whether this machine has sent these bytes before; what others sent is not its business."""
    found = await row(
        connection, sa.select(_image.id).where(_image.rvm_id == rvm_id, _image.sha256 == sha256)
    )
    return found is not None


async def add(connection: Connection, rvm_id: int, said: FileMetadata, now_s: float) -> FileKnown:
    """The file's content is stored: it is known from now on."""
    values = msgspec.structs.asdict(said)
    del values["clock_quality"]
    statement = insert(connection, images).values(rvm_id=rvm_id, received_at=now_s, **values)
    statement = statement.on_conflict_do_nothing(index_elements=["rvm_id", "key"])
    new = await row(connection, statement.returning(_image.id))
    if new is not None:
        return FileKnown(new.id, said.key, said.sha256, said.size)
    known = await find(connection, rvm_id, said)
    assert known is not None
    return known


async def begin(
    connection: Connection,
    rvm_id: int,
    said: FileMetadata,
    now_s: float,
    *,
    image_id: int | None = None,
) -> tuple[str, list[str]]:
    """Begin an upload, or go on with it: the same file again is the same upload.

    Args:
        image_id: the file is here already.

    Returns:
        The upload's id, and the ids of those that were given up for it.
    """
    metadata = msgspec.to_builtins(said)
    same = sa.select(uploads).where(
        _upload.rvm_id == rvm_id, _upload.key == said.key, _upload.image_id == image_id
    )
    for one in await rows(connection, same):
        if one.metadata == metadata:
            return one.upload_id, []
    upload_id = secrets.token_hex(16)
    await connection.execute(
        sa.insert(uploads).values(
            rvm_id=rvm_id,
            upload_id=upload_id,
            key=said.key,
            metadata=metadata,
            created_at=now_s,
            image_id=image_id,
        )
    )
    return upload_id, await _give_up(connection, rvm_id)


async def _give_up(connection: Connection, rvm_id: int) -> list[str]:
    """The oldest of too many open uploads of one machine."""
    newest = (
        sa.select(_upload.id)
        .where(_upload.rvm_id == rvm_id, _upload.image_id.is_(None))
        .order_by(_upload.id.desc())
    )
    too_many = newest.offset(OPEN_MAX).limit(OPEN_MAX)
    gone = sa.delete(uploads).where(_upload.id.in_(too_many)).returning(_upload.upload_id)
    return list((await connection.execute(gone)).scalars())


async def upload(
    connection: Connection, rvm_id: int, upload_id: str
) -> tuple[FileMetadata, FileKnown | None] | None:
    """A machine's own upload, with the file that has become of it."""
    found = await row(
        connection,
        sa.select(uploads).where(_upload.rvm_id == rvm_id, _upload.upload_id == upload_id),
    )
    if found is None:
        return None
    said = msgspec.convert(found.metadata, FileMetadata)
    if found.image_id is None:
        return said, None
    image = await row(connection, sa.select(images).where(_image.id == found.image_id))
    return said, _known(image)


async def end(connection: Connection, upload_id: str, file_id: int) -> None:
    """All pieces have come; kept, for a machine that does not hear our answer."""
    await connection.execute(
        sa.update(uploads).where(_upload.upload_id == upload_id).values(image_id=file_id)
    )


def _known(image: Any) -> FileKnown:
    return FileKnown(image.id, image.key, image.sha256, image.size)
