"""The zygote: a small process that starts process hosts by forking itself, warm.

It is single-threaded, has imported what hosts need, and holds no device, socket (but the one to the
core), database or GPU context; so a fork of it is safe and takes a millisecond. It is also the
parent of all hosts: it reaps them, kills them (with their process group, so that nothing they
started survives), and dies with the core, taking them along. A host that has hardware to bring to
rest may outlive it by a moment (`ChildSpec.outlives_core_s`).
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import os
import select
import signal
import socket
import sys
import traceback
from pathlib import Path
from typing import NoReturn

import msgspec

from supervisors import frames
from supervisors.boot import extend_path, isolated
from supervisors.clock import SystemClock
from supervisors.frames import Beat, Booted, Reaped, Run, Signal, Spawn, Spawned

_PR_SET_PDEATHSIG = 1
_MAX_FDS = 32


def die_with_parent(parent: int, number: int = signal.SIGKILL) -> None:
    """Have the kernel signal this process when its parent dies; leave now if it already has."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, number, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(0)


class ZygoteLoop:
    """Obeys the core, one order at a time."""

    def __init__(self, control: socket.socket, core: int) -> None:
        """Args: control: the socket to the core. core: its process id."""
        self._control = control
        self._core = core
        self._pid = os.getpid()
        self._children: dict[int, int] = {}  # pid -> key
        self._outliving: dict[int, float] = {}  # pid -> seconds
        self._wake_read, self._wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def run(self) -> None:
        """Serve until the core is gone.

        The kernel says so with SIGTERM (see `main`); from anybody else that means nothing here.
        """
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGTERM, lambda *_: None)
        signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)
        poller = select.poll()
        poller.register(self._control.fileno(), select.POLLIN)
        poller.register(self._wake_read, select.POLLIN)
        while os.getppid() == self._core:
            ready = {fd for fd, _ in poller.poll()}
            if self._wake_read in ready:
                os.read(self._wake_read, 4096)
                self._reap()
            if self._control.fileno() in ready and not self._obey():
                return

    def end_all(self) -> None:
        """Kill every host with all it has started; the kernel would spare its grandchildren.

        Those that may outlive the core see its end themselves, and get their time.
        """
        for pid in self._children:
            if pid not in self._outliving:
                _kill_group(pid)
        clock = SystemClock()
        began_s = clock.monotonic()
        poller = select.poll()
        poller.register(self._wake_read, select.POLLIN)
        while self._reap() and self._outliving:
            past_s = clock.monotonic() - began_s
            for pid in [pid for pid, time_s in self._outliving.items() if time_s <= past_s]:
                _kill_group(pid)
                del self._outliving[pid]
            left_s = min(self._outliving.values(), default=0.0) - past_s
            if poller.poll(max(0.0, left_s) * 1000 + 1):
                os.read(self._wake_read, 4096)

    def _obey(self) -> bool:
        try:
            packet, fds, _, _ = socket.recv_fds(self._control, frames.RECV_BYTES, _MAX_FDS)
        except ConnectionResetError:  # the core has died with something of ours unread
            return False
        if not packet:
            return False
        order = frames.read_to_zygote(packet)
        if isinstance(order, Spawn):
            self._spawn(order, fds)
        elif isinstance(order, Run):
            self._call(order, fds)
        elif isinstance(order, Signal):
            self._signal(order)
        else:
            self._say(order)
        for fd in fds:
            os.close(fd)
        return True

    def _say(self, frame: Spawned | Reaped | Beat) -> None:
        try:
            self._control.send(frames.encode(frame))
        except OSError:
            pass  # the core is gone; the next look at the socket tells

    def _fork(self) -> int:
        """Fork; a SIGTERM to the child waits until our handler is no longer in its way."""
        signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTERM,))
        pid = -1
        try:
            pid = os.fork()
        finally:
            if pid:
                signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGTERM,))
        return pid

    def _spawn(self, order: Spawn, fds: list[int]) -> None:
        try:
            pid = self._fork()
        except OSError as error:
            self._say(Spawned(order.key, 0, str(error)))
            return
        if pid == 0:
            self._become_host(order, fds)
        self._children[pid] = order.key
        if order.outlives_core_s:
            self._outliving[pid] = order.outlives_core_s
        self._say(Spawned(order.key, pid))

    def _become_host(self, order: Spawn, fds: list[int]) -> NoReturn:
        status = 1
        try:
            outlives = order.outlives_core_s > 0
            self._leave_zygote(fds[2], signal.SIGTERM if outlives else signal.SIGKILL)
            if order.python:
                _fresh_host(order.python, fds)
            status = _warm_host(order, fds)
        except BaseException:
            traceback.print_exc()
        finally:
            _flush()
            os._exit(status)

    def _call(self, order: Run, fds: list[int]) -> None:
        try:
            pid = self._fork()
        except OSError:
            return  # the pipe closes unused, which says it
        if pid:
            self._children[pid] = order.key
            return
        complaint = ""
        try:
            self._leave_zygote(None)
            os.write(fds[0], frames.BEGUN)
            extend_path(order.import_path)
            module, _, name = order.target.partition(":")
            getattr(importlib.import_module(module), name)(**order.args)
        except BaseException as error:
            complaint = f"{type(error).__name__}: {error}"
        finally:
            os.write(fds[0], b"\x01" + complaint.encode()[:2000])
            os._exit(0)

    def _leave_zygote(self, output: int | None, at_its_death: int = signal.SIGKILL) -> None:
        """In the new child: drop everything that is the zygote's."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGTERM,))
        os.setsid()
        die_with_parent(self._pid, at_its_death)
        self._control.close()
        os.close(self._wake_read)
        os.close(self._wake_write)
        if output is not None:
            os.dup2(output, 1)
            os.dup2(output, 2)
        gc.enable()

    def _signal(self, order: Signal) -> None:
        for pid, key in self._children.items():
            if key != order.key:
                continue
            try:
                if order.number == signal.SIGKILL:
                    os.killpg(pid, signal.SIGKILL)
                else:
                    os.kill(pid, order.number)
            except ProcessLookupError:
                os.kill(pid, order.number)  # not yet leader of its group, but still unreaped

    def _reap(self) -> bool:
        """Collect the dead; their process group goes first, while the number is still theirs.

        Returns:
            Whether there are any others.
        """
        while self._children:
            try:
                found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                return False
            if found is None:
                return True
            pid = found.si_pid
            _kill_group(pid)
            _, status = os.waitpid(pid, 0)
            key = self._children.pop(pid, None)
            self._outliving.pop(pid, None)
            if key is not None:
                self._say(Reaped(key, os.waitstatus_to_exitcode(status)))
        return False


def _kill_group(pid: int) -> None:
    try:
        os.killpg(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass  # it was not yet the leader of a group, or is gone


def _warm_host(order: Spawn, fds: list[int]) -> int:
    from supervisors.host_main import run_host

    return run_host(order.title, fds[0], fds[1], fds[3:])


def _fresh_host(python: str, fds: list[int]) -> NoReturn:
    """Become another interpreter; it finds the package where this one found it."""
    for fd in fds:
        os.set_inheritable(fd, True)
    numbers = [str(fd) for fd in (fds[0], fds[1], *fds[3:])]
    os.execv(python, isolated(python, "supervisors.host_main", numbers))  # noqa: S606 - no shell


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            pass


def main(argv: list[str]) -> int:
    """Serve as the zygote; arguments: socket descriptor, parent's pid, modules to import."""
    control = socket.socket(fileno=int(argv[0]))
    control.set_inheritable(False)
    core = int(argv[1])
    die_with_parent(core, signal.SIGTERM)  # not SIGKILL: there are grandchildren to be taken along
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for module in (*argv[2:], "supervisors.host_main"):
        try:
            importlib.import_module(module)
        except ImportError:
            traceback.print_exc()
    _flush()  # what is left in a buffer would be printed by every host
    gc.collect()
    gc.freeze()
    loop = ZygoteLoop(control, core)
    threads = sum(1 for _ in Path("/proc/self/task").iterdir())
    control.send(frames.encode(Booted(os.getpid(), threads)))
    try:
        loop.run()
    except msgspec.MsgspecError:
        return 1
    finally:
        loop.end_all()
    return 0
