"""The bin below the belt."""

from __future__ import annotations

from math import pi

from models.world.parameters import BinParameters


class Bin:
    """A box that fills up.

    Attributes:
        volume_m3: of what lies in it, with the room between.
        surface_m: how much higher than the average the heap is under the sensor.
        is_blocked: something stands under the sensor: it looks full.
    """

    __slots__ = ("_parameters", "is_blocked", "surface_m", "volume_m3")

    def __init__(self, parameters: BinParameters) -> None:
        """Empty."""
        self._parameters = parameters
        self.volume_m3 = 0.0
        self.surface_m = 0.0
        self.is_blocked = False

    @property
    def percent(self) -> float:
        """How full it is; what does not fit any more makes more than 100."""
        full_m3 = self._parameters.area_m2 * self._parameters.depth_m
        return 100.0 if self.is_blocked else 100.0 * self.volume_m3 / full_m3

    @property
    def distance_m(self) -> float:
        """From the sensor down to what lies there."""
        if self.is_blocked:
            return self._parameters.dead_zone_m
        level_m = self.volume_m3 / self._parameters.area_m2 + self.surface_m
        return max(self._parameters.dead_zone_m, self._parameters.depth_m - level_m)

    def take(self, length_m: float, diameter_m: float, roughness: float) -> None:
        """Let an item fall in. Roughness: a standard normal number."""
        self.volume_m3 += pi * diameter_m**2 * length_m / (4 * self._parameters.packing)
        self.surface_m = roughness * self._parameters.surface_m

    def empty(self) -> None:
        """Exchange it for an empty one."""
        self.volume_m3 = self.surface_m = 0.0
