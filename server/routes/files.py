"""Files, whole in one form: `protocol.platform.media`."""

from __future__ import annotations

from typing import Any

import msgspec
from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.types import Message

from protocol.platform.media import FILE_BYTES_MAX, FileKnown, FileMetadata
from server.http.answers import answer
from server.http.bodies import decoded
from server.http.callers import AsMachine
from server.http.described import talk
from server.http.problems import Refused, invalid
from server.services import Here
from server.store import images
from server.store.blobs import WrongDigest

router = APIRouter(tags=["files"])

_METADATA_BYTES_MAX = 64 << 10
_FORM = {
    "metadata": {"type": "string", "contentMediaType": "application/json"},
    "file": {"type": "string", "format": "binary"},
}


@router.post(
    "/files",
    **talk(None, FileKnown, status=201, form=_FORM, s200="It was here already."),
)
async def take_file(request: Request, here: Here, machine: AsMachine) -> Response:
    """One file, with what it is."""
    form = Request(request.scope, _limited(request, FILE_BYTES_MAX + _METADATA_BYTES_MAX)).form(
        max_files=1, max_fields=1, max_part_size=_METADATA_BYTES_MAX
    )
    async with form as parts:
        metadata, file = parts.get("metadata"), parts.get("file")
        if not isinstance(metadata, str):
            raise invalid("metadata", "What the file is, as JSON, in a field of this name.")
        if not isinstance(file, UploadFile):
            raise invalid("file", "The file itself, in a field of this name.")
        said = decoded(metadata.encode(), msgspec.json.Decoder(FileMetadata))
        async with here.database.read() as connection:
            known = await images.find(connection, machine.id, said)
        if known is not None:
            return answer(known)
        try:
            await run_in_threadpool(here.blobs.keep, file.file, said.sha256, said.size)
        except WrongDigest:
            raise invalid("file", "Not the size and digest of the metadata.", "digest") from None
    now_s = here.clock.wall_s()
    async with here.database.write() as connection:
        return answer(await images.add(connection, machine.id, said, now_s), 201)


def _limited(request: Request, bytes_max: int) -> Any:
    """The request's stream, which ends with a refusal where the limit is passed."""
    length = request.headers.get("content-length", "")
    if length.isdigit() and int(length) > bytes_max:
        raise Refused(413)
    left = bytes_max

    async def receive() -> Message:
        nonlocal left
        message = await request.receive()
        left -= len(message.get("body", b""))
        if left < 0:
            raise Refused(413)
        return message

    return receive
