"""Frames from files, whichever sort they are: looked at when the camera starts, not before.

So a directory that appears later (a stick that is put in) is found by the camera's next try.
"""

from __future__ import annotations

import stat
from pathlib import Path

from actors.drivers.pictures import FrameSource, PictureDirectory, SourceMissing, VideoFile


def open_files(where: str) -> FrameSource:
    """Open a directory of pictures or a video file.

    Raises:
        PicturesError: there is neither; the message names the cure.
    """
    path = Path(where)
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
        f"{path} is a device, and there is no driver for cameras yet; set camera.source to a "
        "directory of pictures or a video file"
    )
    raise SourceMissing(msg)
