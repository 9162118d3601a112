"""Two ways to a camera: that of the running machine, and one that a command opens for itself."""

from __future__ import annotations

import mmap
import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeVar

import msgspec

from actors.camera.burst import Burst, Bursts, Wish
from actors.camera.lookout import CameraBroken, Lookout
from actors.camera.reference import load_reference, save_reference
from actors.camera.report import report
from actors.drivers import make
from actors.drivers.pictures import PicturesError
from models.vision.errors import FrameGone
from models.vision.ring import RingReader
from protocol.control import GetStatus, SendCommand
from protocol.vision import CameraReport, Captured, FrameRef
from rvm_edge.client import ClientError, ask
from rvm_edge.drivers import choose_drivers
from supervisors.clock import SystemClock

if TYPE_CHECKING:
    from actors.camera.eye import Look
    from actors.drivers.pictures import Frame
    from config.settings import Settings

R = TypeVar("R", CameraReport, Captured)

CAMERA = "/vision/camera"
RING = "/memfd:rvm-frames"
EXIT_TROUBLE = 1
_ANSWER_S = 15.0
"""A camera that slept opens first, and that of a network takes its time."""
_TRIES = 3
_PAUSE_S = 0.005


class Picture(NamedTuple):
    """What a camera saw: uint8 (H, W, 3) BGR, exposed that long ago."""

    pixels: Frame
    age_s: float


class View(Protocol):
    """A way to a camera; raises `ClientError`.

    Attributes:
        settings: of the machine.
        asked: whom, for people.
    """

    settings: Settings
    asked: str

    def check(self) -> CameraReport:
        """Look, and say what is seen."""

    def learn(self) -> CameraReport:
        """Take what is seen for the clean, empty chamber."""

    def picture(self) -> Picture:
        """What it sees just now, good or bad."""

    def close(self) -> None:
        """Let go of it."""


class DaemonView:
    """The camera of the running machine."""

    asked = "the running machine's"

    def __init__(self, directory: Path, settings: Settings) -> None:
        """Find it.

        Raises:
            ClientError: no machine runs there.
        """
        self.settings = settings
        self._directory = directory
        status = ask(directory, GetStatus())
        found = [actor for actor in status["actors"] if actor["path"] == CAMERA]
        self._pid: int | None = found[0].get("pid") if found else None

    def check(self) -> CameraReport:
        """See `View`."""
        return self._send("check_camera", CameraReport)

    def learn(self) -> CameraReport:
        """See `View`."""
        return self._send("learn_chamber", CameraReport)

    def picture(self) -> Picture:
        """See `View`; the pixels are read where the camera has put them."""
        for _ in range(_TRIES):
            frame = self._send("snapshot", Captured).frames[0]
            try:
                pixels = self._pixels(frame)
            except FrameGone:
                continue  # the machine is busy: it has overwritten the frame already
            return Picture(pixels, (SystemClock().monotonic_ns() - frame.t_mono_ns) / 1e9)
        raise ClientError("the machine is too busy to be looked at; try again", EXIT_TROUBLE)

    def close(self) -> None:
        """See `View`."""

    def _send(self, command: str, reply: type[R]) -> R:
        request = SendCommand(CAMERA, command, {}, _ANSWER_S)
        value = ask(self._directory, request, timeout_s=_ANSWER_S + 2)
        return msgspec.convert(value, reply)

    def _pixels(self, frame: FrameRef) -> Frame:
        try:
            fd = self._ring_fd()
        except OSError as error:
            why = f"cannot read the ring of process {self._pid}: {error.strerror}"
            raise ClientError(f"{why}; be the user of the daemon", EXIT_TROUBLE) from error
        try:
            ring = mmap.mmap(fd, 0, access=mmap.ACCESS_READ)
        finally:
            os.close(fd)
        with ring:
            reader = RingReader(ring)
            try:
                return reader.read(frame)
            finally:
                reader.close()

    def _ring_fd(self) -> int:
        for link in Path(f"/proc/{self._pid}/fd").iterdir():
            if str(link.readlink()).startswith(RING):
                return os.open(link, os.O_RDONLY | os.O_CLOEXEC)
        raise ClientError(f"process {self._pid} has no frame ring (any more)", EXIT_TROUBLE)


