"""A GPIO chip in memory behind version 1 of the kernel's character-device interface.

Unmodified Jetson.GPIO runs on it: opening, closing and ``ioctl`` of its device are caught in
this process. A line is a descriptor of ``/dev/null``, an event line the reading end of a pipe.

The library keeps its state in globals, so every test of it runs in a process of its own:
``run_fresh(function)`` calls ``function(chip)`` there.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import importlib
import os
import struct
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any, NamedTuple

from supervisors.boot import isolated
from supervisors.clock import SystemClock

CHIP = "/dev/gpiochip0"
BCM_OFFSETS = {
    4: 144, 5: 105, 6: 106, 12: 41, 13: 43, 16: 113, 17: 112, 20: 52, 21: 51, 22: 85, 23: 126,
    24: 125, 25: 123, 26: 124, 27: 122,
}  # fmt: skip
"""Of the Jetson Orin Nano: BCM number to offset on its chip."""

_GET_CHIPINFO = 0x8044B401
_GET_LINEHANDLE = 0xC16CB403
_GET_LINEEVENT = 0xC030B404
_GET_VALUES = 0xC040B408
_SET_VALUES = 0xC040B409
_REQUESTS = {_GET_CHIPINFO, _GET_LINEHANDLE, _GET_LINEEVENT, _GET_VALUES, _SET_VALUES}
_OUTPUT = 0x2
_RISING, _FALLING = 1, 2


class Seen(NamedTuple):
    """A level that somebody outside would have seen on a line."""

    at_ns: int
    offset: int
    level: int


class _Open(NamedTuple):
    """What one of the caught descriptors stands for; ``offset`` -1 is the chip itself."""

    offset: int = -1
    is_output: bool = False
    is_event: bool = False


class FakeChip:
    """See the module.

    Attributes:
        trace: every level that was driven, from the request of the line on.
        foreign: offsets that another process has.
        steal: the next event line does not get the number that has just become free: another thread
            opens a file at that moment. The stolen descriptors are kept here.
    """

    def __init__(self, label: str = "tegra234-gpio", lines: int = 164) -> None:
        self.levels = [0] * lines
        self.trace: list[Seen] = []
        self.foreign: set[int] = set()
        self.steal = False
        self.stolen: list[int] = []
        self._label = label
        self._now_ns = SystemClock().monotonic_ns
        self._open: dict[int, _Open] = {}
        self._events: dict[int, tuple[int, int]] = {}  # by offset: writing end, edges wanted
        self._lock = threading.RLock()
        self._real = (os.access, os.listdir, os.open, os.close, fcntl.ioctl)

    def install(self) -> FakeChip:
        """Catch the calls, before Jetson.GPIO is imported."""
        os.access, os.listdir = self._access, self._listdir
        os.open, os.close, fcntl.ioctl = self._open_file, self._close, self._ioctl
        return self

    # -- the other end of the wires -------------------------------------------------------------

    def set(self, offset: int, level: int) -> None:
        """Drive an input from outside."""
        with self._lock:
            if self.levels[offset] == level:
                return
            self.levels[offset] = level
            write_end, wanted = self._events.get(offset, (-1, 0))
            edge = _RISING if level else _FALLING
            if wanted & edge:
                os.write(write_end, struct.pack("<QII", self._now_ns(), edge, 0))

    def owned(self) -> set[int]:
        """Offsets that this process has requested and not given up."""
        return {one.offset for one in self._open.values() if one.offset >= 0}

    def open_chips(self) -> int:
        """How many descriptors of the chip itself are open."""
        return sum(one.offset < 0 for one in self._open.values())

    # -- the calls that are caught --------------------------------------------------------------

    def _access(self, path: Any, mode: int, **more: Any) -> bool:
        return True if path == CHIP else self._real[0](path, mode, **more)

    def _listdir(self, path: Any = ".") -> list[str]:
        return ["gpiochip0"] if path == "/dev/" else self._real[1](path)

    def _open_file(self, path: Any, flags: int, *more: Any, **named: Any) -> int:
        if path != CHIP:
            return self._real[2](path, flags, *more, **named)
        return self._keep(self._null(), _Open())

    def _close(self, fd: int) -> None:
        with self._lock:
            known = self._open.pop(fd, None)
            if known is not None and known.is_event:
                self._real[3](self._events.pop(known.offset)[0])
        self._real[3](fd)

    def _ioctl(self, fd: int, request: int, arg: Any = 0, *more: Any) -> int:
        with self._lock:
            known = self._open.get(fd)
            if known is None:
                if request not in _REQUESTS:
                    return self._real[4](fd, request, arg, *more)
                os.fstat(fd)  # EBADF where nothing is open
                raise OSError(errno.ENOTTY, os.strerror(errno.ENOTTY))
            if request == _GET_CHIPINFO:
                arg.name, arg.label, arg.lines = (
                    b"gpiochip0",
                    self._label.encode(),
                    len(self.levels),
                )
            elif request == _GET_LINEHANDLE:
                self._request_line(arg)
            elif request == _GET_LINEEVENT:
                self._request_event(arg)
            elif request == _GET_VALUES:
                arg.values[0] = self.levels[known.offset]
            elif request == _SET_VALUES:
                self._drive(known, arg.values[0])
        return 0

    # -- private --------------------------------------------------------------------------------

    def _request_line(self, arg: Any) -> None:
        offset, is_output = arg.lineoffsets[0], bool(arg.flags & _OUTPUT)
        self._check_free(offset)
        if is_output:
            self._show(offset, int(bool(arg.default_values[0])))
        arg.fd = self._keep(self._null(), _Open(offset, is_output))

    def _request_event(self, arg: Any) -> None:
        self._check_free(arg.lineoffset)
        if self.steal:
            self.steal = False
            self.stolen.append(self._null())
        read_end, write_end = os.pipe2(os.O_CLOEXEC)
        self._events[arg.lineoffset] = write_end, arg.eventflags
        arg.fd = self._keep(read_end, _Open(arg.lineoffset, is_event=True))

    def _drive(self, known: _Open, value: int) -> None:
        if not known.is_output:
            raise OSError(errno.EPERM, os.strerror(errno.EPERM))
        self._show(known.offset, int(bool(value)))

    def _show(self, offset: int, level: int) -> None:
        self.levels[offset] = level
        self.trace.append(Seen(self._now_ns(), offset, level))

    def _check_free(self, offset: int) -> None:
        if offset in self.owned() | self.foreign:
            raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))

    def _keep(self, fd: int, what: _Open) -> int:
        self._open[fd] = what
        return fd

    def _null(self) -> int:
        return self._real[2]("/dev/null", os.O_RDWR | os.O_CLOEXEC)


def run_fresh(function: Callable[..., None], *arguments: str) -> None:
    """Call ``function(chip, *arguments)`` in a process of its own, with Jetson.GPIO to be had."""
    argv = [function.__module__, function.__qualname__, *arguments]
    done = subprocess.run(
        isolated(sys.executable, __name__, argv),
        check=False,
        capture_output=True,
        text=True,
        timeout=50,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"


def main(argv: list[str]) -> None:
    """Be that process."""
    module, name, *arguments = argv
    assert ctypes.sizeof(ctypes.c_int) == 4
    chip = FakeChip().install()
    os.environ["JETSON_TESTING_MODEL_NAME"] = "JETSON_ORIN_NANO"
    getattr(importlib.import_module(module), name)(chip, *arguments)
