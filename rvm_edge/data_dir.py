"""The data directory: where it is, who holds it, and what lies in it.

daemon.lock    held by the running daemon; its pid is the content
control.sock   where the command line talks to it
hardware_id    who this machine is, made once
events.jsonl   what happened; flight.ring: the last messages
logs/          the log
store/         the ledger
settings/      what the platform has set: two generations (docs/settings.md)
override.toml  what somebody at the machine sets against it
models/        installed detectors, and which of them serves
engines/       what was built from them for this machine's GPU
evidence/      what decisions rested on
remote/        files made for the platform: diagnostics, pictures
sim/           pins and scene of the simulated machine
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import socket
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from supervisors.clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import Iterator

ENV = "RVM_EDGE_DATA_DIR"
SOCKET = "control.sock"
_LOCK = "daemon.lock"
_ID = "hardware_id"
_ID_FORM = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_PID_CHARS = 20
_TRIES, _PAUSE_S = 10, 0.02
"""Whoever asks for the holder holds the lock himself, for microseconds."""


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
    """The data directory: the option, else the environment, else the user's state directory.

    Raises:
        DataDirError: there is no home to find it in.
    """
    chosen = given or os.environ.get(ENV)
    if not chosen:
        chosen = f"{os.environ.get('XDG_STATE_HOME') or '~/.local/state'}/rvm-edge"
    try:
        return Path(chosen).expanduser().absolute()
    except (RuntimeError, OSError) as error:  # no such user or home; no working directory
        msg = f"cannot tell where {chosen} is: {error}; name it with --data-dir or {ENV}"
        raise DataDirError(msg) from None


class DataDir:
    """A data directory in use by this process.

    Attributes:
        path: where it is.
        hardware_id: who this machine is.
    """

    def __init__(self, path: Path, hardware_id: str | None = None) -> None:
        """Make it if need be, take its lock, and find out who this machine is.

        Args:
            hardware_id: as configured; None: as made up on the first start.

        Raises:
            Held: another daemon runs on it.
            DataDirError: it cannot be made or written.
        """
        self.path = path
        try:
            path.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(path / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise DataDirError(_unusable(path, error)) from error
        try:
            self._hold()
            self.hardware_id = hardware_id or self._own_id()
        except OSError as error:
            self.release()
            raise DataDirError(_unusable(path, error)) from error
        except DataDirError:
            self.release()
            raise

    def _hold(self) -> None:
        for _ in range(_TRIES):
            try:
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                SystemClock().pause(_PAUSE_S)
        else:
            raise Held(self.path, _read_pid(self._lock))
        # Never shorter than before: on a full disk an overwrite still works.
        os.pwrite(self._lock, f"{os.getpid():<{_PID_CHARS}}".encode(), 0)

    def _own_id(self) -> str:
        file = self.path / _ID
        known = file.read_bytes().decode(errors="replace").strip() if file.exists() else ""
        if _ID_FORM.fullmatch(known):
            return known
        if known:
            msg = (
                f"{file} holds no hardware id (letters, digits, dots, dashes, underscores): put "
                "this machine's own back, or remove the file to make it another machine"
            )
            raise DataDirError(msg)
        made = f"rvm-{os.urandom(4).hex()}"
        _write_durably(file, made + "\n")
        return made

    def release(self) -> None:
        """Let go of the lock; the kernel does it too when the process dies."""
        os.close(self._lock)


def _unusable(path: Path, error: OSError) -> str:
    cure = f"choose another with --data-dir or {ENV}"
    if error.errno == errno.ENOSPC:
        cure = f"make room there, or {cure}"
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        cure = f"make it writable, or {cure}"
    return f"cannot use {path}: {error.strerror}; {cure}"


def _write_durably(file: Path, text: str) -> None:
    """All of it or nothing, also when the power fails: a machine has one identity for life."""
    beside = file.with_suffix(".new")
    with beside.open("w", encoding="utf-8") as new:
        new.write(text)
        new.flush()
        os.fsync(new.fileno())
    beside.replace(file)
    folder = os.open(file.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


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
        fd = os.open(directory / _LOCK, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _read_pid(fd)
    finally:
        os.close(fd)
    return None


def _read_pid(fd: int) -> str:
    return os.pread(fd, _PID_CHARS, 0).decode(errors="replace").strip() or "unknown"


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
