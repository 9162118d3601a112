"""The flight recorder: what happened to the tree, and the last messages of each actor, on disk.

Events go into a JSON-lines file that is rotated by size. Last messages go into a memory-mapped
ring, which survives the death of this process by any signal and costs no system call.
"""

from __future__ import annotations

import contextlib
import json
import mmap
import os
import struct
import threading
from collections.abc import Callable, Iterator, Mapping
from io import FileIO
from pathlib import Path
from typing import Any, Protocol

from protocol.envelope import Envelope
from supervisors.clock import Clock, SystemClock

EVENTS_FILE = "events.jsonl"
FLIGHT_FILE = "flight.ring"
_MAX_BYTES = 10 * 1024 * 1024
_KEPT_FILES = 5
_RECORD = struct.Struct("<QQ32s48s32s")  # sent_ns, id, name, destination, source
_RECORDS = 4096
_U64 = 0xFFFFFFFFFFFFFFFF


class Recorder(Protocol):
    """Where the system writes down what happens."""

    def event(self, path: str, event: str, fields: Mapping[str, Any]) -> None:
        """Something worth reading later happened to an actor."""

    def message(self, envelope: Envelope) -> None:
        """A message is about to be handled."""

    def close(self) -> None:
        """No more."""


class NullRecorder:
    """Writes nothing; for systems without a data directory."""

    def event(self, path: str, event: str, fields: Mapping[str, Any]) -> None:
        """See `Recorder`."""

    def message(self, envelope: Envelope) -> None:
        """See `Recorder`."""

    def close(self) -> None:
        """See `Recorder`."""


class DiskRecorder:
    """Writes into a directory; a full disk costs the record, never the machine."""

    def __init__(
        self,
        directory: Path,
        clock: Clock | None = None,
        listener: Callable[[dict[str, Any]], None] | None = None,
    ) -> None:
        """Open or continue the files in ``directory``.

        Args:
            listener: told of each event too, after it is written; the log.
        """
        self._path = directory / EVENTS_FILE
        self._clock = clock or SystemClock()
        self._listener = listener
        self._lock = threading.Lock()
        self._file: FileIO | None = None
        self._is_torn = False
        self.lost = 0
        with contextlib.suppress(OSError):
            directory.mkdir(parents=True, exist_ok=True)
        self._ring = _Ring(directory / FLIGHT_FILE)

    def event(self, path: str, event: str, fields: Mapping[str, Any]) -> None:
        """Append one line."""
        record = {"at": round(self._clock.wall(), 3), "path": path, "event": event, **fields}
        text = json.dumps(record, default=str, ensure_ascii=False) + "\n"
        with self._lock:
            self._write(text.encode(errors="replace"))
        if self._listener is not None:
            self._listener(record)

    def _write(self, line: bytes) -> None:
        """Straight to the file, without a buffer that would try again what has failed."""
        try:
            file = self._file or self._open()
            if file.tell() + len(line) > _MAX_BYTES:
                file = self._rotate(file)
            line = b"\n" + line if self._is_torn else line
            written = file.write(line)
        except (OSError, ValueError):
            written = None
            self._drop_file()
        self._is_torn = written is not None and written < len(line)
        self.lost += written != len(line)

    def _open(self) -> FileIO:
        """Open or continue the file; its last line may be half of one."""
        self._file = file = FileIO(self._path, "ab")
        self._is_torn = file.tell() > 0
        return file

    def _drop_file(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            with contextlib.suppress(OSError):
                file.close()

    def _rotate(self, file: FileIO) -> FileIO:
        file.close()
        for number in range(_KEPT_FILES - 2, -1, -1):
            older = self._path.with_suffix(f".jsonl.{number}") if number else self._path
            if older.exists():
                older.replace(self._path.with_suffix(f".jsonl.{number + 1}"))
        return self._open()

    def message(self, envelope: Envelope) -> None:
        """Remember an envelope in the ring."""
        self._ring.add(envelope)

    def close(self) -> None:
        """Close both files."""
        with self._lock:
            self._drop_file()
        self._ring.close()


class _Ring:
    """A fixed number of fixed-size records in a mapped file."""

    def __init__(self, path: Path) -> None:
        size = _RECORD.size * _RECORDS
        self._map: mmap.mmap | None = None
        self._next = 0
        with contextlib.suppress(OSError), path.open("a+b") as file:
            file.truncate(size)
            # All of it now: touching a mapped page for which the disk has no room is a SIGBUS.
            os.posix_fallocate(file.fileno(), 0, size)
            self._map = mmap.mmap(file.fileno(), size)

    def add(self, envelope: Envelope) -> None:
        place = self._next
        self._next = (place + 1) % _RECORDS
        if self._map is not None:
            _RECORD.pack_into(
                self._map,
                place * _RECORD.size,
                envelope.sent_ns & _U64,
                envelope.id & _U64,
                envelope.name.encode()[:32],
                envelope.destination.encode()[:48],
                envelope.source.encode()[:32],
            )

    def close(self) -> None:
        if self._map is not None:
            mapped, self._map = self._map, None
            mapped.close()


def read_flight(directory: Path) -> list[dict[str, Any]]:
    """The recorded messages, oldest first; works on the files of a dead process."""
    data = (directory / FLIGHT_FILE).read_bytes()
    rows = _RECORD.iter_unpack(data[: len(data) // _RECORD.size * _RECORD.size])
    return [
        {
            "sent_ns": sent_ns,
            "id": id_,
            "name": _text(name),
            "destination": _text(destination),
            "source": _text(source),
        }
        for sent_ns, id_, name, destination, source in sorted(rows)
        if id_
    ]


def read_events(directory: Path, since: float = 0.0) -> Iterator[dict[str, Any]]:
    """Recorded events from ``since`` (wall clock) on, oldest first; broken lines are skipped."""
    path = directory / EVENTS_FILE
    files = [path.with_suffix(f".jsonl.{number}") for number in range(_KEPT_FILES - 1, 0, -1)]
    for file in (*files, path):
        if not file.exists():
            continue
        with file.open("rb") as lines:
            for line in lines:
                record = _parse(line)
                if record is not None and record["at"] >= since:
                    yield record


def _parse(line: bytes) -> dict[str, Any] | None:
    try:
        record = json.loads(line)
    except ValueError:
        return None
    is_event = isinstance(record, dict) and isinstance(record.get("at"), (int, float))
    return record if is_event else None


def _text(field: bytes) -> str:
    return field.rstrip(b"\0").decode(errors="replace")
