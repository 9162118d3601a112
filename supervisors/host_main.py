"""The inside of a process host: one actor, one thread, one socket to the core.

The loop reads its own socket: blocking when it is idle, without blocking between two messages (so
that a stop overtakes the backlog), and while it waits for the answer to a request of its own.
"""

from __future__ import annotations

import asyncio
import ctypes
import faulthandler
import importlib
import io
import os
import resource
import signal
import socket
import struct
import sys
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from protocol.envelope import (
    MAX_FRAME_BYTES,
    Envelope,
    Kind,
    decode_envelope,
    encode_envelope,
    id_source,
)
from protocol.errors import LocalProtocolError
from protocol.message import Delivery, Failed
from supervisors import frames
from supervisors.actor import Actor, Waiting
from supervisors.boot import extend_path
from supervisors.clock import Clock, SystemClock
from supervisors.context import answer_to
from supervisors.exits import Crash, ExitReason, Normal
from supervisors.loop import loop_for
from supervisors.mailbox import Put
from supervisors.page import PageWriter
from supervisors.pending import BlockingWaiter, Waiter

DEADMAN_S = 10.0
"""A host that may outlive the core is ended by the kernel when its loop has not turned for so long:
more than any handler may take. Nobody else might be left to do it."""
CREDIT_EVERY = 32
"""Messages disposed of between two credit frames; half of the window."""
_OK = Put.OK
_FAST = int(Delivery.SAFETY)
_PR_SET_NAME = 15
_GONE = "the core or the zygote has ended"


class Gone(Exception):
    """The core has closed the socket: nobody is left to work for."""


