"""The analogue side of the sensors actor: scale, bin and climate, each in its own time.

No actor, and without a clock: the sensors hand the time in and carry out what comes back. Without a
driver every value is unknown, and that is a fault with a name.
"""

from __future__ import annotations

from actors.drivers import ports
from actors.drivers.ports import Analog
from actors.sensors.weighing import Answer, Weighing
from config.settings import SensorsSettings
from models.sensing import Fault, channel, level
from models.sensing.channel import Channel, channel_fault
from models.sensing.scale import scale_fault
from protocol.envelope import Envelope
from protocol.machine import Tare, Tared, Weigh, Weighed

_STALE_S = 2.0
"""Without a new measurement for so long, or for three periods, a channel stands still."""


class Channels:
    """See the module.

    Attributes:
        bin_percent: how full the bin is; None: unknown.
    """

    def __init__(
        self, analog: Analog | None, missing: str, limits: SensorsSettings, bin_depth_m: float
    ) -> None:
        """Make it.

        Args:
            analog: the driver, if there is one.
            missing: why there is none, in a sentence.
            limits: periods and limits.
            bin_depth_m: from the sensor in the bin's lid down to its floor.
        """
        self._analog = analog
        self._missing = missing
        self._limits = limits
        self._bin_depth_m = bin_depth_m
        self._known: dict[str, Channel] = dict.fromkeys(ports.SENSOR_CHANNELS, Channel())
        self._weighing = Weighing(limits)
        self._bin = level.Level()
        self._scale_due_s = self._bin_due_s = self._climate_due_s = 0.0

    @property
    def bin_percent(self) -> float | None:
        """How full the bin is; None: unknown."""
        return self._bin.percent

    def values(self) -> dict[str, float | None]:
        """What was measured last."""
        return {
            ports.WEIGHT_G: self._weighing.mass_g,
            "bin_percent": self._bin.percent,
            ports.TEMPERATURE_C: self._known[ports.TEMPERATURE_C].value,
            ports.HUMIDITY_PERCENT: self._known[ports.HUMIDITY_PERCENT].value,
        }

    def faults(self) -> dict[str, Fault | None]:
        """What is wrong, by sensor."""
        if self._analog is None:
            return dict.fromkeys(("scale", "bin", "climate"), Fault("dead", self._missing))
        weight, distance, temperature, humidity = (
            channel_fault(self._known[name], self._limits.frozen_readings)
            for name in ports.SENSOR_CHANNELS
        )
        return {
            "scale": weight or scale_fault(self._weighing.scale),
            "bin": distance or level.level_fault(self._bin),
            "climate": temperature or humidity,
        }

    def ask(self, request: Envelope, message: Weigh | Tare, now_s: float) -> list[Answer]:
        """Somebody wants a weight or zero; returns what is to be answered at once."""
        if self._analog is None:
            if isinstance(message, Tare):
                return [(request, Tared(None, self._missing))]
            return [(request, Weighed(message.deposit, None))]
        # What the channel holds already was measured before, and does not count.
        answers = self._read_scale(self._analog, now_s)
        self._weighing.ask(request, message, now_s)
        return answers

    def measure(self, now_s: float) -> list[Answer]:
        """Read what is due; returns what is to be answered."""
        if self._analog is None:
            return []
        if now_s >= self._bin_due_s:
            self._bin_due_s = now_s + self._limits.bin_period_s
            self._read_bin(self._analog, now_s)
        if now_s >= self._climate_due_s:
            self._climate_due_s = now_s + self._limits.climate_period_s
            self._read_climate(self._analog, now_s)
        if now_s >= self._scale_due_s:
            self._scale_due_s = now_s + self._limits.scale_period_s
            if not self._weighing.is_busy:
                self._weighing.look(now_s)
        return self._read_scale(self._analog, now_s) if self._weighing.is_busy else []

    def set_idle(self, is_idle: bool) -> None:
        """Whether an item is dealt with; while none is, nothing should lie on the scale."""
        self._weighing.is_idle = is_idle

    def close(self) -> None:
        """Let go of the driver."""
        if self._analog is not None:
            self._analog.close()

    def _read_scale(self, analog: Analog, now_s: float) -> list[Answer]:
        is_new = self._read(analog, ports.WEIGHT_G, channel.WEIGHT_G, _STALE_S, now_s)
        newest = self._known[ports.WEIGHT_G]
        answers = []
        if is_new and newest.value is not None:
            answers = self._weighing.read(newest.measured_ns, newest.value)
        return answers + self._weighing.expire(now_s)

    def _read_bin(self, analog: Analog, now_s: float) -> None:
        stale_s = max(_STALE_S, 3 * self._limits.bin_period_s)
        possible = level.possible_m(self._bin_depth_m)
        if self._read(analog, ports.BIN_DISTANCE_M, possible, stale_s, now_s):
            echo_m = self._known[ports.BIN_DISTANCE_M].value
            self._bin = level.heard(self._bin, echo_m, self._bin_depth_m, now_s, self._limits)

    def _read_climate(self, analog: Analog, now_s: float) -> None:
        stale_s = max(_STALE_S, 3 * self._limits.climate_period_s)
        self._read(analog, ports.TEMPERATURE_C, channel.TEMPERATURE_C, stale_s, now_s)
        self._read(analog, ports.HUMIDITY_PERCENT, channel.HUMIDITY_PERCENT, stale_s, now_s)

    def _read(
        self, analog: Analog, name: str, possible: channel.Range, stale_s: float, now_s: float
    ) -> bool:
        """Read a channel once; whether that said anything new."""
        value, quality, at_ns = analog.read(name)
        before = self._known[name]
        after = channel.measured(before, value, quality, at_ns, now_s, possible, stale_s)
        self._known[name] = after
        return after is not before
