"""A DC gearmotor behind an H-bridge."""

from __future__ import annotations

from models.world.parameters import STEP_S, MotorParameters, PowerParameters


class Motor:
    """One motor with its bridge.

    Attributes:
        speed_rad_s: of the motor's shaft; the first input drives it to positive speeds.
        current_a: through its windings.
        sign: what the bridge applies: 1 or -1 times the supply, or 0, a short: the brake.
        is_connected: False: the bridge is off or without supply, and the motor runs free.
        is_locked: something holds the shaft.
        load_nm: torque at the gear's output that works against motion.
    """

    __slots__ = (
        "_back_emf",
        "_drop_v",
        "_hold",
        "_load_factor",
        "_per_inertia",
        "_per_ohm",
        "_viscous",
        "current_a",
        "is_connected",
        "is_locked",
        "load_nm",
        "sign",
        "speed_rad_s",
    )

    def __init__(self, motor: MotorParameters, power: PowerParameters) -> None:
        """At rest and off."""
        self._per_ohm = 1.0 / motor.resistance_ohm
        self._back_emf = motor.back_emf_v_s
        self._per_inertia = STEP_S / motor.inertia_kg_m2
        self._viscous = motor.viscous_nm_s
        self._hold = self._per_inertia * motor.friction_nm
        self._load_factor = self._per_inertia / (motor.gear_ratio * motor.efficiency)
        self._drop_v = power.bridge_drop_v
        self.speed_rad_s = 0.0
        self.current_a = 0.0
        self.load_nm = 0.0
        self.sign = 0
        self.is_connected = False
        self.is_locked = False

    @property
    def is_driven(self) -> bool:
        """Whether it is being made to turn."""
        return self.is_connected and self.sign != 0

    @property
    def is_active(self) -> bool:
        """Whether a step would change anything."""
        return self.speed_rad_s != 0.0 or self.current_a != 0.0 or self.is_driven

    def step(self, bus_v: float) -> float:
        """Let a millisecond pass.

        Returns:
            The shaft's speed, rad/s.
        """
        speed = self.speed_rad_s
        if self.is_connected:
            drive_v = bus_v - self._drop_v
            drive_v = self.sign * drive_v if drive_v > 0.0 else 0.0
            current = (drive_v - self._back_emf * speed) * self._per_ohm
        else:
            current = 0.0
        self.current_a = current
        if self.is_locked:
            self.speed_rad_s = 0.0
            return 0.0
        # What the speed would be without dry friction, which then takes its part, or all of it.
        speed += self._per_inertia * (self._back_emf * current - self._viscous * speed)
        hold = self._hold + self._load_factor * self.load_nm
        if speed > hold:
            speed -= hold
        elif speed < -hold:
            speed += hold
        else:
            speed = 0.0
        self.speed_rad_s = speed
        return speed
