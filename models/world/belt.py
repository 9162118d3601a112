"""The belt and its encoder."""

from __future__ import annotations

from math import floor

from models.world.motor import Motor
from models.world.parameters import STEP_S, BeltParameters, PowerParameters


class Belt:
    """A belt on a pulley.

    Attributes:
        motor: its first input carries inward.
        position_m: how far the pulley has come, inward positive.
        is_slipping: the pulley turns under a belt that stands.
    """

    __slots__ = ("_metres_per_rad", "_pitch_m", "is_slipping", "motor", "position_m")

    def __init__(self, belt: BeltParameters, power: PowerParameters) -> None:
        """At rest."""
        self._metres_per_rad = belt.pulley_m / belt.motor.gear_ratio
        self._pitch_m = belt.encoder_pitch_m
        self.motor = Motor(belt.motor, power)
        self.position_m = 0.0
        self.is_slipping = False

    @property
    def speed_m_s(self) -> float:
        """Of the belt's surface, inward positive."""
        return 0.0 if self.is_slipping else self.motor.speed_rad_s * self._metres_per_rad

    @property
    def encoder(self) -> bool:
        """Level of the encoder, whose disc sits on the pulley."""
        return bool(floor(self.position_m / self._pitch_m) & 1)

    def step(self, bus_v: float) -> float:
        """Let a millisecond pass.

        Returns:
            Speed of the belt's surface, m/s.
        """
        speed_m_s = self.motor.step(bus_v) * self._metres_per_rad
        self.position_m += speed_m_s * STEP_S
        return 0.0 if self.is_slipping else speed_m_s
