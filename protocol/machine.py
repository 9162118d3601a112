"""What is said about the machine's body.

    deposit ── Move ───────────▶ motor       run one motor; worthless when late, never repeated
    deposit ── Renew ──────────▶ motor       I am still here: without it the run ends with the lease
    deposit ── StopMotors ─────▶ motor
    deposit ◀─ MoveDone | MoveFailed ─ motor
    deposit ◀─ GuardChanged ──── motor       contacts, limits, latches: on every change
    anybody ── MakeSafe ───────▶ motor       outputs low, now
    operator ─ ResetGuard, Jog ▶ motor       at the machine only, never from the cloud

    deposit ◀─ BeamChanged ───── sensors     debounced
    deposit ◀─ BinChanged ────── sensors
    deposit ◀─ SensorFault | SensorCleared ─ sensors
    deposit ── Weigh ──────────▶ sensors     what lies on the scale, once it is still
    deposit ◀─ Weighed ───────── sensors
    deposit ── Tare ───────────▶ sensors     nothing lies on it now
    deposit ── CycleChanged ───▶ sensors     of `protocol.service`: an item may cover beams now

The motor actor is the guard: it may refuse and end every movement, and it alone drives outputs.
"""

from __future__ import annotations

from typing import ClassVar, Literal

import msgspec

from protocol.message import Delivery, Message

MotorName = Literal["belt", "gate"]
Direction = Literal["inward", "outward", "open", "close"]
"""Of the belt: inward, outward. Of the gate: open, close."""
Until = Literal["time", "limit"]
"""A run ends after its time, or at the limit switch of its direction (gate only)."""
GateState = Literal["open", "closed", "between", "unknown"]
"""``unknown``: both limits at once, or they cannot be read."""
Beam = Literal["entry", "inside", "exit", "drop"]

MoveFault = Literal[
    "busy",  # another move runs
    "invalid",  # no such direction, no time
    "door",  # the door is open or its contact cannot be read
    "estop",  # the emergency stop is pressed, or cannot be read
    "latched",  # tripped before: needs a reset at the machine
    "lease",  # whoever asked for it did not renew
    "jam",  # current too high
    "no_motion",  # it should turn and does not
    "obstacle",  # something stands in the gate
    "limit",  # both limits at once, or the one it should leave does not open
    "overrun",  # the limit was not reached in the motor's time
    "duty",  # ran too much within the last minute
    "uncommanded",  # it moves although it should not: a welded contact
    "outputs",  # a line cannot be driven
    "stopped",  # by StopMotors or MakeSafe
]


class Move(Message, frozen=True, tag="motor.move"):
    """Deposit: run one motor.

    Attributes:
        move: names this movement in all that is said about it; the asker makes it up.
        run_s: at most that long; the guard knows a limit of its own.
    """

    delivery: ClassVar[Delivery] = Delivery.COMMAND

    move: str
    motor: MotorName
    direction: Direction
    run_s: float
    until: Until = "time"


class Renew(Message, frozen=True, tag="motor.renew"):
    """Deposit: the lease of this movement begins anew."""

    delivery: ClassVar[Delivery] = Delivery.COMMAND

    move: str


class StopMotors(Message, frozen=True, tag="motor.stop"):
    """Deposit: brake whatever runs; its move fails with ``stopped``."""

    delivery: ClassVar[Delivery] = Delivery.SAFETY

    why: str = ""


class MakeSafe(Message, frozen=True, tag="machine.make_safe"):
    """Anybody: all outputs low, whatever is going on."""

    delivery: ClassVar[Delivery] = Delivery.SAFETY

    why: str = "asked"


class MoveDone(Message, frozen=True, tag="motor.done"):
    """Motor: it ended as asked and stands still.

    Attributes:
        reached: whether the limit switch of its direction has closed.
        ran_s: with current on.
        travel_m: of the belt by its encoder, inward positive; 0 for the gate.
        peak_a: highest current after the inrush; None without a current sensor.
    """

    move: str
    motor: MotorName
    direction: Direction
    reached: bool
    ran_s: float
    travel_m: float = 0.0
    peak_a: float | None = None


class MoveFailed(Message, frozen=True, tag="motor.failed"):
    """Motor: it was refused (``ran_s`` 0) or ended early; outputs are low."""

    move: str
    motor: MotorName
    reason: MoveFault
    detail: str = ""
    ran_s: float = 0.0
    travel_m: float = 0.0


