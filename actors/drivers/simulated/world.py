"""The simulated world as an actor: physics in real or virtual time, behind the pins.

Owns the inputs, the channels and the scene.
Hears `InsertItem`, `Act`, `Afflict`, `Heal`, `DescribeWorld`.
Says nothing to the machine: that has pins and pictures only. What really became of an item goes
into the record.
"""

from __future__ import annotations

import weakref
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from random import Random

from msgspec.structs import replace

from actors.drivers import ports
from actors.drivers.simulated.claims import Claims
from actors.drivers.simulated.pinfile import PinFile
from actors.drivers.simulated.scene import WORLD, draw_scene
from models.world.bodies import usual_body
from models.world.catalogue import load_catalogue
from models.world.items import Body
from models.world.people import Impossible
from models.world.pins import OUTPUTS
from models.world.senses import Sample
from models.world.world import World as Physics
from protocol.message import Failed, Message
from protocol.simulation import (
    Act,
    Acted,
    Afflict,
    DescribeWorld,
    Heal,
    Inserted,
    InsertItem,
    WorldDescribed,
)
from supervisors import Actor, Waiting, handles
from supervisors.clock import Clock, SystemClock
from supervisors.exits import ExitReason

_LATE_S = 0.5
"""Time that was slept through (a stopped process) is not made up for beyond this."""
_SCENES = 16
"""Earlier scenes kept for a camera that shows the past: some seconds of a busy belt."""
_MARGIN_S = 0.0005
"""A planned event is looked at just after it has happened."""


class _Timekeeper:
    """Writes a virtual clock's time into the pins: whoever drives a line takes it from there.

    Apart from the actor and without a hold on the pins, so that a clock that outlives a world
    which was killed does not keep either alive.
    """

    def __init__(self, pins: PinFile, clock: Clock) -> None:
        """Begin; the system's own clock needs nobody."""
        self._pins = weakref.ref(pins)
        self._clock = clock
        pins.virtual_ns = 0
        if not isinstance(clock, SystemClock):
            self._show()
            clock.on_advance(self._show)

    def end(self) -> None:
        """Leave the last time there."""
        self._clock.forget(self._show)

    def _show(self) -> None:
        pins = self._pins()
        if pins is None:
            self.end()
        else:
            pins.virtual_ns = self._clock.monotonic_ns()


class _Tick(Message, frozen=True, tag="sim.tick"):
    """The world to itself: time passes."""


