"""Reads the trace of the output lines and says what must never have been on it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from actors.drivers import ports

_PAIRS = ((ports.BELT_IN, ports.BELT_OUT), (ports.GATE_OPEN, ports.GATE_CLOSE))
_OTHER = dict(_PAIRS) | {b: a for a, b in _PAIRS}


class Write(Protocol):
    """One write to an output."""

    @property
    def number(self) -> int:
        """Counts the writes, without gaps."""

    @property
    def t_mono_ns(self) -> int:
        """When."""

    @property
    def line(self) -> str:
        """Which line."""

    @property
    def level(self) -> bool:
        """What was written."""


class OutputWatch:
    """Looks at every write once, in order.

    Attributes:
        seen: number of the last write that was looked at.
        broken: what must never be, each as a sentence.
    """

    def __init__(self, dead_time_s: float) -> None:
        """Args: dead_time_s: the shortest pause between the two directions of one motor."""
        self._dead_time_ns = round(dead_time_s * 1e9)
        self._high: set[str] = set()
        self._fell_ns: dict[str, int] = {}
        self.seen = 0
        self.broken: list[str] = []

    def look(self, writes: Iterable[Write]) -> None:
        """Take the next writes."""
        for write in writes:
            if write.number != self.seen + 1:
                self.broken.append(f"outputs: writes {self.seen + 1} to {write.number - 1} missed")
            self.seen = write.number
            if write.line in _OTHER:
                self._take(write)

    def _take(self, write: Write) -> None:
        if not write.level:
            if write.line in self._high:
                self._high.discard(write.line)
                self._fell_ns[write.line] = write.t_mono_ns
            return
        other = _OTHER[write.line]
        if other in self._high:
            self.broken.append(f"outputs: {write.line} and {other} were high together")
        pause_ns = write.t_mono_ns - self._fell_ns.get(other, write.t_mono_ns - self._dead_time_ns)
        if pause_ns < self._dead_time_ns:
            pause_s = pause_ns / 1e9
            self.broken.append(f"outputs: {write.line} only {pause_s:.3f} s after {other}")
        if self._high - {write.line, other}:
            self.broken.append(f"outputs: two motors at once: {write.line}, {sorted(self._high)}")
        self._high.add(write.line)