class HostRouter:
    """The host's end of the socket: router and inbox of its one actor."""

    def __init__(self, link: socket.socket, page: PageWriter, path: str, beat_s: float) -> None:
        """Args: link: to the core. path: whose host this is."""
        self.clock: Clock = SystemClock()
        self.ids = id_source()
        self._link = link
        self._page = page
        self._path = path
        self._buffer = bytearray(frames.RECV_BYTES)
        self._view = memoryview(self._buffer)
        self._fast: deque[Envelope] = deque()
        self._lane: deque[Envelope] = deque()
        self._pending: dict[int, Waiter] = {}
        self._disposed = 0
        self._disposed_fast = 0
        self._credited = 0
        self._taken: deque[Envelope] | None = None
        self._is_gone = False
        self._beat_s = beat_s
        self._deadman_s = 0.0
        self._timeout_s = -1.0
        self._set_timeout(beat_s)

    # -- inbox ----------------------------------------------------------------------------------

    def get(self, timeout_s: float | None = None, *, only_fast: bool = False) -> Envelope | None:
        """See `Inbox.get`."""
        if self._deadman_s:
            signal.setitimer(signal.ITIMER_REAL, self._deadman_s)
        if self._taken is not None:
            self._dispose()
        has_some = self._fast or (self._lane and not only_fast)
        if has_some or timeout_s == 0:
            self._drain()
        else:
            self._set_timeout(timeout_s)
            self._receive(0)
        return self._take(only_fast=only_fast)

    def _take(self, *, only_fast: bool) -> Envelope | None:
        if self._fast:
            self._taken = self._fast
            return self._fast.popleft()
        if self._lane and not only_fast:
            self._taken = self._lane
            return self._lane.popleft()
        return None

    def _dispose(self) -> None:
        if self._taken is self._lane:
            self._disposed += 1
        else:
            self._disposed_fast += 1
        self._taken = None
        self._page.dispose(self._disposed, self._disposed_fast)
        if self._disposed - self._credited >= CREDIT_EVERY:
            self._credited = self._disposed
            self.say(frames.Credit(self._disposed))

    def attach(self, ready: Callable[[], object]) -> None:
        """See `Inbox.attach`; called on the running event loop."""

        def readable() -> None:
            try:
                self._drain()
            except OSError:
                self._is_gone = True
            except Gone:
                self._is_gone = True
            if self._is_gone:
                asyncio.get_running_loop().remove_reader(self._link.fileno())
            ready()

        asyncio.get_running_loop().add_reader(self._link.fileno(), readable)

    def rearm(self) -> bool:
        """See `Inbox.rearm`."""
        self._drain()
        return not (self._fast or self._lane)

    def outlive(self, core_s: float) -> None:
        """Leave in peace when the zygote dies, which SIGTERM says; the core's end the socket says.

        Nobody is left then to kill a host that hangs, but the kernel: an alarm does.
        """

        def leave(*_: object) -> None:
            self._deadman_s = core_s
            signal.setitimer(signal.ITIMER_REAL, core_s)
            try:
                self._link.shutdown(socket.SHUT_RD)
            except OSError:
                pass  # it has ended already

        self._deadman_s = DEADMAN_S
        signal.signal(signal.SIGTERM, leave)

    # -- the socket -----------------------------------------------------------------------------

    def _set_timeout(self, timeout_s: float | None) -> None:
        timeout_s = timeout_s or 0.001
        if timeout_s != self._timeout_s:
            self._timeout_s = timeout_s
            seconds = int(timeout_s)
            value = struct.pack("ll", seconds, max(1, int((timeout_s - seconds) * 1e6)))
            self._link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, value)

    def _drain(self) -> None:
        if self._is_gone:
            raise Gone(_GONE)
        while self._receive(socket.MSG_DONTWAIT):
            pass

    def _receive(self, flags: int) -> bool:
        """Take one packet off the socket; False when there was none in time."""
        try:
            length = self._link.recv_into(self._buffer, 0, flags)
        except (BlockingIOError, InterruptedError):
            return False
        if not length:
            raise Gone(_GONE)
        envelope = decode_envelope(self._view[1:length])
        if envelope.ref:
            waiter = self._pending.pop(envelope.ref, None)
            if waiter is not None:
                waiter.resolve(envelope)
        elif envelope.delivery <= _FAST:
            self._fast.append(envelope)
        else:
            self._lane.append(envelope)
        return True

    def say(self, frame: Any) -> None:
        """Send a control frame.

        Raises:
            LocalProtocolError: it is too large.
        """
        packet = frames.pack(frame)
        if len(packet) > frames.RECV_BYTES:
            what = f"a {type(frame).__name__} of {len(packet)} bytes is too large"
            msg = f"{what}: {MAX_FRAME_BYTES} may be"
            raise LocalProtocolError(msg)
        self._link.send(packet)

    # -- router ---------------------------------------------------------------------------------

    def route(self, envelope: Envelope) -> Put:
        """Send an envelope to the core, which knows the way."""
        packet = frames.ENVELOPE + encode_envelope(envelope)
        if len(packet) > frames.RECV_BYTES:
            return self._refuse(envelope, f"{envelope.name} has {len(packet)} bytes")
        self._link.send(packet)
        return _OK

    def _refuse(self, envelope: Envelope, detail: str) -> Put:
        """It is too large to be sent: whoever waits for it, here or there, shall know."""
        put = Put.TOO_LARGE
        failed = msgspec.msgpack.encode(Failed(put.value, f"{detail}, {MAX_FRAME_BYTES} may be"))
        error = msgspec.structs.replace(envelope, kind=Kind.ERROR, name="failed", body=failed)
        if envelope.ref:
            return self.route(error)
        waiter = self._pending.pop(envelope.id, None)
        if waiter is not None:
            waiter.resolve(error)
        self.count_refused(envelope, put.value)
        return put

    def count_refused(self, envelope: Envelope, code: str) -> None:
        """A dead letter; they are all counted in the core."""
        source, destination = envelope.source, envelope.destination
        self.say(frames.Refused(code, envelope.name, source, destination, envelope.sent_ns))

    def ask(self, envelope: Envelope, timeout_s: float) -> Envelope | None:
        """See `Router.ask`; this thread reads the socket meanwhile."""
        waiter = BlockingWaiter()
        self._pending[envelope.id] = waiter
        try:
            self.route(envelope)
            until = self.clock.monotonic() + timeout_s
            while waiter.reply is None:
                left_s = until - self.clock.monotonic()
                if left_s <= 0:
                    return None
                self._set_timeout(min(left_s, self._beat_s))
                self._receive(0)
            return waiter.reply
        finally:
            self._pending.pop(envelope.id, None)

    def expect(self, ref: int, waiter: Waiter) -> None:
        """See `Router.expect`."""
        self._pending[ref] = waiter

    def forget(self, ref: int) -> None:
        """See `Router.forget`."""
        self._pending.pop(ref, None)

    def watch(self, watcher: str, path: str) -> None:
        """See `Router.watch`."""
        del watcher
        self.say(frames.Watch(path))

    def unwatch(self, watcher: str, path: str) -> None:
        """See `Router.unwatch`."""
        del watcher
        self.say(frames.Unwatch(path))

    def emit(self, path: str, event: str, fields: Mapping[str, Any]) -> None:
        """See `Router.emit`."""
        del path
        self.say(frames.Emit(event, dict(fields)))

    def announce(self, topic: str) -> None:
        """See `Router.announce`."""
        self.say(frames.Announce(topic))

    def log(self, path: str, level: str, event: str, fields: Mapping[str, Any]) -> None:
        """See `Router.log`."""
        del path
        self.say(frames.Log(level, event, dict(fields)))


