"""What is going to happen, by the step at which it does."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from itertools import count
from typing import Any

NEVER = 1 << 62
"""A step that does not come."""


class Agenda:
    """Actions in the order of their steps, and for one step in the order in which they came."""

    __slots__ = ("_entries", "_numbers", "next_step")

    def __init__(self) -> None:
        """Empty."""
        self._entries: list[tuple[int, int, Callable[..., None], tuple[Any, ...]]] = []
        self._numbers = count()
        self.next_step = NEVER

    def add(self, step: int, action: Callable[..., None], *args: Any) -> None:
        """Do this at the beginning of that step."""
        heapq.heappush(self._entries, (step, next(self._numbers), action, args))
        self.next_step = self._entries[0][0]

    def run(self, step: int) -> None:
        """Do everything that is due at a step, and what that adds for the same step."""
        while self.next_step <= step:
            _, _, action, args = heapq.heappop(self._entries)
            self.next_step = self._entries[0][0] if self._entries else NEVER
            action(*args)
