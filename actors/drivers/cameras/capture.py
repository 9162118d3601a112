"""A camera that OpenCV reads: V4L2 devices and network streams."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import cv2

from actors.drivers.pictures import SourceFailed, load_cv2

if TYPE_CHECKING:
    from collections.abc import Sequence

    from actors.drivers.pictures import Frame


class CaptureStream:
    """An open `cv2.VideoCapture`. It is a `Stream`.

    A read that hangs cannot be interrupted: releasing it from another thread would crash. Its
    thread is given up, and the process with it.
    """

    def __init__(
        self, where: str, api: int, options: Sequence[int], name: str, *, has_stamps: bool
    ) -> None:
        """Open it.

        Args:
            where: device node or address.
            api: OpenCV's back end; never a guess of its own.
            options: pairs of property and value.
            name: for people.
            has_stamps: whether the back end tells when a frame was exposed.

        Raises:
            SourceFailed: it cannot be opened.
        """
        load_cv2()
        self._name = name
        self._has_stamps = has_stamps
        try:
            self._capture = cv2.VideoCapture(where, api, list(options))
        except cv2.error as error:
            raise SourceFailed(f"{name} cannot be opened: {error.err}") from error
        if not self._capture.isOpened():
            self._capture.release()
            raise SourceFailed(f"{name} cannot be opened: is it a camera, is it on, is it free?")

    def read(self) -> Frame:
        """See `Stream`."""
        try:
            good, frame = self._capture.read()
        except cv2.error as error:
            raise SourceFailed(f"{self._name} gives no frames: {error.err}") from error
        if not good:
            raise SourceFailed(f"{self._name} gives no frames any more")
        return cast("Frame", frame)

    def exposed_ns(self) -> int | None:
        """See `Stream`."""
        if not self._has_stamps:
            return None
        return round(self._capture.get(cv2.CAP_PROP_POS_MSEC) * 1e6) or None

    def interrupt(self) -> None:
        """See `Stream`: a read returns by itself, or never."""

    def close(self) -> None:
        """See `Stream`."""
        self._capture.release()
