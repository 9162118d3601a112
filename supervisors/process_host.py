"""One incarnation of an actor in a process of its own.

Messages go straight to the host's socket while it has credit (a window of messages not yet disposed
of) and wait in the mailbox otherwise, so a stuck host neither blocks a sender nor swallows a
backlog. The host's page tells which message it died of.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from protocol.envelope import Envelope, Kind
from protocol.errors import RemoteProtocolError
from protocol.message import Delivery, Failed, name_of
from protocol.system import StopActor
from supervisors import frames
from supervisors import plan as p
from supervisors.exits import (
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
_STACK_S = 0.3


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
        self.mailbox = self._slot.mailbox()
        self._zygote = system.zygote
        self._key = self._zygote.new_key()
        page_fd = os.memfd_create("rvm-page", os.MFD_CLOEXEC)
        os.ftruncate(page_fd, PAGE_BYTES)
        self._page_fd = page_fd
        self.vitals: PageReader | ClosedPage = PageReader(page_fd)
        self._output = Output(system.reactor, self._print, system.clock.monotonic)
        ours, self._theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.link = Link(ours, system.reactor, self._on_envelope, self._on_control, self._on_end)
        self.link.on_writable = self._pump  # type: ignore[method-assign]
        self._socket = ours
        self._sent = 0
        self._sent_limit = WINDOW
        self._sent_waiting: deque[Envelope] = deque(maxlen=WINDOW)
        self._outcome: p.Event | None = None
        self._bye: ExitReason | None = None
        self._verdict: ExitReason | None = None
        self._status: int | None = None
        self._is_running = False
        self._was_ready = False
        self._is_over = False
        self._lock = threading.Lock()
        self._sending = threading.Lock()

    # -- orders of the supervisor ---------------------------------------------------------------

    def start(self) -> None:
        """Spawn the process; the outcome comes as an event."""
        shares = [self._system.shares.fd(name) for name in self._spec.shares]
        fds = [self._theirs.fileno(), self._page_fd, self._output.write_fd, *shares]
        python = self._spec.python or (sys.executable if self._spec.fresh else None)
        try:
            self._socket.send(frames.pack(self._init())[1:])
            self.pid = self._zygote.spawn(
                self._key, self.path.rsplit("/", 1)[-1], fds, self._on_reaped, python
            )
        except BaseException:
            self._release()
            raise
        finally:
            self._theirs.close()
            os.close(self._page_fd)
            os.close(self._output.write_fd)
        self._slot.occupy(self)
        self._system.monitor.add(self)

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
        )

    def ask_stop(self) -> None:
        """Ask it to end after the handler in progress."""
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
                    return Put.FULL
            put = self.mailbox.put(envelope)
        self._system.recorder.message(envelope)
        return put

    def _has_credit(self) -> bool:
        """Whether it may get one more; the page is read when the last look at it is used up."""
        if self._sent >= self._sent_limit:
            self._sent_limit = self.vitals.disposed + WINDOW
        return self._sent < self._sent_limit

    def _send(self, envelope: Envelope) -> bool:
        """Send it now, with the lock held; False when the socket is full."""
        if not self.link.send(envelope):
            return False
        self._sent += 1
        self._sent_waiting.append(envelope)
        return True

    def _pump(self) -> None:
        """Send what waits, as far as credit goes."""
        with self._sending:
            while self._is_running and (self._has_credit() or self.mailbox.has_fast):
                envelope = self.mailbox.get(0, only_fast=not self._has_credit())
                if envelope is None:
                    return
                if not self._try(envelope):
                    return

    def _try(self, envelope: Envelope) -> bool:
        try:
            if self._send(envelope):
                return True
        except RemoteProtocolError as error:
            self._system.refuse(envelope, "invalid", str(error))
            return True
        except LinkClosed:
            pass
        self.mailbox.push_front([envelope])
        return False

    def relay_reply(self, envelope: Envelope) -> None:
        """Pass on the answer to a request of this actor."""
        try:
            self.link.send(envelope)
        except LinkClosed:
            self._system.dead_letters.add(envelope, "late_reply")
        except RemoteProtocolError as error:
            failed = Failed("invalid", str(error))
            body = msgspec.msgpack.encode(failed)
            self.link.send(
                Envelope(
                    envelope.id,
                    Kind.ERROR,
                    name_of(failed),
                    envelope.source,
                    self.path,
                    body,
                    Delivery.SYSTEM,
                    envelope.sent_ns,
                    envelope.trace,
                    envelope.ref,
                )
            )

    # -- receiving ------------------------------------------------------------------------------

    def _on_envelope(self, envelope: Envelope) -> None:
        envelope.source = self.path  # a host speaks for nobody else
        self._system.route(envelope)

    def _on_control(self, frame: frames.FromHost) -> None:
        if isinstance(frame, frames.Credit):
            self._pump()
        elif isinstance(frame, frames.Ready):
            self._is_running = self._was_ready = True
            self._notify(p.Ready(self._spec.id, self.incarnation))
            self._pump()
        elif isinstance(frame, frames.NotStarted):
            self._on_not_started(frame)
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
        else:
            self._system.log(self.path, frame.level, frame.event, frame.fields)

    def _on_not_started(self, frame: frames.NotStarted) -> None:
        if frame.how == "failed":
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
            self._system.reactor.call_later(_REAP_S, self._check_gone)

    def _check_gone(self) -> None:
        if not self._is_over:
            self._shoot(Killed("closed its socket and lived on"))

    def _shoot(self, verdict: ExitReason) -> None:
        """SIGKILL; if it is not gone in time, a driver holds it and the device is lost."""
        with self._lock:
            if self._is_over:
                return
            if self._verdict is None:
                self._verdict = verdict
        self._zygote.signal(self._key, signal.SIGKILL)
        self._system.reactor.call_later(_REAP_S, self._give_up)

    def _give_up(self) -> None:
        with self._lock:
            if self._is_over:
                return
        if self._zygote.is_alive and self._kill_directly():
            return
        why = f"process {self.pid} cannot be killed: a driver holds it"
        self._conclude(Unsafe(str(self._verdict), why))

    def _kill_directly(self) -> bool:
        """The zygote did not deliver; True when there is hope that this does."""
        if self._verdict == Killed("retried") or self.pid is None:
            return False
        self._verdict = Killed("retried")
        try:
            os.kill(self.pid, signal.SIGKILL)
        except OSError:
            return False
        self._system.reactor.call_later(_REAP_S, self._give_up)
        return True

    def _on_reaped(self, status: int | None) -> None:
        """The process has ended; called in the zygote's thread."""
        self.link.drain()
        self._output.close()
        words = self._output.last_words()
        if self._verdict is not None:
            reason = self._verdict
        elif self._bye is not None:
            reason = self._bye
        elif status is None:
            reason = Killed("its zygote died")
        else:
            reason = from_wait_status(status, words)
        self._conclude(None if self._outcome is not None and self._verdict is None else reason)

    def _conclude(self, reason: ExitReason | None) -> None:
        with self._lock:
            if self._is_over:
                return
            self._is_over = True
        system = self._system
        system.monitor.remove(self)
        with self._sending:
            self._is_running = False
            unread = self.mailbox.close()
        rest, in_flight = self._unfinished(reason)
        left = self._slot.vacate(self, rest + unread, in_flight)
        dispose(system, self.path, left, in_flight, reason)
        if reason is not None and not reason.is_normal and self._spec.fail_safe is not None:
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
        waiting = list(self._sent_waiting)
        rest = waiting[len(waiting) - max(0, self._sent - self.vitals.disposed) :]
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
        page, self.vitals = self.vitals, self._last_vitals()
        page.close()

    def _last_vitals(self) -> ClosedPage:
        return ClosedPage(self.vitals.disposed, self.vitals.facts)

    # -- what the monitor and status see --------------------------------------------------------

    def overdue(self, now_ns: int) -> str:
        """See `Watched`."""
        if not self._is_running:
            return ""
        current = self.vitals.current
        if current is not None:
            if now_ns <= current[3] + _GRACE_NS or self.vitals.current != current:
                return ""
            return f"{current[1]} for {(now_ns - current[2]) / 1e9:.1f} s"
        silent_s = (now_ns - self.vitals.beat_ns) / 1e9
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
        before = self._output.last_words()
        self._zygote.signal(self._key, signal.SIGUSR1)
        done = threading.Event()
        done.wait(_STACK_S)
        after = self._output.last_words()
        return after[len(before) :].strip() if after.startswith(before) else after

    def stats(self) -> Stats:
        """Its counters."""
        return self.vitals.stats()
