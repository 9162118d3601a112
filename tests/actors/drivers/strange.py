"""Live cameras for tests: one on a plug that can be pulled, one whose driver hangs."""

import ctypes
from functools import partial
from pathlib import Path

import numpy as np

from actors.drivers.cameras.live import LiveSource
from actors.drivers.cameras.v4l2 import find_node
from actors.drivers.pictures import SourceFailed

SERIAL = "usb-Test_Camera_S3R1AL-video-index0"
_PAUSE_S = 1 / 50


class _Sensor:
    """A stream of noise from a device node, which ends with the node."""

    def __init__(self, node, limits):
        self._node = Path(node)
        self._shape = (limits.height_px, limits.width_px, 3)
        self._rng = np.random.default_rng()
        self._libc = ctypes.CDLL(None)  # lets go of the interpreter
        self._jail = ctypes.PyDLL(None)  # does not

    def read(self):
        if not self._node.exists():
            raise SourceFailed(f"{self._node} is gone")
        how = self._node.read_text()
        if how == "hangs":
            self._libc.sleep(600)
        elif how == "hangs with the interpreter":
            self._jail.sleep(600)
        self._libc.usleep(int(_PAUSE_S * 1e6))
        return self._rng.integers(0, 256, self._shape, dtype=np.uint8)

    def exposed_ns(self):
        return None

    def interrupt(self):
        pass

    def close(self):
        pass


def plugged(root, limits):
    """A camera with a serial number, below ``root``/dev."""
    return LiveSource(
        "plugged", partial(find_node, "S3R1AL", Path(root)), partial(_Sensor, limits=limits), limits
    )


def plug(root, number, how=""):
    """Put it in, at a node of this number; an earlier one goes."""
    unplug(root)
    folder = Path(root) / "dev" / "v4l" / "by-id"
    folder.mkdir(parents=True, exist_ok=True)
    (Path(root) / f"dev/video{number}").write_text(how)
    (folder / SERIAL).symlink_to(f"../../video{number}")


def unplug(root):
    """Pull it out."""
    link = Path(root) / "dev" / "v4l" / "by-id" / SERIAL
    if link.is_symlink():
        link.resolve().unlink()
        link.unlink()
