"""What a process host prints, line by line: into the log, with a limit, and the end of it kept."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from supervisors.reactor import Reactor

_KEPT_LINES = 60
_MAX_LINE = 2000
_LINES_PER_S = 50
"""A crash loop or a chatty library must not fill the disk."""


class Output:
    """Reads one pipe."""

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
        reactor.add(self._read_fd, self._on_ready)

    def _on_ready(self, _events: int) -> None:
        if not self._read():
            self._reactor.remove(self._read_fd)

    def _read(self) -> bool:
        """Take what is there; False at the end of the file."""
        while True:
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

    def _take(self, line: str) -> None:
        self._last.append(line)
        now = self._now()
        if now - self._second >= 1.0:
            if self._count > _LINES_PER_S:
                self._log(f"({self._count - _LINES_PER_S} more lines in that second)")
            self._second, self._count = now, 0
        self._count += 1
        if self._count <= _LINES_PER_S:
            self._log(line)

    @property
    def lines(self) -> int:
        """Lines kept, to notice that more have come."""
        return len(self._last)

    def last_words(self, since: int = 0) -> str:
        """The last lines it printed."""
        return "\n".join(list(self._last)[since:])

    def close(self) -> None:
        """Read the rest and close."""
        if self._is_open:
            self._is_open = False
            self._reactor.remove(self._read_fd)
            self._read()
            os.close(self._read_fd)
