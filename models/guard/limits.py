"""Which orders make sense, and how long a motor may still run."""

from __future__ import annotations

from collections import deque

from config.settings import MotorSettings
from models.guard.terms import DIRECTIONS, MOTORS, Order
from protocol.machine import MotorName


class Duty:
    """How long each motor may still run without getting too hot."""

    def __init__(self, limits: MotorSettings) -> None:
        """Nothing has run yet."""
        self._limits = limits
        self._runs: dict[MotorName, deque[tuple[float, float]]] = {m: deque() for m in MOTORS}

    def ran(self, motor: MotorName, since_s: float, until_s: float) -> None:
        """It has run from then to then."""
        self._runs[motor].append((since_s, until_s))

    def left_s(self, motor: MotorName, now_s: float) -> float:
        """What the window leaves; zero or less: it has to cool down."""
        limits, runs = self._limits, self._runs[motor]
        window_began_s = now_s - limits.duty_window_s
        while runs and runs[0][1] <= window_began_s:
            runs.popleft()
        ran_s = sum(until_s - max(since_s, window_began_s) for since_s, until_s in runs)
        return limits.duty_window_s * limits.duty_percent_max / 100 - ran_s

    def most_s(self, motor: MotorName) -> float:
        """The longest single run."""
        limits = self._limits
        return limits.run_s_max if motor == "belt" else limits.gate_run_s_max


def is_valid(order: Order) -> bool:
    """Whether an order makes sense at all; a time that is no number does not."""
    has_end = order.until == "time" or order.motor == "gate"
    is_timed = 0 < order.run_s < float("inf")
    return bool(order.move) and has_end and is_timed and order.direction in DIRECTIONS[order.motor]
