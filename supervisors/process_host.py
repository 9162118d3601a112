"""One incarnation of an actor in a process of its own.

Messages go straight to the host's socket while it has credit (a window of messages not yet disposed
of) and wait in the mailbox otherwise, so a stuck host neither blocks a sender nor swallows a
backlog. The host's page tells which message it died of.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
import threading
from collections import deque
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from protocol.envelope import Envelope, Kind
from protocol.errors import LocalProtocolError, RemoteProtocolError
from protocol.message import Delivery, Failed, name_of
from protocol.system import StopActor
from supervisors import frames
from supervisors import plan as p
from supervisors.exits import (
    Crash,
    ExitReason,
    Hung,
    Killed,
    ProtocolError,
    Unsafe,
    from_wait_status,
)
from supervisors.link import Link, LinkClosed
from supervisors.mailbox import Put
from supervisors.output import Output
from supervisors.page import PAGE_BYTES, ClosedPage, PageReader
from supervisors.spec import ChildSpec
from supervisors.thread_host import Notify, dispose, run_fail_safe
from supervisors.vitals import Stats

if TYPE_CHECKING:
    from supervisors.system import ActorSystem

_OK = Put.OK
_FAST = int(Delivery.SAFETY)
WINDOW = 64
"""Messages a host may have before it has disposed of them."""
BEAT_S = 0.25
_GRACE_NS = 250_000_000
_REAP_S = 2.0
"""How long a killed process may take to go; longer means a driver holds it."""
_STACK_S = 0.1
_STACK_LOOKS = 8
"""A stack takes a moment; a frozen process never prints one."""
_STACK_CHARS = 6000


class ProcessHost:
    """Runs one incarnation and tells its supervisor how it goes.

    Attributes:
        pid: of the process, None before it is spawned.
        mailbox: what waits here for credit.
        vitals: the page the host publishes on.
    """

    tid: int | None = None

    def __init__(
        self, system: ActorSystem, path: str, spec: ChildSpec, incarnation: int, notify: Notify
    ) -> None:
        """Prepare it; `start` starts it."""
        self.path = path
        self.incarnation = incarnation
        self.is_critical = spec.critical
        self.pid: int | None = None
        self._system = system
        self._spec = spec
        self._notify = notify
        self._slot = system.slot(path, spec)
        self._zygote = system.zygote
        self._key = self._zygote.new_key()
        self._reactor = system.reactor
        self._open()
        self.mailbox = self._slot.mailbox()
        self._sent = 0
        self._sent_limit = WINDOW
        self._sent_waiting: deque[Envelope] = deque(maxlen=WINDOW)
        self._sent_fast = 0
        self._sent_fast_waiting: deque[Envelope] = deque()
        self._outcome: p.Event | None = None
        self._bye: ExitReason | None = None
        self._verdict: ExitReason | None = None
        self._is_running = False
        self._is_stopping = False
        self._was_ready = False
        self._is_retried = False
        self._is_over = False
        self._lock = threading.Lock()
        self._sending = threading.Lock()

    def _open(self) -> None:
        """Make page, pipe and socket, or nothing of them."""
        with contextlib.ExitStack() as made:
            self._page_fd = os.memfd_create("rvm-page", os.MFD_CLOEXEC)
            made.callback(os.close, self._page_fd)
            os.ftruncate(self._page_fd, PAGE_BYTES)
            self.vitals: PageReader | ClosedPage = PageReader(self._page_fd)
            self._output = Output(self._reactor, self._print, self._system.clock.monotonic)
            made.callback(self._output.close)
            made.callback(os.close, self._output.write_fd)
            ours, self._theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            self.link = Link(ours, self._reactor, self._on_envelope, self._on_control, self._on_end)
            self.link.on_writable = self._pump  # type: ignore[method-assign]
            self._socket = ours
            made.pop_all()

    # -- orders of the supervisor ---------------------------------------------------------------

    def start(self) -> None:
        """Spawn the process; the outcome comes as an event, which may be there before this ends."""
        self._slot.occupy(self)
        self._system.monitor.add(self)
        try:
            self._spawn()
        except Exception as error:
            self._conclude(Crash.of(error), has_lived=False)
        finally:
            self._theirs.close()
            os.close(self._page_fd)
            os.close(self._output.write_fd)

    def _spawn(self) -> None:
        shares = [self._system.shares.fd(name) for name in self._spec.shares]
        fds = [self._theirs.fileno(), self._page_fd, self._output.write_fd, *shares]
        python = self._spec.python or (sys.executable if self._spec.fresh else None)
        init = frames.pack(self._init())[1:]
        if len(init) > frames.RECV_BYTES:
            msg = f"its arguments make {len(init)} bytes; {frames.RECV_BYTES} may be"
            raise LocalProtocolError(msg)
        self._socket.send(init)
        title = self.path.rsplit("/", 1)[-1]
        outlives_s = self._spec.outlives_core_s
        self.pid = self._zygote.spawn(self._key, title, fds, self._on_reaped, python, outlives_s)

    def _init(self) -> frames.Init:
        spec, limits = self._spec, self._spec.limits
        assert isinstance(spec.start, type)
        return frames.Init(
            path=self.path,
            incarnation=self.incarnation,
            actor=f"{spec.start.__module__}:{spec.start.__qualname__}",
            args=msgspec.Raw(msgspec.msgpack.encode(dict(spec.args))),
            shares=list(spec.shares),
            beat_s=BEAT_S,
            allows_faults=self._system.allows_faults,
            open_files=limits.open_files,
            nice=limits.nice,
            oom_score_adj=limits.oom_score_adj,
            import_path=list(sys.path),
            outlives_core_s=spec.outlives_core_s,
        )

    def ask_stop(self) -> None:
        """Ask it to end after the handler in progress."""
        self._is_stopping = True
        self._put(self._system.envelope(Kind.CAST, self.path, StopActor()), needs_ready=False)

    def kill(self, why: str) -> None:
        """End the process now."""
        if why == "brutal kill":
            self._shoot(Killed(why))
        else:
            threading.Thread(
                target=self.contain, args=(why,), name="containment", daemon=True
            ).start()

    # -- sending --------------------------------------------------------------------------------

    def put(self, envelope: Envelope) -> Put:
        """See `Recipient.put`."""
        return self._put(envelope, needs_ready=True)

    def _put(self, envelope: Envelope, *, needs_ready: bool) -> Put:
        fast = envelope.delivery <= _FAST
        with self._sending:
            may_go = self._is_running or not needs_ready
            if may_go and (fast or (self._has_credit() and not self.mailbox.depth)):
                try:
                    if self._send(envelope):
                        return _OK
                except LinkClosed:
                    pass  # its end is on the way; the mailbox decides what becomes of the message
                except RemoteProtocolError:
                    return Put.TOO_LARGE
            return self.mailbox.put(envelope)

    def _has_credit(self) -> bool:
        """Whether it may get one more; the page is read when the last look at it is used up."""
        if self._sent >= self._sent_limit:
            self._sent_limit = self.vitals.disposed + WINDOW
        return self._sent < self._sent_limit

    def _send(self, envelope: Envelope) -> bool:
        """Send it now, with the lock held; False when the socket is full."""
        if not self.link.send(envelope):
            return False
        if envelope.ref:
            return True  # an answer; nobody counts those
        if envelope.delivery > _FAST:
            self._sent += 1
            self._sent_waiting.append(envelope)
        else:
            self._note_fast(envelope)
        self._system.recorder.message(envelope)
        return True

    def _note_fast(self, envelope: Envelope) -> None:
        self._sent_fast += 1
        waiting = self._sent_fast_waiting
        waiting.append(envelope)
        if len(waiting) > WINDOW:
            left = max(0, self._sent_fast - self.vitals.disposed_fast)
            while len(waiting) > left:
                waiting.popleft()

    def _pump(self) -> None:
        """Send what waits, as far as credit goes."""
        too_large: list[tuple[Envelope, str]] = []
        with self._sending:
            while self._is_running and (self._has_credit() or self.mailbox.has_fast):
                envelope = self.mailbox.get(0, only_fast=not self._has_credit())
                if envelope is None:
                    break
                try:
                    if self._send(envelope):
                        continue
                except RemoteProtocolError as error:
                    too_large.append((envelope, str(error)))
                    continue
                except LinkClosed:
                    pass
                self.mailbox.put_back(envelope)
                break
        for envelope, why in too_large:  # the answer may go through another host's lock
            self._system.refuse(envelope, Put.TOO_LARGE.value, why)

    def relay_reply(self, envelope: Envelope) -> None:
        """Pass on the answer to a request of this actor, as soon as there is room for it."""
        with self._sending:
            try:
                is_kept = self._send_reply(envelope) or self.mailbox.put(envelope) is _OK
            except LinkClosed:
                is_kept = False
        if not is_kept:
            self._system.dead_letters.add(envelope, "late_reply")

    def _send_reply(self, envelope: Envelope) -> bool:
        try:
            return self.link.send(envelope)
        except RemoteProtocolError as error:
            failed = Failed(Put.TOO_LARGE.value, str(error))
            envelope.kind, envelope.name = Kind.ERROR, name_of(failed)
            envelope.body = msgspec.msgpack.encode(failed)
            return self.link.send(envelope)

    # -- receiving ------------------------------------------------------------------------------

    def _on_envelope(self, envelope: Envelope) -> None:
        envelope.source = self.path  # a host speaks for nobody else
        self._system.route(envelope)

    def _on_control(self, frame: frames.FromHost) -> None:
        if isinstance(frame, frames.Credit):
            self._pump()
        elif isinstance(frame, frames.Ready | frames.NotStarted):
            if not self._was_ready:  # a host may say that once
                self._on_started(frame)
        elif isinstance(frame, frames.Bye):
            self._bye = frame.reason
        elif isinstance(frame, frames.Watch):
            self._system.watch(self.path, frame.path)
        elif isinstance(frame, frames.Unwatch):
            self._system.unwatch(self.path, frame.path)
        elif isinstance(frame, frames.Announce):
            self._system.announce(frame.topic)
        elif isinstance(frame, frames.Emit):
            self._system.emit(self.path, frame.event, frame.fields)
        elif isinstance(frame, frames.Log):
            self._system.log(self.path, frame.level, frame.event, frame.fields)
        else:
            self._system.dead_letters.add(
                Envelope(
                    0, Kind.CAST, frame.name, frame.source, frame.destination, b"", 0, frame.sent_ns
                ),
                frame.code,
            )

    def _on_started(self, frame: frames.Ready | frames.NotStarted) -> None:
        if isinstance(frame, frames.Ready):
            self._is_running = self._was_ready = True
            self._notify(p.Ready(self._spec.id, self.incarnation))
            self._pump()
        elif frame.how == "failed":
            self._bye = frame.reason
        elif frame.how == "missing":
            self._outcome = p.Missing(self._spec.id, self.incarnation, frame.what)
        else:
            self._outcome = p.Ignored(self._spec.id, self.incarnation)

    def _print(self, line: str) -> None:
        self._system.log(self.path, "info", "output", {"line": line})

    # -- the end --------------------------------------------------------------------------------

    def _on_end(self, wrong: str) -> None:
        """The socket has ended: the process is going, or has to."""
        if wrong:
            self._shoot(ProtocolError(wrong))
        else:
            self._reactor.call_later(_REAP_S, self._check_gone)

    def _check_gone(self) -> None:
        if self._is_over:
            return
        if self.pid is not None and _is_gone(self.pid):
            self._zygote.give_up("the zygote does not reap its hosts and was killed")
        else:
            self._shoot(Killed("closed its socket and lived on"))

    def _shoot(self, verdict: ExitReason) -> None:
        """SIGKILL, by the zygote; then directly; after that a driver holds it and its device."""
        with self._lock:
            if self._is_over:
                return
            if self._verdict is None:
                self._verdict = verdict
        self._zygote.signal(self._key, signal.SIGKILL)
        self._reactor.call_later(_REAP_S, self._give_up)

    def _give_up(self) -> None:
        if self._is_over:
            return
        if self.pid is not None and _is_gone(self.pid):
            self._zygote.give_up("the zygote does not reap its hosts and was killed")
        elif self.pid is not None and not self._is_retried:
            self._is_retried = True
            _kill_group(self.pid)
            self._reactor.call_later(_REAP_S, self._give_up)
        else:
            self._conclude(self._unkillable())

    def _unkillable(self) -> Unsafe:
        why = f"process {self.pid} cannot be killed: a driver holds it"
        return Unsafe(str(self._verdict or Killed()), why)

    def _on_reaped(self, status: int | None) -> None:
        """The process has ended (None: or is about to); called in the zygote's thread."""
        is_gone = status is not None or self._outlive_zygote()
        self.link.drain()
        self._output.close()
        words = self._output.last_words()
        reason: ExitReason | None
        if not is_gone:
            reason = self._unkillable()
        elif self._verdict is not None:
            reason = self._verdict
        elif self._outcome is not None:
            reason = None
        elif self._bye is not None:
            reason = self._bye
        elif status is None:
            reason = Killed("its zygote died")
        else:
            reason = from_wait_status(status, words)
        self._conclude(reason)

    def _outlive_zygote(self) -> bool:
        """Take its group along, as the zygote would have, and wait until it is gone itself."""
        if self.pid is None:
            return True
        self._await_gone(self.pid, self._spec.outlives_core_s)
        _kill_group(self.pid)
        return self._await_gone(self.pid, _REAP_S)

    def _await_gone(self, pid: int, patience_s: float) -> bool:
        pause = threading.Event()
        until = self._system.clock.monotonic() + patience_s
        while not _is_gone(pid):
            if self._system.clock.monotonic() >= until:
                return False
            pause.wait(0.002)
        return True

    def _conclude(self, reason: ExitReason | None, *, has_lived: bool = True) -> None:
        with self._lock:
            if self._is_over:
                return
            self._is_over = True
        system = self._system
        system.monitor.remove(self)
        with self._sending:
            self._is_running = False
            self._slot.hold()
            unread = self.mailbox.close()
        rest, in_flight = self._unfinished(reason)
        left = self._slot.vacate(self, rest + unread, in_flight)
        dispose(system, self.path, left, in_flight, reason)
        is_abnormal = reason is not None and not reason.is_normal
        if is_abnormal and has_lived and self._spec.fail_safe is not None:
            threading.Thread(target=self._end_safely, args=(reason,), daemon=True).start()
        else:
            self._say_last(reason)

    def _end_safely(self, reason: ExitReason) -> None:
        """In a thread of its own: this one must go on reading the zygote."""
        self._say_last(run_fail_safe(self._system, self._spec, reason))

    def _say_last(self, reason: ExitReason | None) -> None:
        self._release()
        self._notify(self._last_event(reason))
        if reason is not None:
            self._system.announce_down(self.path, self.incarnation, reason)

    def _unfinished(self, reason: ExitReason | None) -> tuple[list[Envelope], Envelope | None]:
        """What was sent and not disposed of, and which of it was being handled."""
        vitals = self.vitals
        fast = _last(self._sent_fast_waiting, self._sent_fast - vitals.disposed_fast)
        rest = fast + _last(self._sent_waiting, self._sent - vitals.disposed)
        current = self.vitals.current
        if reason is None or reason.is_normal or current is None:
            return rest, None
        in_flight = next((envelope for envelope in rest if envelope.id == current[0]), None)
        return [envelope for envelope in rest if envelope is not in_flight], in_flight

    def _last_event(self, reason: ExitReason | None) -> p.Event:
        if reason is None:
            assert self._outcome is not None
            return self._outcome
        if self._was_ready:
            return p.Exited(self._spec.id, self.incarnation, reason)
        return p.StartError(self._spec.id, self.incarnation, reason)

    def _release(self) -> None:
        """Let go of every descriptor now; waiting for the garbage collector would leak them."""
        self.link.close()
        self._output.close()
        self.vitals = ClosedPage(self.vitals)

    # -- what the monitor and status see --------------------------------------------------------

    def overdue(self, now_ns: int) -> str:
        """See `Watched`."""
        if not self._is_running:
            return ""
        vitals = self.vitals
        current = vitals.current
        if current is not None:
            if now_ns > current[3] + _GRACE_NS and vitals.current == current:
                return f"{current[1]} for {(now_ns - current[2]) / 1e9:.1f} s"
        elif not self._is_stopping:  # on_stop beats no time; its supervisor's patience is its limit
            silent_s = (now_ns - vitals.beat_ns) / 1e9
            if silent_s > self._spec.limits.beat_timeout_s:
                return f"no beat for {silent_s:.1f} s"
        return self._over_memory()

    def _over_memory(self) -> str:
        limit_mb = self._spec.limits.memory_mb
        if limit_mb is None:
            return ""
        used_mb = self.memory_mb()
        return f"uses {used_mb:.0f} MB of {limit_mb}" if used_mb > limit_mb else ""

    def memory_mb(self) -> float:
        """Resident memory of the process."""
        try:
            pages = int(Path(f"/proc/{self.pid}/statm").read_text(encoding="ascii").split()[1])
        except (OSError, IndexError):
            return 0.0
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6

    def contain(self, why: str) -> None:
        """See `Watched`."""
        stack = self.stack()
        self._shoot(Hung(why, stack))

    def stack(self) -> str:
        """Where it stands, printed by the process itself; nothing if it is frozen."""
        before = self._output.total
        self._zygote.signal(self._key, signal.SIGUSR1)
        pause, seen = threading.Event(), before
        for _ in range(_STACK_LOOKS):
            pause.wait(_STACK_S)
            total = self._output.total
            if total == seen > before:  # it has come, and nothing more does
                break
            seen = total
        return self._output.last_words(before)[:_STACK_CHARS]

    def stats(self) -> Stats:
        """Its counters."""
        return self.vitals.stats()


def _last(waiting: deque[Envelope], number: int) -> list[Envelope]:
    """The last so many."""
    return list(islice(waiting, max(0, len(waiting) - max(0, number)), None))


def _kill_group(pid: int) -> None:
    """Kill a process and all it has started; it may be gone."""
    for kill in (os.killpg, os.kill):
        with contextlib.suppress(OSError):
            kill(pid, signal.SIGKILL)


def _is_gone(pid: int) -> bool:
    """Whether a process has ended, reaped or not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return True
    return stat.rpartition(")")[2].split()[0] in ("Z", "X")
