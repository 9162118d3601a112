"""The evidence on the disk: written beside the decisions, within a quota, never on a full disk.

What is in it stands in `models.vision.evidence`. A disk that does not take it is named in status
and stops nothing: the ledger is where money is kept, this is why it was paid.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from models.vision.evidence import (
    CONCLUSION_FILE,
    EXAMINED_FILE,
    Conclusion,
    Holdings,
    Look,
    Picture,
    SecondLook,
    is_name,
)
from protocol.storage import DepositRecord
from protocol.vision import Examined

if TYPE_CHECKING:
    from models.vision.detector import Frame

MB = 1_000_000
PENDING_MAX = 4
"""Decisions whose pictures wait for a quiet moment; 8 MB each at 1280×720. There is one item at a
time, so more than two are a disk that has stopped."""
_JPEG_QUALITY = 90
_BLOCK_BYTES = 4096
_REMOVED_MAX = 50
"""At a time: the next item waits for it."""


class Archive:
    """See the module.

    Attributes:
        trouble: why nothing is written, empty if it is.
        lost: looks that were never written.
    """

    def __init__(self, directory: Path, quota_mb: int, reserve_mb: int) -> None:
        self._directory = directory
        self._quota_bytes = quota_mb * MB
        self._reserve_bytes = reserve_mb * MB
        self._holdings = Holdings(self._quota_bytes)
        self._pending: deque[tuple[Look, Sequence[Frame]]] = deque()
        self._is_open = False
        self.trouble = ""
        self.lost = 0

    @property
    def is_on(self) -> bool:
        """Whether evidence is kept at all."""
        return self._quota_bytes > 0

    @property
    def summary(self) -> str:
        """What is there, for status."""
        return f"{len(self._holdings)} deposits, {self._holdings.total_bytes / MB:.0f} MB"

    def open(self) -> None:
        """Find out, once, what is there from earlier runs, and throw out what is too much."""
        if self._is_open:
            return
        self._is_open = True
        for name, size_bytes, at_s in _by_age(self._directory):
            self._holdings.add(name, size_bytes, at_s)
        self._make_room()

    def forget(self, before_s: float) -> bool:
        """Throw out what is from before that time, some of it; whether there is more."""
        self.open()
        expired = self._holdings.expired(before_s)
        self._remove(expired[:_REMOVED_MAX])
        return len(expired) > _REMOVED_MAX

    # -- a decision -----------------------------------------------------------------------------

    def take(self, look: Look, frames: Sequence[Frame]) -> bool:
        """Keep a decision for the next quiet moment. Returns whether it will be written."""
        if not self.is_on or not is_name(look.deposit):
            return False
        self._pending.append((look, frames))
        if len(self._pending) > PENDING_MAX:
            self._pending.popleft()
            self.lost += 1
        return True

    @property
    def is_waiting(self) -> bool:
        """Whether something wants to be written."""
        return bool(self._pending)

    def write_next(self) -> None:
        """Write the oldest decision that waits."""
        self.open()
        if self._pending:
            look, frames = self._pending.popleft()
            self.lost += not self._write(look.deposit, _files_of(look, frames))

    def conclude(self, record: DepositRecord, beams_ms: Mapping[str, float]) -> Path | None:
        """Add how a deposit ended, if there is anything of it; returns where, if it is there."""
        is_there = self._add(record.id, CONCLUSION_FILE, Conclusion(record, beams_ms))
        return self._directory / record.id if is_there else None

    def examined(self, answer: Examined) -> None:
        """Add what somebody saw who looked closer."""
        second = SecondLook(answer.outlines, answer.barcodes, answer.elapsed_ms)
        self._add(answer.deposit, EXAMINED_FILE, second)

    def _add(self, deposit: str, file: str, content: msgspec.Struct) -> bool:
        self.open()
        while any(look.deposit == deposit for look, _ in self._pending):
            self.write_next()
        return deposit in self._holdings and self._write(deposit, {file: _json(content)})

    # -- the disk -------------------------------------------------------------------------------

    def _write(self, deposit: str, files: Mapping[str, bytes]) -> bool:
        there = self._directory / deposit
        size_bytes = sum(_on_disk(len(content)) for content in files.values())
        try:
            there.mkdir(parents=True, exist_ok=True)
            self._check_reserve(size_bytes)
            for name, content in files.items():
                _replace(there / name, content)
            at_s = there.stat().st_mtime
        except OSError as error:
            self.trouble = f"no evidence is kept in {self._directory}: {_reason(error)}"
            _forget_unfinished(there)
            return False
        self.trouble = ""
        self._holdings.add(deposit, size_bytes, at_s)
        self._make_room()
        return True

    def _check_reserve(self, size_bytes: int) -> None:
        disk = os.statvfs(self._directory)
        free_bytes = disk.f_bavail * disk.f_frsize
        if free_bytes - size_bytes < self._reserve_bytes:
            raise OSError(
                f"{free_bytes / MB:.0f} MB are free there, and {self._reserve_bytes / MB:.0f} MB"
                " are left to ledger and logs (inference.evidence_reserve_mb)"
            )

    def _make_room(self) -> None:
        self._remove(self._holdings.surplus())

    def _remove(self, names: Sequence[str]) -> None:
        for name in names:
            shutil.rmtree(self._directory / name, ignore_errors=True)
            self._holdings.drop(name)


def _files_of(look: Look, frames: Sequence[Frame]) -> dict[str, bytes]:
    """The look and its pictures, as files by name; the words last, for they name the pictures."""
    files: dict[str, bytes] = {}
    pictures: list[Picture] = []
    for number, (picture, frame) in enumerate(zip(look.pictures, frames, strict=True), 1):
        name, content = f"look-{look.number}-{number}.jpg", _jpeg(frame)
        files[name] = content
        digest = hashlib.sha256(content).hexdigest()
        pictures.append(replace(picture, file=name, sha256=digest))
    files[f"look-{look.number}.json"] = _json(replace(look, pictures=tuple(pictures)))
    return files


def _jpeg(frame: Frame) -> bytes:
    import cv2

    _, content = cv2.imencode(".jpg", frame, (cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY))
    return content.tobytes()


def _json(content: msgspec.Struct) -> bytes:
    return msgspec.json.format(msgspec.json.encode(content)) + b"\n"


def _replace(path: Path, content: bytes) -> None:
    """All of it or nothing, as far as this process goes; pictures are not worth a sync."""
    beside = path.with_name(f".{path.name}")
    beside.write_bytes(content)
    beside.replace(path)


def _forget_unfinished(there: Path) -> None:
    try:
        for path in there.glob(".*"):
            path.unlink()
        there.rmdir()  # only if nothing is in it
    except OSError:
        pass  # the next look at the disk finds it


def _reason(error: OSError) -> str:
    return error.strerror or str(error)


def _on_disk(size_bytes: int) -> int:
    return -(-size_bytes // _BLOCK_BYTES) * _BLOCK_BYTES


def _by_age(directory: Path) -> list[tuple[str, int, float]]:
    """Directories of deposits, what they hold and since when, oldest first."""
    found: list[tuple[float, str, int]] = []
    try:
        with os.scandir(directory) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False) and is_name(entry.name):
                    size_bytes = _held(Path(entry.path))
                    found.append((entry.stat().st_mtime, entry.name, size_bytes))
    except OSError:
        return []  # there is none yet, or it cannot be read, which the first write will tell
    return [(name, size_bytes, at_s) for at_s, name, size_bytes in sorted(found)]


def _held(directory: Path) -> int:
    with os.scandir(directory) as entries:
        return sum(_on_disk(entry.stat(follow_symlinks=False).st_size) for entry in entries)
