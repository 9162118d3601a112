"""Lines and channels of the simulated machine, as its actors see them, and as its world does."""

from __future__ import annotations

import errno
import logging
import threading
from collections.abc import Callable, Iterable

from actors.drivers import ports
from actors.drivers.ports import Edge, LineError, LineUnknown, Quality, Reading
from actors.drivers.simulated.claims import Claims
from actors.drivers.simulated.pinfile import OutputWrite, PinFile
from supervisors.clock import Clock, SystemClock

_POLL_S = 0.002
"""How often hints about edges are looked for; well below any debounce."""
_JOIN_S = 1.0


class _Time:
    """Nanoseconds for the trace: of a clock handed in, else of the world, else of the system."""

    def __init__(self, pins: PinFile, clock: Clock | None) -> None:
        self._pins = pins
        self._is_given = clock is not None
        self._clock_ns = (clock or SystemClock()).monotonic_ns

    def now_ns(self) -> int:
        """A world in virtual time writes its time into the file: whoever drives a line uses it."""
        if self._is_given:
            return self._clock_ns()
        return self._pins.virtual_ns or self._clock_ns()


class SimulatedGpio:
    """See `ports.Gpio`. Claims end with their process; outputs keep their level, as they do there.

    Example:
        >>> gpio = make("actors.drivers.simulated:SimulatedGpio", directory="/var/lib/rvm/sim")
    """

    def __init__(self, directory: str, clock: Clock | None = None) -> None:
        """Args: directory: of the simulated machine. clock: None takes the world's."""
        self._pins = PinFile(directory)
        self._claims = Claims(directory)
        self._time = _Time(self._pins, clock)
        self._outputs: set[str] = set()
        self._hints: dict[str, Callable[[Edge], None]] = {}
        self._known: dict[str, bool] = {}
        self._poller: threading.Thread | None = None
        self._closing = threading.Event()

    def claim_output(self, line: str, *, initial: bool = False) -> None:
        """See `ports.Gpio`."""
        self._claim(line, ports.GUARD_OUTPUTS, "an input")
        self._outputs.add(line)
        self._pins.drive(line, initial, self._time.now_ns(), always=True)

    def claim_input(self, line: str) -> None:
        """See `ports.Gpio`."""
        self._claim(line, (*ports.GUARD_INPUTS, *ports.SENSOR_INPUTS), "an output")

    def read(self, line: str) -> bool:
        """See `ports.Gpio`."""
        if line not in self._claims:
            raise LineUnknown(errno.EINVAL, f"{line} is not claimed: claim it, then read it")
        if self._pins.is_lost(line):
            raise LineError(errno.EIO, f"{line} cannot be read: look at its wire")
        return self._pins.level(line)

    def write(self, line: str, level: bool) -> None:
        """See `ports.Gpio`."""
        if line not in self._outputs:
            raise LineUnknown(errno.EINVAL, f"{line} is not claimed as an output: claim it first")
        self._pins.drive(line, bool(level), self._time.now_ns())

    def on_edge(self, line: str, tell: Callable[[Edge], None]) -> None:
        """See `ports.Gpio`; the first to ask starts a thread that looks, in real time."""
        if line not in self._claims or line in self._outputs:
            raise LineUnknown(errno.EINVAL, f"{line} is not claimed as an input: claim it first")
        self._known[line] = self._pins.level(line)  # now, or a change before the first look is lost
        self._hints[line] = tell
        if self._poller is None:
            self._poller = threading.Thread(target=self._poll, name="pins", daemon=True)
            self._poller.start()

    def force_low(self, lines: Iterable[str] = ports.GUARD_OUTPUTS) -> None:
        """Drive outputs low whoever has claimed them: what a pull-down does for a dead owner."""
        for line in lines:
            self._pins.drive(line, False, self._time.now_ns())

    def close(self) -> None:
        """See `ports.Gpio`."""
        self._closing.set()
        if self._poller is not None:
            self._poller.join(_JOIN_S)
        self._outputs.clear()
        self._claims.drop()
        self._pins.close()

    def _claim(self, line: str, fitting: tuple[str, ...], other: str) -> None:
        if line not in ports.LINES:
            known = ", ".join(ports.LINES)
            raise LineUnknown(errno.ENOENT, f"there is no line {line!r}; there are {known}")
        if line not in fitting:
            raise LineUnknown(errno.EINVAL, f"{line} is {other} of the simulated machine")
        self._claims.take(line)

    def _poll(self) -> None:
        while not self._closing.wait(_POLL_S):
            for line, tell in tuple(self._hints.items()):
                level = self._pins.level(line)
                if self._known[line] != level:
                    self._known[line] = level
                    _hint(tell, Edge(line, level, self._time.now_ns()))


def _hint(tell: Callable[[Edge], None], edge: Edge) -> None:
    try:
        tell(edge)
    except Exception:  # a listener's mistake must not end the hints of all others
        logging.getLogger(__name__).warning("told of %s, somebody failed", edge, exc_info=True)


class SimulatedAnalog:
    """See `ports.Analog`."""

    def __init__(self, directory: str) -> None:
        """Args: directory: of the simulated machine."""
        self._pins = PinFile(directory)

    def read(self, channel: str) -> Reading:
        """See `ports.Analog`.

        Raises:
            LineUnknown: there is no such channel.
        """
        if channel not in ports.CHANNELS:
            known = ", ".join(ports.CHANNELS)
            raise LineUnknown(errno.ENOENT, f"there is no channel {channel!r}; there are {known}")
        return self._pins.measured(channel)

    def close(self) -> None:
        """See `ports.Analog`."""
        self._pins.close()


class SimulatedBoard:
    """The other side of the pins: inputs and channels are set here, and outputs are seen.

    For the world, and for tests that play the world.
    """

    def __init__(self, directory: str, clock: Clock | None = None) -> None:
        """Args: directory: of the simulated machine. clock: None takes the world's."""
        self.pins = PinFile(directory)
        self._time = _Time(self.pins, clock)

    def set(self, line: str, level: bool) -> None:
        """Set an input."""
        self.pins.set_level(line, level)

    def lose(self, line: str, lost: bool = True) -> None:
        """Make a line unreadable, or readable again."""
        self.pins.set_lost(line, lost)

    def measure(
        self, channel: str, value: float | None, quality: Quality = "ok", t_mono_ns: int = 0
    ) -> None:
        """Let a channel read this; ``t_mono_ns`` 0: measured now."""
        when_ns = t_mono_ns or self._time.now_ns()
        self.pins.measure(channel, Reading(value, "error" if value is None else quality, when_ns))

    def level(self, line: str) -> bool:
        """Level of any line, readable or not."""
        return self.pins.level(line)

    def levels(self) -> dict[str, bool]:
        """Level of every line."""
        return {line: self.pins.level(line) for line in ports.LINES}

    def readings(self) -> dict[str, Reading]:
        """What every channel reads."""
        return {channel: self.pins.measured(channel) for channel in ports.CHANNELS}

    def trace(self, since: int = 0) -> list[OutputWrite]:
        """The writes to outputs after number ``since``."""
        return self.pins.trace(since)

    def close(self) -> None:
        """Let go of the pins."""
        self.pins.close()
