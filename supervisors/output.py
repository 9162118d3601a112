"""What a process host prints, line by line: into the log, with a limit, and the end of it kept."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from supervisors.reactor import Reactor

_KEPT_LINES = 200
_MAX_LINE = 2000
_BURST = 16
"""Reads at one go: somebody who prints without end must not keep the reactor for himself."""
_LINES_PER_S = 50
"""A crash loop or a chatty library must not fill the disk."""


class Output:
    """Reads one pipe.

    Attributes:
        total: lines so far, the forgotten ones included.
    """

    def __init__(
        self, reactor: Reactor, log: Callable[[str], None], now: Callable[[], float]
    ) -> None:
        """Make the pipe; ``write_fd`` is for the host and is to be closed here afterwards."""
        self._read_fd, self.write_fd = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(self._read_fd, False)
        self._reactor = reactor
        self._log = log
        self._now = now
        self._partial = b""
        self._last: deque[str] = deque(maxlen=_KEPT_LINES)
        self._second = 0.0
        self._count = 0
        self._is_open = True
        self._lock = threading.Lock()
        self.total = 0
        reactor.add(self._read_fd, self._on_ready)

    def _on_ready(self, _events: int) -> None:
        with self._lock:
            if self._is_open and not self._read():
                self._reactor.remove(self._read_fd)

    def _read(self) -> bool:
        """Take what is there; False at the end of the file."""
        for _ in range(_BURST):
            try:
                data = os.read(self._read_fd, 65536)
            except BlockingIOError:
                return True
            except OSError:
                return False
            if not data:
                return False
            *lines, self._partial = (self._partial + data).split(b"\n")
            self._partial = self._partial[-_MAX_LINE:]
            for line in lines:
                self._take(line[:_MAX_LINE].decode(errors="replace"))
        return True

    def _take(self, line: str) -> None:
        self._last.append(line)
        self.total += 1
        now = self._now()
        if now - self._second >= 1.0:
            if self._count > _LINES_PER_S:
                self._log(f"({self._count - _LINES_PER_S} more lines in that second)")
            self._second, self._count = now, 0
        self._count += 1
        if self._count <= _LINES_PER_S:
            self._log(line)

    def last_words(self, since: int = 0) -> str:
        """The last lines it printed; with ``since``, those after so many in `total`."""
        with self._lock:
            lines = list(self._last)
            skipped = max(0, since - (self.total - len(lines)))
        return "\n".join(lines[skipped:])

    def close(self) -> None:
        """Read the rest and close."""
        with self._lock:
            if not self._is_open:
                return
            self._is_open = False
            self._reactor.remove(self._read_fd)
            self._read()
            os.close(self._read_fd)
            if self._partial:
                self._take(self._partial[:_MAX_LINE].decode(errors="replace"))
