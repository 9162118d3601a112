"""One incarnation of an actor in a thread of this process.

A thread cannot be killed. One that hangs is *fenced*: its name is released, what it still sends is
dropped, it is counted as leaked, and if it ever ends that is noted and nothing else.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from protocol.envelope import Envelope, Kind
from protocol.message import Delivery
from protocol.system import StopActor
from supervisors import plan as p
from supervisors.actor import Waiting
from supervisors.exits import Crash, ExitReason, Hung, Killed, Unsafe
from supervisors.loop import loop_for
from supervisors.monitor import stack_of_thread
from supervisors.pykka_thread import PykkaThread
from supervisors.registry import Leftovers
from supervisors.spec import ChildSpec
from supervisors.vitals import Stats, Vitals
from supervisors.zygote import ZygoteError

if TYPE_CHECKING:
    from supervisors.system import ActorSystem

Notify = Callable[[p.Event], None]

_GRACE_S = 0.05
"""How long a thread that was told to drop everything gets before it counts as leaked."""


class ThreadHost:
    """Runs one incarnation and tells its supervisor how it goes.

    Attributes:
        pid: None: it has no process of its own.
        mailbox: its queue.
        vitals: what it publishes.
    """

    beat_s: float | None = None
    pid: int | None = None

    def __init__(
        self, system: ActorSystem, path: str, spec: ChildSpec, incarnation: int, notify: Notify
    ) -> None:
        """Prepare it; `start` starts it."""
        assert isinstance(spec.start, type)
        self.path = path
        self.incarnation = incarnation
        self.is_critical = spec.critical
        self.allows_faults = system.allows_faults
        self._system = system
        self._spec = spec
        self._notify = notify
        self._slot = system.slot(path, spec)
        self.mailbox = self._slot.mailbox()
        self.vitals = Vitals()
        self.record = system.recorder.message
        loop_class, context_class = loop_for(spec.start)
        self._ctx = context_class(
            system,
            path,
            incarnation,
            self.vitals,
            rng=system.rng,
            shares={name: system.shares.fd(name) for name in spec.shares},
            poke=self.mailbox.poke,
        )
        self._loop = loop_class(spec.start, spec.args, self._ctx, self.mailbox, self)
        self._outcome: p.Event | None = None
        self._reason: ExitReason | None = None
        self._is_running = False
        self._lock = threading.Lock()
        self._is_over = False
        self._has_ended = False
        self._is_leaked = False
        self._thread = PykkaThread(path, self._live, self._after, self.ask_stop)

    # -- orders of the supervisor ---------------------------------------------------------------

    def start(self) -> None:
        """Start the thread; the outcome comes as an event."""
        self._slot.occupy(self.mailbox)
        self._system.clock.on_advance(self.mailbox.poke)
        self._system.monitor.add(self)
        try:
            self._thread.launch()
        except RuntimeError as error:  # no more threads to be had
            self._reason = Crash.of(error)
            self._after()

    def ask_stop(self) -> None:
        """Ask it to end after the handler in progress."""
        self.mailbox.put(self._system.envelope(Kind.CAST, self.path, StopActor()))

    def kill(self, why: str) -> None:
        """Give it up now."""
        stack = self.stack()
        self._abandon(Hung(why, stack) if why.endswith("timeout") else Killed(why))

    # -- what the loop reports ------------------------------------------------------------------

    def ready(self) -> None:
        """See `LoopHost`."""
        with self._lock:
            if not self._is_over:
                self._is_running = True
                self._notify(p.Ready(self._spec.id, self.incarnation))

    def not_started(self, outcome: ExitReason | Waiting | None) -> None:
        """See `LoopHost`."""
        id_, incarnation = self._spec.id, self.incarnation
        if outcome is None:
            self._outcome = p.Ignored(id_, incarnation)
        elif isinstance(outcome, Waiting):
            self._outcome = p.Missing(id_, incarnation, str(outcome))
        else:
            self._reason = outcome

    def refuse(self, envelope: Envelope, code: str, detail: str) -> None:
        """See `LoopHost`."""
        self._system.refuse(envelope, code, f"{self.path}: {detail}")

    # -- the end --------------------------------------------------------------------------------

    def _live(self) -> None:
        reason = self._loop.run()
        if reason is not None:
            self._reason = reason

    def _after(self) -> None:
        """The thread's last act; the supervisor hears of the end when nothing is left of it."""
        with self._lock:
            was_over, self._is_over = self._is_over, True
            self._has_ended = True
        if self._is_leaked:
            self._slot.leaked -= 1
            self._system.leak(-1)
        if not was_over:
            self._conclude(self._reason, self._close(), self._loop.in_flight)

    def _abandon(self, reason: ExitReason) -> None:
        with self._lock:
            was_over, self._is_over = self._is_over, True
        if was_over:
            return
        in_flight = self._loop.in_flight
        self._ctx.fence()
        self._thread.disown()
        rest = self._close()
        if self._leaks() and not self._spec.respawn_over_leak:
            reason = Unsafe(str(reason), "its thread could not be ended and may still act")
        self._conclude(reason, rest, in_flight)

    def _close(self) -> list[Envelope]:
        """Take no more messages; a thread that waits for one finds that it is over."""
        self._slot.hold()
        return self.mailbox.close()

    def _leaks(self) -> bool:
        """Whether its thread is still there after a moment of grace; counted if so."""
        thread = self._thread.thread
        if thread is not None:
            thread.join(_GRACE_S)
        with self._lock:
            self._is_leaked = not self._has_ended
        if self._is_leaked:
            self._slot.leaked += 1
            self._system.leak(+1)
        return self._is_leaked

    def _conclude(
        self, reason: ExitReason | None, rest: list[Envelope], in_flight: Envelope | None
    ) -> None:
        system = self._system
        system.monitor.remove(self)
        system.clock.forget(self.mailbox.poke)
        left = self._slot.vacate(self.mailbox, rest, in_flight)
        dispose(system, self.path, left, in_flight, reason)
        if reason is not None and not reason.is_normal and self._spec.fail_safe is not None:
            reason = run_fail_safe(system, self._spec, reason)
        self._notify(self._last_event(reason))
        if reason is not None:
            system.announce_down(self.path, self.incarnation, reason)

    def _last_event(self, reason: ExitReason | None) -> p.Event:
        if reason is None:
            assert self._outcome is not None
            return self._outcome
        if self._is_running:
            return p.Exited(self._spec.id, self.incarnation, reason)
        return p.StartError(self._spec.id, self.incarnation, reason)

    # -- what the monitor and status see --------------------------------------------------------

    def overdue(self, now_ns: int) -> str:
        """See `Watched`."""
        current = self.vitals.current
        if current is None or now_ns <= current[3]:
            return ""
        return f"{current[1]} for {(now_ns - current[2]) / 1e9:.1f} s"

    def contain(self, why: str) -> None:
        """See `Watched`."""
        self._abandon(Hung(why, self.stack()))

    def stack(self) -> str:
        """Where its thread stands."""
        thread = self._thread.thread
        return stack_of_thread(thread) if thread is not None else ""

    def stats(self) -> Stats:
        """Its counters."""
        return self.vitals.stats()

    @property
    def tid(self) -> int | None:
        """Native id of its thread."""
        thread = self._thread.thread
        return thread.native_id if thread is not None else None


