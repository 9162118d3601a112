"""What stands between the guard's outputs and the motors: two H-bridges, a one-shot, a relay.

door and emergency stop ── relay ──▶ supply of both bridges, without any software
heartbeat ── one-shot ──▶ enable of both bridges
two inputs of each bridge: 10 and 01 drive, 00 and 11 short the motor: the brake
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from models.world.motor import Motor
from models.world.parameters import STEPS_PER_S, PowerParameters
from models.world.pins import BELT_IN, BELT_OUT, GATE_CLOSE, GATE_OPEN, HEARTBEAT, OUTPUTS

_INPUTS = {"belt": (BELT_IN, BELT_OUT), "gate": (GATE_OPEN, GATE_CLOSE)}
_LONG_AGO = -(1 << 40)


class Bridges:
    """The levels of the outputs and what they do to the motors.

    Attributes:
        levels: of the outputs.
        supply_v: without load.
        door_closed, estop_released: how things really are, whatever their contacts say.
        welded: a bridge that stays on, and which way.
        both_high: how often two inputs of one bridge came to be high together.
    """

    def __init__(
        self,
        parameters: PowerParameters,
        motors: Mapping[str, Motor],
        started: Callable[[str], None],
    ) -> None:
        """Args: started: told the name of a motor that begins to be driven."""
        self._motors = motors
        self._started = started
        self._hold_steps = round(parameters.one_shot_s * STEPS_PER_S)
        self._beat_step = _LONG_AGO
        self._last_sign = dict.fromkeys(motors, 1)
        self._unsafe: dict[str, int] = {}
        self._unsafe_steps = {"driven": 0, "asked": 0}
        self.levels = dict.fromkeys(OUTPUTS, False)
        self.supply_v = parameters.supply_v
        self.door_closed = self.estop_released = True
        self.welded: dict[str, int] = {}
        self.both_high = 0

    @property
    def is_safe(self) -> bool:
        """Whether the relay lets the motors have their supply."""
        return self.door_closed and self.estop_released

    @property
    def enabled_until_step(self) -> int:
        """When the one-shot ends unless the heartbeat changes before."""
        return self._beat_step + self._hold_steps

    def write(self, line: str, level: bool, step: int) -> None:
        """An output gets a level."""
        if self.levels[line] == level:
            return
        self.levels[line] = level
        if line == HEARTBEAT:
            self._beat_step = step
        else:
            pair = next(pair for pair in _INPUTS.values() if line in pair)
            self.both_high += all(self.levels[each] for each in pair)
        self.refresh(step)

    def weld(self, motors: tuple[str, ...], step: int) -> None:
        """These bridges stay on in the direction in which they last drove; all others do not."""
        self.welded = {name: self._last_sign[name] for name in motors}
        self.refresh(step)

    def refresh(self, step: int) -> None:
        """Connect the motors as everything now stands."""
        is_enabled = step < self.enabled_until_step
        is_asked = is_driven = False
        for name, motor in self._motors.items():
            ahead, back = (self.levels[line] for line in _INPUTS[name])
            sign = int(ahead) - int(back)
            is_asked = is_asked or (is_enabled and sign != 0)
            if is_enabled and sign:
                self._last_sign[name] = sign
            was_driven = motor.is_driven
            motor.sign = self.welded.get(name, sign)
            motor.is_connected = self.is_safe and (is_enabled or name in self.welded)
            is_driven = is_driven or motor.is_driven
            if motor.is_driven and not was_driven:
                self._started(name)
        self._count("driven", step, is_on=is_driven and not self.is_safe)
        self._count("asked", step, is_on=is_asked and not self.is_safe)

    def unsafe_s(self, what: str, step: int) -> float:
        """How long motors were ``driven``, or only ``asked`` to move, while it was not safe."""
        running = step - self._unsafe[what] if what in self._unsafe else 0
        return (self._unsafe_steps[what] + running) / STEPS_PER_S

    def _count(self, what: str, step: int, *, is_on: bool) -> None:
        if is_on:
            self._unsafe.setdefault(what, step)
        elif what in self._unsafe:
            self._unsafe_steps[what] += step - self._unsafe.pop(what)
