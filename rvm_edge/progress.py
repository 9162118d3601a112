"""One line that says how far a long piece of work has come, on a terminal and nowhere else."""

from __future__ import annotations

import sys

from supervisors.clock import SystemClock

_PERIOD_S = 0.2


class Progress:
    """Counts steps; `contextlib.closing` clears its line in the end."""

    def __init__(self, what: str, total: int) -> None:
        """Args: what: is being counted; total: how many there will be."""
        self._what = what
        self._total = total
        self._done = 0
        self._clock = SystemClock()
        self._next_s = self._clock.monotonic() + _PERIOD_S
        self._is_shown = False
        self._is_terminal = sys.stderr is not None and sys.stderr.isatty()

    def close(self) -> None:
        """Leave no half line behind."""
        if self._is_shown:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)

    def step(self) -> None:
        """One more is done."""
        self.reach(self._done + 1)

    def reach(self, done: int, total: int | None = None) -> None:
        """So many are done, of so many."""
        self._done = done
        self._total = self._total if total is None else total
        if self._is_terminal and self._clock.monotonic() >= self._next_s:
            self._next_s = self._clock.monotonic() + _PERIOD_S
            self._is_shown = True
            share = 100 * done // max(self._total, 1)
            text = f"\r\x1b[K{done} of {self._total} {self._what}, {share} %"
            print(text, end="", file=sys.stderr, flush=True)
