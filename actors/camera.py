"""The camera: takes a picture when asked and puts it into the frame ring.

Owns the picture source and the writing side of the ring.
Hears `Capture`, `TakePicture`.
Says `Captured` or `CaptureFailed` to whoever asked.
"""

from __future__ import annotations

import mmap
from typing import TYPE_CHECKING

from actors.drivers import make
from protocol.message import Failed
from protocol.vision import Capture, Captured, CaptureFailed, FrameRef, TakePicture
from supervisors import Actor, Waiting, handles
from supervisors.exits import ExitReason

if TYPE_CHECKING:
    from actors.drivers.pictures import FrameSource
    from models.vision.ring import RingWriter

FRAMES = "frames"
"""Name of the shared memory area that holds the ring."""


class Camera(Actor):
    """See the module."""

    def __init__(self, source: str, where: str) -> None:
        """Args: source: driver as ``module:Class``, empty for none; where: its argument."""
        self._source_name = source
        self._where = where
        self._source: FrameSource
        self._ring: RingWriter

    # -- lifecycle ------------------------------------------------------------------------------

    def on_start(self) -> None:
        """Open the source and the ring, and prove both with one picture.

        What is missing or no picture is waited for, not crashed on: a crash would not mend it.
        """
        from models.vision.ring import RingWriter

        if not self._source_name:
            msg = "there is no camera driver for this profile yet; set camera.source to pictures"
            raise Waiting(msg)
        self._ring = RingWriter(mmap.mmap(self.ctx.shares[FRAMES], 0))
        try:
            self._source = make(self._source_name, self._where)
            frame = self._take()
        except _picture_errors() as error:
            raise Waiting(str(error)) from error
        self.ctx.note(source=f"{type(self._source).__name__} {self._where}")
        self.ctx.note(picture=f"{frame.width}x{frame.height}")

    def on_stop(self, reason: ExitReason) -> None:
        """Close the source."""
        source = getattr(self, "_source", None)
        if source is not None:
            source.close()

    # -- handlers -------------------------------------------------------------------------------

    @handles(Capture, deadline_s=3.0)
    def capture(self, message: Capture) -> None:
        """Take a picture for a deposit. It is exposed now, so it is newer than the arrival."""
        try:
            frame = self._take()
        except _picture_errors() as error:
            self.ctx.tell(self.ctx.sender, CaptureFailed(message.deposit, str(error)))
            return
        self.ctx.tell(self.ctx.sender, Captured(message.deposit, frame))

    @handles(TakePicture, deadline_s=3.0, command=True)
    def take_picture(self, message: TakePicture) -> Captured | Failed:
        """Take one for an operator."""
        try:
            return Captured("", self._take())
        except _picture_errors() as error:
            return Failed("no_picture", str(error))

    # -- private --------------------------------------------------------------------------------

    def _take(self) -> FrameRef:
        exposed_ns = self.ctx.clock.monotonic_ns()
        return self._ring.publish(self._source.read(), exposed_ns)


def _picture_errors() -> tuple[type[Exception], ...]:
    """What a source or the ring may say instead of a picture; imported where they are used."""
    from actors.drivers.pictures import PicturesError
    from models.vision.errors import VisionError

    return PicturesError, VisionError