class _Reporter:
    """What the loop reports to, in a process host."""

    def __init__(self, router: HostRouter, init: frames.Init) -> None:
        self.allows_faults = init.allows_faults
        self.beat_s: float | None = init.beat_s
        self._router = router

    def ready(self) -> None:
        self._router.say(frames.Ready())

    def not_started(self, outcome: ExitReason | Waiting | None) -> None:
        if outcome is None:
            self._router.say(frames.NotStarted("ignored"))
        elif isinstance(outcome, Waiting):
            self._router.say(frames.NotStarted("missing", str(outcome)))
        else:
            self._router.say(frames.NotStarted("failed", reason=outcome))

    def refuse(self, envelope: Envelope, code: str, detail: str) -> None:
        self._router.count_refused(envelope, code)
        if envelope.kind is Kind.REQUEST:
            path = self._router._path
            answer_to(self._router, envelope, Failed(code, f"{path}: {detail}"), path)

    def record(self, envelope: Envelope) -> None:
        """The core has recorded it on its way here."""


def run_host(title: str, link_fd: int, page_fd: int, share_fds: list[int]) -> int:
    """Be a host until its actor ends. Returns the exit status."""
    faulthandler.enable(all_threads=True)
    faulthandler.register(signal.SIGUSR1, all_threads=True)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _print_at_once()
    link = socket.socket(fileno=link_fd)
    init = frames.read_init(memoryview(link.recv(frames.RECV_BYTES)))
    _name_process(title)
    try:
        _apply_limits(init)
        return _run(link, init, page_fd, dict(zip(init.shares, share_fds, strict=False)))
    except (Gone, BrokenPipeError, ConnectionResetError):
        return 0


def _run(link: socket.socket, init: frames.Init, page_fd: int, shares: dict[str, int]) -> int:
    vitals = PageWriter(page_fd, SystemClock())
    router = HostRouter(link, vitals, init.path, init.beat_s)
    if init.outlives_core_s:
        router.outlive(init.outlives_core_s)
    reporter = _Reporter(router, init)
    try:
        actor = _find(init)
        args = msgspec.msgpack.decode(init.args)
        loop_class, context_class = loop_for(actor)
        ctx = context_class(router, init.path, init.incarnation, vitals, shares=shares)
        loop = loop_class(actor, args, ctx, router, reporter, convert=True)
    except Exception as error:
        reporter.not_started(Crash.of(error))
        return 0
    reason = loop.run()
    vitals.flush()
    if reason is None:
        return 0
    router.say(frames.Bye(reason))
    return 0 if isinstance(reason, Normal) or reason.is_normal else 1


def _find(init: frames.Init) -> type[Actor]:
    extend_path(init.import_path)
    module, _, name = init.actor.partition(":")
    if module == "__main__":
        msg = (
            f"{name} is defined in __main__; put it into a module, so that a process can import it"
        )
        raise ImportError(msg)
    found: Any = importlib.import_module(module)
    for part in name.split("."):
        found = getattr(found, part)
    if not (isinstance(found, type) and issubclass(found, Actor)):
        msg = f"{init.actor} is not an Actor class"
        raise TypeError(msg)
    return found


def _apply_limits(init: frames.Init) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = init.open_files if hard == resource.RLIM_INFINITY else min(init.open_files, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if init.nice:
        os.nice(init.nice)
    try:
        Path("/proc/self/oom_score_adj").write_text(str(init.oom_score_adj), encoding="ascii")
    except OSError:
        pass  # a container may forbid it; the limit is a hint to the kernel


def _print_at_once() -> None:
    """What waits in a buffer when a process is killed was not its last word."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(line_buffering=True)


def _name_process(title: str) -> None:
    ctypes.CDLL(None).prctl(_PR_SET_NAME, title.encode()[:15], 0, 0, 0)


def main(argv: list[str]) -> int:
    """Be a freshly started host; arguments: descriptors of the socket, the page, the shares."""
    numbers = [int(number) for number in argv]
    status = run_host("rvm host", numbers[0], numbers[1], numbers[2:])
    sys.stdout.flush()
    os._exit(status)  # as a forked host does: no thread that somebody left behind delays the end
