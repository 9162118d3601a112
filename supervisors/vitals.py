"""What an actor's loop shows to the outside while it runs: one writer, readers never ask it.

`Vitals` is the form for actors in threads of this process. `supervisors.page` has the form for
process hosts, in shared memory. Both answer the same questions to the monitor and to status.
"""

from __future__ import annotations

from collections import deque
from typing import Any

import msgspec

_SAMPLES = 256
"""Durations kept per actor: enough for a p99 that is not the maximum of a handful."""


Current = tuple[int, str, int, int]
"""The handler in progress: message id, message name, since (ns), deadline (ns); both monotonic."""


class Stats(msgspec.Struct, gc=False):
    """Counters of one incarnation; durations in seconds."""

    handled: int = 0
    handling_s: list[float] = []
    waiting_s: list[float] = []


class Vitals:
    """Vitals of an actor in this process.

    Attributes:
        current: the handler in progress, or None.
        handled: messages handled so far.
        facts: what the actor wants to be known for in status.
    """

    __slots__ = ("_handling_ns", "_waiting_ns", "current", "facts", "handled")

    def __init__(self) -> None:
        """Nothing has happened yet."""
        self.current: Current | None = None
        self.handled = 0
        self.facts: dict[str, Any] = {}
        self._handling_ns: deque[int] = deque(maxlen=_SAMPLES)
        self._waiting_ns: deque[int] = deque(maxlen=_SAMPLES)

    def begin(self, current: Current) -> None:
        """A handler starts."""
        self.current = current

    def end(self, sent_ns: int, began_ns: int, now_ns: int) -> None:
        """It has returned."""
        self.current = None
        self.handled += 1
        self._waiting_ns.append(began_ns - sent_ns)
        self._handling_ns.append(now_ns - began_ns)

    def extend(self, deadline_ns: int) -> None:
        """The handler in progress honestly needs longer."""
        if self.current is not None:
            self.current = (*self.current[:3], deadline_ns)

    def beat(self) -> None:
        """An idle thread needs no beat: its process shows that it lives."""

    def flush(self) -> None:
        """Everything here is visible at once."""

    def stats(self) -> Stats:
        """A copy of the counters."""
        return Stats(
            self.handled,
            [ns / 1e9 for ns in tuple(self._handling_ns)],
            [ns / 1e9 for ns in tuple(self._waiting_ns)],
        )
