"""The daemon's log: one structured line per event, on the terminal for people, in a file as JSON.

Same event of the same actor more than a few times a second: the rest is counted and told in a
summary line, so that no crash loop fills the disk. Secrets never get here: what looks like one is
replaced.
"""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Mapping
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any

import structlog

from supervisors.clock import Clock

_PER_KEY = 10
"""Lines of one event of one actor within one second; more are counted."""
_SECRET = ("token", "secret", "password", "api_key", "authorization")
_STACK_LINES = 1


class Log:
    """Writes lines; the only one who does."""

    def __init__(
        self, directory: Path, clock: Clock, level: str, rotate_mb: int, files: int
    ) -> None:
        """Open ``directory/rvm-edge.jsonl`` and the terminal."""
        self._clock = clock
        self._lock = threading.Lock()
        self._counts: dict[tuple[str, str], tuple[float, int]] = {}
        self._level = logging.getLevelName(level.upper())
        self._file = self._open(directory, rotate_mb, files)
        is_terminal = sys.stderr.isatty()
        self._render: Any = (
            structlog.dev.ConsoleRenderer(colors=True)
            if is_terminal
            else structlog.processors.JSONRenderer()
        )
        self._json = structlog.processors.JSONRenderer(default=str)

    def _open(self, directory: Path, rotate_mb: int, files: int) -> RotatingFileHandler | None:
        try:
            directory.mkdir(parents=True, exist_ok=True)
            handler = RotatingFileHandler(
                directory / "rvm-edge.jsonl",
                maxBytes=rotate_mb << 20,
                backupCount=files - 1,
                encoding="utf-8",
            )
        except OSError as error:
            print(f"no log file: {error}", file=sys.stderr)
            return None
        handler.setFormatter(logging.Formatter("%(message)s"))
        return handler

    def write(self, path: str, level: str, event: str, fields: Mapping[str, Any]) -> None:
        """Write one line, unless this key has had its share of this second."""
        number = logging.getLevelName(level.upper())
        if isinstance(number, int) and number < self._level:
            return
        with self._lock:
            dropped = self._admit((path, event))
            if dropped is None:
                return
            if dropped:
                self._emit(path, "warning", "repeated", {"what": event, "times": dropped})
            self._emit(path, level, event, fields)

    def _admit(self, key: tuple[str, str]) -> int | None:
        """None: drop this one; else how many were dropped before it."""
        now = self._clock.monotonic()
        since, count = self._counts.get(key, (now, 0))
        if now - since >= 1.0:
            self._counts[key] = (now, 1)
            return max(0, count - _PER_KEY)
        self._counts[key] = (since, count + 1)
        return 0 if count < _PER_KEY else None

    def _emit(self, path: str, level: str, event: str, fields: Mapping[str, Any]) -> None:
        record: dict[str, Any] = {
            "timestamp": round(self._clock.wall(), 3),
            "level": level,
            "actor": path,
            "event": event,
            **{key: _redact(key, value) for key, value in fields.items()},
        }
        line = self._json(None, "", dict(record))
        if self._file is not None:
            plain = logging.LogRecord("rvm", logging.INFO, "", 0, line, None, None)
            self._file.emit(plain)
        shown = {key: value for key, value in record.items() if key not in ("stack", "timestamp")}
        print(self._render(None, "", shown), file=sys.stderr, flush=True)

    def event(self, record: dict[str, Any]) -> None:
        """Log what the recorder has written down."""
        fields = {key: value for key, value in record.items() if key not in ("at", "path", "event")}
        self.write(record["path"], _LEVELS.get(record["event"], "info"), record["event"], fields)

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()


_LEVELS = {
    "child_terminated": "error",
    "start_error": "error",
    "shutdown_error": "error",
    "exhausted": "critical",
    "quarantined": "error",
    "alarm": "warning",
    "waiting": "warning",
    "parked": "error",
    "fail_safe_failed": "critical",
    "too_many_leaks": "critical",
    "supervisor_bug": "critical",
    "deposit_trouble": "warning",
    "deposits_to_review": "warning",
    "started": "debug",
    "stopped": "debug",
}


def _redact(key: str, value: Any) -> Any:
    is_secret = any(word in key.lower() for word in _SECRET) and not key.endswith("_file")
    return "***" if is_secret else value
