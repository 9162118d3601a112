"""Time as an argument: the only module that reads the real clocks.

Everything in the runtime that waits asks its clock how long; a virtual clock answers "until I am
advanced" and pokes the waiters, so tests of backoff and deadlines jump instead of sleeping.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol


class Clock(Protocol):
    """Where the runtime gets its time from."""

    def monotonic(self) -> float:
        """Seconds on a clock that never jumps; its zero means nothing."""

    def monotonic_ns(self) -> int:
        """The same in nanoseconds."""

    def wall(self) -> float:
        """Seconds since 1970 as the machine believes; for people and records only."""

    def wait_s(self, until: float | None) -> float | None:
        """How long a real thread may block for ``until`` (monotonic s); None: until poked."""

    def on_advance(self, poke: Callable[[], None]) -> None:
        """Call ``poke`` whenever time moves by other than passing."""

    def forget(self, poke: Callable[[], None]) -> None:
        """Undo `on_advance`."""


class SystemClock:
    """The machine's own clocks."""

    def __init__(self) -> None:
        """Bind the C functions directly: they are called for every message."""
        self.monotonic = time.monotonic
        self.monotonic_ns = time.monotonic_ns
        self.wall = time.time

    def wait_s(self, until: float | None) -> float | None:
        """Seconds from now to ``until``, never negative."""
        return None if until is None else max(0.0, until - self.monotonic())

    def on_advance(self, poke: Callable[[], None]) -> None:
        """Real time only passes; there is nothing to announce."""

    def forget(self, poke: Callable[[], None]) -> None:
        """See `on_advance`."""

    def pause(self, seconds: float) -> None:
        """Block this thread; for the command line only, never for an actor."""
        time.sleep(seconds)
