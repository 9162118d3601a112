"""The file of pins: what goes to and fro between the machine and its simulated world.

One file, mapped by every process of one simulated machine. Layout (docs/world.md), native byte
order, words of 8 bytes:

    0      magic, size of the file, virtual time (ns; 0: the system's clock), writes so far,
           position of the gate (what outlives a restart of the world)
    64     level of each line, one byte, in the order of `ports.LINES`
    128    1 where a line cannot be read
    192    channels of 64 bytes: a counter, then two slots of value, time (ns) and quality; the
           counter's lowest bit says which slot holds
    2048   the ring: the last writes to output lines, each with its number, time and line

Words are aligned and written in one piece. A writer fills what nobody looks at and counts up last,
so a process that is killed in between leaves the file as it was.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import weakref
from pathlib import Path
from typing import NamedTuple

from actors.drivers import ports

PINS = "pins"
RING_WRITES = 4096
"""Seconds of a running motor: its heartbeat makes up to two hundred a second."""

_MAGIC = int.from_bytes(b"RVMPINS2", "little")
_LEVELS, _LOST, _CHANNELS, _RING = 64, 128, 192, 2048
_CHANNEL_WORDS, _ENTRY_WORDS = 8, 3
_SIZE = _RING + RING_WRITES * _ENTRY_WORDS * 8
_WORD_MAGIC, _WORD_SIZE, _WORD_TIME, _WORD_COUNT, _WORD_GATE = range(5)
_QUALITIES: tuple[ports.Quality, ...] = ("error", "ok", "stale")
_INDEX = {line: number for number, line in enumerate(ports.LINES)}
_CHANNEL = {
    name: _CHANNELS // 8 + _CHANNEL_WORDS * number for number, name in enumerate(ports.CHANNELS)
}
_LOCK_TRIES = 200


class OutputWrite(NamedTuple):
    """One change of an output line, or its claim.

    Attributes:
        number: from 1, without gaps: a gap in what was read is what the ring has lost.
    """

    number: int
    t_mono_ns: int
    line: str
    level: bool


class PinFile:
    """The mapped file, without any rule about who may do what."""

    def __init__(self, directory: str | Path) -> None:
        """Open it, or make it: all lines low, no channel measured.

        Raises:
            DriverMissing: the disk has no room for it, or does not let us.
        """
        home = Path(directory)
        try:
            home.mkdir(parents=True, exist_ok=True)
            self._fd = _open(home)
        except OSError as error:
            raise no_pins(home, error) from error
        self._close_fd = weakref.finalize(self, os.close, self._fd)
        self._map = mmap.mmap(self._fd, _SIZE)
        self._bytes = memoryview(self._map)
        self._words = self._bytes.cast("q")
        self._floats = self._bytes.cast("d")

    def close(self) -> None:
        """Let go of it; what it says stays."""
        if self._map.closed:
            return
        for view in (self._words, self._floats, self._bytes):
            view.release()
        self._map.close()
        self._close_fd()

    # -- lines ----------------------------------------------------------------------------------

    def level(self, line: str) -> bool:
        """Level of a line, readable or not."""
        return self._bytes[_LEVELS + _INDEX[line]] != 0

    def set_level(self, line: str, level: bool) -> None:
        """Set a line without a trace: for inputs."""
        self._bytes[_LEVELS + _INDEX[line]] = level

    def is_lost(self, line: str) -> bool:
        """Whether the line cannot be read."""
        return self._bytes[_LOST + _INDEX[line]] != 0

    def set_lost(self, line: str, lost: bool) -> None:
        """Say whether the line can be read."""
        self._bytes[_LOST + _INDEX[line]] = lost

    # -- outputs and their trace ----------------------------------------------------------------

    def drive(self, line: str, level: bool, t_mono_ns: int, *, always: bool = False) -> None:
        """Set an output; a change goes into the ring, with ``always`` any write does."""
        at = _LEVELS + _INDEX[line]
        if self._bytes[at] == level and not always:
            return
        is_locked = self._lock()
        try:
            self._bytes[at] = level
            number = self._words[_WORD_COUNT] + 1
            entry = _entry(number)
            self._words[entry] = 0  # nobody takes half of it for a write
            self._words[entry + 1] = t_mono_ns
            self._words[entry + 2] = _INDEX[line] << 1 | level
            self._words[entry] = number
            self._words[_WORD_COUNT] = number
        finally:
            if is_locked:
                fcntl.flock(self._fd, fcntl.LOCK_UN)

    @property
    def writes(self) -> int:
        """How many writes there have been."""
        return self._words[_WORD_COUNT]

    def trace(self, since: int = 0) -> list[OutputWrite]:
        """The writes after number ``since``, as far as the ring still has them."""
        newest = self._words[_WORD_COUNT]
        found = []
        for number in range(max(since, newest - RING_WRITES) + 1, newest + 1):
            entry = _entry(number)
            t_mono_ns, what = self._words[entry + 1], self._words[entry + 2]
            if self._words[entry] == number:  # else it was overtaken while we looked
                line = ports.LINES[what >> 1]
                found.append(OutputWrite(number, t_mono_ns, line, bool(what & 1)))
        return found

    def _lock(self) -> bool:
        """Keep other writers away, but never for long: one may have been stopped in mid-write."""
        for _ in range(_LOCK_TRIES):
            try:
                fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.sched_yield()
            else:
                return True
        return False

    # -- channels -------------------------------------------------------------------------------

    def measured(self, channel: str) -> ports.Reading:
        """What a channel reads."""
        at = _CHANNEL[channel]
        while True:
            counter = self._words[at]
            slot = at + 1 + 3 * (counter & 1)
            value, t_mono_ns = self._floats[slot], self._words[slot + 1]
            quality = _QUALITIES[self._words[slot + 2]]
            if self._words[at] == counter:
                return ports.Reading(None if quality == "error" else value, quality, t_mono_ns)

    def measure(self, channel: str, reading: ports.Reading) -> None:
        """Set what a channel reads; one writer at a time."""
        at = _CHANNEL[channel]
        counter = self._words[at] + 1
        slot = at + 1 + 3 * (counter & 1)
        self._floats[slot] = 0.0 if reading.value is None else reading.value
        self._words[slot + 1] = reading.t_mono_ns
        self._words[slot + 2] = _QUALITIES.index(reading.quality)
        self._words[at] = counter

    # -- what belongs to the world --------------------------------------------------------------

    @property
    def virtual_ns(self) -> int:
        """The time in a world whose clock is turned by hand; 0: it is the system's."""
        return self._words[_WORD_TIME]

    @virtual_ns.setter
    def virtual_ns(self, now_ns: int) -> None:
        self._words[_WORD_TIME] = now_ns

    @property
    def gate(self) -> float:
        """Where the gate was left, 0 closed, 1 open."""
        return self._floats[_WORD_GATE]

    @gate.setter
    def gate(self, position: float) -> None:
        self._floats[_WORD_GATE] = position


