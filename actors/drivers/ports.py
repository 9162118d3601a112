"""What the actors need of hardware, named by need and not by vendor.

A line belongs to one process for that process's whole life. So the lines of the guard (outputs,
limits, interlocks, encoder) are other lines than those of the sensors.

    guard    belt_in belt_out gate_open gate_close heartbeat ─▶
             ─▶ door_closed estop_released gate_is_open gate_is_closed beam_gate encoder
    sensors  ─▶ beam_entry beam_inside beam_exit beam_drop

The way of an item: beam_entry (outside the gate), beam_gate (in its plane), beam_inside, then the
scale under the camera, beam_exit, and beam_drop in the throat of the bin.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple, Protocol

BELT_IN = "belt_in"
BELT_OUT = "belt_out"
GATE_OPEN = "gate_open"
GATE_CLOSE = "gate_close"
HEARTBEAT = "heartbeat"
"""Toggled while a lease is held; a one-shot of about 120 ms behind it enables the bridges."""
GUARD_OUTPUTS = (BELT_IN, BELT_OUT, GATE_OPEN, GATE_CLOSE, HEARTBEAT)
MOTOR_OUTPUTS = (BELT_IN, BELT_OUT, GATE_OPEN, GATE_CLOSE)

DOOR_CLOSED = "door_closed"
ESTOP_RELEASED = "estop_released"
"""Contacts that open when tripped: a broken wire reads False, as an open door does."""
GATE_IS_OPEN = "gate_is_open"
GATE_IS_CLOSED = "gate_is_closed"
BEAM_GATE = "beam_gate"
ENCODER = "encoder"
"""Toggles with every 7.85 mm of belt."""
GUARD_INPUTS = (DOOR_CLOSED, ESTOP_RELEASED, GATE_IS_OPEN, GATE_IS_CLOSED, BEAM_GATE, ENCODER)

BEAM_ENTRY = "beam_entry"
BEAM_INSIDE = "beam_inside"
BEAM_EXIT = "beam_exit"
BEAM_DROP = "beam_drop"
SENSOR_INPUTS = (BEAM_ENTRY, BEAM_INSIDE, BEAM_EXIT, BEAM_DROP)
"""A beam reads True while it is interrupted."""

LINES = (*GUARD_OUTPUTS, *GUARD_INPUTS, *SENSOR_INPUTS)

BELT_CURRENT_A = "belt_current_a"
GATE_CURRENT_A = "gate_current_a"
WEIGHT_G = "weight_g"
BIN_DISTANCE_M = "bin_distance_m"
"""From the sensor in the lid down to what lies in the bin."""
TEMPERATURE_C = "temperature_c"
HUMIDITY_PERCENT = "humidity_percent"
SUPPLY_V = "supply_v"
GUARD_CHANNELS = (BELT_CURRENT_A, GATE_CURRENT_A, SUPPLY_V)
SENSOR_CHANNELS = (WEIGHT_G, BIN_DISTANCE_M, TEMPERATURE_C, HUMIDITY_PERCENT)
CHANNELS = (*GUARD_CHANNELS, *SENSOR_CHANNELS)


class LineError(OSError):
    """A line cannot be used; the message names it and the cure."""


class LineBusy(LineError):
    """It is claimed already, here or by another process."""


class LineUnknown(LineError):
    """There is no such line, or it was not claimed for this use."""


class DriverMissing(LineError):
    """What a driver needs is not there: library, chip or permission; the message names the cure."""


class Edge(NamedTuple):
    """A hint that a line has changed; its level has to be read again."""

    line: str
    level: bool
    t_mono_ns: int


class Gpio(Protocol):
    """Digital lines by name, of one process."""

    def claim_output(self, line: str, *, initial: bool = False) -> None:
        """Take a line and drive it; no other level is ever seen on it before.

        Raises:
            LineBusy: it is taken.
            LineUnknown: there is none of that name.
        """

    def claim_input(self, line: str) -> None:
        """Take a line for reading; raises as `claim_output` does."""

    def read(self, line: str) -> bool:
        """Level of a claimed line, outputs included.

        Raises:
            LineError: it cannot be read; unknown is not False.
        """

    def write(self, line: str, level: bool) -> None:
        """Drive a claimed output.

        Raises:
            LineError: it cannot be driven; the caller must assume the worst.
        """

    def on_edge(self, line: str, tell: Callable[[Edge], None]) -> None:
        """Call ``tell`` from any thread when a claimed input changes: a hint, not a count.

        Edges may be lost or come together, so whoever uses them looks at the level, and polls.
        """

    def close(self) -> None:
        """Let go of every line. Outputs keep their level, as they do on real hardware."""


Quality = Literal["ok", "stale", "error"]


class Reading(NamedTuple):
    """One value of an analogue channel.

    Attributes:
        value: in the unit that the channel's name ends in; None with quality ``error``.
        quality: ``stale``: the last good value, older than the channel allows.
        t_mono_ns: when it was measured (monotonic clock).
    """

    value: float | None
    quality: Quality
    t_mono_ns: int


class Analog(Protocol):
    """Analogue channels by name."""

    def read(self, channel: str) -> Reading:
        """Measure, without blocking for longer than the sensor's own bus takes."""

    def close(self) -> None:
        """Let go."""