class ReadGuard(Message, frozen=True, tag="motor.state"):
    """Anybody: how do things stand?"""


class GuardChanged(Message, frozen=True, tag="motor.guard_changed"):
    """Motor: how things stand, after every change.

    Attributes:
        sequence: counts the changes of this incarnation, from 1.
        door_closed, estop_released, beam_gate: debounced; None while it cannot be read.
        gate: by its limit switches.
        latch: why nothing moves until `ResetGuard`: ``door``, ``estop``, ``uncommanded``,
            ``limit``, ``jam``, ``outputs``; empty if nothing is latched.
        moving: the motor that runs, or empty.
        belt_still: the encoder has been quiet long enough.
        trouble: what the guard knows to be broken, in a sentence each (``encoder: …``).
    """

    sequence: int
    door_closed: bool | None
    estop_released: bool | None
    gate: GateState
    beam_gate: bool | None
    latch: str = ""
    moving: str = ""
    belt_still: bool = True
    trouble: tuple[str, ...] = ()
    at_ns: int = 0


class ResetGuard(Message, frozen=True, tag="motor.reset"):
    """Operator at the machine: the cause is gone, forget the latch. Nothing moves by it."""


class Jog(Message, frozen=True, tag="motor.jog"):
    """Technician: move a bit while I hold the button; only in service mode, half a second at most.

    With the door open this works with ``hold`` only: the two-hand device of the service key.
    """

    delivery: ClassVar[Delivery] = Delivery.COMMAND

    motor: MotorName
    direction: Direction
    run_s: float = 0.3
    hold: bool = False


class BeamChanged(Message, frozen=True, tag="sensors.beam_changed"):
    """Sensors: a beam was interrupted or is free again.

    Attributes:
        covered: None: it cannot be read.
        at_ns: when the level changed, before debouncing (monotonic clock).
    """

    beam: Beam
    covered: bool | None
    at_ns: int


class Weigh(Message, frozen=True, tag="sensors.weigh"):
    """Deposit: weigh what lies there, from now on and within ``within_s``."""

    deposit: str
    within_s: float = 0.5


class Weighed(Message, frozen=True, tag="sensors.weighed"):
    """Sensors: so much over the tare; None when it did not come to rest or cannot be read."""

    deposit: str
    mass_g: float | None
    spread_g: float = 0.0
    at_ns: int = 0


class Tare(Message, frozen=True, tag="sensors.tare"):
    """Deposit or technician: nothing lies on the scale; call that zero."""


class Tared(Message, frozen=True, tag="sensors.tared"):
    """Sensors: done, or not (None): it did not come to rest or is too far from the last zero.

    ``far_g``: what it reads at rest, where that is too far to be a zero.
    """

    zero_g: float | None
    why: str = ""
    far_g: float | None = None


class BinChanged(Message, frozen=True, tag="sensors.bin_changed"):
    """Sensors: how full the bin is, from 0 to 100; None: unknown."""

    percent: float | None


class SensorFault(Message, frozen=True, tag="sensors.fault"):
    """Sensors: this one cannot be trusted; `what` is a code.

    Attributes:
        sensor: a beam (``entry`` …), ``scale``, ``bin``, ``climate``.
        what: ``stuck``, ``dead``, ``noisy``, ``frozen``, ``implausible``.
    """

    sensor: str
    what: str
    detail: str = ""


class SensorCleared(Message, frozen=True, tag="sensors.cleared"):
    """Sensors: it works again."""

    sensor: str


class ReadInputs(Message, frozen=True, tag="sensors.read_inputs"):
    """Anybody: what do the inputs read?"""


class Inputs(Message, frozen=True, tag="sensors.inputs"):
    """Sensors: this; None where something cannot be read.

    Attributes:
        beams: by beam, debounced.
        values: channels (``weight_g`` over the tare, ``bin_percent``, ``temperature_c`` …).
        faults: what is not to be trusted, by sensor.
    """

    beams: dict[str, bool | None]
    values: dict[str, float | None] = msgspec.field(default_factory=dict)
    faults: dict[str, str] = msgspec.field(default_factory=dict)


MachineMessage = (
    Move
    | Renew
    | StopMotors
    | MakeSafe
    | MoveDone
    | MoveFailed
    | ReadGuard
    | GuardChanged
    | ResetGuard
    | Jog
    | BeamChanged
    | Weigh
    | Weighed
    | Tare
    | Tared
    | BinChanged
    | SensorFault
    | SensorCleared
    | ReadInputs
    | Inputs
)
