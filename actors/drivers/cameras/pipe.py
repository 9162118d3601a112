"""A camera behind a command that writes raw pictures to its standard output.

The way to CSI cameras (GStreamer, which OpenCV's wheel lacks) and to anything else that a program
can read. A program that hangs can be killed, whatever its driver does.
"""

from __future__ import annotations

import fcntl
import os
import select
import shlex
import shutil
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np

from actors.drivers.pictures import SourceFailed, SourceMissing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from actors.drivers.pictures import Frame
    from config.settings import CameraSettings

GST = "gst-launch-1.0"
_CHANNELS = 3
_ALIGNMENT_PX = 4
_PIPE_BYTES = 1 << 20
"""The most that a pipe may have without rights: a third of a frame, so it keeps no old ones."""
_READ_SHARE = 0.5
"""A read ends by itself well before it counts as hanging."""
_SLICE_S = 0.05
_LEAVE_S = 1.0
"""So long a program may take to let go of its camera before it is killed."""

# A child dies with the thread that started it: nobody else might be left to end it. Set by the
# child itself before it becomes the command, for a process with threads runs no Python between
# fork and exec.
_LEASH = """\
import ctypes, os, sys
ctypes.CDLL(None).prctl(1, 9)
if os.getppid() != int(sys.argv[1]):
    os._exit(1)
os.execvp(sys.argv[2], sys.argv[2:])
"""


def gst_command(pipeline: str, limits: CameraSettings) -> list[str]:
    """The command for a pipeline's beginning, ``nvarguscamerasrc ! nvvidconv`` say.

    Raises:
        SourceMissing: GStreamer would pad the lines of such pictures.
    """
    if limits.width_px % _ALIGNMENT_PX:
        raise SourceMissing(
            f"camera.width_px = {limits.width_px}: GStreamer needs a multiple of {_ALIGNMENT_PX}"
        )
    caps = f"video/x-raw,format=BGR,width={limits.width_px},height={limits.height_px}"
    newest = "queue leaky=downstream max-size-buffers=1 max-size-bytes=0 max-size-time=0"
    whole = f"{pipeline} ! {newest} ! videoconvert ! videoscale ! {caps} ! fdsink fd=1 sync=false"
    return [GST, "-q", *shlex.split(whole)]


def find_command(command: Sequence[str]) -> str:
    """Say where a command's program is.

    Raises:
        SourceMissing: it is not installed, or there is no command.
    """
    program = command[0] if command else ""
    found = shutil.which(program)
    if found is None:
        cure = "install gstreamer1.0-tools" if program == GST else "check camera.source"
        raise SourceMissing(f"there is no program {program!r}; {cure}")
    return found


class PipeStream:
    """A child process that writes BGR pictures of one size. It is a `Stream`."""

    def __init__(self, command: Sequence[str], limits: CameraSettings) -> None:
        """Start it; in the thread that will read it."""
        self._shape = (limits.height_px, limits.width_px, _CHANNELS)
        self._patience_s = limits.open_timeout_s
        self._next_patience_s = limits.stuck_timeout_s * _READ_SHARE
        self._program = command[0]
        self._is_interrupted = False
        leash = [sys.executable, "-I", "-S", "-c", _LEASH, str(os.getpid())]
        try:
            self._child = subprocess.Popen(
                [*leash, *command],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                start_new_session=True,  # so that its own children can be ended with it
                bufsize=0,
            )
        except OSError as error:
            raise SourceFailed(f"{self._program} cannot be started: {error.strerror}") from error
        assert self._child.stdout is not None
        self._fd = self._child.stdout.fileno()
        try:
            fcntl.fcntl(self._fd, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
        except OSError:
            pass  # the usual size costs some more calls

    def read(self) -> Frame:
        """See `Stream`."""
        frame: Frame = np.empty(self._shape, np.uint8)
        left = frame.data.cast("B")
        waited_s = 0.0
        while left:
            if self._is_interrupted:
                raise SourceFailed(f"{self._program} was ended")
            if not select.select([self._fd], [], [], _SLICE_S)[0]:
                waited_s += _SLICE_S
                if waited_s > self._patience_s:
                    raise SourceFailed(f"{self._program} runs and writes no frames")
                continue
            count = os.readv(self._fd, [left])
            if not count:
                raise SourceFailed(self._ended())
            left = left[count:]
        self._patience_s = self._next_patience_s
        return frame

    def _ended(self) -> str:
        try:
            status = self._child.wait(_LEAVE_S)
        except subprocess.TimeoutExpired:
            return f"{self._program} has closed its output"
        return f"{self._program} has ended with status {status}; its last words are in the log"

    def exposed_ns(self) -> int | None:
        """See `Stream`: raw pictures say nothing about themselves."""
        return None

    def interrupt(self) -> None:
        """See `Stream`: the program is told to end, and its reader stops waiting."""
        self._is_interrupted = True
        self._signal(signal.SIGTERM)

    def close(self) -> None:
        """See `Stream`. Whoever does not leave is killed."""
        self._signal(signal.SIGTERM)
        assert self._child.stdout is not None
        self._child.stdout.close()
        try:
            self._child.wait(_LEAVE_S)
        except subprocess.TimeoutExpired:
            pass
        self._signal(signal.SIGKILL)
        self._child.wait()

    def _signal(self, number: int) -> None:
        """To the program and whatever it has started itself."""
        try:
            os.killpg(self._child.pid, number)
        except (ProcessLookupError, PermissionError):
            pass  # it has ended, and so have they
