"""The core's handle on the zygote (`supervisors.zygote_main`)."""

from __future__ import annotations

import contextlib
import os
import queue
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from functools import partial
from itertools import count
from typing import Any

import msgspec

from supervisors import frames
from supervisors.boot import isolated
from supervisors.frames import Beat, Booted, Reaped, Run, Signal, Spawn, Spawned
from supervisors.reactor import guarded

_BOOT_S = 30.0
"""Importing numpy, OpenCV and a run time takes seconds on a cold SD card."""
_ANSWER_S = 5.0
_BEAT_S = 3.0
"""Silence after which it is asked whether it is there, and for which its answer is waited."""
_ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


class ZygoteError(RuntimeError):
    """The zygote did not come up, or did not do what it was told."""


class Zygote:
    """Starts, signals and reaps process hosts.

    It is a fresh interpreter (never a fork of this process), so it may be made at any time.
    """

    def __init__(self, preload: tuple[str, ...] = ()) -> None:
        """Start it; importing ``preload`` goes on in the background."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._preload = preload
        self._process: subprocess.Popen[bytes] | None = None
        self._socket = ours
        self._keys = count(1)
        self._answers: dict[int, queue.SimpleQueue[Spawned]] = {}
        self._on_exit: dict[int, Callable[[int | None], None]] = {}
        self._booted = threading.Event()
        self._is_asked = False
        self._failure = ""
        self._lock = threading.Lock()
        self._started = threading.Event()
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", int(_BEAT_S), 0))
        self._reader = threading.Thread(
            target=self._serve, args=(theirs,), name="zygote", daemon=True
        )
        self._reader.start()
        self._started.wait()

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid if self._process is not None else 0

    @property
    def is_alive(self) -> bool:
        """Whether it still serves."""
        process = self._process
        return not self._failure and process is not None and process.poll() is None

    def new_key(self) -> int:
        """A number for a host to be."""
        return next(self._keys)

    def spawn(
        self,
        key: int,
        title: str,
        fds: list[int],
        on_exit: Callable[[int | None], None],
        python: str | None = None,
        outlives_core_s: float = 0.0,
    ) -> int:
        """Start a host.

        Args:
            key: from `new_key`.
            title: shown as its process title.
            fds: socket, page, output, then the shares.
            on_exit: called once with its exit code (negative: a signal; None: unknown, because
                the zygote is gone).
            python: another interpreter, started fresh.
            outlives_core_s: see `ChildSpec`.

        Returns:
            Its process id.

        Raises:
            ZygoteError: it could not be started.
        """
        self._await_boot()
        answer: queue.SimpleQueue[Spawned] = queue.SimpleQueue()
        self._answers[key], self._on_exit[key] = answer, on_exit
        try:
            self._send(Spawn(key, title, python, outlives_core_s), fds)
            spawned = self._answer(answer)
        except BaseException:
            self._on_exit.pop(key, None)
            raise
        finally:
            self._answers.pop(key, None)
        return spawned.pid

    def _answer(self, answer: queue.SimpleQueue[Spawned]) -> Spawned:
        try:
            spawned = answer.get(timeout=_ANSWER_S)
        except queue.Empty:
            self.give_up("the zygote does not answer and was killed")
            raise ZygoteError(self._failure) from None
        if not spawned.pid:
            raise ZygoteError(spawned.error)
        return spawned

    def run(self, target: str, args: Mapping[str, Any], timeout_s: float) -> str:
        """Call ``module:callable`` in a process of its own.

        Returns:
            Nothing when it returned in time, else what went wrong.

        Raises:
            ZygoteError: it was not even begun.
        """
        self._await_boot()
        read_end, write_end = os.pipe2(os.O_CLOEXEC)
        key = self.new_key()
        try:
            try:
                self._send(Run(key, target, dict(args), list(sys.path)), [write_end])
            finally:
                os.close(write_end)
            poller = select.poll()
            poller.register(read_end, select.POLLIN)
            if not poller.poll(_ANSWER_S * 1000):
                self.give_up("the zygote does not answer and was killed")
            if os.read(read_end, 1) != frames.BEGUN:
                raise ZygoteError(self._failure or "the zygote could not fork")
            if not poller.poll(timeout_s * 1000):
                self.signal(key, signal.SIGKILL)
                return f"{target} was not done within {timeout_s:g} s"
            said = os.read(read_end, 4096)
        finally:
            os.close(read_end)
        return said[1:].decode(errors="replace") if said else f"{target} died"

    def signal(self, key: int, number: int) -> None:
        """Signal a host, if it has not been reaped; SIGKILL takes its process group along."""
        try:
            self._socket.send(frames.encode(Signal(key, number)), socket.MSG_DONTWAIT)
        except OSError:
            self.give_up("the zygote takes no more orders and was killed")

    def _await_boot(self) -> None:
        if not self._booted.wait(_BOOT_S) or self._failure:
            raise ZygoteError(self._failure or f"the zygote was not up within {_BOOT_S:g} s")

    def _send(self, frame: Spawn | Run, fds: list[int]) -> None:
        try:
            with self._lock:
                socket.send_fds(self._socket, [frames.encode(frame)], fds)
        except OSError as error:
            raise ZygoteError(self._failure or f"the zygote cannot be reached: {error}") from error

    def _serve(self, theirs: socket.socket) -> None:
        """Start the process and read what it says.

        The kernel ends the zygote when the *thread* that started it ends, so the thread that
        reads it for its whole life is the one to start it.
        """
        try:
            self._start(theirs)
        except OSError as error:
            self._failure = f"the zygote could not be started: {error}"
        finally:
            theirs.close()
            self._started.set()
        self._read()

    def _start(self, theirs: socket.socket) -> None:
        argv = [str(theirs.fileno()), str(os.getpid()), *self._preload]
        self._process = subprocess.Popen(
            isolated(sys.executable, "supervisors.zygote_main", argv),
            pass_fds=(theirs.fileno(),),
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            env={**os.environ, **_ONE_THREAD},
        )

    def _read(self) -> None:
        while not self._failure:
            try:
                packet = self._socket.recv(frames.RECV_BYTES)
                if not packet:
                    break
                self._is_asked = False
                self._take(frames.read_from_zygote(packet))
            except BlockingIOError:
                self._ask()
            except (OSError, msgspec.MsgspecError):
                break
        self.give_up("the zygote has ended")
        self._booted.set()
        self._socket.close()
        for key, answer in list(self._answers.items()):
            answer.put(Spawned(key, 0, self._failure))
        for key in list(self._on_exit):
            self._gone(key, None)

    def _ask(self) -> None:
        """Nothing has come for a while: is it still there?"""
        if not self._booted.is_set():
            return
        if self._is_asked:
            self.give_up("the zygote does not answer and was killed")
            return
        self._is_asked = True
        with contextlib.suppress(OSError):  # if it takes no more orders, it gives no answer either
            self._socket.send(frames.encode(Beat()), socket.MSG_DONTWAIT)

    def _take(self, frame: frames.FromZygote) -> None:
        if isinstance(frame, Booted):
            if frame.threads != 1:
                self._failure = (
                    f"the zygote has {frame.threads} threads after its imports; forking it is "
                    "not safe, so remove the module that starts them from its preload list"
                )
            self._booted.set()
        elif isinstance(frame, Spawned):
            answer = self._answers.get(frame.key)
            if answer is not None:
                answer.put(frame)
        elif isinstance(frame, Reaped):
            self._gone(frame.key, frame.status)

    def _gone(self, key: int, status: int | None) -> None:
        callback = self._on_exit.pop(key, None)
        if callback is not None:
            guarded(partial(callback, status))

    def close(self) -> None:
        """End it, and with it every host that is left."""
        self._failure = self._failure or "closed"
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        if threading.current_thread() is not self._reader:
            self._reader.join(2.0)

    def give_up(self, why: str) -> None:
        """Kill it. Its hosts die with it, and their supervisors will ask for a new one."""
        self._failure = self._failure or why
        if self._process is not None:
            self._process.kill()
            self._process.wait()
