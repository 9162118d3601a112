"""A camera whose frames come by themselves: one thread reads, the newest frame wins.

LiveSource   what the camera actor holds; never blocks
Reader       the thread; may block in a driver, and is given up if it does not come back
Stream       a camera that is open, as the thread sees it
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from actors.drivers.cameras.arrivals import Arrivals
from actors.drivers.pictures import PicturesError, SourceFailed
from actors.drivers.source import Shot
from supervisors.clock import Clock, SystemClock

if TYPE_CHECKING:
    from actors.drivers.pictures import Frame
    from config.settings import CameraSettings

_STAMP_AGE_NS = 5_000_000_000
"""A driver's time that is further away is of another clock."""


class Stream(Protocol):
    """A camera that is open. Its calls may block; only the thread that opened it makes them."""

    def read(self) -> Frame:
        """Wait for the next frame, uint8 (H, W, 3) BGR, which is the caller's own.

        Raises:
            PicturesError: no more come.
        """

    def exposed_ns(self) -> int | None:
        """When the frame just read was exposed, as the driver says (monotonic); None: unknown."""

    def interrupt(self) -> None:
        """Make a call that waits end, where that can be done; called by another thread."""

    def close(self) -> None:
        """Let go of the camera."""


Connect = Callable[[], Stream]
"""Opens the camera; may block, and raises `PicturesError`."""


class Reader(threading.Thread):
    """Opens a camera, reads it until told to end, and keeps the newest frame."""

    def __init__(self, connect: Connect, limits: CameraSettings, clock: Clock) -> None:
        """Args: connect: opens it, in this thread. limits: its pace and latency."""
        super().__init__(name="frames", daemon=True)
        self._connect = connect
        self._clock = clock
        self._latency_ns = round(limits.latency_s * 1e9)
        self._interval_ns = round(1e9 / limits.frames_per_s)
        self._arrivals = Arrivals(1 / limits.frames_per_s)
        self._lock = threading.Lock()
        self._stream: Stream | None = None
        self._newest: Shot | None = None
        self._error: PicturesError | None = None
        self._is_told_to_end = False
        self._is_over = False
        self._has_begun = False
        self._in_call_since_ns = clock.monotonic_ns()

    def run(self) -> None:
        """Read until the camera ends or somebody says so."""
        stream: Stream | None = None
        try:
            stream = self._connect()
            with self._lock:
                self._stream = stream
            while not self._is_told_to_end:
                self._in_call_since_ns = self._clock.monotonic_ns()
                self._keep(stream.read(), stream.exposed_ns())
        except PicturesError as error:
            self._error = error
        finally:
            with self._lock:
                self._stream = None
            if stream is not None:
                stream.close()
            self._is_over = True

    def _keep(self, frame: Frame, exposed_ns: int | None) -> None:
        self._has_begun = True
        now_ns = self._clock.monotonic_ns()
        is_fresh = self._arrivals.is_fresh(now_ns)
        if exposed_ns is not None and now_ns - _STAMP_AGE_NS <= exposed_ns <= now_ns:
            exposed_ns -= self._interval_ns  # some drivers mean the end of the frame
        elif is_fresh:
            exposed_ns = now_ns - self._latency_ns
        else:
            return
        with self._lock:
            self._newest = Shot(frame, exposed_ns)

    def take(self) -> Shot | None:
        """The newest frame, once.

        Raises:
            PicturesError: the camera has ended, and this was its last word.
        """
        with self._lock:
            shot, self._newest = self._newest, None
        if shot is None and self._is_over and not self._is_told_to_end:
            raise self._error or SourceFailed("the thread that read it has died; see the log")
        return shot

    def end(self) -> None:
        """Tell it to end; does not wait for that."""
        self._is_told_to_end = True
        with self._lock:
            if self._stream is not None:
                self._stream.interrupt()

    def in_call_s(self, now_ns: int) -> float:
        """For how long it has been in one call of the driver; 0 when it has ended."""
        return 0.0 if self._is_over else (now_ns - self._in_call_since_ns) / 1e9

    @property
    def has_begun(self) -> bool:
        """Whether a frame has come: until then it is being opened, whatever it says itself."""
        return self._has_begun


class LiveSource:
    """A camera as a `FrameSource`."""

    is_live = True
    is_fixed = True

    def __init__(
        self,
        name: str,
        find: Callable[[], str],
        connect: Callable[[str], Stream],
        limits: CameraSettings,
        clock: Clock | None = None,
        *,
        is_coded: bool = False,
    ) -> None:
        """Make it.

        Args:
            name: for people, without secrets.
            find: where it is just now: a device node or an address; raises `SourceMissing`.
            connect: opens what was found; in a thread of its own.
            limits: size, pace and patience.
            clock: whose time arrivals get.
            is_coded: see `FrameSource`.
        """
        self.name = name
        self.node = ""
        self.is_coded = is_coded
        self._find = find
        self._connect = connect
        self._limits = limits
        self._clock = clock or SystemClock()
        self._reader: Reader | None = None
        self._leaving: list[Reader] = []

    def open(self) -> None:
        """See `FrameSource`."""
        if self._reader is not None:
            return
        self._leaving = [reader for reader in self._leaving if reader.is_alive()]
        if self._leaving:
            raise SourceFailed(f"{self.name}: its driver has not let go of it yet")
        self.node = node = self._find()
        self._reader = Reader(lambda: self._connect(node), self._limits, self._clock)
        self._reader.start()

    def read(self, now_ns: int) -> Shot | None:
        """See `FrameSource`."""
        return None if self._reader is None else self._reader.take()

    def is_there(self) -> bool:
        """See `FrameSource`."""
        try:
            self._find()
        except PicturesError:
            return False
        return True

    def is_stuck(self, now_ns: int) -> bool:
        """See `FrameSource`; opening may take its time."""
        limits = self._limits
        readers = self._leaving if self._reader is None else [*self._leaving, self._reader]
        return any(
            reader.in_call_s(now_ns)
            > limits.stuck_timeout_s + (0.0 if reader.has_begun else limits.open_timeout_s)
            for reader in readers
        )

    def close(self) -> None:
        """See `FrameSource`. Does not wait for the driver: what hangs there is `is_stuck`."""
        if self._reader is not None:
            self._reader.end()
            self._leaving.append(self._reader)
            self._reader = None
