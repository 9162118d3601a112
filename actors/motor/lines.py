"""The guard's lines and channels: claimed low, read in one look, driven lows first, read back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from actors.drivers import make, ports
from actors.drivers.ports import Analog, Gpio, LineBusy, LineError
from models.guard.terms import NEVER, Outputs, Seen
from supervisors.clock import SystemClock

_CLAIM_S = 1.5
_CLAIM_AGAIN_S = 0.01
"""How long, and how often, a line is tried that a dead process still seems to hold: less than a
fail_safe may take."""


class Drivers(NamedTuple):
    """What the lines and channels are made with.

    Attributes:
        gpio: ``module:callable``, empty for none.
        analog: the same; empty: there are no current sensors.
    """

    gpio: str
    gpio_args: Mapping[str, Any]
    analog: str
    analog_args: Mapping[str, Any]


class GuardLines:
    """All outputs and inputs of the guard; made by claiming them."""

    def __init__(self, drivers: Drivers) -> None:
        """Claim every output low and make sure that it is, then the inputs.

        Raises:
            DriverMissing: there is no such hardware here.
            LineBusy: somebody has a line.
            LineError: an output does not go low.
        """
        self._gpio: Gpio = make(drivers.gpio, **drivers.gpio_args)
        try:
            _claim_low(self._gpio)
            for line in ports.GUARD_INPUTS:
                self._gpio.claim_input(line)
            self._analog: Analog | None = (
                make(drivers.analog, **drivers.analog_args) if drivers.analog else None
            )
        except BaseException:
            self._gpio.close()
            raise
        self._driven = Outputs()
        self._sampled_s: dict[str, float] = {}

    def close(self) -> tuple[str, ...]:
        """Leave all outputs low; returns those that are not."""
        high = self.drive(Outputs(), check=True)
        self._gpio.close()
        if self._analog is not None:
            self._analog.close()
        return high

    def look(self) -> Seen:
        """All inputs at once."""
        return Seen(*[self._read(line) for line in ports.GUARD_INPUTS])

    def _read(self, line: str) -> bool | None:
        try:
            return self._gpio.read(line)
        except LineError:
            return None

    def is_due(self, channel: str, period_s: float, now_s: float) -> bool:
        """Whether a channel that is read that often is to be read now."""
        if self._analog is None or now_s - self._sampled_s.get(channel, NEVER) < period_s:
            return False
        self._sampled_s[channel] = now_s
        return True

    def measure(self, channel: str) -> float | None:
        """A fresh value; None: there is none."""
        if self._analog is None:
            return None
        reading = self._analog.read(channel)
        return reading.value if reading.quality == "ok" else None

    def drive(self, wanted: Outputs, *, check: bool = False) -> tuple[str, ...]:
        """Bring the outputs to these levels, lows first.

        Args:
            wanted: the levels.
            check: write those as well that should be there already.

        Returns:
            Those that do not obey.
        """
        if wanted == self._driven and not check:
            return ()
        stuck = []
        levels = zip(ports.GUARD_OUTPUTS, wanted, self._driven, strict=True)
        for line, level, driven in sorted(levels, key=lambda each: each[1]):
            if (check or level != driven) and not _write(self._gpio, line, level=level):
                stuck.append(line)
        self._driven = wanted
        return tuple(stuck)

    @property
    def high(self) -> str:
        """The motor output that is high, or ``low``."""
        levels = zip(ports.MOTOR_OUTPUTS, self._driven, strict=False)
        return next((line for line, level in levels if level), "low")


def force_low(drivers: Drivers) -> None:
    """Pull all outputs low, in a process that has nothing to do with the guard that failed.

    Raises:
        LineError: a line cannot be had, or is not low.
    """
    clock = SystemClock()
    until_s = clock.monotonic() + _CLAIM_S
    while True:
        gpio: Gpio = make(drivers.gpio, **drivers.gpio_args)
        pull_down = getattr(gpio, "force_low", None)
        try:
            if pull_down is not None:  # simulated pins have their resistors with them
                pull_down()
            else:
                _claim_low(gpio)
        except LineBusy:
            if clock.monotonic() >= until_s:
                raise
            clock.pause(_CLAIM_AGAIN_S)
        else:
            return
        finally:
            gpio.close()


def _claim_low(gpio: Gpio) -> None:
    for line in ports.GUARD_OUTPUTS:
        gpio.claim_output(line, initial=False)
    high = [line for line in ports.GUARD_OUTPUTS if not _write(gpio, line, level=False)]
    if high:
        msg = f"{', '.join(high)}: high after it was driven low: look at the wiring and the pinmux"
        raise LineError(msg)


def _write(gpio: Gpio, line: str, *, level: bool) -> bool:
    """Drive a line and read it back; whether it obeys."""
    try:
        gpio.write(line, level)
        return gpio.read(line) == level
    except LineError:
        return False
