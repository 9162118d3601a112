"""Reports about settings on their way to the platform: kept until it has them, newest word only."""

from __future__ import annotations

from protocol.platform.twin import Reported

KEPT_MAX = 16
"""Versions with a report that is still to be delivered; the platform asks for the newest only."""


class Reporting:
    """One report for each version: what became of it last."""

    def __init__(self) -> None:
        """Nothing is to be said."""
        self._waiting: dict[int, Reported] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, report: Reported) -> None:
        """Say this, instead of what was still to be said about the same version."""
        self._waiting.pop(report.version, None)
        self._waiting[report.version] = report
        while len(self._waiting) > KEPT_MAX:
            self._waiting.pop(next(iter(self._waiting)))

    def next(self) -> Reported | None:
        """The one that has waited for longest."""
        return next(iter(self._waiting.values()), None)

    def done(self, report: Reported) -> None:
        """It has been said; what has been added about the version meanwhile stays."""
        if self._waiting.get(report.version) is report:
            del self._waiting[report.version]
