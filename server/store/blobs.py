"""Files on the disk, known by their digest; no name of a client's ever becomes a path.

    blobs/ab/abcdef…   whole ones, each once
    parts/<id>         growing ones

Everything here blocks: the routes call it in a thread.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import secrets
from pathlib import Path
from typing import BinaryIO

_CHUNK = 1 << 18


class WrongDigest(Exception):
    """These bytes are not those that were announced."""


class Blobs:
    """A folder of files."""

    def __init__(self, root: Path) -> None:
        """Args: root: made when it is first needed."""
        self._blobs = root / "blobs"
        self._parts = root / "parts"

    def path_of(self, sha256: str) -> Path:
        """Where a whole file lies."""
        return self._blobs / sha256[:2] / sha256

    def keep(self, source: BinaryIO, sha256: str, size: int) -> None:
        """Store a whole file; there already is fine.

        Raises:
            WrongDigest: nothing was stored.
        """
        part = self.new_part(secrets.token_hex(16))
        try:
            with part.open("wb") as target:
                while chunk := source.read(_CHUNK):
                    target.write(chunk)
                target.flush()
                os.fsync(target.fileno())
            self.complete(part, sha256, size)
        finally:
            part.unlink(missing_ok=True)

    def part_of(self, upload_id: str) -> Path:
        """Where a growing file lies."""
        return self._parts / upload_id

    def new_part(self, upload_id: str) -> Path:
        """The same, made if it is not there."""
        self._parts.mkdir(parents=True, exist_ok=True)
        part = self.part_of(upload_id)
        part.touch(mode=0o600)
        return part

    def offset_of(self, upload_id: str) -> int:
        """How much of a growing file is here."""
        part = self.part_of(upload_id)
        return part.stat().st_size if part.exists() else 0

    def append(self, upload_id: str, offset: int, piece: bytes) -> tuple[bool, int]:
        """Add a piece, if this is where it belongs.

        Returns:
            Whether it was added, and where the next one belongs.
        """
        with self.new_part(upload_id).open("rb+") as part:
            fcntl.flock(part, fcntl.LOCK_EX)  # two connections may send the same piece
            end = part.seek(0, os.SEEK_END)
            if end != offset:
                return False, end
            part.write(piece)
            part.flush()
            os.fsync(part.fileno())
            return True, end + len(piece)

    def complete(self, part: Path, sha256: str, size: int) -> None:
        """A part is whole: it is a file as well, under its digest.

        The part stays until `forget_part`: whoever is asked again before it is known elsewhere that
        there is a file finds what he needs to answer the same.

        Raises:
            WrongDigest: it is not what was announced; it is gone.
        """
        if _size_and_digest(part) != (size, sha256):
            part.unlink(missing_ok=True)
            raise WrongDigest
        path = self.path_of(sha256)
        is_first = not path.parent.exists()
        path.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):  # the same bytes
            os.link(part, path)
        _sync_folder(path.parent)
        if is_first:
            _sync_folder(self._blobs)

    def forget_part(self, upload_id: str) -> None:
        """It will not be continued."""
        self.part_of(upload_id).unlink(missing_ok=True)

    def forget(self, sha256: str) -> None:
        """Nobody knows this file any more."""
        self.path_of(sha256).unlink(missing_ok=True)


def _size_and_digest(path: Path) -> tuple[int, str]:
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            size += len(chunk)
    return size, digest.hexdigest()


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
