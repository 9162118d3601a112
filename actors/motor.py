"""The motor: the only writer of the belt's outputs.

Owns the two motor lines.
Hears `Transport`, `MakeSafe`.
Says `Transported` or `TransportFailed` to whoever asked for the run.

Never both outputs high, a run is limited in time whatever was asked, and an order that is late is
not obeyed. What comes with the guard (dead time, lease, limit switches, current, door and e-stop)
is not here yet.
"""

from __future__ import annotations

from actors.drivers import make, ports
from actors.drivers.ports import Pins
from protocol.machine import MakeSafe, Transport, Transported, TransportFailed
from protocol.message import Message
from supervisors import Actor, Waiting, handles
from supervisors.exits import ExitReason


class _RunOver(Message, frozen=True, tag="motor.run_over"):
    """Motor to itself: the time of this run is up."""

    run: int


class Motor(Actor):
    """See the module."""

    def __init__(self, pins: str, where: str, run_s_max: float) -> None:
        """Make it.

        Args:
            pins: driver as ``module:Class``, empty for none.
            where: the driver's argument.
            run_s_max: longest run that is ever obeyed.
        """
        self._driver = pins
        self._where = where
        self._run_s_max = run_s_max
        self._pins: Pins
        self._run = 0
        self._order: tuple[Transport, str, float] | None = None

    # -- lifecycle ------------------------------------------------------------------------------

    def on_start(self) -> None:
        """Take the lines and pull them low."""
        if not self._driver:
            msg = "there is no driver for the motor lines in this profile yet"
            raise Waiting(msg)
        self._pins = make(self._driver, self._where)
        self._stop_belt()
        self.ctx.note(outputs="low")

    def on_stop(self, reason: ExitReason) -> None:
        """Leave them low."""
        if hasattr(self, "_pins"):
            self._stop_belt()
            self._pins.close()

    # -- handlers -------------------------------------------------------------------------------

    @handles(Transport)
    def transport(self, message: Transport) -> None:
        """Run the belt; a second order while one runs is refused."""
        if self._order is not None:
            self.ctx.tell(self.ctx.sender, TransportFailed(message.deposit, "busy"))
            return
        if not message.run_s > 0:  # no number at all compares like this, too
            why = f"a run of {message.run_s} s"
            self.ctx.tell(self.ctx.sender, TransportFailed(message.deposit, why))
            return
        self._run += 1
        self._order = (message, self.ctx.sender, self.ctx.clock.monotonic())
        self._pins.write(ports.MOTOR_IN, message.direction == "inward")
        self._pins.write(ports.MOTOR_OUT, message.direction == "outward")
        self.ctx.schedule_once(min(message.run_s, self._run_s_max), _RunOver(self._run))
        self.ctx.note(outputs=message.direction)

    @handles(_RunOver)
    def run_over(self, message: _RunOver) -> None:
        """Stop at the end of a run and say so."""
        if self._order is None or message.run != self._run:
            return
        order, asked_by, began = self._order
        self._stop_belt()
        ran_s = self.ctx.clock.monotonic() - began
        self.ctx.tell(asked_by, Transported(order.deposit, order.direction, ran_s))

    @handles(MakeSafe, command=True)
    def make_safe(self, message: MakeSafe) -> None:
        """Outputs low now; a run in progress has failed."""
        order = self._order
        self._stop_belt()
        if order is not None:
            self.ctx.tell(order[1], TransportFailed(order[0].deposit, message.why))

    # -- private --------------------------------------------------------------------------------

    def _stop_belt(self) -> None:
        self._order = None
        for line in ports.OUTPUTS:
            self._pins.write(line, False)
        self.ctx.note(outputs="low")


def make_safe(pins: str, where: str, run_s_max: float) -> None:
    """The motor's fail_safe: pull its outputs low from a process of its own.

    Takes the motor's own arguments; may run any number of times.
    """
    del run_s_max
    if not pins:
        return
    lines: Pins = make(pins, where)
    for line in ports.OUTPUTS:
        lines.write(line, False)
    lines.close()
