"""Whether a frame came straight from the sensor or out of a queue: its arrival tells.

A live camera's frames come at its own pace. What comes faster was waiting in a buffer and is of
unknown age; and so may be what comes after a pause, in which we were stopped or the camera was.
"""

from __future__ import annotations

from collections import deque
from statistics import median

_KEPT = 60
_KNOWN = 8
"""So many intervals say how fast the camera really is; until then it is believed."""
_FAST, _SLOW = 0.5, 2.5


class Arrivals:
    """Watches the times at which frames arrive."""

    def __init__(self, nominal_s: float) -> None:
        """Args: nominal_s: from frame to frame, as the camera was asked for."""
        self._nominal_s = nominal_s
        self._last_ns: int | None = None
        self._intervals_s: deque[float] = deque(maxlen=_KEPT)

    def is_fresh(self, now_ns: int) -> bool:
        """Add an arrival; False: the frame may be older than its arrival."""
        last_ns, self._last_ns = self._last_ns, now_ns
        if last_ns is None:  # a server may keep old frames for those who come
            return False
        interval_s = (now_ns - last_ns) / 1e9
        usual_s = self.interval_s or self._nominal_s
        self._intervals_s.append(interval_s)
        fast_s = _FAST * min(usual_s, self._nominal_s)
        slow_s = _SLOW * max(usual_s, self._nominal_s)
        return fast_s <= interval_s <= slow_s

    @property
    def interval_s(self) -> float | None:
        """From frame to frame, as it really is; None: not yet known."""
        return median(self._intervals_s) if len(self._intervals_s) >= _KNOWN else None
