"""Drives a `SupervisorCore` by hand: no thread, virtual time, every invariant checked as it goes.

A `Policy` says how the children behave; `Manual` answers the core's actions accordingly.
"""

from __future__ import annotations

import heapq
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from random import Random
from typing import Any, Literal, Protocol

from supervisors import plan as p
from supervisors.core import SupervisorCore
from supervisors.exits import Crash, ExitReason, Killed, Normal, Shutdown
from supervisors.results import Answer
from supervisors.spec import Strategy, SupervisorSpec


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a start goes: ready, fails, is ignored, misses something, or hangs until killed."""

    kind: Literal["ready", "fail", "ignore", "missing", "hang"]
    reason: ExitReason = field(default=Crash("StartFailed"))
    what: str = "device"


_ChildEvent = p.Ready | p.StartError | p.Ignored | p.Missing | p.Exited
_BEFORE_A_NEW_PLAN = frozenset(
    ("restarting", "exhausted", "quarantined", "child_terminated", "start_error")
)

READY = Outcome("ready")
FAIL = Outcome("fail")
IGNORED = Outcome("ignore")
MISSING = Outcome("missing")
HANG = Outcome("hang")

SHUTDOWN = Shutdown()
BOOM = Crash("Boom", "in a test")


class Policy(Protocol):
    """How the children of a `Manual` behave."""

    def start(self, id_: str) -> Outcome:
        """How this start goes."""

    def stop(self, id_: str) -> ExitReason | None:
        """What it ends with when asked to stop; None ignores the request until killed."""


class Scripted:
    """Children that obey unless a script says otherwise.

    Attributes:
        starts: outcomes of the next starts, by id; then `READY`.
        stubborn: ids that do not stop when asked.
        endings: what others end with when asked to stop, by id; else `Shutdown`.
    """

    def __init__(self) -> None:
        """All obey."""
        self.starts: defaultdict[str, deque[Outcome]] = defaultdict(deque)
        self.stubborn: set[str] = set()
        self.endings: dict[str, ExitReason] = {}

    def start(self, id_: str) -> Outcome:
        """See `Policy`."""
        return self.starts[id_].popleft() if self.starts[id_] else READY

    def stop(self, id_: str) -> ExitReason | None:
        """See `Policy`."""
        return None if id_ in self.stubborn else self.endings.get(id_, Shutdown())


class Chaotic:
    """Children that fail, hang, ignore and disobey now and then."""

    def __init__(self, rng: Random, trouble: float = 0.3) -> None:
        """Args: rng: chance. trouble: share of starts and stops that do not go well."""
        self._rng = rng
        self._trouble = trouble

    def start(self, id_: str) -> Outcome:
        """See `Policy`."""
        if self._rng.random() > self._trouble:
            return READY
        return self._rng.choice((FAIL, FAIL, FAIL, IGNORED, MISSING, HANG))

    def stop(self, id_: str) -> ExitReason | None:
        """See `Policy`."""
        if self._rng.random() > self._trouble:
            return Shutdown()
        return self._rng.choice((None, BOOM, Normal(), Shutdown("late")))


class Manual:
    """Drives one `SupervisorCore` in virtual time and checks what must hold in every history.

    Never are two incarnations of a child alive; stops go in the reverse of the start order; no
    window holds more restarts than the intensity; every call is answered exactly once; nothing is
    alive or asked for after the end.

    Attributes:
        core: what is driven.
        now: virtual monotonic seconds.
        log: ``"start a"``, ``"ask_stop a"``, ``"kill a"`` … in the order asked for.
        reports: the reports so far.
        answers: answers to calls by ref.
        alive: live incarnations by id.
        policy: how the children behave.
        script: the policy, when it is the default one.
    """

    def __init__(
        self, spec: SupervisorSpec, policy: Policy | None = None, *, seed: int = 0
    ) -> None:
        """Args: spec: of the supervisor. seed: of the jitter."""
        self.core = SupervisorCore(spec)
        self.now = 1000.0
        self.log: list[str] = []
        self.reports: list[p.Report] = []
        self.answers: dict[object, Answer] = {}
        self.alive: dict[str, int] = {}
        self.script = Scripted()
        self.policy: Policy = policy or self.script
        self.begun = False
        self.ended: ExitReason | None = None
        self._rng = Random(seed)
        self._refs = count(1)
        self._open: set[object] = set()
        self._pending: list[_ChildEvent] = []
        self._timers: list[tuple[float, int, p.Timeout]] = []
        self._running: set[str] = set()
        self._leaving: set[str] = set()
        self._restarts: list[float] = []
        self._stopped: list[str] = []
        self._is_ending = False

    # -- what a test does -----------------------------------------------------------------------

    def begin(self) -> Manual:
        """Start the supervisor and let everything settle."""
        self.feed(p.Begin())
        return self.settle()

    def call(self, request: p.Request) -> int:
        """Make a call without waiting; its answer appears in ``answers`` under the ref."""
        ref = next(self._refs)
        self._open.add(ref)
        self.feed(p.Call(ref, request))
        return ref

    def ask(self, request: p.Request) -> Answer:
        """Make a call, settle, and return the answer."""
        ref = self.call(request)
        self.settle()
        return self.answers[ref]

    def exit(self, id_: str, reason: ExitReason = BOOM) -> Manual:
        """Let a running child end by itself, and settle."""
        self.post_exit(id_, reason)
        return self.settle()

    def post_exit(self, id_: str, reason: ExitReason = BOOM) -> None:
        """Let a running child end; its supervisor hears of it when events are delivered."""
        self._leave(p.Exited(id_, self.alive[id_], reason))

    def get_ready(self, id_: str) -> Manual:
        """A start that hung comes through after all."""
        self._running.add(id_)
        self._pending.append(p.Ready(id_, self.alive[id_]))
        return self.settle()

    def stop(self, reason: ExitReason = SHUTDOWN) -> Manual:
        """Stop the supervisor and settle."""
        self.feed(p.Stop(reason))
        return self.settle()

    def advance(self, seconds: float) -> Manual:
        """Let time pass; timers run out in order."""
        until = round(self.now + seconds, 6)
        while self._is_due(until):
            self.now = max(self.now, self._timers[0][0])
            self.settle()
        self.now = until
        return self

    def settle(self) -> Manual:
        """Deliver all events that are under way, and timers that are due."""
        while self._pending or self._is_due(self.now):
            if self._pending:
                self.feed(self._pending.pop(0))
            else:
                self.feed(heapq.heappop(self._timers)[2])
        return self

    def _is_due(self, at: float) -> bool:
        return bool(self._timers) and self._timers[0][0] <= at

    def deliver(self, rng: Random) -> None:
        """Deliver one event that is under way, of a child chosen by chance."""
        if self._pending:
            chosen = rng.choice(sorted({event.id for event in self._pending}))
            event = next(event for event in self._pending if event.id == chosen)
            self._pending.remove(event)
            self.feed(event)

    def running(self) -> list[str]:
        """Ids of running children, in start order."""
        states = self.core.children.items()
        return [id_ for id_, child in states if child.state is p.State.RUNNING]

    def state(self, id_: str) -> p.State:
        """Where a child stands."""
        return self.core.children[id_].state

    def since_last(self) -> list[str]:
        """The log since this was last asked."""
        log, self.log = self.log, []
        return log

    def whats(self, id_: str) -> list[str]:
        """What has been reported of a child."""
        return [report.what for report in self.reports if report.id == id_]

    def check_answered(self) -> None:
        """All calls must have been answered by now."""
        assert not self._open, f"never answered: {self._open}"

    # -- events in, actions out -----------------------------------------------------------------

    def feed(self, event: p.Event) -> None:
        """Give the core one event and carry out what it asks for."""
        if isinstance(event, p.Stop):
            self._is_ending = True
            self._stopped.clear()
        if isinstance(event, (p.Exited, p.StartError, p.Ignored, p.Missing)):
            self._gone(event.id)
        actions = self.core.step(event, self.now, self._rng)
        assert not (self.ended and any(not isinstance(a, p.Reply) for a in actions)), actions
        for action in actions:
            _CARRY_OUT[type(action)](self, action)
        if self.ended is not None:
            assert not self.alive, f"alive after the end: {self.alive}"

    def _gone(self, id_: str) -> None:
        self.alive.pop(id_, None)
        self._running.discard(id_)
        self._leaving.discard(id_)

    def _leave(self, event: p.Exited | p.StartError) -> None:
        if event.id not in self._leaving:
            self._leaving.add(event.id)
            self._pending.append(event)

    def _start(self, action: p.Start) -> None:
        id_, incarnation = action.spec.id, action.incarnation
        assert id_ not in self.alive, f"two incarnations of {id_}"
        assert not self._is_ending, f"start of {id_} while ending"
        self._stopped.clear()
        self.alive[id_] = incarnation
        self.log.append(f"start {id_}")
        outcome = self.policy.start(id_)
        if outcome.kind == "ready":
            self._running.add(id_)
            self._pending.append(p.Ready(id_, incarnation))
        elif outcome.kind == "fail":
            self._leave(p.StartError(id_, incarnation, outcome.reason))
        elif outcome.kind != "hang":
            self._leaving.add(id_)
            missing = p.Missing(id_, incarnation, outcome.what)
            self._pending.append(
                missing if outcome.kind == "missing" else p.Ignored(id_, incarnation)
            )

    def _ask_stop(self, action: p.AskStop) -> None:
        self._note_stop("ask_stop", action.id, action.incarnation)
        reason = self.policy.stop(action.id)
        if reason is not None and action.id in self._running:
            self._leave(p.Exited(action.id, action.incarnation, reason))

    def _kill(self, action: p.Kill) -> None:
        if action.why == "brutal kill":
            self._note_stop("kill", action.id, action.incarnation)
        else:
            self.log.append(f"kill {action.id}")
        make = p.Exited if action.id in self._running else p.StartError
        self._leave(make(action.id, action.incarnation, Killed(action.why)))

    def _note_stop(self, what: str, id_: str, incarnation: int) -> None:
        assert self.alive.get(id_) == incarnation, f"{what} of {id_}, which is not alive"
        self.log.append(f"{what} {id_}")
        if self.core.spec.strategy is Strategy.SIMPLE_ONE_FOR_ONE:
            return
        order = list(self.core.children)
        later = order[order.index(id_) + 1 :]
        earlier = [other for other in self._stopped if other in order[: order.index(id_)]]
        assert not earlier, f"{id_} is stopped after {earlier}"
        if self._is_ending:
            living = [other for other in later if other in self.alive]
            assert not living, f"{id_} is stopped while {living} are alive"
        self._stopped.append(id_)

    def _arm(self, action: p.Arm) -> None:
        timeout = p.Timeout(action.id, action.token)
        at = round(self.now + action.delay_s, 6)  # whole microseconds: sums of floats meet
        heapq.heappush(self._timers, (at, next(self._refs), timeout))

    def _reply(self, action: p.Reply) -> None:
        assert action.ref in self._open, f"call {action.ref} is answered twice, or was never made"
        self._open.discard(action.ref)
        self.answers[action.ref] = action.answer
        self._stopped.clear()

    def _report(self, action: p.Report) -> None:
        self.reports.append(action)
        if action.what in _BEFORE_A_NEW_PLAN:
            self._stopped.clear()
        if action.what == "exhausted":
            self._restarts.clear()
            self._is_ending |= self.core.spec.on_exhausted == "escalate"
        if action.what == "restarting":
            self._count_restart()

    def _count_restart(self) -> None:
        spec = self.core.spec
        self._restarts.append(self.now)
        recent = [at for at in self._restarts if at >= self.now - spec.period_s]
        assert spec.intensity is None or len(recent) <= spec.intensity, f"{len(recent)} restarts"
        self._restarts = recent

    def _on_begun(self, _action: p.Begun) -> None:
        assert not self.begun, "begun twice"
        self.begun = True

    def _on_ended(self, action: p.Ended) -> None:
        assert self.ended is None, "ended twice"
        self.ended = action.reason


_CARRY_OUT: dict[type, Callable[[Manual, Any], None]] = {
    p.Start: Manual._start,
    p.AskStop: Manual._ask_stop,
    p.Kill: Manual._kill,
    p.Arm: Manual._arm,
    p.Reply: Manual._reply,
    p.Report: Manual._report,
    p.Begun: Manual._on_begun,
    p.Ended: Manual._on_ended,
}
