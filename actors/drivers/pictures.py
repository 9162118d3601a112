"""Pictures without a camera: a directory of them, or a video file.

What they show is real input all the same: files are decoded anew, and a file that is no picture is
an error with its path and a cure, never a grey frame.

    PictureReader (Protocol)   PicturesError
    ├─ PictureDirectory        ├─ SourceMissing       no such directory, file or device, or empty
    └─ VideoFile               ├─ SourceFailed        the device is there and gives no frames
                               ├─ PictureUnreadable   the file is there and is no whole picture
                               └─ PictureUnknown      the directory has no picture of that name
"""

from __future__ import annotations

import os
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

from models.world.catalogue import EMPTY, load_catalogue

if TYPE_CHECKING:
    import cv2
    import numpy as np
    from numpy.typing import NDArray

    Frame = NDArray[np.uint8]

SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp"})
SUGGESTIONS_MAX = 3
FILE_BYTES_MAX = 256 * 1024 * 1024  # no camera writes such pictures
# OpenCV reads a picture of 2^30 pixels by default: 3 GB, on a machine that has 8.
PIXELS_MAX = 100_000_000


class PicturesError(Exception):
    """A source cannot show what it should; the message names the path and the cure."""


class SourceMissing(PicturesError):
    """There is no such directory, file or device, or nothing to show in it."""


class SourceFailed(PicturesError):
    """The device is there, and gives no frames (any more)."""


class PictureUnreadable(PicturesError):
    """The file is there, but no whole picture comes out of it."""


class PictureUnknown(PicturesError):
    """The directory has no picture of that name."""


class PictureReader(Protocol):
    """Gives pictures, one each time it is asked, for ever."""

    def read(self) -> Frame:
        """Take the next one: uint8 (H, W, 3) BGR.

        Raises:
            PicturesError: this one cannot be had; the next call tries again.
        """
        ...

    def close(self) -> None:
        """Free what the source holds."""
        ...


def load_cv2() -> None:
    """Import OpenCV with a limit on the size of pictures, before anybody imports it without."""
    os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(PIXELS_MAX))
    import cv2

    # It would print its own warnings about broken files between our lines.
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


def read_picture(path: Path) -> Frame:
    """Decode a picture file, turned upright if it says how, without its alpha channel.

    Returns:
        uint8 (H, W, 3) BGR, whatever the file's own depth and colours are.

    Raises:
        PictureUnreadable: no such file, no picture, only a part of one, or too large.
    """
    load_cv2()
    import cv2
    import numpy as np

    content = _file_content(path)
    try:
        frame = cv2.imdecode(np.frombuffer(content, dtype=np.uint8), cv2.IMREAD_COLOR)
    except cv2.error as error:
        raise PictureUnreadable(
            f"{path} cannot be decoded ({error.err}); at most {PIXELS_MAX} pixels are read"
        ) from error
    if frame is None:
        raise PictureUnreadable(
            f"{path} is no picture, or only a part of one; known: {', '.join(sorted(SUFFIXES))}"
        )
    return cast("Frame", frame)


def _file_content(path: Path) -> bytes:
    """Read a regular file: not a directory, not a pipe that would wait for ever."""
    try:
        if not path.exists():
            raise PictureUnreadable(f"there is no {path}; check the name")
        if not path.is_file():
            raise PictureUnreadable(f"{path} is no file; name a picture")
        if path.stat().st_size > FILE_BYTES_MAX:
            raise PictureUnreadable(f"{path} has more than {FILE_BYTES_MAX} bytes; scale it down")
        content = path.read_bytes()
    except OSError as error:
        raise PictureUnreadable(
            f"cannot read {path}: {error.strerror}; make it readable"
        ) from error
    if not content:
        raise PictureUnreadable(f"{path} is an empty file; copy it again")
    return content


