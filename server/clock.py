"""Time, as an argument: the one place of the platform that reads a clock."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """What time it is."""

    def wall_s(self) -> float:
        """Seconds since 1970: what is stored and shown."""

    def monotonic_s(self) -> float:
        """For measuring; never jumps."""


class SystemClock:
    """The clock of this computer."""

    def wall_s(self) -> float:
        return time.time()

    def monotonic_s(self) -> float:
        return time.monotonic()
