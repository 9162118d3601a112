"""The gate in front of the belt."""

from __future__ import annotations

from models.world.motor import Motor
from models.world.parameters import STEP_S, GateParameters, PowerParameters


class Gate:
    """A leaf on a screw: 0 closed, 1 open. Nothing but its motor moves it.

    Attributes:
        motor: its first input opens.
        position: share of the stroke.
        slowness: 1; more when the screw is dry.
    """

    __slots__ = ("_gain", "_height_m", "_parameters", "motor", "position", "slowness")

    def __init__(self, gate: GateParameters, power: PowerParameters, position: float) -> None:
        """Args: position: where it was left."""
        self._parameters = gate
        self._gain = gate.gain_per_rad / gate.motor.gear_ratio * STEP_S
        self._height_m = gate.height_m
        self.motor = Motor(gate.motor, power)
        self.position = min(1.0, max(0.0, position))
        self.slowness = 1.0

    @property
    def opening_m(self) -> float:
        """How high it stands open."""
        return self.position * self._height_m

    @property
    def is_open(self) -> bool:
        """Whether it presses its upper limit switch."""
        return self.position >= self._parameters.open_at

    @property
    def is_closed(self) -> bool:
        """Whether it presses its lower one."""
        return self.position <= self._parameters.closed_at

    def step(self, bus_v: float, obstacle_m: float) -> float:
        """Let a millisecond pass; an obstacle of that height stands in its plane.

        Returns:
            How high it stands open, m.
        """
        motor, before = self.motor, self.position
        position = before + self._gain / self.slowness * motor.step(bus_v)
        lowest = obstacle_m / self._height_m
        if position > 1.0:
            position = 1.0
            motor.speed_rad_s = 0.0
        elif position < lowest and position < before:
            position = min(before, lowest)
            motor.speed_rad_s = 0.0
        self.position = position
        return position * self._height_m
