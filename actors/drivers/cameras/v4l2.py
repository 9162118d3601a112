"""A camera behind Linux's own interface, found by what it is and not by when it was plugged in.

``/dev/video0`` is the first that the kernel found this time. ``/dev/v4l/by-id`` holds names made of
maker, model and serial number, ``by-path`` the socket it is plugged into; both are links to the
node of the moment.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from actors.drivers.pictures import SourceMissing

if TYPE_CHECKING:
    from actors.drivers.cameras.capture import CaptureStream
    from config.settings import CameraSettings

_FOLDERS = ("dev/v4l/by-id", "dev/v4l/by-path")
_NODE = "/dev/"
_PICTURES = "-index0"
"""One camera has several nodes; the first gives pictures, the others describe them."""


def find_node(name: str, root: Path = Path("/")) -> str:
    """Say under which node a camera is just now.

    Args:
        name: one in ``/dev/v4l/by-id`` or ``by-path``, or a part that only one of them has, a
            serial number say; or a node such as ``/dev/video0``.
        root: where ``dev`` is; another one in tests.

    Raises:
        SourceMissing: nothing, or more than one, is called so.
    """
    if name.startswith(_NODE):
        node = root / name.lstrip("/")
        if node.exists():
            return str(node)
        raise SourceMissing(f"there is no {name}; {_there_is(root)}")
    for folder in _FOLDERS:
        found = [link for link in _links(root / folder) if name in (link.name, str(link))]
        found = found or _alike(name, root / folder)
        if len(found) > 1:
            names = ", ".join(sorted(link.name for link in found))
            raise SourceMissing(f"{name} may be any of {names}; say more of its name")
        if found:
            return str(found[0].resolve())
    raise SourceMissing(f"no camera is called {name}; {_there_is(root)}")


def _links(folder: Path) -> list[Path]:
    """The names whose node is there."""
    try:
        return sorted(link for link in folder.iterdir() if link.exists())
    except OSError:  # no camera at all: then there is no such folder
        return []


def _alike(part: str, folder: Path) -> list[Path]:
    found = [link for link in _links(folder) if part in link.name]
    return [link for link in found if link.name.endswith(_PICTURES)] or found


def _there_is(root: Path) -> str:
    names = [link.name for link in _links(root / _FOLDERS[0])]
    names = names or [link.name for link in _links(root / _FOLDERS[1])]
    if not names:
        return "no camera is plugged in"
    return f"there is {', '.join(names)}: set camera.source to v4l2:<one of them>"


def open_v4l2(node: str, limits: CameraSettings) -> CaptureStream:
    """Open a device node.

    Raises:
        SourceFailed: it is no camera, or another program has it.
    """
    import cv2

    from actors.drivers.cameras.capture import CaptureStream

    options = (
        # USB 2 has no room for more than this size uncompressed.
        cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG"),
        cv2.CAP_PROP_FRAME_WIDTH, limits.width_px,
        cv2.CAP_PROP_FRAME_HEIGHT, limits.height_px,
        cv2.CAP_PROP_FPS, round(limits.frames_per_s),
        # One is filled while one is read; more would only grow old.
        cv2.CAP_PROP_BUFFERSIZE, 2,
    )  # fmt: skip
    return CaptureStream(node, cv2.CAP_V4L2, options, node, has_stamps=True)
