"""The daemon's log: one structured line per event, on the terminal for people, in a file as JSON.

Same event of the same actor more than a few times a second: the rest is counted and told in a
summary line, so that no crash loop fills the disk. What looks like a secret is replaced. Writing
never fails for the one who writes: a full disk or a closed terminal costs lines, not actors.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
import sys
import threading
import traceback
from collections.abc import Mapping
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any

import structlog

from supervisors.clock import Clock

_PER_KEY = 10
"""Lines of one event of one actor within one second; more are counted."""
_KEYS_MAX = 2048
_TEXT_MAX = 8192
"""Longest text in a line; a stack has 6000."""
_DEPTH_MAX = 6
_HIDDEN = "***"
_SECRET_NAME = re.compile(r"token|secret|passw|api_?key|authorization|credential", re.IGNORECASE)
_SECRET_TEXT = re.compile(
    r"(://)[^/@\s]+(?=@)"  # user and password of an address
    r"|(\b(?:bearer|basic)\s+)[\w.~+/=-]{8,}"
    # Also where it is JSON, or JSON inside of JSON: with quotes, and these with backslashes.
    r"|(\b(?:[\w-]*token|secret|password|api_?key)[\\\"']*\s*[=:]\s*[\\\"']*)[^\s,;&\"']+",
    re.IGNORECASE,
)
_PRIORITIES = {"debug": 7, "info": 6, "warning": 4, "error": 3, "critical": 2}


class Log:
    """Writes lines; the only one who does."""

    def __init__(
        self, directory: Path, clock: Clock, level: str, rotate_mb: float, files: int
    ) -> None:
        """Open ``directory/rvm-edge.jsonl`` and the terminal."""
        self._clock = clock
        self._lock = threading.Lock()
        self._counts: dict[tuple[str, str], tuple[float, int]] = {}
        self._level = logging.getLevelName(level.upper())
        self._terminal = _Terminal()
        self._file = self._open(directory, rotate_mb, files)

    def _open(self, directory: Path, rotate_mb: float, files: int) -> RotatingFileHandler | None:
        try:
            directory.mkdir(parents=True, exist_ok=True)
            handler = _LogFile(
                directory / "rvm-edge.jsonl",
                maxBytes=int(rotate_mb * (1 << 20)),
                backupCount=max(1, files - 1),  # none at all would mean: never rotate
                encoding="utf-8",
            )
        except OSError as error:
            self._terminal.print({"level": "warning", "event": "no_log_file", "why": str(error)})
            return None
        handler.setFormatter(logging.Formatter("%(message)s"))
        return handler

    def adjust(self, level: str, rotate_mb: float, files: int) -> None:
        """Go on with other settings."""
        with self._lock:
            self._level = logging.getLevelName(level.upper())
            if self._file is not None:
                self._file.maxBytes = int(rotate_mb * (1 << 20))
                self._file.backupCount = max(1, files - 1)

    def rotate(self) -> bool:
        """Begin a new file; whether there is one."""
        with self._lock:
            if self._file is None:
                return False
            try:
                self._file.doRollover()
            except OSError:
                return False
            return True

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
                self._emit_repeated(path, event, dropped)
            self._emit(path, level, event, fields)

    def event(self, record: dict[str, Any]) -> None:
        """Log what the recorder has written down."""
        fields = {key: value for key, value in record.items() if key not in ("at", "path", "event")}
        self.write(record["path"], _LEVELS.get(record["event"], "info"), record["event"], fields)

    def thread_died(self, args: threading.ExceptHookArgs) -> None:
        """Log an exception that nobody caught; goes where ``threading.excepthook`` is."""
        where = args.thread.name if args.thread is not None else ""
        stack = "".join(
            traceback.format_exception(args.exc_type, args.exc_value, args.exc_traceback)
        )
        self.write("/", "critical", "thread_died", {"thread": where, "stack": stack})

    def close(self) -> None:
        """Tell what is still only counted, and close the file."""
        with self._lock:
            for (path, event), (_, count) in self._counts.items():
                if count > _PER_KEY:
                    self._emit_repeated(path, event, count - _PER_KEY)
            self._counts.clear()
            if self._file is not None:
                with contextlib.suppress(OSError):
                    self._file.close()
                self._file = None

    # -- private --------------------------------------------------------------------------------

    def _admit(self, key: tuple[str, str]) -> int | None:
        """None: drop this one; else how many were dropped before it."""
        now = self._clock.monotonic()
        since, count = self._counts.get(key, (now, 0))
        if now - since >= 1.0:
            self._counts[key] = (now, 1)
            return max(0, count - _PER_KEY)
        if len(self._counts) > _KEYS_MAX:  # somebody makes up names
            self._counts.clear()
        self._counts[key] = (since, count + 1)
        return 0 if count < _PER_KEY else None

    def _emit_repeated(self, path: str, event: str, times: int) -> None:
        self._emit(path, "warning", "repeated", {"what": event, "times": times})

    def _emit(self, path: str, level: str, event: str, fields: Mapping[str, Any]) -> None:
        own = {
            "timestamp": round(self._clock.wall(), 3),
            "level": level,
            "actor": path,
            "event": event,
        }
        rest = {str(key): plain(value, str(key)) for key, value in fields.items()}
        record = {**own, **{key + "_" * (key in own): value for key, value in rest.items()}}
        if self._file is not None:
            line = json.dumps(record)
            self._file.emit(logging.LogRecord("rvm", logging.INFO, "", 0, line, None, None))
        self._terminal.print(record)


class _LogFile(RotatingFileHandler):
    """A full disk costs the line; logging's own complaint would be thirty."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's own name
        """See `logging.Handler`."""


