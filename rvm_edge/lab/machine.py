"""A machine in a lab: the tree that ships, its body simulated, in virtual time.

Storage, guard, sensors, camera, detector, item cycle and session are those that ship, with the
shipped settings, on a real LMDB with every sync; the world around them is `models.world`. There is
no network, no screen, and no process but this one.

    lab = Lab(Settings(), directory, seed=7)
    lab.start()
    lab.ask("/world", InsertItem("a bottle", picture), Inserted)
    lab.wait(5.0)
"""

from __future__ import annotations

import mmap
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

from actors import tree
from actors.drivers import ports
from actors.drivers.simulated import SimulatedBoard
from actors.store.audit import audit
from actors.store.reading import opened
from actors.store.tables import entries
from actors.tree import Driver
from models.ledger.audit import Finding, Replay
from models.vision.frames import format_ring
from models.world.scenario import Interrupt
from protocol.message import Message
from protocol.simulation import DescribeWorld, WorldDescribed
from protocol.storage import Deposits, ListDeposits
from rvm_edge.drivers import simulated_drivers
from rvm_edge.lab.outputs import OutputWatch
from rvm_edge.lab.parts import COSTS_S, FULL, GPIO, trimmed
from rvm_edge.lab.site import DEPOSIT, MOTOR, STORAGE, WORLD, CycleView, R
from supervisors import RequestFailed, SupervisorSpec
from supervisors.plan import State
from supervisors.stage import Stage
from supervisors.virtual_clock import VirtualClock

if TYPE_CHECKING:
    from config.settings import Settings

HARDWARE_ID = "lab"
_ANSWER_S = 30.0
"""How long people wait for an answer: longer than a restart of whoever is asked."""
_STRIDE_S = 5.0
"""How much time passes between two looks at the outputs: their trace holds twenty seconds."""
_DOWN_S = (1.5, 6.0)
"""From the death of the program, and from a power cut, until it is started again."""
_TARGETS = {
    "guard": MOTOR,
    "sensors": "/machine/sensors",
    "camera": "/vision/camera",
    "inference": "/vision/inference",
    "storage": STORAGE,
    "deposit": DEPOSIT,
}


