"""Who owns which line: a lock on a file each, which the kernel drops when its owner dies."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import weakref
from pathlib import Path

from actors.drivers.ports import LineBusy
from actors.drivers.simulated.pinfile import no_pins

CLAIMS = "claims"
_PID_BYTES = 20


class Claims:
    """The names that one owner has taken in a directory.

    A claim is an open file with a lock on it. It excludes a second owner in the same process as
    well as in another, and cannot outlive its process.
    """

    def __init__(self, directory: str | Path) -> None:
        """Nothing is taken yet."""
        self._home = Path(directory) / CLAIMS
        self._fds: dict[str, int] = {}
        # An owner that is forgotten without a word (killed on a stage) lets go as a process does.
        weakref.finalize(self, _close, self._fds)

    def __contains__(self, name: str) -> bool:
        return name in self._fds

    def take(self, name: str) -> None:
        """Take a name.

        Raises:
            LineBusy: somebody has it, perhaps we ourselves.
            DriverMissing: the disk does not let us say so.
        """
        if name in self._fds:
            raise LineBusy(errno.EBUSY, f"{name} is claimed already by this owner: claim it once")
        fd = self._open(name)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.pread(fd, _PID_BYTES, 0).decode("ascii", "replace").strip() or "another"
            os.close(fd)
            raise LineBusy(
                errno.EBUSY, f"{name} is claimed by process {owner}: end that first"
            ) from None
        self._fds[name] = fd
        with contextlib.suppress(OSError):  # on a full disk the lock alone has to do
            os.ftruncate(fd, 0)
            os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)

    def _open(self, name: str) -> int:
        try:
            self._home.mkdir(parents=True, exist_ok=True)
            return os.open(self._home / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise no_pins(self._home, error) from error

    def is_taken(self, name: str) -> bool:
        """Whether anybody living has this name."""
        if name in self._fds:
            return True
        try:
            fd = os.open(self._home / name, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(fd)
        return False

    def drop(self) -> None:
        """Give all of them back."""
        _close(self._fds)


def _close(fds: dict[str, int]) -> None:
    while fds:
        os.close(fds.popitem()[1])
