"""Files in pieces that can be resumed, in the words of tus 1.0: `protocol.platform.media`."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header, Request, Response
from fastapi.concurrency import run_in_threadpool

from protocol.platform.media import (
    PIECE_BYTES_MAX,
    PIECE_TYPE,
    UPLOAD_OFFSET,
    FileKnown,
    FileMetadata,
    Upload,
)
from server.http.answers import answer, nothing
from server.http.bodies import INTEGER_MAX, read_body, says
from server.http.callers import AsMachine, Caller
from server.http.described import talk
from server.http.problems import Refused, invalid
from server.services import Here, Services
from server.store import images
from server.store.blobs import WrongDigest

router = APIRouter(tags=["files"])


@router.post("/uploads", **talk(FileMetadata, Upload, status=201))
async def begin_upload(
    here: Here, machine: AsMachine, said: Annotated[FileMetadata, says(FileMetadata)]
) -> Response:
    """Begin, or go on; of a file that is here already nothing is left to send."""
    now_s = here.clock.wall_s()
    async with here.database.write() as connection:
        known = await images.find(connection, machine.id, said)
        if known is None and await images.has_content(connection, machine.id, said.sha256):
            known = await images.add(connection, machine.id, said, now_s)
        upload_id, dropped = await images.begin(
            connection, machine.id, said, now_s, image_id=known.file_id if known else None
        )
    for one in dropped:
        await run_in_threadpool(here.blobs.forget_part, one)
    if known is not None:
        return answer(Upload(upload_id, said.size, said.size), 201)
    await run_in_threadpool(here.blobs.new_part, upload_id)
    return answer(Upload(upload_id, here.blobs.offset_of(upload_id), said.size), 201)


@router.head("/uploads/{upload_id}", **talk(None, None, s404="There is no such upload."))
async def offset_of_upload(here: Here, machine: AsMachine, upload_id: str) -> Response:
    """How much of it is here: header `Upload-Offset`."""
    said, known = await _own(here, machine, upload_id)
    offset = said.size if known else here.blobs.offset_of(upload_id)
    headers = {UPLOAD_OFFSET: str(offset), "Upload-Length": str(said.size)}
    return nothing({**headers, "Cache-Control": "no-store"})


@router.patch(
    "/uploads/{upload_id}",
    **talk(
        None,
        None,
        s404="There is no such upload.",
        s409="Another offset is here: header `Upload-Offset`.",
        s415=f"Not {PIECE_TYPE}.",
    ),
)
async def add_piece(
    request: Request,
    here: Here,
    machine: AsMachine,
    upload_id: str,
    upload_offset: Annotated[int, Header(ge=0, le=INTEGER_MAX)],
) -> Response:
    """The next piece; on the disk when it is answered."""
    if request.headers.get("content-type", "").partition(";")[0].strip() != PIECE_TYPE:
        raise Refused(415, "content_type", f"A piece is {PIECE_TYPE}.")
    said, known = await _own(here, machine, upload_id)
    if known is not None:
        raise _elsewhere(said.size)
    piece = await read_body(request, PIECE_BYTES_MAX)
    if upload_offset + len(piece) > said.size:
        raise invalid("body", "Longer than the file that was announced.")
    is_added, offset = await run_in_threadpool(here.blobs.append, upload_id, upload_offset, piece)
    if not is_added:
        raise _elsewhere(offset)
    return nothing({UPLOAD_OFFSET: str(offset)})


@router.post(
    "/uploads/{upload_id}/end",
    **talk(None, FileKnown, s404="There is no such upload.", s409="Something is missing."),
)
async def end_upload(here: Here, machine: AsMachine, upload_id: str) -> Response:
    """All is sent. 422 with code ``digest``: it is not what was announced; begin again."""
    said, known = await _own(here, machine, upload_id)
    if known is not None:
        return answer(known)
    offset = await _complete(here, upload_id, said)
    if offset < said.size:
        _, known = await _own(here, machine, upload_id)
        if known is not None:  # two have asked at once, and the other was quicker
            return answer(known)
        raise _elsewhere(offset)
    async with here.database.write() as connection:
        known = await images.add(connection, machine.id, said, here.clock.wall_s())
        await images.end(connection, upload_id, known.file_id)
    await run_in_threadpool(here.blobs.forget_part, upload_id)
    return answer(known)


async def _complete(here: Services, upload_id: str, said: FileMetadata) -> int:
    """Make a file of it, if it is whole; returns how much of it is here.

    Raises:
        Refused: 422 ``digest``.
    """
    offset = here.blobs.offset_of(upload_id)
    if offset < said.size:
        return offset
    part = here.blobs.part_of(upload_id)
    try:
        await run_in_threadpool(here.blobs.complete, part, said.sha256, said.size)
    except FileNotFoundError:
        return 0
    except WrongDigest:
        await run_in_threadpool(here.blobs.new_part, upload_id)
        raise invalid("file", "Not the digest that was announced: begin again.", "digest") from None
    return offset


async def _own(
    here: Services, machine: Caller, upload_id: str
) -> tuple[FileMetadata, FileKnown | None]:
    async with here.database.read() as connection:
        found = await images.upload(connection, machine.id, upload_id)
    if found is None:
        raise Refused(404)
    return found


def _elsewhere(offset: int) -> Refused:
    return Refused(409, "offset", f"{offset} bytes are here.", headers={UPLOAD_OFFSET: str(offset)})