def dispose(
    system: ActorSystem,
    path: str,
    left: Leftovers,
    in_flight: Envelope | None,
    reason: ExitReason | None,
) -> None:
    """Answer or count the messages that an incarnation took with it."""
    for envelope in left.lost:
        if envelope.delivery == Delivery.SYSTEM and envelope.kind is not Kind.REQUEST:
            continue
        code = "crashed" if envelope is in_flight else "restarting"
        code = "poisoned" if envelope is left.parked else code
        system.refuse(envelope, code, f"{path} ended before answering: {reason}")
    if left.parked is not None:
        system.emit(path, "parked", {"message": left.parked.name, "id": left.parked.id})


def run_fail_safe(system: ActorSystem, spec: ChildSpec, reason: ExitReason) -> ExitReason:
    """Bring a dead child's hardware to rest, in a process that has nothing to do with it.

    Returns:
        The reason itself, or `Unsafe` when that did not succeed.
    """
    assert spec.fail_safe is not None
    detail = ""
    for _ in range(2):  # a zygote that is found dead or frozen is replaced, and asked once more
        try:
            detail = system.zygote.run(spec.fail_safe, dict(spec.args), timeout_s=FAIL_SAFE_S)
            break
        except (ZygoteError, OSError) as error:
            detail = f"{spec.fail_safe} could not be run: {error}"
    if not detail:
        return reason
    system.emit("/", "fail_safe_failed", {"child": spec.id, "detail": detail})
    return Unsafe(str(reason), detail)


FAIL_SAFE_S = 2.0
"""How long a fail_safe may take."""
