"""The simulated world: a machine, people around it, and faults, in steps of a millisecond.

The outputs of the guard go in, inputs and channels come out, and nobody but the operator hears the
truth. Everything happens at a step; how `advance` is called, seldom or often, changes nothing.

    drive ──▶ bridges ─▶ motors ─▶ gate, belt ─▶ items ─▶ scale, bin
    inputs, lost_lines, channels, picture ◀── what of it the machine can see
"""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil
from typing import TYPE_CHECKING, Any, NamedTuple

from msgspec.structs import replace

from models.world.agenda import NEVER, Agenda
from models.world.broken import Broken
from models.world.faults import FAULTS, Fault, check_fault
from models.world.items import Item
from models.world.machine import Fall, Machine
from models.world.noise import Noise
from models.world.parameters import STEPS_PER_S, Parameters
from models.world.people import Impossible, People
from models.world.pins import HEARTBEAT, OUTPUTS
from models.world.senses import Sample, Senses
from models.world.triggers import Triggers, When, check_when
from protocol.simulation import Act, Afflict, InsertItem, WorldDescribed

if TYPE_CHECKING:
    from random import Random

LATEST_S = 1e7
"""Nobody plans further ahead: a third of a year."""
_CAMERA_M = (0.10, 0.60)
_HEAP_STREAM = 400
_ROUNDING = 1e-6


class Happening(NamedTuple):
    """Something for the record."""

    event: str
    fields: dict[str, Any]


