"""The sensors: beams, scale, bin and climate; what they say, and which of them lies.

Owns the beams' lines and the analogue channels of the sensors.
Hears `ReadInputs`, `Weigh`, `Tare` from anybody, `CycleChanged` from the deposit actor.
Says `BeamChanged`, `BinChanged`, `SensorFault`, `SensorCleared` to the deposit actor, `Weighed` and
`Tared` to whoever asked.

All rules are in `models.sensing`. The beams are polled: edges get lost on real hardware, levels do
not.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from actors.drivers import make, ports
from actors.drivers.ports import Analog, DriverMissing, Gpio, LineError
from actors.sensors.channels import Channels
from actors.sensors.weighing import Answer
from config.settings import SensorsSettings
from models.sensing import Fault
from models.sensing.beams import BEAMS, Passages, beam_fault
from models.sensing.level import is_news
from models.sensing.line import Line, Times, looked
from protocol.envelope import Kind
from protocol.machine import (
    Beam,
    BeamChanged,
    BinChanged,
    Inputs,
    ReadInputs,
    SensorCleared,
    SensorFault,
    Tare,
    Weigh,
)
from protocol.message import Message
from protocol.service import CycleChanged
from supervisors import LATER, Actor, Waiting, handles
from supervisors.exits import ExitReason

_LINES: Mapping[Beam, str] = MappingProxyType(dict(zip(BEAMS, ports.SENSOR_INPUTS, strict=True)))
_CHECK_S = 0.5
"""Between two looks for faults and news of slow values; both show over seconds."""
_WORDS = {True: "covered", False: "free", None: "cannot be read"}


class _Poll(Message, frozen=True, tag="sensors.poll"):
    """Sensors to themselves: look again."""


class Sensors(Actor):
    """See the module."""

    def __init__(
        self,
        gpio: str,
        gpio_args: Mapping[str, Any],
        analog: str,
        analog_args: Mapping[str, Any],
        limits: SensorsSettings,
        bin_depth_m: float,
        tell: str,
    ) -> None:
        """Make it.

        Args:
            gpio: driver of the lines as ``module:Class``, empty for none.
            gpio_args: its arguments.
            analog: driver of the channels, empty for none.
            analog_args: its arguments.
            limits: times and limits.
            bin_depth_m: from the sensor in the bin's lid down to its floor.
            tell: address of the deposit actor.
        """
        self._drivers = (gpio, gpio_args), (analog, analog_args)
        self._limits = limits
        self._bin_depth_m = bin_depth_m
        self._tell = tell
        self._gpio: Gpio
        self._channels: Channels
        self._beams: dict[Beam, Line] = dict.fromkeys(BEAMS, Line())
        usual = Times(limits.debounce_s, limits.release_s)
        self._times = dict.fromkeys(BEAMS, usual)
        self._times["drop"] = Times(limits.drop_debounce_s, limits.release_s)
        self._passages = Passages()
        self._idle_since_s: float | None = None
        self._bin_told: float | None = None
        self._shown: dict[str, float | None] = {}
        self._faults: dict[str, Fault] = {}
        self._check_due_s = 0.0

    # -- lifecycle ------------------------------------------------------------------------------

    def on_start(self) -> None:
        """Take the lines and begin to look."""
        (gpio, gpio_args), (analog, analog_args) = self._drivers
        if not gpio:
            raise Waiting("there is no driver for the lines of the beams on this profile")
        try:
            self._gpio = make(gpio, **gpio_args)
            for line in _LINES.values():
                self._gpio.claim_input(line)
        except LineError as error:
            if hasattr(self, "_gpio"):
                self._gpio.close()
            raise Waiting(error.strerror or str(error)) from error
        driver, missing = _open_analog(analog, analog_args)
        self._channels = Channels(driver, missing, self._limits, self._bin_depth_m)
        now_s = self.ctx.clock.monotonic()
        self._idle_since_s = now_s
        self._check(now_s)
        self.ctx.schedule_every(self._limits.poll_s, _Poll())

    def on_stop(self, reason: ExitReason) -> None:
        """Let go of lines and channels."""
        self._gpio.close()
        self._channels.close()

    # -- handlers -------------------------------------------------------------------------------

    @handles(_Poll)
    def poll(self, message: _Poll) -> None:
        """Look at every beam, and at the channels whose time has come."""
        now_s = self.ctx.clock.monotonic()
        for beam, line in _LINES.items():
            self._look(beam, line, now_s)
        self._answer(self._channels.measure(now_s))
        if now_s >= self._check_due_s:
            self._check(now_s)
            self._show_values()

    @handles(Weigh, command=True)
    def weigh(self, message: Weigh) -> object:
        """Answered once the scale is at rest, or when time is up."""
        return self._ask(message)

    @handles(Tare, command=True)
    def tare(self, message: Tare) -> object:
        """The same; what it reads then is zero."""
        return self._ask(message)

    @handles(CycleChanged)
    def cycle_changed(self, message: CycleChanged) -> None:
        """While an item is dealt with it may stand in a beam and lie on the scale."""
        self._channels.set_idle(not message.busy)
        is_idle = self._idle_since_s is not None
        if message.busy:
            self._idle_since_s = None
        elif not is_idle:
            self._idle_since_s = self.ctx.clock.monotonic()

    @handles(ReadInputs, command=True)
    def read_inputs(self, message: ReadInputs) -> Inputs:
        """What is believed now."""
        return Inputs(
            {beam: line.level for beam, line in self._beams.items()},
            self._channels.values(),
            {sensor: fault.what for sensor, fault in self._faults.items()},
        )

    # -- beams ----------------------------------------------------------------------------------

    def _look(self, beam: Beam, line: str, now_s: float) -> None:
        reads: bool | None
        try:
            reads = self._gpio.read(line)
        except LineError:
            reads = None
        before = self._beams[beam]
        after = looked(before, reads, now_s, self._times[beam])
        if after is before:
            return
        self._beams[beam] = after
        if after.is_known and (not before.is_known or after.level is not before.level):
            if after.level and before.level is False:
                self._passages = self._passages.covered(beam)
            self.ctx.tell(self._tell, BeamChanged(beam, after.level, round(after.since_s * 1e9)))
            self.ctx.note(**{beam: _WORDS[after.level]})
            self._check_due_s = now_s  # what is wrong with it shows at once

    # -- channels -------------------------------------------------------------------------------

    def _ask(self, message: Weigh | Tare) -> object:
        now_s = self.ctx.clock.monotonic()
        self._answer(self._channels.ask(self.ctx.later(), message, now_s))
        return LATER

    def _answer(self, answers: list[Answer]) -> None:
        for request, answer in answers:
            if request.kind is Kind.REQUEST:
                self.ctx.reply(request, answer)
            else:
                self.ctx.tell(request.source, answer)

    def _show_values(self) -> None:
        """Tell how full the bin is, and show in status what is new."""
        percent = self._channels.bin_percent
        if is_news(self._bin_told, percent):
            self._bin_told = percent
            self.ctx.tell(self._tell, BinChanged(percent))
        values = {
            name: value if value is None else round(value, 1)
            for name, value in self._channels.values().items()
        }
        if values != self._shown:
            self._shown = values
            self.ctx.note(**values)

    # -- faults ---------------------------------------------------------------------------------

    def _check(self, now_s: float) -> None:
        """Look for faults and tell what is new."""
        self._check_due_s = now_s + _CHECK_S
        found: dict[str, Fault | None] = {
            beam: beam_fault(
                beam,
                line,
                self._passages,
                self._faults.get(beam),
                self._idle_since_s,
                now_s,
                self._limits,
            )
            for beam, line in self._beams.items()
        }
        found.update(self._channels.faults())
        for sensor, fault in found.items():
            self._judge(sensor, fault)

    def _judge(self, sensor: str, fault: Fault | None) -> None:
        standing = self._faults.get(sensor)
        if (fault and fault.what) == (standing and standing.what):
            return
        if fault is not None:
            self._faults[sensor] = fault
            self.ctx.tell(self._tell, SensorFault(sensor, fault.what, fault.detail))
            self.ctx.emit("sensor_fault", sensor=sensor, what=fault.what, detail=fault.detail)
        else:
            del self._faults[sensor]
            self.ctx.tell(self._tell, SensorCleared(sensor))
            self.ctx.emit("sensor_cleared", sensor=sensor)
        words = [f"{name} is {each.what}: {each.detail}" for name, each in self._faults.items()]
        self.ctx.note(trouble="; ".join(words) or None)


def _open_analog(target: str, args: Mapping[str, Any]) -> tuple[Analog | None, str]:
    """The driver, or why there is none."""
    if not target:
        return None, "there is no driver for analogue channels on this profile"
    try:
        return make(target, **args), ""
    except DriverMissing as error:
        return None, error.strerror or str(error)
