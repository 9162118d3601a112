"""The words of the guard's rules: what it sees, what it is asked, what it drives and answers."""

from __future__ import annotations

from typing import Literal, NamedTuple

from protocol.machine import (
    Direction,
    GateState,
    MotorName,
    MoveDone,
    MoveFailed,
    MoveFault,
    Until,
)

Phase = Literal["off", "dead", "run", "brake"]
MOTORS: tuple[MotorName, ...] = ("belt", "gate")
DIRECTIONS: dict[MotorName, tuple[Direction, Direction]] = {
    "belt": ("inward", "outward"),
    "gate": ("open", "close"),
}
NEVER = float("-inf")


class Seen(NamedTuple):
    """One look at the guard's lines; None: this one cannot be read."""

    door_closed: bool | None
    estop_released: bool | None
    gate_is_open: bool | None
    gate_is_closed: bool | None
    beam_gate: bool | None
    encoder: bool | None

    @property
    def gate(self) -> GateState:
        """Where the gate is, by its limit switches."""
        is_open, is_closed = self.gate_is_open, self.gate_is_closed
        if is_open is None or is_closed is None or (is_open and is_closed):
            return "unknown"
        return "open" if is_open else "closed" if is_closed else "between"


class Order(NamedTuple):
    """A movement that is asked for.

    Attributes:
        asker: whom its end is told.
        is_jog: a technician's; nobody renews it, and it is short.
        is_held: they hold the button at the machine, so the door may be open.
    """

    move: str
    motor: MotorName
    direction: Direction
    run_s: float
    until: Until = "time"
    asker: str = ""
    is_jog: bool = False
    is_held: bool = False


class Outputs(NamedTuple):
    """Levels of the guard's lines, in the order of the port's names."""

    belt_in: bool = False
    belt_out: bool = False
    gate_open: bool = False
    gate_close: bool = False
    heartbeat: bool = False


class Why(NamedTuple):
    """Why a movement is refused or ended."""

    reason: MoveFault
    detail: str


class Answer(NamedTuple):
    """What is to be said about an order, once the outputs are driven."""

    asker: str
    said: MoveDone | MoveFailed
