"""A camera on the network: RTSP, or JPEG pictures one after the other over HTTP."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

if TYPE_CHECKING:
    from actors.drivers.cameras.capture import CaptureStream
    from config.settings import CameraSettings

_OPTIONS = "OPENCV_FFMPEG_CAPTURE_OPTIONS"
_AT_ONCE = "rtsp_transport;tcp|fflags;nobuffer|flags;low_delay"
"""Over TCP nothing is lost and no frame comes in pieces; and nothing shall wait in a buffer."""
_READ_SHARE = 0.5
"""A read ends by itself well before it counts as hanging."""


def without_secrets(address: str) -> str:
    """An address as it may be shown: without user, password and query."""
    parts = urlsplit(address)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, host, parts.path, "", ""))


def open_network(address: str, limits: CameraSettings) -> CaptureStream:
    """Open a stream; FFmpeg's own patience is half a minute, ours is `camera.open_timeout_s`.

    Raises:
        SourceFailed: nobody answers, or not with pictures.
    """
    import cv2

    from actors.drivers.cameras.capture import CaptureStream

    options = (
        cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, round(limits.open_timeout_s * 1000),
        cv2.CAP_PROP_READ_TIMEOUT_MSEC, round(limits.stuck_timeout_s * _READ_SHARE * 1000),
    )  # fmt: skip
    name = without_secrets(address)
    with _at_once():
        return CaptureStream(address, cv2.CAP_FFMPEG, options, name, has_stamps=False)


@contextmanager
def _at_once() -> Iterator[None]:
    """FFmpeg's own options go through the environment, and would hold for files as well.

    Whoever has set them for the daemon knows better.
    """
    if _OPTIONS in os.environ:
        yield
        return
    os.environ[_OPTIONS] = _AT_ONCE
    try:
        yield
    finally:
        os.environ.pop(_OPTIONS, None)
