"""Lines of the 40-pin header of a Jetson, by Jetson.GPIO, around that library's defects.

The library is imported when the driver is made: importing it fails on anything but a Jetson, and it
keeps its state in globals of the process. What we do because of what it does (measured on 2.1.13,
pinned by ``tests/actors/drivers/test_jetson.py``; D8 to D11 in ``docs/hardware.md``):

    D1  an output without ``initial`` is driven high        every claim says the level
    D2  giving up one channel closes the chip of all        its chip is hidden before: `_release`
    D3  so does setting one up again, and PWM on it         a channel is set up once; no PWM
    D4  registering an edge takes 1 s and swallows edges    the level is compared around it
    D5  edges that come together are seen late or never     an edge is a hint; its user polls
    D6  an exception in a callback ends its thread          none gets out of ours
    D7  registering moves a line to another descriptor      the library is told which: `_follow`
"""

from __future__ import annotations

import errno
import importlib
import logging
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

from actors.drivers.ports import DriverMissing, Edge, LineBusy, LineError, LineUnknown
from supervisors.clock import Clock, SystemClock

_CHIP = "/dev/gpiochip0"
_CONSUMER = "rvm-edge"
"""What ``gpioinfo`` shows as the owner of a line."""


class JetsonGpio:
    """See `ports.Gpio`.

    Example:
        >>> gpio = make("actors.drivers.jetson:JetsonGpio", lines={"belt_in": 17, "belt_out": 27})
    """

    def __init__(
        self, lines: Mapping[str, int], model: str | None = None, clock: Clock | None = None
    ) -> None:
        """Make it.

        Args:
            lines: BCM number of each line, by name.
            model: as in ``JETSON_ORIN_NANO``, where the device tree does not say: in a container.
            clock: for the times of edges.

        Raises:
            DriverMissing: the library, the chip, the permission or the model.
        """
        self._gpio = _load(model)
        self._lines = dict(lines)
        self._clock = clock or SystemClock()
        self._claimed: dict[str, int] = {}
        self._outputs: set[str] = set()
        self._lock = threading.Lock()

    def claim_output(self, line: str, *, initial: bool = False) -> None:
        """See `ports.Gpio`."""
        self._claim(line, self._gpio.OUT, initial=int(initial))
        self._outputs.add(line)

    def claim_input(self, line: str) -> None:
        """See `ports.Gpio`. Pulls are the hardware's: the library ignores them."""
        self._claim(line, self._gpio.IN)

    def read(self, line: str) -> bool:
        """See `ports.Gpio`."""
        channel = self._channel(line)
        with _translated(line, "cannot be read"):
            return bool(self._gpio.input(channel))

    def write(self, line: str, level: bool) -> None:
        """See `ports.Gpio`."""
        if line not in self._outputs:
            raise LineUnknown(errno.EINVAL, f"{line} is not claimed as an output: claim it first")
        with _translated(line, "cannot be driven"):
            self._gpio.output(self._claimed[line], int(level))

    def on_edge(self, line: str, tell: Callable[[Edge], None]) -> None:
        """See `ports.Gpio`. Takes a second (D4): ask for edges at the start, not in mid-run."""
        channel = self._channel(line)
        if line in self._outputs:
            raise LineUnknown(errno.EINVAL, f"{line} is not claimed as an input: claim it first")

        def hint(_channel: int | None = None) -> None:
            try:
                tell(Edge(line, self.read(line), self._clock.monotonic_ns()))
            except Exception:  # D6: what gets out of here ends the library's thread
                logging.getLogger(__name__).exception("whoever is told of edges of %s failed", line)

        with self._lock:
            before = self.read(line)
            with _translated(line, "cannot be watched"):
                self._gpio.add_event_detect(channel, self._gpio.BOTH, callback=hint)
            self._follow(channel)
        if self.read(line) != before:
            hint()

    def close(self) -> None:
        """See `ports.Gpio`. Lines of another driver in this process stay what they are."""
        with self._lock:
            claimed, self._claimed, self._outputs = self._claimed, {}, set()
            with ExitStack() as stack:  # one that fails must not keep the others
                for line, channel in claimed.items():
                    stack.callback(self._release, line, channel)

    # -- private --------------------------------------------------------------------------------

    def _claim(self, line: str, direction: int, **more: int) -> None:
        channel = self._lines.get(line)
        if channel is None:
            known = ", ".join(self._lines) or "none"
            raise LineUnknown(errno.ENOENT, f"there is no line {line!r}; there are {known}")
        with self._lock, _translated(line, f"cannot be claimed on BCM {channel}"):
            # D3: a second set-up would close the first one's descriptors instead of failing.
            if self._gpio.gpio_function(channel) != self._gpio.UNKNOWN:
                raise LineBusy(
                    errno.EBUSY, f"{line} (BCM {channel}) is claimed already, by this process"
                )
            self._gpio.setup(channel, direction, consumer=_CONSUMER, **more)
            self._claimed[line] = channel

    def _channel(self, line: str) -> int:
        channel = self._claimed.get(line)
        if channel is None:
            raise LineUnknown(errno.EINVAL, f"{line} is not claimed: claim it first")
        return channel

    def _release(self, line: str, channel: int) -> None:
        """Give up one channel without the chip, which others use (D2)."""
        with _translated(line, "cannot be given up"):
            self._info(channel).chip_fd = None
            self._gpio.cleanup(channel)

    def _follow(self, channel: int) -> None:
        """Tell the library where the line is since an edge was registered (D7).

        It goes on using the number of the descriptor that it has closed. Mostly the new one has the
        same; when another thread has opened a file in between, that file has it.
        """
        info = self._info(channel)
        event = self._module("gpio_event").gpio_event_added(info.gpio_chip, channel)
        info.line_handle = event.value_fd

    def _info(self, channel: int) -> Any:
        return self._module("gpio")._channel_to_info(channel)

    @staticmethod
    def _module(name: str) -> Any:
        return importlib.import_module(f"Jetson.GPIO.{name}")


