"""How far a long piece of work is, how fast it goes and when it will be done.

On a terminal one line that changes, elsewhere (a log, CI) a line every minute.
"""

from __future__ import annotations

import sys

from supervisors.clock import Clock, SystemClock

TERMINAL_PERIOD_S = 0.5
LOG_PERIOD_S = 60.0
MINUTE_S, HOUR_S = 60, 3600


class Meter:
    """Counts steps; `contextlib.closing` clears its line in the end."""

    def __init__(self, what: str, total: int, *, done: int = 0, clock: Clock | None = None) -> None:
        """Args: what: is counted; total: to be done in all; done: of them before we began."""
        self._what, self._total, self._before, self._done = what, total, done, done
        self._clock = clock or SystemClock()
        self._began_s = self._clock.monotonic()
        self._is_terminal = sys.stderr is not None and sys.stderr.isatty()
        self._period_s = TERMINAL_PERIOD_S if self._is_terminal else LOG_PERIOD_S
        self._next_s = self._began_s + self._period_s

    @property
    def elapsed_s(self) -> float:
        """Since it was made."""
        return self._clock.monotonic() - self._began_s

    def reach(self, done: int, note: str = "") -> None:
        """So many are done; `note` is shown behind."""
        self._done = done
        now_s = self._clock.monotonic()
        if now_s >= self._next_s:
            self._next_s = now_s + self._period_s
            self._show(f"{self.text()}{f'  {note}' if note else ''}")

    def step(self, note: str = "") -> None:
        """One more is done."""
        self.reach(self._done + 1, note)

    def close(self) -> None:
        """Leave no half line behind."""
        if self._is_terminal:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)

    def text(self) -> str:
        """Say it in one line."""
        per_s = (self._done - self._before) / max(self.elapsed_s, 1e-9)
        shown = f"{self._done} of {self._total} {self._what}"
        if not per_s:
            return shown
        left_s = (self._total - self._done) / per_s
        return f"{shown}, {rate_text(per_s)}, {duration_text(left_s)} left"

    def _show(self, text: str) -> None:
        before, end = ("\r\x1b[K", "") if self._is_terminal else ("", "\n")
        print(f"{before}{text}", end=end, file=sys.stderr, flush=True)


def rate_text(per_s: float) -> str:
    """So many a second, or a minute where it is slow."""
    return f"{per_s:.1f}/s" if per_s >= 1 else f"{per_s * MINUTE_S:.1f}/min"


def duration_text(seconds: float) -> str:
    """As one says it: `8 s`, `12 min`, `3 h 05 min`."""
    whole = round(seconds)
    if whole < MINUTE_S:
        return f"{whole} s"
    if whole < HOUR_S:
        return f"{round(whole / MINUTE_S)} min"
    return f"{whole // HOUR_S} h {whole % HOUR_S // MINUTE_S:02d} min"