class Lab:
    """See the module. It is a `Site`.

    Attributes:
        outputs: what the guard did to its lines.
        starts: how often the program was started.
        gave_up: how often it ended by itself, as after too many failures.
    """

    def __init__(
        self,
        settings: Settings,
        directory: Path,
        *,
        seed: int = 0,
        stride_s: float = _STRIDE_S,
        on_stride: Callable[[float], None] = lambda _now_s: None,
    ) -> None:
        """Prepare it.

        Args:
            directory: where its data lie; what is there from an earlier run is gone on with.
            seed: of the world and of everything else that is left to chance.
            stride_s: time passes in steps of at most so long.
            on_stride: called after each with the time; may raise to end a wait.
        """
        self._stride_s = min(stride_s, _STRIDE_S)
        self._on_stride = on_stride
        self._settings = settings
        self._directory = directory
        self._rng = Random(seed)
        self._clock = VirtualClock()
        sim = str(directory / "sim")
        self._board = SimulatedBoard(sim)
        world = simulated_drivers(settings, directory).world
        assert world is not None  # the simulated profile has one
        args = {"directory": sim, "seed": self._rng.getrandbits(32)}
        self._world = Stage(
            SupervisorSpec((replace(world, args=args),)), clock=self._clock, rng=self._rng
        )
        self._core: Stage
        self.outputs = OutputWatch(settings.motor.dead_time_still_s)
        self.outputs.seen = self._board.pins.writes
        self.starts = 0
        self.gave_up = 0

    # -- its life -------------------------------------------------------------------------------

    def start(self) -> None:
        """Start the world, then the machine."""
        self._world.start()
        self._start_core()

    def _start_core(self) -> None:
        settings, area = self._settings, tree.frame_ring(self._settings)
        drivers = simulated_drivers(settings, self._directory)
        gpio = Driver(GPIO, drivers.guard_gpio.args)
        drivers = drivers._replace(guard_gpio=gpio, sensor_gpio=gpio, world=None)
        spec = trimmed(tree.machine(settings, drivers, self._directory, HARDWARE_ID))
        share, slots, slot_bytes = area
        self._core = Stage(spec, rng=self._rng, shares=(share,), costs=COSTS_S, beside=self._world)
        with mmap.mmap(self._core.system.shares.fd(share.name), 0) as ring:
            format_ring(ring, slots=slots, slot_bytes=slot_bytes)
        self._core.start()
        self.starts += 1

    def close(self) -> None:
        """Stop everything in order."""
        self._core.stop()
        self._world.stop()
        self.outputs.look(self._board.trace(self.outputs.seen))
        self._board.close()

    def close_and_audit(self) -> list[str]:
        """Stop everything and look it over. Returns what must not be, each as a sentence."""
        truth = self.ask(WORLD, DescribeWorld(), WorldDescribed)
        self.close()
        return [*_bodily(truth), *self.outputs.broken, *_bookish(self._directory, truth.fallen)]

    # -- what people see and do -----------------------------------------------------------------

    @property
    def now(self) -> float:
        """See `Site`."""
        return self._clock.monotonic()

    @property
    def wall(self) -> float:
        """See `Site`."""
        return self._clock.wall()

    def wait(self, seconds: float) -> None:
        """See `Site`. A program that has ended by itself is started again meanwhile."""
        until = self.now + seconds
        while self.now < until:
            self._world.run_until(min(until, self.now + self._stride_s))
            self.outputs.look(self._board.trace(self.outputs.seen))
            if self._core.has_ended:
                self.gave_up += 1
                self._down(_DOWN_S[0])
            self._on_stride(self.now)

    def cycle(self) -> CycleView:
        """See `Site`."""
        facts = self.facts(DEPOSIT)
        return CycleView(str(facts.get("phase", "")), str(facts.get("closed", "")))

    def troubles(self) -> dict[str, str]:
        """See `Site`."""
        found = {}
        for path, row in self._core.rows().items():
            trouble = self.facts(path).get("trouble")
            if trouble or row.state in (State.WAITING, State.QUARANTINED):
                found[path] = str(trouble or row.waiting_for or row.state.value)
        return found

    def facts(self, path: str) -> dict[str, Any]:
        """What an actor shows about itself; nothing while it does not run."""
        return self._core.facts(path)

    def ask(self, address: str, message: Message, reply: type[R]) -> R:
        """See `Site`."""
        stage = self._world if address == WORLD else self._core
        answer: R = stage.request(address, message, timeout_s=_ANSWER_S, reply=reply)
        return answer

    def newest(self, limit: int) -> Deposits:
        """See `Site`; a store that is just being restarted is asked again."""
        until = self.now + _ANSWER_S
        while True:
            try:
                return self.ask(STORAGE, ListDeposits(limit), Deposits)
            except RequestFailed:
                if self.now >= until:
                    raise
            self.wait(0.5)

    # -- what goes wrong ------------------------------------------------------------------------

    def interrupt(self, what: Interrupt) -> bool:
        """See `Site`."""
        if what.what in ("core_kill", "power_cut"):
            self._die(at_once=what.what == "power_cut")
            return True
        if what.what == "storage_full":
            self._fill_disk(what.for_s)
            return True
        whom, _, how = what.what.partition("_")
        try:
            if how == "kill":
                self._core.kill(_TARGETS[whom])
            else:
                self._core.freeze(_TARGETS[whom], what.for_s)
        except KeyError:  # it is not running anyway
            return False
        return True

    def _fill_disk(self, seconds: float) -> None:
        mark = self._directory / FULL
        mark.touch()
        until = self.now + seconds
        self._world.schedule.at(until, lambda: mark.unlink(missing_ok=True))

    def _die(self, *, at_once: bool) -> None:
        self._core.vanish(at_once=at_once)
        if at_once:
            for line in ports.GUARD_OUTPUTS:  # the pull-downs
                self._board.pins.drive(line, level=False, t_mono_ns=self._clock.monotonic_ns())
        self._down(self._rng.uniform(*_DOWN_S))

    def _down(self, seconds: float) -> None:
        """Nobody is there for a while."""
        self._world.advance(seconds)
        self._start_core()


def _bodily(truth: WorldDescribed) -> Iterator[str]:
    """What the physics noticed."""
    if truth.both_high:
        yield f"body: both inputs of a bridge were high {truth.both_high} times"
    unsafe_s = truth.motion_while_unsafe_s
    if unsafe_s > 0:
        yield f"body: a motor ran {unsafe_s:.3f} s with the door open or the stop pressed"


def _bookish(directory: Path, fallen: int) -> Iterator[str]:
    """What the ledger says about itself, and against the bin."""
    with opened(directory) as (env, tables):
        for found in audit(env, tables):
            if isinstance(found, Finding):
                yield f"ledger: {found.where}: {found.what}"
            elif isinstance(found, Replay) and found.credited > fallen:
                yield f"ledger: {found.credited} credited, and {fallen} items ever fell"
        with env.begin() as txn:
            left = entries(txn, tables["open"])
        if left:
            yield f"ledger: {left} deposits were left undecided"
