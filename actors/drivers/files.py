"""Frames from files, whichever sort they are: looked at when the camera opens, not before.

So a directory that appears later (a stick that is put in) is found by the camera's next try.
"""

from __future__ import annotations

import stat
from pathlib import Path

from actors.drivers.noise import SensorNoise
from actors.drivers.pictures import PictureDirectory, PictureReader, SourceMissing, VideoFile
from actors.drivers.source import Shot
from config.settings import CameraSettings


class Recording:
    """Pictures from files in place of a camera, with the noise that a sensor would have.

    It is a `FrameSource`.
    """

    is_live = False
    is_coded = False
    is_fixed = False
    node = ""

    def __init__(self, where: str, seed: int = 0) -> None:
        """Args: where: a directory of pictures or a video file. seed: of the noise."""
        self._where = Path(where)
        self._noise = SensorNoise(seed)
        self._reader: PictureReader | None = None
        self.name = where

    def open(self) -> None:
        """See `FrameSource`; a recording that is open goes on where it was."""
        if self._reader is None:
            self._reader = open_reader(self._where)
            self.name = f"{type(self._reader).__name__} {self._where}"

    def read(self, now_ns: int) -> Shot | None:
        """See `FrameSource`; files are decoded anew, so each picture is one of now."""
        return None if self._reader is None else Shot(self._noise.add(self._reader.read()), now_ns)

    def is_there(self) -> bool:
        """See `FrameSource`."""
        return self._where.exists()

    def is_stuck(self, now_ns: int) -> bool:
        """See `FrameSource`: a disk that hangs holds the handler, and the supervisor sees that."""
        return False

    def close(self) -> None:
        """See `FrameSource`. There is no device to let go of; it goes on where it stopped."""


def open_files(where: str, _limits: CameraSettings) -> Recording:
    """A directory of pictures or a video file as a source of frames."""
    return Recording(where)


def open_reader(path: Path) -> PictureReader:
    """Open a directory of pictures or a video file.

    Raises:
        PicturesError: there is neither; the message names the cure.
    """
    try:
        mode = path.stat().st_mode
    except OSError as error:
        msg = f"cannot use {path}: {error.strerror}; name a directory of pictures or a video file"
        raise SourceMissing(msg) from error
    if stat.S_ISDIR(mode):
        return PictureDirectory(path)
    if stat.S_ISREG(mode):
        return VideoFile(path)
    msg = (
        f"{path} is a device, and no camera: set camera.source to /dev/video0, "
        "v4l2:<name in /dev/v4l/by-id>, a directory of pictures or a video file"
    )
    raise SourceMissing(msg)
