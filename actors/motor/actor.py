"""The motor: the guard of belt and gate, and the only one that drives their outputs.

Owns the lines of `ports.GUARD_OUTPUTS` and `ports.GUARD_INPUTS`, and the currents.
Hears `Move`, `Renew`, `StopMotors`, `MakeSafe`, `Jog`, `ResetGuard`, `ReadGuard`.
Says `MoveDone` or `MoveFailed` to whoever asked for a movement, `GuardChanged` on every change.

The rules are `models.guard`; here they get their inputs and their time. Outputs are driven first
and talked about afterwards.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from actors.drivers import ports
from actors.drivers.ports import DriverMissing, LineBusy
from actors.motor.lines import Drivers, GuardLines, force_low
from config.settings import MotorSettings
from models.guard.rules import Guard
from models.guard.terms import MOTORS, Answer, Order, Outputs
from protocol.envelope import Envelope
from protocol.machine import (
    GuardChanged,
    Jog,
    MakeSafe,
    Move,
    MoveFailed,
    ReadGuard,
    Renew,
    ResetGuard,
    StopMotors,
)
from protocol.message import Failed, Message
from supervisors import LATER, Actor, Waiting, handles
from supervisors.exits import ExitReason

_CHANNELS = {"belt": ports.BELT_CURRENT_A, "gate": ports.GATE_CURRENT_A}
_SAMPLE_S = 0.01
"""The current sensor of a motor that runs gives a hundred values a second."""
_SAMPLE_IDLE_S = 0.1
_AWAKE_S = 1.0
"""So long after the last movement the guard still looks as often as during it."""


class _Tick(Message, frozen=True, tag="motor.tick"):
    """Motor to itself: look again."""


class Motor(Actor):
    """See the module."""

    def __init__(
        self,
        gpio: str,
        gpio_args: Mapping[str, Any],
        analog: str,
        analog_args: Mapping[str, Any],
        limits: MotorSettings,
        tell: str,
    ) -> None:
        """Make it.

        Args:
            gpio: driver of the lines as ``module:callable``, empty for none.
            gpio_args: its keyword arguments.
            analog: driver of the currents, empty for none: then the encoder alone tells a jam.
            analog_args: its keyword arguments.
            limits: the numbers of the rules.
            tell: address that hears of every change.
        """
        self._drivers = Drivers(gpio, gpio_args, analog, analog_args)
        self._limits = limits
        self._tell = tell
        self._lines: GuardLines | None = None
        self._guard: Guard
        self._awake_until_s = 0.0
        self._told = GuardChanged(0, None, None, "unknown", None)
        self._shown: tuple[object, ...] = ()
        self._jogs: dict[str, Envelope] = {}
        self._stops: dict[str, tuple[int, int]] = {}  # of each sender the last: id, time

    # -- lifecycle ------------------------------------------------------------------------------

    def on_start(self) -> None:
        """Claim all outputs low, read them back low, and only then serve."""
        if not self._drivers.gpio:
            msg = "there is no driver for the motor's lines in this profile"
            raise Waiting(msg)
        try:
            self._lines = GuardLines(self._drivers)
        except (DriverMissing, LineBusy) as error:  # busy: the guard before this one is leaving
            raise Waiting(error.strerror or str(error)) from None
        now_s = self.ctx.clock.monotonic()
        self._guard = Guard(self._limits, now_s, has_current=bool(self._drivers.analog))
        self._awake_until_s = now_s + _AWAKE_S
        self._look(self._lines)
        self.ctx.schedule_once(self._limits.tick_s, _Tick())

    def on_stop(self, reason: ExitReason) -> None:
        """Leave them low."""
        lines, self._lines = self._lines, None
        high = lines.close() if lines is not None else ()
        if high:
            self.ctx.emit("outputs_stuck", lines=list(high))

    # -- handlers -------------------------------------------------------------------------------

    @handles(Move)
    def move(self, message: Move) -> None:
        """Take an order, or refuse it."""
        envelope = self.ctx.later()
        order = Order(
            message.move,
            message.motor,
            message.direction,
            message.run_s,
            message.until,
            envelope.source,
        )
        if self._is_overtaken(envelope):
            why = MoveFailed(order.move, order.motor, "stopped", "stopped before it began")
            self._answer(Answer(order.asker, why))
        else:
            self._take(order, envelope)

    @handles(Renew)
    def renew(self, message: Renew) -> None:
        """The lease begins anew, counted from when that was said."""
        sent_s = self.ctx.later().sent_ns / 1e9
        self._guard.renew(message.move, self.ctx.clock.monotonic(), sent_s)

    @handles(StopMotors)
    def stop_motors(self, message: StopMotors) -> None:
        """Brake."""
        self._stop(message.why or "asked")

    @handles(MakeSafe, command=True)
    def make_safe(self, message: MakeSafe) -> None:
        """Outputs low now; a movement in progress has failed."""
        self._stop(message.why)

    @handles(Jog, command=True)
    def jog(self, message: Jog) -> object:
        """A technician's touch of the button; the answer comes when the motor stands."""
        envelope = self.ctx.later()
        move, run_s = f"jog-{envelope.id}", min(message.run_s, self._limits.jog_s_max)
        self._jogs[move] = envelope
        order = Order(
            move, message.motor, message.direction, run_s, is_jog=True, is_held=message.hold
        )
        self._take(order, envelope)
        return LATER

    @handles(ResetGuard, command=True)
    def reset(self, message: ResetGuard) -> Failed | None:
        """Forget the latch if its cause is gone; nothing moves by it."""
        assert self._lines is not None
        now_s = self._look(self._lines)
        stuck = self._lines.drive(self._guard.outputs(), check=True)
        why = f"cannot be driven: {', '.join(stuck)}" if stuck else self._guard.reset(now_s)
        self._show(now_s)
        return Failed("latched", why) if why else None

    @handles(ReadGuard, command=True)
    def read_guard(self, message: ReadGuard) -> GuardChanged:
        """How things stand."""
        return self._told

    @handles(_Tick)
    def tick(self, message: _Tick) -> None:
        """Look, act, and look again soon; less often while nothing moves."""
        assert self._lines is not None
        is_awake = self._look(self._lines) < self._awake_until_s
        limits = self._limits
        self.ctx.schedule_once(limits.tick_s if is_awake else limits.idle_tick_s, _Tick())

    # -- private --------------------------------------------------------------------------------

    def _take(self, order: Order, envelope: Envelope) -> None:
        assert self._lines is not None
        now_s = self._look(self._lines)
        self._act(self._guard.order(order, now_s, envelope.sent_ns / 1e9), now_s)

    def _is_overtaken(self, envelope: Envelope) -> bool:
        """Whether its sender has said stop after this; a stop takes the fast lane."""
        id_, sent_ns = self._stops.get(envelope.source, (0, 0))
        return envelope.id < id_ and envelope.sent_ns <= sent_ns

    def _stop(self, why: str) -> None:
        envelope, now_s = self.ctx.later(), self.ctx.clock.monotonic()
        self._stops[envelope.source] = envelope.id, envelope.sent_ns
        self._act(self._guard.stop(why, now_s), now_s)

    def _look(self, lines: GuardLines) -> float:
        """Take everything in and do what follows; returns the time of the look."""
        now_s = self.ctx.clock.monotonic()
        self._measure(lines, now_s)
        self._act(self._guard.look(lines.look(), now_s), now_s)
        return now_s

    def _measure(self, lines: GuardLines, now_s: float) -> None:
        """Read each current as often as it is worth it."""
        moving, view = self._guard.moving, self._guard.view
        is_awake = now_s < self._awake_until_s
        for motor in MOTORS:
            is_watched = is_awake and moving in (motor, None)
            if lines.is_due(_CHANNELS[motor], _SAMPLE_S if is_watched else _SAMPLE_IDLE_S, now_s):
                view.measure(motor, lines.measure(_CHANNELS[motor]), now_s)
        if lines.is_due(ports.SUPPLY_V, _SAMPLE_IDLE_S, now_s):
            view.supply(lines.measure(ports.SUPPLY_V))

    def _act(self, answers: list[Answer], now_s: float) -> None:
        """Drive the outputs, then say what has happened."""
        lines = self._lines
        assert lines is not None
        stuck = lines.drive(self._guard.outputs())
        if stuck:
            answers = [*answers, *self._guard.cannot_drive(stuck, now_s)]
            lines.drive(Outputs(), check=True)
        if self._guard.phase != "off":
            self._awake_until_s = now_s + _AWAKE_S
        for answer in answers:
            self._answer(answer)
        self._show(now_s)

    def _answer(self, answer: Answer) -> None:
        said = answer.said
        if isinstance(said, MoveFailed) and said.ran_s > 0 and said.reason != "stopped":
            self.ctx.emit("move_failed", motor=said.motor, reason=said.reason, detail=said.detail)
        request = self._jogs.pop(said.move, None)
        if request is None:
            if answer.asker:
                self.ctx.tell(answer.asker, said)
        elif isinstance(said, MoveFailed):
            self.ctx.reply(request, Failed(said.reason, said.detail))
        else:
            self.ctx.reply(request, said)

    def _show(self, now_s: float) -> None:
        """Tell of changes, and note them for the status."""
        assert self._lines is not None
        guard, seen = self._guard, self._guard.view.seen
        door, estop = guard.view.door.believed, guard.view.estop.believed
        moving, is_still = guard.moving or "", guard.belt_still(now_s)
        trouble = guard.trouble(now_s)
        state = (door, estop, seen.gate, seen.beam_gate, guard.latch, moving, is_still, trouble)
        shown = (*state, self._lines.high)
        if shown == self._shown:
            return
        if state != self._shown[:-1]:
            self._tell_change(GuardChanged(self._told.sequence + 1, *state, self._now_ns()))
        self._shown = shown
        self.ctx.note(
            outputs=self._lines.high,
            gate=seen.gate,
            door=_word(door, "closed", "open"),
            estop=_word(estop, "released", "pressed"),
            latch=guard.latch or None,
            trouble="; ".join(trouble) or None,
        )

    def _tell_change(self, change: GuardChanged) -> None:
        before, self._told = self._told, change
        self.ctx.tell(self._tell, change)
        if change.latch != before.latch:
            self.ctx.emit("guard_latched" if change.latch else "guard_reset", latch=change.latch)
        if change.trouble != before.trouble:
            self.ctx.emit("guard_trouble", trouble=list(change.trouble))

    def _now_ns(self) -> int:
        return self.ctx.clock.monotonic_ns()


def _word(level: bool | None, yes: str, no: str) -> str:
    return "unknown" if level is None else yes if level else no


def make_safe(
    gpio: str,
    gpio_args: Mapping[str, Any],
    analog: str,
    analog_args: Mapping[str, Any],
    limits: Mapping[str, Any],
    tell: str,
) -> None:
    """The motor's fail_safe: pull its outputs low from a process of its own.

    Takes the motor's own arguments; may run any number of times.

    Raises:
        LineError: a line cannot be had, or is not low.
    """
    del limits, tell
    if gpio:
        force_low(Drivers(gpio, gpio_args, analog, analog_args))