class OwnView:
    """The camera of the settings, opened here because no machine runs."""

    asked = "opened for this: no machine runs"

    def __init__(self, directory: Path, settings: Settings) -> None:
        """Open it.

        Raises:
            ClientError: there is none, or it is not to be had.
        """
        self.settings = settings
        self._home = str(directory / "camera")
        self._clock = SystemClock()
        self._seen: Look | None = None
        drivers = choose_drivers(settings, directory)
        if not drivers.source:
            raise ClientError("there is no camera: set camera.source", EXIT_TROUBLE)
        try:
            source = make(drivers.source, drivers.source_where, settings.camera)
        except PicturesError as error:
            raise ClientError(str(error), EXIT_TROUBLE) from error
        self._lookout = Lookout(source, settings.camera)
        self._lookout.eye.reference = load_reference(self._home, source.name)

    def check(self) -> CameraReport:
        """See `View`."""
        return self._report(self._collect())

    def learn(self) -> CameraReport:
        """See `View`."""
        burst = self._collect()
        seen = self._lookout.eye.learn_chamber() if burst.is_complete else None
        if seen is None:
            raise ClientError(burst.why or "files show no chamber to learn", EXIT_TROUBLE)
        try:
            save_reference(self._home, seen)
        except OSError as error:
            why = f"cannot write {self._home}: {error.strerror}"
            raise ClientError(why, EXIT_TROUBLE) from None
        return self._report(burst)

    def picture(self) -> Picture:
        """See `View`."""
        burst = self._collect(frames=1, takes_all=True)
        if self._seen is None:
            raise ClientError(burst.why, EXIT_TROUBLE)
        shot = self._seen.shot
        return Picture(shot.frame, (self._clock.monotonic_ns() - shot.t_mono_ns) / 1e9)

    def close(self) -> None:
        """See `View`."""
        self._lookout.sleep()

    def _report(self, burst: Burst) -> CameraReport:
        told = report(self._lookout, burst, self._clock.monotonic_ns())
        return msgspec.structs.replace(told, frame=None)  # there is no ring that it lies in

    def _collect(self, frames: int = 0, *, takes_all: bool = False) -> Burst:
        """Look until there are so many frames (0: as many as a decision wants), or none come.

        Raises:
            ClientError: the camera is broken.
        """
        limits = self.settings.camera
        patience_s = limits.open_timeout_s + limits.capture_timeout_s
        ended: list[Burst] = []
        wish = Wish(
            frames=frames or limits.burst_frames,
            newer_than_ns=0,
            until_ns=self._clock.monotonic_ns() + round(patience_s * 1e9),
            interval_ns=round(limits.burst_interval_s * 1e9),
            retries=limits.capture_retries,
            takes_all=takes_all,
        )
        bursts = Bursts()
        bursts.add(Burst(wish, ended.append))
        self._lookout.wake(self._clock.monotonic_ns())
        while not ended:
            self._look(bursts)
            self._clock.pause(_PAUSE_S)
        return ended[0]

    def _look(self, bursts: Bursts) -> None:
        now_ns, lookout = self._clock.monotonic_ns(), self._lookout
        try:
            lookout.check_driver(now_ns)
            look = lookout.look(now_ns)
        except CameraBroken as error:
            raise ClientError(str(error), EXIT_TROUBLE) from error
        if look is not None:
            bursts.offer(look, self._keep)
        elif lookout.hiccup:
            bursts.stumble(f"stalled: {lookout.hiccup}")
        bursts.end(now_ns, lambda: lookout.why_nothing(now_ns))

    def _keep(self, look: Look) -> FrameRef:
        self._seen = look
        height, width, channels = look.shot.frame.shape
        return FrameRef(0, 0, height, width, channels, look.shot.t_mono_ns, 0)
