"""The simulated machine, at pin level: a file of pins, a scene, and a small world between them.

The world here is thin on purpose (an item, a belt, two beams; no mass, no faults of its own): the
physics is a work of its own. But pins are its only way in and out: the motor and the sensors that
run on it are the ones that run on hardware, and a motor process that is killed leaves its pins
as they were, as hardware does.

    <directory>/pins     one byte per line, mapped
    <directory>/scene    path of the picture that the camera sees; empty: the empty belt
"""

from __future__ import annotations

import mmap
import os
from pathlib import Path
from typing import TYPE_CHECKING

from actors.drivers import ports
from actors.drivers.pictures import empty_belt_picture, read_picture
from protocol.message import Failed, Message
from protocol.simulation import Inserted, InsertItem
from supervisors import Actor, handles
from supervisors.exits import ExitReason

if TYPE_CHECKING:
    from actors.drivers.pictures import Frame

_LINES = (*ports.OUTPUTS, *ports.INPUTS)
_PINS = "pins"
_SCENE = "scene"
_TICK_S = 0.02
_CARRY_IN_S = 0.4
"""How long the belt has to run inward until the item falls past the drop beam."""
_CARRY_OUT_S = 0.3
"""And outward, until the inlet is clear."""
_FALL_S = 0.1
"""How long the falling item interrupts the drop beam: five polls of the sensors."""


class SimulatedPins:
    """Pins in a mapped file, shared by all processes of one machine."""

    def __init__(self, directory: str) -> None:
        """Open or make them; new ones are low."""
        home = Path(directory)
        home.mkdir(parents=True, exist_ok=True)
        with (home / _PINS).open("a+b") as file:
            # Room on the disk first: touching a mapped page for which there is none is a SIGBUS.
            os.posix_fallocate(file.fileno(), 0, len(_LINES))
            self._map = mmap.mmap(file.fileno(), len(_LINES))

    def read(self, line: str) -> bool | None:
        """See `Pins.read`."""
        return bool(self._map[_LINES.index(line)])

    def write(self, line: str, level: bool) -> None:
        """See `Pins.write`; the world may write inputs, too."""
        self._map[_LINES.index(line)] = level

    def close(self) -> None:
        """See `Pins.close`."""
        self._map.close()


class SceneSource:
    """What a camera above the simulated belt sees: the very item on it, or the empty belt."""

    def __init__(self, directory: str) -> None:
        """Look at the scene in this directory."""
        self._scene = Path(directory) / _SCENE

    def read(self) -> Frame:
        """See `FrameSource.read`."""
        try:
            shown = self._scene.read_text(encoding="utf-8").strip()
        except FileNotFoundError:
            shown = ""
        return read_picture(Path(shown) if shown else empty_belt_picture())

    def close(self) -> None:
        """See `FrameSource.close`."""


class _Tick(Message, frozen=True, tag="sim.tick"):
    """The world to itself: time passes."""


class World(Actor):
    """The simulated world around the machine.

    Owns the input pins and the scene. Hears `InsertItem`. Says nothing: it is only ever seen
    through pins and pictures. What really became of an item it puts into the record.
    """

    def __init__(self, directory: str) -> None:
        """Args: directory: where pins and scene lie."""
        self._directory = Path(directory)
        self._item: str | None = None
        self._moved_in_s = 0.0
        self._moved_out_s = 0.0
        self._falling_s = 0.0
        self._timer: int | None = None

    def on_start(self) -> None:
        """Begin with an empty belt."""
        self._pins = SimulatedPins(str(self._directory))
        self._clear_belt()
        self._pins.write(ports.BEAM_DROP, False)

    def on_stop(self, reason: ExitReason) -> None:
        """Let go of the pins."""
        self._pins.close()

    @handles(InsertItem, command=True)
    def insert(self, message: InsertItem) -> Inserted | Failed:
        """Put an item into the inlet, if that is free and the picture can be read."""
        if self._item is not None or self._falling_s > 0:
            return Failed("occupied", f"{self._item or 'an item'} is still in the machine")
        if not Path(message.picture).is_file():
            return Failed("invalid", f"there is no picture {message.picture}")
        self._item = message.name
        self._moved_in_s = self._moved_out_s = 0.0
        (self._directory / _SCENE).write_text(message.picture, encoding="utf-8")
        self._pins.write(ports.BEAM_INLET, True)
        if self._timer is None:
            self._timer = self.ctx.schedule_every(_TICK_S, _Tick())
        self.ctx.note(item=message.name)
        return Inserted(message.name)

    @handles(_Tick)
    def tick(self, message: _Tick) -> None:
        """Let the belt carry the item for one tick."""
        if self._item is not None:
            self._carry()
        elif self._falling_s > 0:
            self._falling_s -= _TICK_S
            if self._falling_s <= 0:
                self._pins.write(ports.BEAM_DROP, False)
        elif self._timer is not None:
            self.ctx.cancel(self._timer)
            self._timer = None

    def _carry(self) -> None:
        inward = self._pins.read(ports.MOTOR_IN)
        outward = self._pins.read(ports.MOTOR_OUT)
        if inward and not outward:
            self._moved_in_s += _TICK_S
        elif outward and not inward:
            self._moved_out_s += _TICK_S
        if self._moved_in_s >= _CARRY_IN_S:
            self.ctx.emit("item_fell", item=self._item)
            self._clear_belt()
            self._pins.write(ports.BEAM_DROP, True)
            self._falling_s = _FALL_S
        elif self._moved_out_s >= _CARRY_OUT_S:
            self.ctx.emit("item_returned", item=self._item)
            self._clear_belt()

    def _clear_belt(self) -> None:
        self._item = None
        (self._directory / _SCENE).write_text("", encoding="utf-8")
        self._pins.write(ports.BEAM_INLET, False)
        self.ctx.note(item=None)
