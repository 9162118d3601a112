"""The air inside the cabinet."""

from __future__ import annotations

from math import exp

from models.world.parameters import ClimateParameters

_KELVIN_PER_HALF = 11.0
"""Relative humidity halves with about every 11 °C that air is warmed."""


class Climate:
    """Temperature and humidity of first order, in closed form since the last change."""

    __slots__ = ("_ambient_c", "_from_c", "_parameters", "_since_s")

    def __init__(self, parameters: ClimateParameters) -> None:
        """Warmed through."""
        self._parameters = parameters
        self._ambient_c = parameters.ambient_c
        self._since_s = 0.0
        self._from_c = self._final_c

    @property
    def _final_c(self) -> float:
        warmth_c = self._parameters.power_w * self._parameters.resistance_c_per_w
        return self._ambient_c + warmth_c

    def temperature_c(self, now_s: float) -> float:
        """Temperature at a moment."""
        share = exp(-(now_s - self._since_s) / self._parameters.time_constant_s)
        return self._final_c + (self._from_c - self._final_c) * share

    def humidity_percent(self, now_s: float) -> float:
        """Relative humidity at a moment: the shop's air, warmed."""
        warmer_c = self.temperature_c(now_s) - self._parameters.ambient_c
        percent = self._parameters.ambient_rh_percent * float(2 ** (-warmer_c / _KELVIN_PER_HALF))
        return min(100.0, max(0.0, percent))

    def surround(self, ambient_c: float, now_s: float) -> None:
        """Change the temperature of the shop."""
        if ambient_c != self._ambient_c:
            self._from_c = self.temperature_c(now_s)
            self._since_s = now_s
            self._ambient_c = ambient_c
