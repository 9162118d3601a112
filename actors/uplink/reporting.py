"""Reports about settings on their way to the platform: kept until it has them, newest word only."""

from __future__ import annotations

from models.uplink.again import full_jitter_s
from protocol.platform.twin import Reported

KEPT_MAX = 16
"""Versions with a report that is still to be delivered; the platform asks for the newest only."""
PAUSE_S, PAUSE_S_MAX = 1.0, 60.0
_NOT_NOW = frozenset((401, 403, 408, 409, 425, 429))
_HEARD = range(200, 500)


def is_for_later(status: int) -> bool:
    """Whether an answer is about us or about now, and not about the report."""
    return status in _NOT_NOW or status not in _HEARD


class Reporting:
    """One report for each version: what became of it last."""

    def __init__(self) -> None:
        """Nothing is to be said."""
        self._waiting: dict[int, Reported] = {}
        self._fails = 0
        self._again_s = float("-inf")
        self._is_hurried = False

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, report: Reported) -> None:
        """Say this, instead of what was still to be said about the same version."""
        self._waiting.pop(report.version, None)
        self._waiting[report.version] = report
        while len(self._waiting) > KEPT_MAX:
            self._waiting.pop(next(iter(self._waiting)))

    def is_due(self, now_s: float) -> bool:
        """Whether there is something to say, and whoever hears it is not to be left alone."""
        return bool(self._waiting) and now_s >= self._again_s

    def failed(self, now_s: float, chance: float, asked_s: float | None) -> None:
        """It was not taken: later once more, unless it had left before the way opened anew.

        Args:
            chance: 0 to 1.
            asked_s: so long the platform wants to be left alone; None: it says nothing.
        """
        if self._is_hurried:  # a word about the way that was
            return
        self._fails += 1
        pause_s = full_jitter_s(self._fails, chance, PAUSE_S, PAUSE_S_MAX)
        self._again_s = now_s + max(pause_s, asked_s or 0.0)

    def hurry(self) -> None:
        """The way has opened: no use in waiting any longer."""
        self._fails, self._again_s = 0, float("-inf")
        self._is_hurried = True

    def next(self) -> Reported | None:
        """The one that has waited for longest; it leaves now."""
        self._is_hurried = False
        return next(iter(self._waiting.values()), None)

    def done(self, report: Reported) -> None:
        """It has been said; what has been added about the version meanwhile stays."""
        self.hurry()
        if self._waiting.get(report.version) is report:
            del self._waiting[report.version]
