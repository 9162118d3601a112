"""A belt and a gate just real enough for the guard's rules, in steps of its tick."""

from __future__ import annotations

from dataclasses import dataclass, field

from config.settings import MotorSettings
from models.guard.rules import Guard
from models.guard.terms import Answer, Order, Outputs, Seen
from protocol.machine import MoveDone, MoveFailed

LIMITS = MotorSettings()
SPEED_M_PER_S = 0.51
STEP_M = 0.00785
STROKE_S = 0.5
BRAKE_S = 0.2


@dataclass
class Plant:
    """The guard on a belt and a gate that do what they should, unless told otherwise."""

    limits: MotorSettings = LIMITS
    has_current: bool = True
    now_s: float = 100.0
    door: bool | None = True
    estop: bool | None = True
    beam: bool | None = False
    gate: float = 0.0  # 0 closed, 1 open
    belt_m: float = 0.0
    belt_speed: float = 0.0
    jammed: str = ""
    welded: str = ""
    encoder_dead: bool = False
    encoder_lost: bool = False
    current_dead: bool = False
    forced: dict[str, bool | None] = field(default_factory=dict)
    supply_v: float = 12.0
    answers: list[Answer] = field(default_factory=list)
    trace: list[tuple[float, Outputs]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.guard = Guard(self.limits, self.now_s, has_current=self.has_current)
        self.look()

    def seen(self) -> Seen:
        encoder = None if self.encoder_lost else bool(int(self.belt_m / STEP_M) % 2)
        if self.encoder_dead:
            encoder = False
        levels = {
            "door_closed": self.door,
            "estop_released": self.estop,
            "gate_is_open": self.gate >= 0.999,
            "gate_is_closed": self.gate <= 0.001,
            "beam_gate": self.beam,
            "encoder": encoder,
        }
        return Seen(**{**levels, **self.forced})

    def take(self, answers: list[Answer]) -> list[Answer]:
        outputs = self.guard.outputs()
        if not self.trace or self.trace[-1][1] != outputs:
            self.trace.append((self.now_s, outputs))
        self.answers += answers
        return answers

    def look(self) -> None:
        self.take(self.guard.look(self.seen(), self.now_s))

    def order(self, move="m", motor="belt", direction="inward", run_s=1.0, until="time", **more):
        order = Order(move, motor, direction, run_s, until, "/asker", **more)
        return self.take(self.guard.order(order, self.now_s, self.now_s))

    def stop(self) -> None:
        self.take(self.guard.stop("asked", self.now_s))

    def tick(self, *, renew: str = "") -> None:
        """One step of the plant, then one look."""
        dt = self.limits.tick_s
        outputs = self.guard.outputs()
        self.now_s += dt
        self._move(outputs, dt)
        if self.has_current:
            self._measure(outputs)
        if renew:
            self.guard.renew(renew, self.now_s, self.now_s)
        self.look()

    def run(self, seconds: float, *, renew: str = "") -> None:
        for _ in range(round(seconds / self.limits.tick_s)):
            self.tick(renew=renew)

    def until_answered(self, *, renew: str = "m", most_s: float = 10.0):
        before = len(self.answers)
        for _ in range(round(most_s / self.limits.tick_s)):
            if len(self.answers) > before:
                return self.answers[-1].said
            self.tick(renew=renew)
        raise AssertionError("no answer")

    def _move(self, outputs: Outputs, dt: float) -> None:
        drive = outputs.belt_in - outputs.belt_out
        if self.welded == "belt":
            drive = 1
        if self.jammed == "belt":
            self.belt_speed = 0.0
        elif drive:
            self.belt_speed = drive * SPEED_M_PER_S
        else:
            slow = SPEED_M_PER_S * dt / BRAKE_S
            self.belt_speed = max(0.0, abs(self.belt_speed) - slow) * (
                1 if self.belt_speed > 0 else -1
            )
        self.belt_m += self.belt_speed * dt
        if self.jammed != "gate":
            self.gate += (outputs.gate_open - outputs.gate_close) * dt / STROKE_S
            self.gate = min(1.0, max(0.0, self.gate))

    def _measure(self, outputs: Outputs) -> None:
        belt = outputs.belt_in or outputs.belt_out or self.welded == "belt"
        gate = outputs.gate_open or outputs.gate_close or self.welded == "gate"
        noise = (round(self.now_s * 1000) % 7) / 1000
        belt_a = (3.9 if self.jammed == "belt" else 0.27) * belt + noise
        at_end = (self.gate in (0.0, 1.0)) or self.jammed == "gate"
        gate_a = (1.54 if at_end else 0.72) * gate + noise
        view = self.guard.view
        view.measure("belt", None if self.current_dead else belt_a, self.now_s)
        view.measure("gate", None if self.current_dead else gate_a, self.now_s)
        view.supply(self.supply_v)


def failure(said: MoveDone | MoveFailed) -> str:
    assert isinstance(said, MoveFailed), said
    return said.reason
