"""The mechanics of the machine, step by step."""

from __future__ import annotations

from collections.abc import Callable
from math import sqrt

from msgspec import Struct

from models.world.belt import Belt
from models.world.bin import Bin
from models.world.bridges import Bridges
from models.world.climate import Climate
from models.world.gate import Gate
from models.world.items import Item, Lane
from models.world.parameters import GRAVITY_M_S2, STEPS_PER_S, Parameters
from models.world.scale import Scale


class Fall(Struct, frozen=True):
    """An item on its way down, and in which steps it interrupts the drop beam."""

    item: Item
    covers_from: int
    covers_until: int


class Machine:
    """Belt, gate, chute, scale, bin and the air around them.

    Attributes:
        falls: what is falling.
        hand: somebody's hand: ``""``, ``before`` the gate, or ``inside`` it.
    """

    def __init__(self, parameters: Parameters, gate: float, started: Callable[[str], None]) -> None:
        """Args: gate: where the gate was left. started: told which motor begins to be driven."""
        self._parameters = parameters
        self._source_ohm = parameters.power.source_ohm
        self._pulley_m = parameters.belt.pulley_m
        self.belt = Belt(parameters.belt, parameters.power)
        self.gate = Gate(parameters.gate, parameters.power, gate)
        motors = {"belt": self.belt.motor, "gate": self.gate.motor}
        self.bridges = Bridges(parameters.power, motors, started)
        self.lane = Lane(parameters)
        self.scale = Scale(parameters.scale)
        self.bin = Bin(parameters.bin)
        self.climate = Climate(parameters.climate)
        self.falls: list[Fall] = []
        self.hand = ""

    @property
    def is_at_rest(self) -> bool:
        """Whether steps would change nothing."""
        return not (
            self.lane.is_moving
            or not self.scale.is_still
            or self.belt.motor.is_active
            or self.gate.motor.is_active
        )

    @property
    def bus_v(self) -> float:
        """The motors' supply behind the relay."""
        if not self.bridges.is_safe:
            return 0.0
        amperes = abs(self.belt.motor.current_a) + abs(self.gate.motor.current_a)
        return self.bridges.supply_v - self._source_ohm * amperes

    def run(self, steps: int) -> int:
        """Let so many steps pass, or fewer, if the last of them brought news.

        Returns:
            How many have passed.
        """
        belt, gate, lane, scale = self.belt, self.gate, self.lane, self.scale
        belt_motor, gate_motor = belt.motor, gate.motor
        has_belt, has_gate = belt_motor.is_active, gate_motor.is_active
        has_lane = has_belt or has_gate or lane.is_moving
        supply_v = self.bridges.supply_v if self.bridges.is_safe else 0.0
        ohm, belt_m_s = self._source_ohm, belt.speed_m_s
        opening_m, load_g = gate.opening_m, lane.load_g
        for done in range(1, steps + 1):
            bus_v = supply_v - ohm * (abs(belt_motor.current_a) + abs(gate_motor.current_a))
            if has_belt:
                belt_m_s = belt.step(bus_v)
            if has_gate:
                opening_m = self._move_gate(bus_v)
            if has_lane:
                load_g = lane.step(belt_m_s, opening_m)
                pull_n = lane.reaction_n
                belt_motor.load_nm = abs(pull_n) * self._pulley_m if pull_n * belt_m_s > 0 else 0.0
            if load_g != scale.load_g or not scale.is_still:
                scale.step(load_g)
            if lane.news:
                return done
        return steps

    def obstacle_m(self) -> float:
        """How high what stands in the gate's plane is."""
        hand_m = self._parameters.people.hand_m if self.hand == "inside" else 0.0
        return max(hand_m, self.lane.height_at_gate_m())

    def reach_in(self) -> None:
        """A hand goes as far as the gate lets it."""
        is_room = self.gate.opening_m >= self._parameters.people.hand_m
        self.hand = "inside" if is_room else "before"

    def drop(self, item: Item, step: int) -> Fall:
        """Let an item fall from the edge: nose first past the beam in the throat."""
        below_m = self._parameters.beams.drop_below_m
        begins_s = sqrt(2 * below_m / GRAVITY_M_S2)
        ends_s = sqrt(2 * (below_m + item.length_m) / GRAVITY_M_S2)
        fall = Fall(item, step + round(begins_s * STEPS_PER_S), step + round(ends_s * STEPS_PER_S))
        self.falls.append(fall)
        return fall

    def _move_gate(self, bus_v: float) -> float:
        motor = self.gate.motor
        is_closing = motor.speed_rad_s < 0.0 or motor.sign < 0
        opening_m = self.gate.step(bus_v, self.obstacle_m() if is_closing else 0.0)
        if self.hand == "before":
            self.reach_in()
        return opening_m
