"""The motor actor on simulated pins in virtual time, with a belt and a gate that a test moves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from actors.drivers import ports
from actors.drivers.simulated import SimulatedBoard
from actors.motor.actor import Motor
from config.settings import MotorSettings
from protocol.machine import GuardChanged, Move, MoveDone, MoveFailed, ReadGuard, Renew
from protocol.message import Message
from supervisors import Actor, Backoff, ChildSpec, SupervisorSpec, handles
from supervisors.stage import Stage
from tests.actors.trace import check_trace

GPIO = "actors.drivers.simulated:SimulatedGpio"
ANALOG = "actors.drivers.simulated:SimulatedAnalog"
LIMITS = MotorSettings()
SPEED_M_PER_S, STEP_M, STROKE_S, BRAKE_S = 0.51, 0.00785, 0.5, 0.2


def motor_spec(directory: Path, limits: MotorSettings = LIMITS, **more: Any) -> ChildSpec:
    """A child spec of the motor, as the machine's tree has it."""
    args = {
        "gpio": more.pop("gpio", GPIO),
        "gpio_args": {"directory": str(directory)},
        "analog": more.pop("analog", ANALOG),
        "analog_args": {"directory": str(directory)},
        "limits": limits,
        "tell": "/heard",
    }
    return ChildSpec("motor", Motor, args=args, fail_safe="actors.motor.actor:make_safe", **more)


class Asker(Actor):
    """Sends what it is told to send, so that answers find somebody."""

    def __init__(self, heard: list[Message]) -> None:
        self.heard = heard

    @handles(MoveDone)
    def done(self, message: MoveDone) -> None:
        self.heard.append(message)

    @handles(MoveFailed)
    def failed(self, message: MoveFailed) -> None:
        self.heard.append(message)

    @handles(GuardChanged)
    def changed(self, message: GuardChanged) -> None:
        self.heard.append(message)


class Bench:
    """A motor and what hangs on it; `run` turns the clock.

    Attributes:
        heard: what it has said, oldest first.
        board: the other side of its pins.
    """

    def __init__(self, directory: Path, limits: MotorSettings = LIMITS, **more: Any) -> None:
        """Args: more: of the child spec; ``faults`` on the board before it starts."""
        self.heard: list[Message] = []
        self.limits = limits
        self.board = SimulatedBoard(str(directory))
        self.gate, self.belt_m, self.speed = 0.0, 0.0, 0.0
        self.door, self.estop, self.beam = True, True, False
        self.jammed = ""
        self.stage = Stage(
            SupervisorSpec(
                (
                    ChildSpec("heard", Asker, args={"heard": self.heard}),
                    motor_spec(directory, limits, **more),
                ),
                backoff=Backoff.NONE,
                intensity=None,
            )
        )
        self._show()
        self.stage.start()

    # -- the machine's parts --------------------------------------------------------------------

    def run(self, seconds: float, *, renew: str = "", step_s: float = 0.005) -> None:
        """Let time pass; renew a lease meanwhile."""
        for _ in range(round(seconds / step_s)):
            self._move(step_s)
            self._show()
            if renew:
                self.tell(Renew(renew))
            self.stage.advance(step_s)

    def _move(self, dt: float) -> None:
        level = self.board.level
        drive = level(ports.BELT_IN) - level(ports.BELT_OUT)
        slowed = max(0.0, abs(self.speed) - SPEED_M_PER_S * dt / BRAKE_S)
        self.speed = SPEED_M_PER_S * drive if drive else slowed * (1 if self.speed > 0 else -1)
        if self.jammed == "belt":
            self.speed = 0.0
        self.belt_m += self.speed * dt
        gate = level(ports.GATE_OPEN) - level(ports.GATE_CLOSE)
        if self.jammed != "gate":
            self.gate = min(1.0, max(0.0, self.gate + gate * dt / STROKE_S))

    def _show(self) -> None:
        board, noise_a = self.board, (self.stage.clock.monotonic_ns() // 1_000_000 % 7) / 1000
        board.pins.virtual_ns = self.stage.clock.monotonic_ns()
        board.set(ports.DOOR_CLOSED, self.door)
        board.set(ports.ESTOP_RELEASED, self.estop)
        board.set(ports.GATE_IS_OPEN, self.gate >= 0.999)
        board.set(ports.GATE_IS_CLOSED, self.gate <= 0.001)
        board.set(ports.BEAM_GATE, self.beam)
        board.set(ports.ENCODER, bool(int(self.belt_m / STEP_M) % 2))
        belt = board.level(ports.BELT_IN) or board.level(ports.BELT_OUT)
        gate = board.level(ports.GATE_OPEN) or board.level(ports.GATE_CLOSE)
        board.measure(
            ports.BELT_CURRENT_A, belt * (3.9 if self.jammed == "belt" else 0.27) + noise_a
        )
        board.measure(
            ports.GATE_CURRENT_A, gate * (1.54 if self.jammed == "gate" else 0.72) + noise_a
        )
        board.measure(ports.SUPPLY_V, 12.0)

    # -- talking to it --------------------------------------------------------------------------

    def tell(self, message: Message) -> None:
        """Say something as the one who listens."""
        envelope = self.stage.system.envelope(0, "/motor", message)
        envelope.source = "/heard"
        self.stage.system.route(envelope)

    def move(self, motor="belt", direction="inward", run_s=1.0, until="time", move="m") -> None:
        self.tell(Move(move, motor, direction, run_s, until))

    def state(self) -> GuardChanged:
        return self.stage.request("/motor", ReadGuard(), reply=GuardChanged)

    def ends(self) -> list[MoveDone | MoveFailed]:
        return [said for said in self.heard if isinstance(said, MoveDone | MoveFailed)]

    def outputs(self) -> set[str]:
        return {line for line in ports.MOTOR_OUTPUTS if self.board.level(line)}

    def facts(self) -> dict[str, Any]:
        return dict(self.stage.root.rows["motor"].running.vitals.facts)

    def close(self) -> None:
        """Stop it; what it has driven must be right."""
        self.stage.stop()
        check_trace(self.board.trace())
        self.board.close()
