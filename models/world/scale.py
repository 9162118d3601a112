"""The weighing bed: a mass on a spring that rings."""

from __future__ import annotations

from math import pi

from models.world.parameters import STEP_S, ScaleParameters


class Scale:
    """A load cell of second order.

    Attributes:
        load_g: what presses on it.
        shown_g: what it shows, without noise, drift and zero.
        is_still: it shows its load, and a step changes nothing.
    """

    __slots__ = ("_damping", "_speed_g_s", "_stiffness", "_still_g", "is_still", "load_g",
                 "shown_g")  # fmt: skip

    def __init__(self, scale: ScaleParameters) -> None:
        """Empty."""
        omega = 2 * pi * scale.natural_hz
        self._stiffness = omega * omega * STEP_S
        self._damping = 2 * scale.damping * omega * STEP_S
        self._still_g = scale.still_g
        self._speed_g_s = 0.0
        self.load_g = 0.0
        self.shown_g = 0.0
        self.is_still = True

    def step(self, load_g: float) -> None:
        """Let a millisecond pass."""
        self.load_g = load_g
        speed = self._speed_g_s
        speed += self._stiffness * (load_g - self.shown_g) - self._damping * speed
        self._speed_g_s = speed
        self.shown_g += speed * STEP_S
        self.is_still = False

    def settle(self) -> None:
        """Call it still if it nearly is; at fixed moments only, so that all runs agree."""
        # At the natural frequency a swing of 0.01 g has 1.6 g/s.
        is_near = abs(self.load_g - self.shown_g) < self._still_g
        if is_near and abs(self._speed_g_s) < 150 * self._still_g:
            self.shown_g = self.load_g
            self._speed_g_s = 0.0
            self.is_still = True