def _load(model: str | None) -> Any:
    """Import the library, or say what is missing."""
    if model is not None:
        os.environ["JETSON_MODEL_NAME"] = model
    try:
        gpio = importlib.import_module("Jetson.GPIO")
    except ImportError as error:
        raise DriverMissing(
            errno.ENOSYS, "Jetson.GPIO is not installed: pip install 'rvm-edge[jetson]'"
        ) from error
    except Exception as error:  # the library raises RuntimeError, and bare exceptions
        raise DriverMissing(errno.ENODEV, _why_not(error)) from error
    gpio.setwarnings(False)  # else every claim opens /dev/mem, which only root may
    gpio.setmode(gpio.BCM)
    return gpio


def _why_not(error: Exception) -> str:
    if not os.access(_CHIP, os.F_OK):
        return f"there is no {_CHIP}: this is no Jetson, or its kernel lacks CONFIG_GPIO_CDEV_V1"
    if not os.access(_CHIP, os.W_OK):
        return (
            f"no permission to use {_CHIP}: install deploy/99-rvm-edge-gpio.rules and add the user"
            " to the group gpio"
        )
    return f"Jetson.GPIO does not know this machine ({error}): say its model, JETSON_ORIN_NANO"


@contextmanager
def _translated(line: str, what: str) -> Iterator[None]:
    """Make ours of what the library raises, which is all sorts of things."""
    try:
        yield
    except LineError:
        raise
    except OSError as error:
        if error.errno == errno.EBUSY:
            raise LineBusy(
                errno.EBUSY, f"{line} {what}: another process has it; gpioinfo says which"
            ) from error
        raise LineError(error.errno, f"{line} {what}: {error.strerror or error}") from error
    except ValueError as error:
        raise LineUnknown(errno.EINVAL, f"{line} {what}: {error}") from error
    except Exception as error:  # a chip that it does not find is a bare exception
        raise LineError(errno.EIO, f"{line} {what}: {error}") from error
