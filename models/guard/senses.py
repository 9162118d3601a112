"""The guard's senses, one by one: a contact, the encoder, the current of a motor."""

from __future__ import annotations

from collections import deque

STEP_M = 0.00785
"""Belt between two changes of the encoder's level."""
_BLIND_S = 0.02
"""At full speed the encoder changes every 15 ms. An unchanged level after a longer pause proves
nothing: it may have changed twice."""
_MOVES = 4
_MOVES_WITHIN_S = 0.5
"""Four changes in half a second: 16 mm, more than a shock does and less than a coasting belt."""
_SMOOTH_S = 0.02
_STALE_S = 0.3
"""Three readings of a motor that is off are missing."""
_SAME_MAX = 30
"""A live current is never the same to the bit that often: its noise is ten times the resolution."""
_SAMPLES_MIN = 8


class Contact:
    """A safety contact: open counts at once, closed only once it no longer bounces.

    Attributes:
        believed: None: it cannot be read.
    """

    def __init__(self) -> None:
        """It begins as it is found."""
        self.believed: bool | None = None
        self._closed_s: float | None = float("-inf")

    def look(self, level: bool | None, now_s: float, release_s: float) -> None:
        """Take a level in."""
        if not level:
            self.believed, self._closed_s = level, None
        elif not self.believed:
            if self._closed_s is None:
                self._closed_s = now_s
            self.believed = True if now_s - self._closed_s >= release_s else self.believed


class Encoder:
    """Whether and how far the belt moves.

    Attributes:
        steps: changes so far.
        is_dead: it was silent while the motor drew the current of a belt that runs.
    """

    def __init__(self) -> None:
        """Nothing has moved yet."""
        self.steps = 0
        self.is_dead = False
        self._level: bool | None = None
        self._changed_s = 0.0
        self._looked_s: float | None = None
        self._recent: deque[float] = deque(maxlen=_MOVES)

    def look(self, level: bool | None, now_s: float) -> None:
        """Take a level in."""
        if self._looked_s is None:
            self._changed_s = now_s  # before the first look nothing was watched
        elif now_s - self._looked_s > _BLIND_S:
            self._changed_s += now_s - self._looked_s - _BLIND_S
        self._looked_s = now_s
        if level is None or level == self._level:
            return
        if self._level is not None:
            self.steps += 1
            self._changed_s = now_s
            self._recent.append(now_s)
            self.is_dead = self.is_dead and not self.moves(now_s)
        self._level = level

    def quiet_s(self, now_s: float) -> float:
        """For how long it has been watched without a change."""
        return now_s - self._changed_s

    def moves(self, now_s: float) -> bool:
        """Whether the belt moves on and on."""
        recent = self._recent
        return len(recent) == _MOVES and now_s - recent[0] <= _MOVES_WITHIN_S


class Current:
    """What one motor draws, smoothed: a single reading says little.

    Attributes:
        peak_a: highest since the moment given to `restart`; None: nothing was measured.
    """

    def __init__(self, stall_a: float, off_a: float) -> None:
        """Args: stall_a: more is a motor that stalls. off_a: more is a motor that is on."""
        self.peak_a: float | None = None
        self._peak_since_s = float("inf")
        self._stall_a = stall_a
        self._off_a = off_a
        self._mean_a = 0.0
        self._raw_a: float | None = None
        self._at_s = float("-inf")
        self._same = 0
        self._high_s: float | None = None
        self._drawn_s: float | None = None
        self._drawn = 0

    def take(self, value_a: float | None, now_s: float) -> None:
        """Take a reading in; None: it failed."""
        if value_a is None:
            return
        self._same = self._same + 1 if value_a == self._raw_a else 0
        self._raw_a = value_a
        weight = min(1.0, (now_s - self._at_s) / _SMOOTH_S)
        self._mean_a += weight * (value_a - self._mean_a)
        self._at_s = now_s
        draws_a = abs(self._mean_a)
        if now_s >= self._peak_since_s:
            self.peak_a = max(self.peak_a or 0.0, draws_a)
        if draws_a < self._stall_a:
            self._high_s = None
        elif self._high_s is None:
            self._high_s = now_s
        if draws_a < self._off_a:
            self._drawn_s, self._drawn = None, 0
        else:
            self._drawn_s = now_s if self._drawn_s is None else self._drawn_s
            self._drawn += 1

    def restart(self, since_s: float) -> None:
        """Forget the peak; the next one counts from then on."""
        self.peak_a, self._peak_since_s = None, since_s

    @property
    def is_frozen(self) -> bool:
        """Whether the sensor repeats itself while it claims that current flows."""
        return self._same >= _SAME_MAX and self._raw_a is not None and self._draws

    @property
    def _draws(self) -> bool:
        return abs(self._mean_a) >= self._off_a

    def amps(self, now_s: float) -> float | None:
        """What it draws; None: nobody knows."""
        if now_s - self._at_s > _STALE_S or self.is_frozen:
            return None
        return abs(self._mean_a)

    def stalls(self, since_s: float, now_s: float, for_s: float) -> bool:
        """Whether it has drawn its stall current from ``since_s`` on, for so long."""
        if self._high_s is None or self.amps(now_s) is None:
            return False
        return now_s - max(self._high_s, since_s) >= for_s

    def is_on(self, since_s: float, now_s: float, for_s: float) -> bool:
        """Whether current has flowed from ``since_s`` on, for so long, though it should not."""
        if self._drawn_s is None or self._drawn < _SAMPLES_MIN or self.amps(now_s) is None:
            return False
        return now_s - max(self._drawn_s, since_s) >= for_s
