"""A world on the bench: driven by hand, a naive controller included."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from models.world.world import World
from protocol.simulation import InsertItem

TICK_S = 0.005
PICTURE = "bottle.jpg"


def bottle(**more) -> InsertItem:
    return InsertItem("bottle", PICTURE, **more)


class Bench:
    """Keeps the heartbeat going and the time."""

    def __init__(self, seed: int = 1, gate: float = 0.0) -> None:
        self.world = World(Random(seed), gate=gate)
        self.now_s = 0.0
        self.order: list[tuple[float, str, bool]] = []
        self.beats = True
        self._beat = False
        self._beams: dict[str, bool] = {}

    @property
    def motors(self):
        machine = self.world._machine
        return machine.belt.motor, machine.gate.motor

    def tick(self, tick_s: float = TICK_S) -> None:
        if self.beats:
            self._beat = not self._beat
            self.world.drive("heartbeat", self._beat)
        self.now_s += tick_s
        self.world.advance(self.now_s)
        levels = {k: v for k, v in self.world.inputs().items() if k.startswith("beam")}
        for beam, level in levels.items():
            if level != self._beams.get(beam, False):
                self.order.append((self.now_s, beam, level))
        self._beams = levels

    def until(self, done: Callable[[], bool], limit_s: float = 5.0, tick_s: float = TICK_S):
        """Let time pass until something is the case; returns how long that took."""
        began_s = self.now_s
        while not done():
            assert self.now_s - began_s < limit_s, "it never came"
            self.tick(tick_s)
        return self.now_s - began_s

    def wait(self, seconds: float, tick_s: float = TICK_S) -> None:
        for _ in range(round(seconds / tick_s)):
            self.tick(tick_s)

    def reads(self, line: str) -> bool:
        return self.world.inputs()[line]

    def channel(self, name: str) -> float | None:
        return self.world.channels()[name].value

    def drive(self, line: str, level: bool) -> None:
        self.world.drive(line, level)

    def gate(self, line: str, limit: str) -> float:
        self.drive(line, True)
        took_s = self.until(lambda: self.reads(limit))
        self.drive(line, False)
        return took_s

    def take_in(self) -> None:
        """Open, carry the item in, close."""
        self.gate("gate_open", "gate_is_open")
        self.drive("belt_in", True)
        self.until(lambda: self.reads("beam_inside"))
        self.until(lambda: not self.reads("beam_inside"))
        self.drive("belt_in", False)
        self.wait(0.25)
        self.gate("gate_close", "gate_is_closed")

    def carry_over(self) -> None:
        """Carry the item over the edge."""
        self.drive("belt_in", True)
        self.until(lambda: self.reads("beam_exit"))
        self.until(lambda: not self.reads("beam_exit"))
        self.wait(0.15)
        self.drive("belt_in", False)
        self.wait(0.5)

    def give_back(self) -> None:
        """Open and carry the item out."""
        self.gate("gate_open", "gate_is_open")
        self.drive("belt_out", True)
        self.until(lambda: self.reads("beam_entry"))
        self.until(lambda: not self.reads("beam_gate"))
        self.drive("belt_out", False)
        self.wait(0.3)

    def fate(self, item: int = 1) -> str:
        return next(each.fate for each in self.world.truth().items if each.item == item)

    def happened(self) -> list[str]:
        return [happening.event for happening in self.world.take_happenings()]
