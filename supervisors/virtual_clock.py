"""A clock that only moves when it is told to: for tests, and for runs in virtual time."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable


class VirtualClock:
    """A `Clock` that stands still until it is told to move.

    Threads that wait for a moment are poked whenever it moves, and look again.
    """

    def __init__(self, monotonic_s: float = 1000.0, wall_s: float = 1_700_000_000.0) -> None:
        """Args: where the two clocks start."""
        self._monotonic_ns = round(monotonic_s * 1e9)
        self._wall_s = wall_s
        self._pokes: list[Callable[[], None]] = []
        self._lock = threading.Lock()

    def monotonic(self) -> float:
        """See `Clock`."""
        return self._monotonic_ns / 1e9

    def monotonic_ns(self) -> int:
        """See `Clock`."""
        return self._monotonic_ns

    def wall(self) -> float:
        """See `Clock`."""
        return self._wall_s

    def wait_s(self, until: float | None) -> float | None:
        """Not at all for a moment that is here, else until somebody moves the clock."""
        return 0.0 if until is not None and until <= self.monotonic() else None

    def on_advance(self, poke: Callable[[], None]) -> None:
        """See `Clock`."""
        with self._lock:
            self._pokes.append(poke)

    def forget(self, poke: Callable[[], None]) -> None:
        """See `Clock`."""
        with self._lock:
            if poke in self._pokes:
                self._pokes.remove(poke)

    def advance(self, seconds: float) -> None:
        """Let time pass on both clocks, at once."""
        with self._lock:
            self._monotonic_ns += round(seconds * 1e9)
            self._wall_s += seconds
            pokes = list(self._pokes)
        for poke in pokes:
            poke()

    def advance_to(self, moment_s: float) -> None:
        """Let time pass until `monotonic` has reached a moment; none if it has already."""
        moment_ns = math.ceil(moment_s * 1e9)
        if moment_ns / 1e9 < moment_s:  # rounded away: a timer due at that moment must be due
            moment_ns += 1
        behind_ns = moment_ns - self._monotonic_ns
        if behind_ns > 0:
            self.advance(behind_ns / 1e9)

    def jump_wall(self, seconds: float) -> None:
        """Correct the wall clock, as NTP does at boot; monotonic time does not notice."""
        self._wall_s += seconds
