"""What the actors need of hardware, named by need and not by vendor."""

from __future__ import annotations

from typing import Protocol

MOTOR_IN = "motor_in"
MOTOR_OUT = "motor_out"
BEAM_INLET = "beam_inlet"
BEAM_DROP = "beam_drop"
OUTPUTS = (MOTOR_IN, MOTOR_OUT)
INPUTS = (BEAM_INLET, BEAM_DROP)


class Pins(Protocol):
    """Digital lines by name. A beam reads True while it is interrupted."""

    def read(self, line: str) -> bool | None:
        """Level of a line; None when it cannot be read, which is not False."""

    def write(self, line: str, level: bool) -> None:
        """Drive an output.

        Raises:
            OSError: it cannot be driven; the caller must assume the worst.
        """

    def close(self) -> None:
        """Let go. Outputs keep their level, as they do on real hardware."""
