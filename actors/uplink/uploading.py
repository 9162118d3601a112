"""How one file gets to the platform: whole in a form, or in pieces from where it stopped."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec

from models.uplink.answers import words_of
from models.uplink.uploads import (
    WHOLE_BYTES_MAX,
    WaitingFile,
    form,
    goes_whole,
    patience_s,
    piece_bytes,
)
from protocol.platform.media import (
    FILE_BYTES_MAX,
    PIECE_TYPE,
    UPLOAD_OFFSET,
    FileMetadata,
    Upload,
)
from protocol.uplink import Call, Called, Method
from supervisors.clock import Clock

_OK = range(200, 300)
_ABOUT_CONTENT = frozenset((400, 409, 413, 415, 422))
_OTHER_OFFSET = 409
_GONE = 404
_TELLING_BYTES = 16 << 10
"""What is smaller takes as long as the way, whatever its speed."""
_ROUNDS_MAX = 3
"""Of a file whose pieces do not fit together at the other end."""

Send = Callable[[Call], Awaitable[Called]]
"""Carries out a call; raises `supervisors.context.RequestFailed`."""


class Refused(Exception):
    """This file will never be taken; the message says why, in the platform's words or ours."""


class Later(Exception):
    """Not now."""

    def __init__(self, why: str, retry_after_s: float | None = None) -> None:
        """Args: retry_after_s: what the platform asks for."""
        super().__init__(why)
        self.retry_after_s = retry_after_s


class Uploading:
    """How files go; kept from one to the next, for what is known of the way.

    Attributes:
        ways: what the platform takes.
        seen_bytes_per_s: how fast the last piece went; 0: not known, or it did not arrive.
    """

    def __init__(
        self,
        send: Send,
        clock: Clock,
        bytes_per_s: float,
        timeout_s: float,
        progress: Callable[[FileMetadata, int], None],
        turn: Callable[[], Awaitable[None]],
    ) -> None:
        """Make it.

        Args:
            bytes_per_s: no faster; 0: as fast as it goes.
            timeout_s: of a call, besides the time that its bytes take.
            progress: hears how much of a file is there.
            turn: waits until what is more urgent has gone.
        """
        self.ways: tuple[str, ...] = ()
        self.seen_bytes_per_s = 0.0
        self._send = send
        self._clock = clock
        self._bytes_per_s = bytes_per_s
        self._timeout_s = timeout_s
        self._progress = progress
        self._turn = turn

    async def upload(self, file: WaitingFile) -> None:
        """Take it there.

        Raises:
            Refused, Later: it is not there.
            RequestFailed: there was no answer; the same again goes on from where it stopped.
        """
        content = _content(file)
        await self._turn()
        if goes_whole(len(content), self.ways):
            await self._whole(file.metadata, content)
        else:
            await self._in_pieces(file.metadata, content)

    async def _whole(self, metadata: FileMetadata, content: bytes) -> None:
        if len(content) > WHOLE_BYTES_MAX:
            raise Refused(f"{len(content)} bytes, and this platform takes no pieces")
        body, content_type = form(metadata, content)
        self._progress(metadata, 0)
        called = await self._call("POST", "/files", body, content_type, f"file-{metadata.key}")
        _check(called)
        self._progress(metadata, len(content))

    async def _in_pieces(self, metadata: FileMetadata, content: bytes) -> None:
        described = msgspec.json.encode(metadata)
        for _ in range(_ROUNDS_MAX):
            called = await self._call("POST", "/uploads", described, key=f"upload-{metadata.key}")
            _check(called)
            known = _read(called)
            if not known.upload_id.replace("-", "").replace("_", "").isalnum():
                raise Refused("the platform names an upload as no path can")
            path = f"/uploads/{known.upload_id}"
            if not await self._rest(path, known.offset, content, metadata):
                continue
            ended = await self._call("POST", f"{path}/end", b"{}", key=f"end-{known.upload_id}")
            if ended.status in _OK:
                return
            is_digest = words_of(ended.status, ended.body).code == "digest"
            if not is_digest and ended.status not in (_OTHER_OFFSET, _GONE):
                _check(ended)
        raise Refused("what arrives there is not what is sent: its digest differs")

    async def _rest(self, path: str, offset: int, content: bytes, metadata: FileMetadata) -> bool:
        """Send what is missing; False: it is gone there, or stands elsewhere again and again."""
        moves = 0
        while offset < len(content):
            self._progress(metadata, offset)
            await self._turn()
            size = piece_bytes(self._bytes_per_s, self.seen_bytes_per_s)
            piece = content[offset : offset + size]
            headers = {UPLOAD_OFFSET: str(offset)}
            called = await self._call("PATCH", path, piece, PIECE_TYPE, headers=headers)
            if called.status == _GONE:
                return False
            if called.status == _OTHER_OFFSET:
                moves += 1
                offset = await self._offset(path)
                if moves > _ROUNDS_MAX or not 0 <= offset <= len(content):
                    return False
                continue
            _check(called)
            offset += len(piece)
        self._progress(metadata, len(content))
        return True

    async def _offset(self, path: str) -> int:
        called = await self._call("HEAD", path, b"")
        text = called.headers.get(UPLOAD_OFFSET.lower(), "")
        return int(text) if text.isascii() and text.isdigit() else -1

    async def _call(
        self,
        method: Method,
        path: str,
        body: bytes,
        content_type: str = "application/json",
        key: str = "",
        headers: dict[str, str] | None = None,
    ) -> Called:
        is_file = content_type != "application/json"
        call = Call(
            method,
            path,
            body,
            content_type,
            key=key,
            timeout_s=self._timeout_s + patience_s(len(body)),
            headers=headers or {},
            bytes_per_s=self._bytes_per_s if is_file else 0.0,
        )
        if not is_file:
            return await self._send(call)
        seen_bytes_per_s, self.seen_bytes_per_s = self.seen_bytes_per_s, 0.0
        began_s = self._clock.monotonic()
        called = await self._send(call)
        took_s = max(self._clock.monotonic() - began_s, 1e-3)
        is_telling = called.status in _OK and len(body) >= _TELLING_BYTES
        self.seen_bytes_per_s = len(body) / took_s if is_telling else seen_bytes_per_s
        return called


def _content(file: WaitingFile) -> bytes:
    """What is in the file, if it is still what it was.

    Raises:
        Refused: it is not.
    """
    try:
        with Path(file.path).open("rb") as opened:
            content = opened.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        raise Refused(f"{file.metadata.name}: {error.strerror}") from None
    if len(content) != file.metadata.size:
        raise Refused(f"{file.metadata.name} has {len(content)} bytes, not {file.metadata.size}")
    if hashlib.sha256(content).hexdigest() != file.metadata.sha256:
        raise Refused(f"{file.metadata.name} has changed since it was put down")
    return content


def _read(called: Called) -> Upload:
    try:
        return msgspec.json.decode(called.body, type=Upload)
    except msgspec.MsgspecError as error:
        raise Later(f"the platform's answer is no upload: {error}") from None


def _check(called: Called) -> None:
    if called.status in _OK:
        return
    words = words_of(called.status, called.body)
    if called.status in _ABOUT_CONTENT:
        raise Refused(f"{words.code}: {words.text}")
    raise Later(words.text, called.retry_after_s)