class _Terminal:
    """Standard error: for people on a terminal, JSON otherwise, with priorities for the journal."""

    def __init__(self) -> None:
        try:
            self._is_terminal = sys.stderr is not None and sys.stderr.isatty()
        except ValueError:  # closed
            self._is_terminal = False
        self._is_journal = "JOURNAL_STREAM" in os.environ
        is_plain = "NO_COLOR" in os.environ or os.environ.get("TERM") == "dumb"
        self._people = structlog.dev.ConsoleRenderer(colors=not is_plain)

    def print(self, record: dict[str, Any]) -> None:
        """Show a line; nobody there to read it is no error."""
        shown = {key: value for key, value in record.items() if key not in ("stack", "timestamp")}
        text = str(self._people(None, "", shown)) if self._is_terminal else json.dumps(shown)
        if self._is_journal:
            text = f"<{_PRIORITIES.get(record['level'], 6)}>{text}"
        try:
            print(text, file=sys.stderr, flush=True)
        except (OSError, ValueError):  # closed, full, or hung up
            pass


def plain(value: Any, name: str = "", depth: int = 0) -> Any:
    """What JSON can carry of a value, without secrets and without end."""
    if _SECRET_NAME.search(name) and not name.endswith("_file"):
        return _HIDDEN
    if isinstance(value, str):
        return _SECRET_TEXT.sub(_mask, value[:_TEXT_MAX])
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, float):
        return value if value - value == 0.0 else str(value)  # JSON knows no NaN
    if depth < _DEPTH_MAX and isinstance(value, Mapping):
        return {str(key): plain(item, str(key), depth + 1) for key, item in value.items()}
    if depth < _DEPTH_MAX and isinstance(value, (list, tuple, set, frozenset)):
        return [plain(item, "", depth + 1) for item in value]
    if isinstance(value, (Mapping, list, tuple, set, frozenset)):
        return "…"  # as text it would show what its names hide
    return plain(_described(value))


def _described(value: Any) -> str:
    try:
        return str(value)
    except Exception as error:  # noqa: BLE001 - a strange object must not stop the log
        return f"<{type(value).__name__}: {type(error).__name__}>"


def _mask(found: re.Match[str]) -> str:
    return "".join(group for group in found.groups() if group) + _HIDDEN


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
    "gave_up": "critical",
    "deposit_trouble": "warning",
    "doorbell_mistake": "warning",
    "doorbell_refused": "warning",
    "deposits_to_review": "warning",
    "storage_trouble": "error",
    "input_blocked": "warning",
    "input_unknown": "warning",
    "started": "debug",
    "stopped": "debug",
}
