"""The faults there are just now, and what they do to the mechanics."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from models.world.faults import Fault
from models.world.machine import Machine
from models.world.parameters import STEPS_PER_S, Parameters
from models.world.pins import MOTORS

_LINE_FAULTS = frozenset(
    {"beam_stuck", "beam_bounce", "beam_dropout", "limit_stuck", "limit_both", "contact_broken",
     "encoder_dead"}
)  # fmt: skip
_CAMERA = "camera_"


class Broken:
    """What is broken.

    Attributes:
        version: grows with every change.
        has_lines: whether any input lies.
        has_bounce: whether a beam chatters.
        lost_lines: which cannot be read.
        camera_faults: the value of each of the camera's, by its name without `camera_`.
    """

    def __init__(self) -> None:
        """Nothing is."""
        self._faults: dict[tuple[str, str], Fault] = {}
        self.version = 0
        self.has_lines = self.has_bounce = False
        self.lost_lines: frozenset[str] = frozenset()
        self.camera_faults: Mapping[str, float] = {}

    def __iter__(self) -> Iterator[Fault]:
        """Every fault, the oldest first."""
        return iter(tuple(self._faults.values()))

    def get(self, name: str, of: str = "") -> Fault | None:
        """A fault, if there is that one."""
        return self._faults.get((name, of))

    def value(self, name: str, of: str = "", usual: float = 0.0) -> float:
        """Its value; ``usual`` if there is no such fault."""
        fault = self._faults.get((name, of))
        return usual if fault is None else fault.value

    @property
    def labels(self) -> tuple[str, ...]:
        """All of them, for people."""
        return tuple(fault.label for fault in self._faults.values())

    def add(self, fault: Fault) -> None:
        """Break something."""
        self._faults[fault.name, fault.of] = fault
        self._changed()

    def remove(self, fault: Fault) -> bool:
        """Repair it, unless it was repaired or broken anew meanwhile."""
        if self._faults.get((fault.name, fault.of)) is not fault:
            return False
        del self._faults[fault.name, fault.of]
        self._changed()
        return True

    def _changed(self) -> None:
        self.version += 1
        names = {name for name, _ in self._faults}
        self.has_lines = bool(names & _LINE_FAULTS)
        self.has_bounce = "beam_bounce" in names
        self.lost_lines = frozenset(of for name, of in self._faults if name == "line_lost")
        self.camera_faults = {
            fault.name.removeprefix(_CAMERA): fault.value
            for fault in self._faults.values()
            if fault.name.startswith(_CAMERA)
        }

    def impair(self, machine: Machine, parameters: Parameters, step: int) -> None:
        """Make a machine's mechanics as bad as all this says, and no worse."""
        machine.belt.motor.is_locked = self.get("belt_jam") is not None
        machine.belt.is_slipping = self.get("belt_slip") is not None
        machine.gate.motor.is_locked = self.get("gate_jam") is not None
        machine.gate.slowness = self.value("gate_slow", usual=1.0)
        machine.bin.is_blocked = self.get("bin_full") is not None
        machine.bridges.supply_v = self.value("supply_sag", usual=parameters.power.supply_v)
        ambient_c = self.value("climate_heat", usual=parameters.climate.ambient_c)
        machine.climate.surround(ambient_c, step / STEPS_PER_S)
        welded = tuple(name for name in MOTORS if self.get("motor_weld", name) is not None)
        if set(welded) != set(machine.bridges.welded):
            machine.bridges.weld(welded, step)
