"""The data directory: where it is, who holds it, and what lies in it.

daemon.lock    held by the running daemon; its pid is the content
control.sock   where the command line talks to it
hardware_id    who this machine is, made once
events.jsonl   what happened; flight.ring: the last messages
logs/          the log
store/         the ledger
sim/           pins and scene of the simulated machine
"""

from __future__ import annotations

import fcntl
import os
import secrets
import socket
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ENV = "RVM_EDGE_DATA_DIR"
SOCKET = "control.sock"
_LOCK = "daemon.lock"
_ID = "hardware_id"


class DataDirError(Exception):
    """The data directory cannot be used; the message names the cure."""


class Held(DataDirError):
    """Another daemon holds it."""

    def __init__(self, directory: Path, pid: str) -> None:
        """Args: pid: of the holder, as it wrote it down."""
        super().__init__(
            f"a machine is already running on {directory} (pid {pid}); "
            f"stop it with: rvm-edge stop --data-dir {directory}"
        )
        self.pid = pid


def locate(given: str | None) -> Path:
    """The data directory: the option, else the environment, else the user's state directory."""
    chosen = given or os.environ.get(ENV)
    if chosen:
        return Path(chosen).expanduser().absolute()
    state = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    return Path(state).expanduser().absolute() / "rvm-edge"


class DataDir:
    """A data directory in use by this process."""

    def __init__(self, path: Path) -> None:
        """Make it if need be and take its lock.

        Raises:
            Held: another daemon runs on it.
            DataDirError: it cannot be made or written.
        """
        self.path = path
        try:
            path.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(path / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            msg = f"cannot use {path}: {error.strerror}; choose another with --data-dir or {ENV}"
            raise DataDirError(msg) from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pid = os.pread(self._lock, 32, 0).decode(errors="replace").strip() or "unknown"
            os.close(self._lock)
            raise Held(path, pid) from None
        os.ftruncate(self._lock, 0)
        os.pwrite(self._lock, str(os.getpid()).encode(), 0)

    def hardware_id(self, configured: str | None) -> str:
        """Who this machine is: as configured, else what was made up on its first start."""
        if configured:
            return configured
        file = self.path / _ID
        if file.exists():
            known = file.read_text(encoding="utf-8").strip()
            if known:
                return known
        made = f"rvm-{secrets.token_hex(4)}"
        file.write_text(made + "\n", encoding="utf-8")
        return made

    def release(self) -> None:
        """Let go of the lock; the kernel does it too when the process dies."""
        os.ftruncate(self._lock, 0)
        os.close(self._lock)


@contextmanager
def socket_address(directory: Path) -> Iterator[str]:
    """An address for the control socket that fits however deep the data directory lies.

    A Unix socket's path is limited to 107 bytes; through ``/proc/self/fd`` it is always short.
    """
    fd = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{fd}/{SOCKET}"
    finally:
        os.close(fd)


def holder(directory: Path) -> str | None:
    """Pid of the daemon that runs on a data directory, as it wrote it down; None if none does."""
    try:
        fd = os.open(directory / _LOCK, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return os.pread(fd, 32, 0).decode(errors="replace").strip() or "unknown"
    finally:
        os.close(fd)
    return None


def connect(directory: Path, timeout_s: float) -> socket.socket:
    """Connect to the daemon on a data directory.

    Raises:
        FileNotFoundError, ConnectionRefusedError: none runs there.
    """
    client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    client.settimeout(timeout_s)
    try:
        with socket_address(directory) as address:
            client.connect(address)
    except BaseException:
        client.close()
        raise
    return client