class World(Actor):
    """See the module."""

    def __init__(
        self, directory: str, seed: int = 0, tick_s: float = 0.002, idle_tick_s: float = 0.02
    ) -> None:
        """Begin with an empty machine.

        Args:
            directory: where pins and scene lie.
            seed: of all chance.
            tick_s: how often the pins follow the physics while something moves.
            idle_tick_s: and how often somebody looks whether an output has changed, else.
        """
        self._directory = Path(directory)
        self._seed = seed
        self._tick_s = tick_s
        self._idle_tick_s = idle_tick_s
        self._claims = Claims(directory)
        self._world: Physics
        self._pins: PinFile
        self._timekeeper: _Timekeeper
        self._origin_s = self._seen_s = 0.0
        self._writes = 0
        self._outputs = dict.fromkeys(OUTPUTS, False)
        self._levels: dict[str, bool] = {}
        self._lost: frozenset[str] = frozenset()
        self._samples: dict[str, Sample] = {}
        self._scene: tuple[str, Mapping[str, float]] | None = None
        self._scenes: deque[tuple[int, str]] = deque(maxlen=_SCENES)
        self._timer = 0
        self._bodies: dict[str, Body] | None = None

    # -- lifecycle ------------------------------------------------------------------------------

    def on_start(self) -> None:
        """Take over the pins; the gate is where it was, and nothing lies in the machine."""
        try:
            self._claims.take(WORLD)
            self._pins = PinFile(self._directory)
        except ports.LineBusy as error:
            raise Waiting(f"another world has these pins: {error.strerror}") from None
        except ports.DriverMissing as error:
            raise Waiting(str(error.strerror)) from None
        self._timekeeper = _Timekeeper(self._pins, self.ctx.clock)
        self._world = self.make_world()
        self._seen_s = self.ctx.clock.monotonic()
        self._origin_s = self._seen_s - self._world.now_s
        self._writes = self._pins.writes
        self._follow_levels()
        self._publish()
        self._schedule()
        self.ctx.note(items="none", faults="none")

    def on_stop(self, reason: ExitReason) -> None:
        """Let go of the pins."""
        if hasattr(self, "_timekeeper"):
            self._timekeeper.end()
            self._pins.close()
        self._claims.drop()

    def make_world(self) -> Physics:
        """The world that begins now; one that outlives this actor may be handed back here."""
        return Physics(Random(self._seed), gate=self._pins.gate)

    # -- handlers -------------------------------------------------------------------------------

    @handles(InsertItem, command=True)
    def insert(self, message: InsertItem) -> Inserted | Failed:
        """Put an item to the inlet, if that is free and its picture can be seen."""
        if not Path(message.picture).is_file():
            return Failed("invalid", f"there is no picture {message.picture}")
        self._catch_up()
        try:
            number = self._world.insert(_with_body(message, self._usual_body(message.picture)))
        except Impossible as error:
            return Failed(error.code, error.detail)
        self._show()
        return Inserted(message.name, number)

    @handles(Act, command=True)
    def act(self, message: Act) -> Acted | Failed:
        """Let somebody do something."""
        if message.picture and not Path(message.picture).is_file():
            return Failed("invalid", f"there is no picture {message.picture}")
        self._catch_up()
        try:
            what = self._world.act(message)
        except Impossible as error:
            return Failed(error.code, error.detail)
        self._show()
        return Acted(what)

    @handles(Afflict, command=True)
    def afflict(self, message: Afflict) -> Acted | Failed:
        """Break something."""
        self._catch_up()
        try:
            what = self._world.afflict(message)
        except Impossible as error:
            return Failed(error.code, error.detail)
        self._show()
        return Acted(what)

    @handles(Heal, command=True)
    def heal(self, message: Heal) -> Acted | Failed:
        """Repair something."""
        self._catch_up()
        try:
            what = self._world.heal(message.fault)
        except Impossible as error:
            return Failed(error.code, error.detail)
        self._show()
        return Acted(what)

    @handles(DescribeWorld, command=True)
    def describe(self, message: DescribeWorld) -> WorldDescribed:
        """Tell the truth."""
        self._catch_up()
        self._show()
        return self._world.truth()

    @handles(_Tick)
    def tick(self, message: _Tick) -> None:
        """Let the world follow the time."""
        self._catch_up()
        self._publish()
        self._schedule()

    def _usual_body(self, picture: str) -> Body | None:
        if self._bodies is None:
            self._bodies = {item.name: usual_body(item) for item in load_catalogue()}
        return self._bodies.get(Path(picture).stem)

    # -- time -----------------------------------------------------------------------------------

    def _catch_up(self) -> None:
        """Let the world's time come to now, with what the outputs did meanwhile."""
        now_s = self.ctx.clock.monotonic()
        late_s = now_s - self._seen_s - _LATE_S
        if late_s > 0:
            self._origin_s += late_s
        self._seen_s = now_s
        if self._pins.writes != self._writes:
            for write in self._pins.trace(self._writes):
                self._writes = write.number
                self._drive(write.line, write.level, write.t_mono_ns / 1e9 - self._origin_s)
        self._follow_levels()
        self._world.advance(now_s - self._origin_s)

    def _follow_levels(self) -> None:
        """What the trace has lost, or a writer died before writing, the levels still say."""
        for line, known in self._outputs.items():
            if self._pins.level(line) != known:
                self._drive(line, not known, self._world.now_s)

    def _drive(self, line: str, level: bool, at_s: float) -> None:
        self._outputs[line] = level
        self._world.drive(line, level, at_s)

    def _schedule(self) -> None:
        """Look again soon while something moves, else less often, and at what is planned."""
        pause_s = self._tick_s if self._world.is_active else self._idle_tick_s
        planned_s = self._world.next_event_s
        if planned_s is not None:
            ahead_s = planned_s + self._origin_s - self.ctx.clock.monotonic() + _MARGIN_S
            pause_s = min(pause_s, max(self._tick_s, ahead_s))
        self._timer = self.ctx.schedule_once(pause_s, _Tick())

    # -- showing --------------------------------------------------------------------------------

    def _show(self) -> None:
        """Something was done by hand: show it now, and look again soon."""
        self._publish()
        self.ctx.cancel(self._timer)
        self._schedule()

    def _publish(self) -> None:
        """Bring pins, channels and scene up to the world."""
        world, pins = self._world, self._pins
        levels = world.inputs()
        if levels != self._levels:
            for line, level in levels.items():
                pins.set_level(line, level)
            self._levels = levels
        samples = world.channels()
        if samples is not self._samples:
            for channel, sample in samples.items():
                if sample is not self._samples.get(channel):
                    pins.measure(channel, self._reading(sample))
            self._samples = samples
        lost = world.lost_lines
        if lost != self._lost:
            self._lost = lost
            for line in ports.LINES:
                pins.set_lost(line, line in self._lost)
        scene = world.picture, world.camera_faults
        if scene != self._scene:
            if self._scene is not None:
                self._scenes.append((self.ctx.clock.monotonic_ns(), self._scene[0]))
            self._scene = scene
            draw_scene(self._directory, *scene, before=self._scenes)
        pins.gate = world.gate
        self._tell()

    def _reading(self, sample: Sample) -> ports.Reading:
        t_mono_ns = round((sample.at_s + self._origin_s) * 1e9)
        return ports.Reading(sample.value, "error" if sample.value is None else "ok", t_mono_ns)

    def _tell(self) -> None:
        """Put what has happened into the record, and show where things stand."""
        happenings = self._world.take_happenings()
        if not happenings:
            return
        for happening in happenings:
            self.ctx.emit(happening.event, **happening.fields)
        truth = self._world.truth()
        inside = [
            item for item in truth.items if item.fate not in {"in_bin", "taken", "pulled_out"}
        ]
        self.ctx.note(
            items=", ".join(f"{item.name} {item.fate}" for item in inside) or "none",
            faults=", ".join(truth.faults) or "none",
        )


def _with_body(wanted: InsertItem, body: Body | None) -> InsertItem:
    """Fill in what is usual for an item of the catalogue."""
    if body is None:
        return wanted
    return replace(
        wanted,
        length_m=wanted.length_m or body.length_m,
        diameter_m=wanted.diameter_m or body.diameter_m,
        mass_g=wanted.mass_g or body.mass_g,
    )
