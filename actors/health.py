"""The health: measures the machine and raises alarms.

Owns the standing alarms.
Hears `MeasureNow`.
Says nothing by itself; alarms are events in the record.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from models.condition import Threshold, alarms
from protocol.health import Measured, MeasureNow
from protocol.message import Message
from supervisors import Actor, handles


class _Period(Message, frozen=True, tag="health.period"):
    """Health to itself: measure again."""


class Health(Actor):
    """See the module."""

    def __init__(
        self,
        directory: str,
        period_s: float,
        thresholds: Mapping[str, tuple[float, float]],
        root: str = "/",
    ) -> None:
        """Make it.

        Args:
            directory: whose file system is watched.
            period_s: between two measurements.
            thresholds: limit and clearing value by name of the measured value.
            root: where ``proc`` and ``sys`` are; another one in tests.
        """
        self._directory = directory
        self._period_s = period_s
        self._thresholds = {name: Threshold(*pair) for name, pair in thresholds.items()}
        self._root = Path(root)
        self._standing: frozenset[str] = frozenset()
        self._cpu: tuple[int, int] | None = None

    def on_start(self) -> None:
        """Measure once, then periodically."""
        self._measure()
        self.ctx.schedule_every(self._period_s, _Period())

    @handles(_Period)
    def period(self, message: _Period) -> None:
        """Measure."""
        self._measure()

    @handles(MeasureNow, command=True)
    def measure_now(self, message: MeasureNow) -> Measured:
        """Measure for an operator."""
        return self._measure()

    def _measure(self) -> Measured:
        values = {
            "cpu_percent": self._cpu_percent(),
            "memory_percent": self._memory_percent(),
            "disk_percent": self._disk_percent(),
            "temperature_c": self._temperature_c(),
        }
        now = alarms(self._standing, values, self._thresholds)
        for name in sorted(now - self._standing):
            self.ctx.emit("alarm", name=name, value=values[name])
        for name in sorted(self._standing - now):
            self.ctx.emit("alarm_cleared", name=name, value=values[name])
        self._standing = now
        shown = {
            name: value if value is None else round(value, 1) for name, value in values.items()
        }
        self.ctx.note(**shown, alarms=", ".join(sorted(now)) or None)
        return Measured(**shown, alarms=tuple(sorted(now)))

    def _cpu_percent(self) -> float | None:
        """Busy share since the last measurement; unknown the first time."""
        try:
            fields = [
                int(f) for f in (self._root / "proc/stat").read_text().split("\n")[0].split()[1:]
            ]
        except (OSError, ValueError, IndexError):
            return None
        idle, total = fields[3] + fields[4], sum(fields[:8])
        before, self._cpu = self._cpu, (idle, total)
        if before is None or total == before[1]:
            return None
        return 100.0 * (1.0 - (idle - before[0]) / (total - before[1]))

    def _memory_percent(self) -> float | None:
        try:
            lines = (self._root / "proc/meminfo").read_text().splitlines()
            kilobytes = {line.split(":")[0]: int(line.split()[1]) for line in lines}
            return 100.0 * (1.0 - kilobytes["MemAvailable"] / kilobytes["MemTotal"])
        except (OSError, ValueError, IndexError, KeyError):
            return None

    def _disk_percent(self) -> float | None:
        try:
            found = os.statvfs(self._directory)
        except OSError:
            return None
        return 100.0 * (1.0 - found.f_bavail / found.f_blocks) if found.f_blocks else None

    def _temperature_c(self) -> float | None:
        """The hottest zone; some zones of a Jetson cannot be read while their part sleeps."""
        hottest: float | None = None
        for zone in sorted((self._root / "sys/class/thermal").glob("thermal_zone*/temp")):
            try:
                value = int(zone.read_text()) / 1000.0
            except (OSError, ValueError):
                continue
            hottest = value if hottest is None else max(hottest, value)
        return hottest
