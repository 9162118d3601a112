"""A controller with a running belt, to be killed, stopped or hung; and how long the pins stay high.

The controller is a core of its own with the shipped guard in a process host; a thread here turns
the belt's encoder, so that the guard has nothing to complain of. Times come from the trace of the
simulated pins, on the clock that both sides share.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from actors.drivers import ports
from actors.drivers.simulated import SimulatedBoard
from actors.drivers.simulated.claims import Claims
from actors.motor.actor import Motor
from config.settings import MotorSettings
from protocol.machine import GuardChanged, Move, MoveDone, MoveFailed, Renew
from protocol.message import Message
from supervisors import (
    Actor,
    ActorSystem,
    Backoff,
    ChildSpec,
    Host,
    Limits,
    Supervisor,
    SupervisorSpec,
    handles,
)
from supervisors.boot import isolated
from supervisors.clock import SystemClock
from supervisors.exits import ExitReason

OUTLIVES_S = 0.5
_STROKE_S = 0.01
_PATIENCE_S = 20.0
# The belt is turned by a thread of whoever measures, which may be late: that is no stall.
_LIMITS = MotorSettings(run_s_max=30.0, duty_percent_max=100.0, stall_s=2.0)


class _Again(Message, frozen=True, tag="rig.again"):
    """Renewer to itself."""


class Renewer(Actor):
    """Runs the belt for as long as it may and renews the lease, as the item cycle does."""

    def __init__(self, motor: str) -> None:
        """Args: motor: address of the guard."""
        self._motor = motor
        self._number = 0

    def on_start(self) -> None:
        """Begin to renew."""
        self.ctx.schedule_every(_LIMITS.renew_s, _Again())

    def on_stop(self, reason: ExitReason) -> None:
        """Nothing is held here."""

    @handles(_Again)
    def again(self, message: _Again) -> None:
        """Renew, or begin."""
        if self._number:
            self.ctx.tell(self._motor, Renew(f"m{self._number}"))

    @handles(GuardChanged)
    def changed(self, message: GuardChanged) -> None:
        """Run as soon as the guard is ready."""
        if not message.moving and not message.latch and not self._number:
            self._number += 1
            self.ctx.tell(self._motor, Move(f"m{self._number}", "belt", "inward", 30.0))

    @handles(MoveDone)
    def done(self, message: MoveDone) -> None:
        """It was long enough."""

    @handles(MoveFailed)
    def failed(self, message: MoveFailed) -> None:
        """Print why: it should not have."""
        print(json.dumps({"failed": message.reason, "detail": message.detail}), flush=True)


def motor_spec(directory: str, tell: str, **more: Any) -> ChildSpec:
    """The guard as the machine's tree has it."""
    args = {
        "gpio": "actors.drivers.simulated:SimulatedGpio",
        "gpio_args": {"directory": directory},
        "analog": "",
        "analog_args": {},
        "limits": _LIMITS,
        "tell": tell,
    }
    options: dict[str, Any] = {
        "host": Host.PROCESS,
        "fail_safe": "actors.motor.actor:make_safe",
        "outlives_core_s": OUTLIVES_S,
        "limits": Limits(beat_timeout_s=1.0),
    }
    return ChildSpec("motor", Motor, args=args, **{**options, **more})


def main(argv: list[str]) -> int:
    """Be the controller; argument: the simulated machine's directory. Stdin: ``gil`` hangs it."""
    system = ActorSystem()
    tree = SupervisorSpec(
        (ChildSpec("renewer", Renewer, args={"motor": "/motor"}), motor_spec(argv[0], "/renewer")),
        intensity=None,
        backoff=Backoff.NONE,
    )
    with Supervisor.start(tree, system=system) as sup:
        running = sup.rows["motor"].running
        pids = {"core": os.getpid(), "zygote": system.zygote_pid, "guard": running and running.pid}
        print(json.dumps(pids), flush=True)
        if sys.stdin.readline().strip() == "gil":
            sum(range(10**12))  # in C all along: no other thread of this process runs
        sys.stdin.read()
    return 0


class Rig:
    """One controller and its machine.

    Attributes:
        pids: of ``core``, ``zygote`` and ``guard``.
        board: the other side of the pins.
    """

    def __init__(
        self, directory: str, process: subprocess.Popen[str], pids: dict[str, int]
    ) -> None:
        """Made by `rig`."""
        self.pids = pids
        self.directory = directory
        self.board = SimulatedBoard(directory)
        self.process = process
        self._clock = SystemClock()
        self._over = threading.Event()
        self._turning = threading.Thread(target=self._turn, daemon=True)
        self._turning.start()

    def _turn(self) -> None:
        level = False
        while not self._over.wait(_STROKE_S):
            if self.board.level(ports.BELT_IN):
                level = not level
                self.board.set(ports.ENCODER, level)

    def await_level(self, level: bool) -> None:
        """Wait until the belt's output has this level.

        Raises:
            TimeoutError: it has not.
        """
        until_s = self._clock.monotonic() + _PATIENCE_S
        while self.board.level(ports.BELT_IN) is not level:
            if self._clock.monotonic() > until_s:
                msg = f"the belt's output is not {'high' if level else 'low'}"
                raise TimeoutError(msg)
            self._clock.pause(0.0005)

    def strike(self, how: Callable[[], object]) -> float:
        """Do something to the running controller; seconds until the belt's output was low."""
        self.await_level(True)
        before = self.board.pins.writes
        began_ns = self._clock.monotonic_ns()
        how()
        self.await_level(False)
        lows = [w for w in self.board.trace(before) if w.line == ports.BELT_IN and not w.level]
        return (lows[0].t_mono_ns - began_ns) / 1e9

    def signal(self, number: int, *names: str) -> Callable[[], None]:
        """What `strike` does: signal these processes."""

        def send() -> None:
            for name in names:
                os.kill(self.pids[name], number)

        return send

    def seize(self) -> None:
        """What `strike` does: hang the controller with its interpreter locked."""
        assert self.process.stdin is not None
        self.process.stdin.write("gil\n")
        self.process.stdin.flush()

    def beats_s(self, since_ns: int) -> list[float]:
        """When, after that moment, the heartbeat changed."""
        beats = [w.t_mono_ns for w in self.board.trace() if w.line == ports.HEARTBEAT]
        return [(beat - since_ns) / 1e9 for beat in beats if beat >= since_ns]

    def close(self) -> None:
        """End whatever is left of it, and wait for the guard's successor to go, too."""
        self._over.set()
        self._turning.join()
        self.process.kill()
        claims = Claims(self.directory)
        until_s = self._clock.monotonic() + _PATIENCE_S
        while claims.is_taken(ports.BELT_IN) and self._clock.monotonic() < until_s:
            self._clock.pause(0.005)
        for pid in self.pids.values():
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        self.board.close()


@contextmanager
def rig() -> Iterator[Rig]:
    """A running controller on a healthy simulated machine of its own."""
    # A guard that is still leaving may write into it while it is being removed.
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as directory:
        board = SimulatedBoard(directory)
        for line in (ports.DOOR_CLOSED, ports.ESTOP_RELEASED, ports.GATE_IS_CLOSED):
            board.set(line, True)
        board.close()
        command = isolated(sys.executable, "benchmarks.kit.guard_rig", [directory])
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            ours = Rig(directory, process, json.loads(process.stdout.readline()))
            try:
                yield ours
            finally:
                process.kill()
                ours.close()
