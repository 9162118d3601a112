"""The sensors: read the beams, debounce them, and tell what happened.

Owns the input lines.
Hears `ReadInputs`.
Says `ItemArrived`, `ItemDropped`, `InletCleared` to the deposit actor.
"""

from __future__ import annotations

from actors.drivers import make, ports
from actors.drivers.ports import Pins
from protocol.machine import InletCleared, Inputs, ItemArrived, ItemDropped, ReadInputs
from protocol.message import Message
from supervisors import Actor, Waiting, handles
from supervisors.exits import ExitReason


class _Poll(Message, frozen=True, tag="sensors.poll"):
    """Sensors to themselves: look again."""


class Sensors(Actor):
    """See the module."""

    def __init__(self, pins: str, where: str, poll_s: float, debounce_s: float, tell: str) -> None:
        """Make it.

        Args:
            pins: driver as ``module:Class``, empty for none.
            where: the driver's argument.
            poll_s: time between two looks.
            debounce_s: how long a level must last to be believed.
            tell: address of the deposit actor.
        """
        self._driver = pins
        self._where = where
        self._poll_s = poll_s
        self._debounce_s = debounce_s
        self._tell = tell
        self._pins: Pins
        self._believed: dict[str, bool | None] = dict.fromkeys(ports.INPUTS)
        self._changed: dict[str, tuple[bool | None, float]] = {}

    # -- lifecycle ------------------------------------------------------------------------------

    def on_start(self) -> None:
        """Take the lines and begin to look."""
        if not self._driver:
            msg = "there is no driver for the input lines in this profile yet"
            raise Waiting(msg)
        self._pins = make(self._driver, self._where)
        self.ctx.schedule_every(self._poll_s, _Poll())

    def on_stop(self, reason: ExitReason) -> None:
        """Let go of the lines."""
        if hasattr(self, "_pins"):
            self._pins.close()

    # -- handlers -------------------------------------------------------------------------------

    @handles(_Poll)
    def poll(self, message: _Poll) -> None:
        """Look at every line once."""
        now = self.ctx.clock.monotonic()
        for line in ports.INPUTS:
            self._look(line, self._pins.read(line), now)

    @handles(ReadInputs, command=True)
    def read_inputs(self, message: ReadInputs) -> Inputs:
        """What is believed now."""
        return Inputs(dict(self._believed))

    # -- private --------------------------------------------------------------------------------

    def _look(self, line: str, level: bool | None, now: float) -> None:
        if level == self._believed[line]:
            self._changed.pop(line, None)
            return
        candidate, since = self._changed.get(line, (None, now))
        if candidate != level or line not in self._changed:
            self._changed[line] = (level, now)
            since = now
        if now - since >= self._debounce_s:
            self._changed.pop(line, None)
            before, self._believed[line] = self._believed[line], level
            self._announce(line, before, level)

    def _announce(self, line: str, before: bool | None, level: bool | None) -> None:
        at_ns = self.ctx.clock.monotonic_ns()
        self.ctx.note(**{line: level})
        if level is None:
            self.ctx.emit("input_unknown", line=line)
        elif line == ports.BEAM_INLET and level:
            self.ctx.tell(self._tell, ItemArrived(at_ns))
        elif line == ports.BEAM_INLET and before:
            self.ctx.tell(self._tell, InletCleared(at_ns))
        elif line == ports.BEAM_DROP and level and before is False:
            self.ctx.tell(self._tell, ItemDropped(at_ns))
        elif line == ports.BEAM_DROP and level:  # it was never seen free: no item has fallen
            self.ctx.emit("input_blocked", line=line)
