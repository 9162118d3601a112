"""Weighings in progress, of the sensors actor: who asked, and what the scale has read since.

No actor, and without a clock: the sensors feed it readings and carry out what it says.
"""

from __future__ import annotations

from typing import NamedTuple

from config.settings import SensorsSettings
from models.sensing import scale
from models.sensing.scale import Rest, Scale, Window
from protocol.envelope import Envelope
from protocol.machine import Tare, Tared, Weigh, Weighed

_WITHIN_S_MAX = 5.0
"""Whoever is asked to weigh for longer answers after that."""
_TARE_S = 1.0
"""Twice as long as the scale swings after an item has gone."""
_LOOK_S = 1.0
"""For a look of our own at an idle scale: nothing new for so long is an answer, too."""
_UNREST_OF_WEIGHING = 2
"""A weighing that somebody asked for tries many windows, a look of our own a single one."""

Answer = tuple[Envelope, Weighed | Tared]

_WHY = {
    "few": "the scale gives too few readings",
    "moves": "the scale does not come to rest",
    "frozen": "the scale gives the very same reading again and again",
}


class _Asked(NamedTuple):
    """One weighing; a look of our own has no request."""

    request: Envelope | None
    message: Weigh | Tare | None
    until_s: float
    window: Window
    last: Rest


class Weighing:
    """See the module.

    Attributes:
        scale: zero, and what is known of the scale's health.
        mass_g: over the tare, when it was last at rest; None: it was not.
        is_idle: no item is dealt with, so nothing should lie on it.
    """

    def __init__(self, limits: SensorsSettings) -> None:
        """Args: limits: window, spread and drift."""
        self.scale = Scale()
        self.mass_g: float | None = None
        self.is_idle = True
        self._limits = limits
        self._asked: list[_Asked] = []

    @property
    def is_busy(self) -> bool:
        """Whether readings are wanted."""
        return bool(self._asked)

    def ask(self, request: Envelope, message: Weigh | Tare, now_s: float) -> None:
        """Somebody wants a weight, or zero; only what is measured from now on counts."""
        within_s = message.within_s if isinstance(message, Weigh) else _TARE_S
        if not within_s >= 0:  # nor is NaN
            within_s = 0.0
        self._begin(request, message, now_s + min(within_s, _WITHIN_S_MAX))

    def look(self, now_s: float) -> None:
        """Look for ourselves whether the scale lives."""
        self._begin(None, None, now_s + _LOOK_S)

    def _begin(self, request: Envelope | None, message: Weigh | Tare | None, until: float) -> None:
        self._asked.append(_Asked(request, message, until, Window(), Rest(None, why="few")))

    def read(self, at_ns: int, raw_g: float) -> list[Answer]:
        """A new reading; returns what is to be answered."""
        going: list[_Asked] = []
        over: list[_Asked] = []
        for asked in self._asked:
            window = scale.add(asked.window, at_ns, raw_g, self._limits)
            last = scale.rest(window, self._limits)
            newer = asked._replace(window=window, last=last)
            is_over = last.raw_g is not None or (asked.request is None and last.why == "moves")
            (over if is_over else going).append(newer)
        self._asked = going
        return self._end(over, at_ns)

    def expire(self, now_s: float) -> list[Answer]:
        """Give up what did not come to rest in time; returns what is to be answered."""
        over = [asked for asked in self._asked if now_s >= asked.until_s]
        if not over:
            return []
        self._asked = [asked for asked in self._asked if now_s < asked.until_s]
        return self._end(over, round(now_s * 1e9))

    def _end(self, over: list[_Asked], at_ns: int) -> list[Answer]:
        answers = []
        for asked in over:
            unrest = 1 if asked.request is None else _UNREST_OF_WEIGHING
            self.scale = scale.ended(self.scale, asked.last, unrest)
            reply = self._reply(asked, at_ns)
            if asked.request is not None and reply is not None:
                answers.append((asked.request, reply))
        return answers

    def _reply(self, asked: _Asked, at_ns: int) -> Weighed | Tared | None:
        raw_g = asked.last.raw_g
        if isinstance(asked.message, Tare):
            return self._tare(raw_g, asked.last.why)
        if asked.message is None and raw_g is not None and self.is_idle:
            self.scale = scale.tracked(self.scale, raw_g, self._limits)
        # A zero that is known to be wrong makes every weight wrong.
        is_known = raw_g is not None and not self.scale.is_drifted
        self.mass_g = raw_g - self.scale.zero_g if raw_g is not None and is_known else None
        if asked.message is None:
            return None
        return Weighed(asked.message.deposit, self.mass_g, asked.last.spread_g, at_ns)

    def _tare(self, raw_g: float | None, why: str) -> Tared:
        if raw_g is None:
            return Tared(None, _WHY[why])
        self.scale, why = scale.tared(self.scale, raw_g, self._limits)
        self.mass_g = None if why else 0.0
        return Tared(None, why, raw_g) if why else Tared(raw_g)
