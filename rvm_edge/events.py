"""`rvm-edge events`: what happened to the machine, from disk; works when nothing runs."""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import IO, Any

from rvm_edge.client import EXIT_USAGE
from rvm_edge.data_dir import locate
from supervisors.clock import SystemClock
from supervisors.recorder import EVENTS_FILE

_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_AGO = re.compile(r"(\d+(?:\.\d+)?)([smhd])\Z")
_POLL_S = 0.2
_LINE_MAX = 1 << 20
"""A longer line is no event of ours; a file without line ends must not fill the memory."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "--since", metavar="WHEN", help="10m, 2h, 3d, or a time such as 2026-11-21T14:00"
    )
    parser.add_argument("--follow", action="store_true", help="go on printing until Ctrl-C")
    parser.add_argument("--json", action="store_true", help="one JSON object per line, with stacks")
    parser.add_argument("--data-dir", metavar="D", help="of the machine")
    parser.epilog = (
        "Lines that are no event (a disk error, a power cut) are left out; a note says how many."
    )


def run(args: argparse.Namespace) -> int:
    """Print them."""
    clock = SystemClock()
    try:
        since = _when(args.since, clock.wall()) if args.since else float("-inf")
    except ValueError as error:
        print(error, file=sys.stderr)
        return EXIT_USAGE
    directory = locate(args.data_dir)
    try:
        return _print_all(directory, since, clock, args)
    except OSError as error:
        if isinstance(error, BrokenPipeError):
            raise
        print(f"cannot read {directory / EVENTS_FILE}: {error.strerror}", file=sys.stderr)
        return EXIT_USAGE


def _print_all(directory: Path, since: float, clock: SystemClock, args: argparse.Namespace) -> int:
    record = _Record(directory)
    if not record.exists:
        print(f"no events in {directory}: no machine has run there", file=sys.stderr)
        if not args.follow:
            return EXIT_USAGE
    while True:
        for event in record.news():
            if event["at"] >= since:
                print(_line(event, as_json=args.json))
        if not args.follow:
            break
        print(end="", flush=True)
        clock.pause(_POLL_S)
    if record.broken:
        print(f"{record.broken} broken lines were left out", file=sys.stderr)
    return 0


class _Record:
    """The files of the record, oldest first, and whatever is added to the newest.

    Attributes:
        broken: lines that were no event.
    """

    def __init__(self, directory: Path) -> None:
        """Nothing is opened before `news`."""
        self._newest = directory / EVENTS_FILE
        self._file: IO[bytes] | None = None
        self.broken = 0

    @property
    def exists(self) -> bool:
        """Whether there is any."""
        return self._newest.exists() or bool(self._older())

    def news(self) -> Iterator[dict[str, Any]]:
        """Events not yet given; a line that is still being written waits for the next time."""
        if self._file is None:
            for path in self._older():
                with path.open("rb") as file:
                    yield from self._read(file, is_over=True)
        elif self._is_replaced(self._file):
            yield from self._read(self._file, is_over=True)
            self._file.close()
            self._file = None
        if self._file is None:
            try:
                self._file = self._newest.open("rb")
            except FileNotFoundError:
                return
        yield from self._read(self._file, is_over=False)

    def _older(self) -> list[Path]:
        if self._file is not None:
            return []
        numbered = [
            (int(path.suffix[1:]), path)
            for path in self._newest.parent.glob(f"{EVENTS_FILE}.*")
            if path.suffix[1:].isdecimal()
        ]
        return [path for _, path in sorted(numbered, reverse=True)]

    def _is_replaced(self, file: IO[bytes]) -> bool:
        """Whether the recorder has begun a new file since, or somebody has emptied this one."""
        ours = os.fstat(file.fileno())
        try:
            theirs = self._newest.stat()
        except FileNotFoundError:
            return False
        is_same = (ours.st_ino, ours.st_dev) == (theirs.st_ino, theirs.st_dev)
        return not is_same or theirs.st_size < file.tell()

    def _read(self, file: IO[bytes], *, is_over: bool) -> Iterator[dict[str, Any]]:
        while line := file.readline(_LINE_MAX):
            if not line.endswith(b"\n") and len(line) < _LINE_MAX and not is_over:
                file.seek(-len(line), 1)
                return
            event = _parse(line)
            if event is not None:
                yield event
            elif line.strip():
                self.broken += 1


def _parse(line: bytes) -> dict[str, Any] | None:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return None
    is_event = isinstance(record, dict) and type(record.get("at")) in (int, float)
    return record if is_event else None


def _when(text: str, now: float) -> float:
    ago = _AGO.match(text)
    if ago is not None:
        return now - float(ago[1]) * _UNITS_S[ago[2]]
    try:
        # Python 3.10 does not know the Z.
        return datetime.fromisoformat(re.sub("[Zz]$", "+00:00", text)).astimezone().timestamp()
    except (ValueError, OverflowError, OSError):
        msg = f"--since {text!r}: use 30s, 10m, 2h, 3d, or a time such as 2026-11-21T14:00"
        raise ValueError(msg) from None


def _line(record: dict[str, Any], *, as_json: bool) -> str:
    if as_json:
        return json.dumps(record, ensure_ascii=False)
    hidden = ("at", "path", "event", "stack")
    rest = "  ".join(f"{key}={value}" for key, value in record.items() if key not in hidden)
    path, event = str(record.get("path", "")), str(record.get("event", ""))
    return f"{_shown(record['at'])}  {path:<22} {event:<17} {rest}".replace("\n", " ")


def _shown(at: float) -> str:
    try:
        return f"{datetime.fromtimestamp(at, timezone.utc).astimezone():%Y-%m-%d %H:%M:%S}"
    except (ValueError, OverflowError, OSError):
        return f"{'?':<19}"
