"""What happens next in virtual time: turns to be taken now, and moments to come."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable
from itertools import count

from supervisors.virtual_clock import VirtualClock

Turn = Callable[[], None]


class Schedule:
    """Takes one turn after the other and lets time pass in between, never during one.

    Turns that are due now are taken in the order in which they were asked for; of two moments that
    are the same, the one that was asked for first. So the same history runs in the same order.
    """

    def __init__(self, clock: VirtualClock) -> None:
        """Args: clock: the time that passes here."""
        self.clock = clock
        self._turns: deque[Turn] = deque()
        self._moments: list[tuple[float, int, Turn]] = []
        self._numbers = count()

    def soon(self, turn: Turn) -> None:
        """Take this turn before any more time passes."""
        self._turns.append(turn)

    def at(self, moment_s: float, turn: Turn) -> None:
        """Take this turn at a moment (monotonic seconds); one in the past is now."""
        heapq.heappush(self._moments, (moment_s, next(self._numbers), turn))

    def step(self, until_s: float) -> bool:
        """Take the next turn, if there is one up to a moment.

        Returns:
            Whether one was taken. If not, it is ``until_s`` now.
        """
        if self._turns:
            self._turns.popleft()()
            return True
        moments = self._moments
        if moments and moments[0][0] <= until_s:
            moment_s, _, turn = heapq.heappop(moments)
            self.clock.advance_to(moment_s)
            turn()
            return True
        self.clock.advance_to(until_s)
        return False

    def run_until(self, moment_s: float) -> None:
        """Take every turn up to a moment, those of that moment included."""
        while self.step(moment_s):
            pass