def list_pictures(directory: Path) -> tuple[Path, ...]:
    """List the picture files in a directory, by name.

    Raises:
        SourceMissing: no such directory, not allowed to look into it, or no picture in it.
    """
    try:
        files = sorted(path for path in directory.iterdir() if path.suffix.lower() in SUFFIXES)
    except FileNotFoundError as error:
        raise SourceMissing(f"there is no {directory}; name a directory of pictures") from error
    except OSError as error:
        raise SourceMissing(
            f"cannot look into {directory}: {error.strerror}; name a readable directory"
        ) from error
    if not files:
        raise SourceMissing(
            f"{directory} holds no picture; put some there ({', '.join(sorted(SUFFIXES))})"
        )
    return tuple(files)


def empty_belt_picture() -> Path:
    """Say which picture a simulated camera shows when nothing lies on the belt."""
    return load_catalogue().of_kind(EMPTY)[0].picture


class PictureDirectory:
    """A directory of pictures, one after the other in the order of their names, for ever.

    `show` holds one of them until another is wanted: that is how a simulated item gets under the
    camera. It may lie anywhere, so that the empty belt can be shown whatever the directory holds.
    """

    def __init__(self, directory: Path | str) -> None:
        self._directory = Path(directory)
        self._pictures = list_pictures(self._directory)
        self._next = 0
        self._shown: Frame | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The pictures' names, without their endings."""
        return tuple(path.stem for path in self._pictures)

    def show(self, picture: str | Path | None) -> None:
        """Hold one picture; with None go on through the directory.

        Args:
            picture: a name in the directory, with or without its ending, or the path of a file.

        Raises:
            PictureUnknown: no picture of that name; the message suggests the nearest.
            PictureUnreadable: it is there and is no picture.
        """
        if picture is None:
            self._shown = None
            return
        path = picture if isinstance(picture, Path) else self._named(picture)
        self._shown = read_picture(path)

    def read(self) -> Frame:
        """Take the picture that is held, or else the next one; the caller may write into it."""
        if self._shown is not None:
            copied: Frame = self._shown.copy()
            return copied
        path = self._pictures[self._next]
        self._next = (self._next + 1) % len(self._pictures)
        return read_picture(path)

    def close(self) -> None:
        """Forget the picture that is held."""
        self._shown = None

    def _named(self, name: str) -> Path:
        for path in self._pictures:
            if name in {path.stem, path.name}:
                return path
        near = get_close_matches(name, self.names, n=SUGGESTIONS_MAX)
        hint = f"did you mean {' or '.join(near)}?" if near else f"the first is {self.names[0]}"
        raise PictureUnknown(f"{self._directory} has no picture {name!r}; {hint}")


class VideoFile:
    """A video file, frame by frame, from the start again after its end. Pace is the caller's."""

    def __init__(self, path: Path | str) -> None:
        self._path = Path(path)
        self._capture = self._open()

    def read(self) -> Frame:
        """Take the next frame: uint8 (H, W, 3) BGR."""
        good, frame = self._capture.read()
        if not good:
            # Opened anew, not rewound: half the containers cannot seek to their own start.
            self._capture.release()
            self._capture = self._open()
            good, frame = self._capture.read()
        if not good:
            raise PictureUnreadable(f"{self._path} has no frame that can be decoded; convert it")
        return cast("Frame", frame)

    def close(self) -> None:
        """Close the file."""
        self._capture.release()

    def _open(self) -> cv2.VideoCapture:
        load_cv2()
        import cv2

        if not self._path.is_file():
            raise SourceMissing(f"there is no video file {self._path}; check the name")
        # As FFMPEG alone: other back ends take a name with digits for a sequence of pictures.
        capture = cv2.VideoCapture(str(self._path), cv2.CAP_FFMPEG)
        if not capture.isOpened():
            capture.release()
            raise PictureUnreadable(
                f"{self._path} is no video that OpenCV can read; convert it, to MJPEG in AVI say"
            )
        return capture