class World:
    """See the module. Times are seconds since it began."""

    def __init__(
        self, rng: Random, parameters: Parameters | None = None, gate: float = 0.0
    ) -> None:
        """An empty machine, closed and released.

        Args:
            rng: where its chance comes from: the same seed, the same world.
            parameters: the machine in numbers.
            gate: where the gate was left.
        """
        self._parameters = parameters or Parameters()
        self._step = 0
        self._fallen = 0
        self._watches_beat = False
        self._happenings: list[Happening] = []
        self._agenda = Agenda()
        self._noise = Noise(rng)
        self._broken = Broken()
        self._machine = Machine(self._parameters, gate, self._motor_started)
        self._triggers = Triggers(self._agenda, self._machine.lane)
        self._senses = Senses(self._parameters, self._machine, self._broken, self._noise)
        self._people = People(self._parameters, self._machine, self._say)

    # -- time -----------------------------------------------------------------------------------

    @property
    def now_s(self) -> float:
        """Its age."""
        return self._step / STEPS_PER_S

    @property
    def is_active(self) -> bool:
        """Whether anything moves: then it is worth looking often."""
        return bool(self._machine.falls) or not self._machine.is_at_rest

    @property
    def next_event_s(self) -> float | None:
        """When something planned happens next."""
        step = self._agenda.next_step
        return None if step >= NEVER else step / STEPS_PER_S

    def advance(self, to_s: float) -> None:
        """Let time pass until ``to_s``; nothing happens if that is over."""
        target = int(to_s * STEPS_PER_S + _ROUNDING)
        agenda, machine, senses = self._agenda, self._machine, self._senses
        while True:
            agenda.run(self._step)
            if self._step >= target:
                return
            until = min(target, agenda.next_step)
            if self._broken.has_bounce:
                until = self._step + 1
            if machine.is_at_rest:
                self._step = until
            else:
                until = min(until, senses.next_step(self._step))
                self._step += machine.run(until - self._step)
                if machine.lane.news:
                    self._hear()
            senses.hold(self._step)
            if self._broken.has_bounce:
                senses.watch_bounce(self._step)

    # -- the pins -------------------------------------------------------------------------------

    def drive(self, line: str, level: bool, at_s: float | None = None) -> None:
        """An output gets a level, at the first step from ``at_s`` on; None: now.

        Raises:
            KeyError: there is no such output; a mistake of the caller.
        """
        if line not in OUTPUTS:
            raise KeyError(line)
        step = self._step if at_s is None else ceil(at_s * STEPS_PER_S - _ROUNDING)
        self._agenda.add(max(self._step, step), self._write, line, level)

    def inputs(self) -> dict[str, bool]:
        """The level of every input."""
        return self._senses.inputs(self._step)

    @property
    def lost_lines(self) -> frozenset[str]:
        """Lines that cannot be read."""
        return self._broken.lost_lines

    def channels(self) -> dict[str, Sample]:
        """The newest reading of every channel."""
        return self._senses.channels(self._step)

    @property
    def gate(self) -> float:
        """Where the gate is: 0 closed, 1 open."""
        return self._machine.gate.position

    @property
    def picture(self) -> str:
        """What the camera sees: the picture of the item in the middle of its field, or nothing."""
        items = self._machine.lane.items
        if not items:
            return ""
        begin_m, end_m = _CAMERA_M
        middles = {item.x_m + item.length_m / 2: item for item in items}
        seen = [middle for middle in middles if begin_m <= middle <= end_m]
        nearest = min(seen, key=lambda middle: abs(2 * middle - begin_m - end_m), default=None)
        return "" if nearest is None else middles[nearest].picture

    @property
    def camera_faults(self) -> Mapping[str, float]:
        """What ails the camera: the value of each fault, by its name without `camera_`."""
        return self._broken.camera_faults

    # -- people and faults ----------------------------------------------------------------------

    def insert(self, item: InsertItem) -> int:
        """Put an item to the inlet.

        Returns:
            Its number.

        Raises:
            Impossible: one is there already, or nothing is like that.
        """
        number = self._people.insert(item)
        self._say("item_brought", item=number, name=item.name)
        return number

    def act(self, act: Act) -> str:
        """Let somebody do something, now or later.

        Returns:
            What will come of it, for people.

        Raises:
            Impossible: there is nothing to do it with, or no such moment.
        """
        when = When(act.at_x_m, act.at_motion, act.after_s)
        _refuse(check_when(when, LATEST_S))
        self._people.check(act)
        if when.is_now:
            self._people.do(act, self._step)
            return f"{act.deed}: done"
        self._triggers.arm(when, self._step, self._do_later, act)
        return f"{act.deed}: waits for its moment"

    def afflict(self, afflict: Afflict) -> str:
        """Break something, now or later.

        Returns:
            What will come of it, for people.

        Raises:
            Impossible: nothing can be broken like that.
        """
        when = When(afflict.at_x_m, afflict.at_motion, afflict.after_s)
        _refuse(check_when(when, LATEST_S))
        if not 0 <= afflict.for_s <= LATEST_S:
            _refuse(f"for_s is from 0 (for ever) to {LATEST_S:g} seconds, not {afflict.for_s:g}")
        afflict = _usual(afflict)
        _refuse(check_fault(afflict.fault, afflict.of, afflict.value))
        if when.is_now:
            self._break(afflict)
            return f"{afflict.fault}: broken"
        self._triggers.arm(when, self._step, self._break, afflict)
        return f"{afflict.fault}: waits for its moment"

    def heal(self, fault: str = "") -> str:
        """Repair one sort of fault, or with an empty name all of them.

        Raises:
            Impossible: there is no such sort.
        """
        if fault and fault not in FAULTS:
            _refuse(check_fault(fault, "", 0.0))
        found = [each for each in self._broken if fault in {"", each.name}]
        for each in found:
            self._repair(each)
        return ", ".join(each.label for each in found) + ": repaired" if found else "nothing to do"

    def truth(self) -> WorldDescribed:
        """What is really the case."""
        machine, bridges = self._machine, self._machine.bridges
        return WorldDescribed(
            now_s=self.now_s,
            items=self._people.items(),
            fallen=self._fallen,
            gate=machine.gate.position,
            belt_m_per_s=machine.belt.speed_m_s,
            bin_percent=machine.bin.percent,
            faults=self._broken.labels,
            both_high=bridges.both_high,
            motion_while_unsafe_s=bridges.unsafe_s("driven", self._step),
            asked_while_unsafe_s=bridges.unsafe_s("asked", self._step),
            door_closed=bridges.door_closed,
            estop_released=bridges.estop_released,
            hand=machine.hand,
        )

    def take_happenings(self) -> list[Happening]:
        """What has happened since this was last asked."""
        happenings, self._happenings = self._happenings, []
        return happenings

    # -- private --------------------------------------------------------------------------------

    def _say(self, event: str, **fields: Any) -> None:
        self._happenings.append(Happening(event, fields))

    def _write(self, line: str, level: bool) -> None:
        self._machine.bridges.write(line, level, self._step)
        if line == HEARTBEAT and not self._watches_beat:
            self._watches_beat = True
            self._agenda.add(self._machine.bridges.enabled_until_step, self._beat_ends)

    def _beat_ends(self) -> None:
        """The one-shot has run out, unless the heartbeat went on meanwhile."""
        until = self._machine.bridges.enabled_until_step
        if self._step < until:
            self._agenda.add(until, self._beat_ends)
            return
        self._watches_beat = False
        self._machine.bridges.refresh(self._step)

    def _motor_started(self, motor: str) -> None:
        self._triggers.started(motor, self._step)

    def _hear(self) -> None:
        lane = self._machine.lane
        news, lane.news = lane.news, []
        for each in news:
            item = each.item
            if each.what == "passed":
                self._triggers.passed(each.x_m, self._step)
            elif each.what == "left":
                self._people.leaves(each)
            elif each.what == "fell":
                lane.remove(item, None)
                fall = self._machine.drop(item, self._step)
                self._agenda.add(fall.covers_until, self._land, fall)
            else:
                self._returned(item)

    def _returned(self, item: Item) -> None:
        self._say("item_returned", item=item.number, name=item.name)
        if item.patience_s >= 0:
            step = self._step + round(item.patience_s * STEPS_PER_S)
            self._agenda.add(step, self._people.take_back, item)

    def _land(self, fall: Fall) -> None:
        item = fall.item
        self._machine.falls.remove(fall)
        self._fallen += 1
        roughness = self._noise.normal(_HEAP_STREAM, self._fallen)
        self._machine.bin.take(item.length_m, item.diameter_m, roughness)
        item.end = "in_bin"
        self._say("item_fell", item=item.number, name=item.name)

    def _do_later(self, act: Act) -> None:
        try:
            self._people.do(act, self._step)
        except Impossible as error:
            self._say("deed_impossible", deed=act.deed, why=error.detail)

    def _break(self, afflict: Afflict) -> None:
        known = self._broken.get(afflict.fault, afflict.of)
        if known is not None:
            self._broken.remove(known)
        fault = Fault(afflict.fault, afflict.of, afflict.value, self._step, self._kept(afflict))
        self._broken.add(fault)
        self._broken.impair(self._machine, self._parameters, self._step)
        self._say("world_fault", fault=fault.name, of=fault.of, value=fault.value)
        if afflict.for_s > 0:
            self._agenda.add(self._step + ceil(afflict.for_s * STEPS_PER_S), self._repair, fault)

    def _kept(self, afflict: Afflict) -> float:
        """What a fault keeps of the moment in which it begins."""
        if afflict.fault == "encoder_dead":
            return float(self._machine.belt.encoder)
        if afflict.fault == "sensor_freeze":
            return self._senses.channels(self._step)[afflict.of].value or 0.0
        return 0.0

    def _repair(self, fault: Fault) -> None:
        if self._broken.remove(fault):
            self._broken.impair(self._machine, self._parameters, self._step)
            self._say("world_healed", fault=fault.name, of=fault.of)


def _refuse(problem: str) -> None:
    if problem:
        raise Impossible("invalid", problem)


def _usual(afflict: Afflict) -> Afflict:
    """Fill in the usual value; a level of 0 is a value of its own."""
    kind = FAULTS.get(afflict.fault)
    if kind is None or afflict.value != 0 or kind.unit in {"", "level"}:
        return afflict
    return replace(afflict, value=kind.usual)