def read_trace(directory: str | Path, since: int = 0) -> list[OutputWrite]:
    """The writes to output lines after number ``since``: by anybody, at any time."""
    pins = PinFile(directory)
    try:
        return pins.trace(since)
    finally:
        pins.close()


def _entry(number: int) -> int:
    return _RING // 8 + _ENTRY_WORDS * (number % RING_WRITES)


def no_pins(home: Path, error: OSError) -> ports.DriverMissing:
    """What is said when the simulated pins cannot be had."""
    cure = "make room there, or make it writable"
    return ports.DriverMissing(error.errno, f"cannot use {home}: {error.strerror}; {cure}")


def _open(home: Path) -> int:
    """Open the file; make a new one where there is none, or one of another version."""
    path = home / PINS
    while True:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            if _prepare(fd, path):
                return fd
        except OSError:
            os.close(fd)
            raise
        os.close(fd)


def _prepare(fd: int, path: Path) -> bool:
    """Make a file ours if it is new; False: it was another's and has been put out of the way.

    One that is ours is taken without its lock: whoever holds that may have been stopped in
    mid-write, and the one who comes to pull the outputs low must not wait for them.
    """
    if _is_ours(fd):
        return True
    fcntl.flock(fd, fcntl.LOCK_EX)
    try:
        if os.fstat(fd).st_size == 0:
            _format(fd)
        if _is_ours(fd):
            return True
        # Whoever still maps it must not lose pages under their feet: they keep the old file.
        path.unlink(missing_ok=True)
        return False
    finally:
        fcntl.flock(fd, fcntl.LOCK_UN)


def _is_ours(fd: int) -> bool:
    head = os.pread(fd, 16, 0)
    word = int.from_bytes
    return (
        os.fstat(fd).st_size == _SIZE
        and word(head[:8], "little") == _MAGIC
        and word(head[8:], "little") == _SIZE
    )


def _format(fd: int) -> None:
    # Room on the disk first: touching a mapped page for which there is none is a SIGBUS.
    os.posix_fallocate(fd, 0, _SIZE)
    os.pwrite(fd, _MAGIC.to_bytes(8, "little") + _SIZE.to_bytes(8, "little"), 0)
