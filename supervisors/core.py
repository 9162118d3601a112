"""The supervisor as a pure machine: no thread, no clock, no chance of its own.

The algorithm is OTP's ``supervisor.erl`` (start left to right, stop right to left, one thing at a
time, intensity counted per supervisor and per attempt) with four additions: a delay before each
restart, ``quarantine`` instead of escalation where the spec says so, ``waiting`` for a missing
dependency, and a time limit for starting.

While a plan (stops, then starts) runs, other events wait their turn, as messages wait in an OTP
supervisor's mailbox. Only `Stop` overtakes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from itertools import count
from random import Random
from typing import Any

from supervisors import plan as p
from supervisors.calls import Calls
from supervisors.change import adopted
from supervisors.exits import ExitReason, Hung, Killed, Normal, Shutdown, Unsafe
from supervisors.plan import Child, Mode, Plan, State
from supervisors.results import Answer, ChildRef, NoProc, Ok, Started, StartFailed
from supervisors.spec import AutoShutdown, Restart, Strategy, SupervisorSpec

EXHAUSTED = Shutdown("reached_max_restart_intensity")
AUTO_SHUTDOWN = Shutdown("auto_shutdown")

_PROBE_S = 30.0
"""Probe period of a quarantined child whose backoff has no maximum."""
_RETRY_S = 1.0
"""Shortest time between two looks for a missing dependency."""


class SupervisorCore:
    """One supervisor's knowledge and decisions.

    Attributes:
        spec: what it is made of; `Change` replaces it.
        path: its address; ``""`` for the root.
        children: by id, in start order.
        touched: ids whose record changed since the shell last looked; the shell clears it.
    """

    def __init__(self, spec: SupervisorSpec, path: str = "") -> None:
        """Nothing runs until `Begin`."""
        self.spec = spec
        self.path = path
        self.children: dict[str, Child] = {}
        self.touched: set[str] = set()
        self.window = p.Window(spec.intensity, spec.period_s)
        self.ended: ExitReason | None = None
        self._is_simple = spec.strategy is Strategy.SIMPLE_ONE_FOR_ONE
        self._plan: Plan | None = None
        self._begun = False
        self._ending: ExitReason | None = None
        self._deferred: deque[p.Event] = deque()
        self._tokens = count(1)
        self._actions: list[p.Action] = []
        self._now = 0.0
        self._rng = Random(0)
        self._calls = Calls(self)
        if not self._is_simple:
            for child in spec.children:
                self.children[child.id] = Child(child)

    def step(self, event: p.Event, now: float, rng: Random) -> list[p.Action]:
        """Take one event; return what is to be done, in order.

        Args:
            event: what happened.
            now: monotonic seconds.
            rng: chance for the jitter.
        """
        self._now, self._rng, self._actions = now, rng, []
        self._take(event)
        while self._plan is None and self._deferred and self.ended is None:
            self._take(self._deferred.popleft())
        return self._actions

    def _take(self, event: p.Event) -> None:
        _HANDLERS[type(event)](self, event)

    # -- start of the supervisor ----------------------------------------------------------------

    def _on_begin(self, _event: p.Begin) -> None:
        ids = () if self._is_simple else tuple(self.children)
        self.run(Plan(Mode.INIT, starts=deque(ids)))

    # -- plans: stops, then starts --------------------------------------------------------------

    @property
    def has_begun(self) -> bool:
        """Whether its own start is through."""
        return self._begun

    @property
    def is_busy(self) -> bool:
        """Whether a plan is being carried out."""
        return self._plan is not None

    def run(self, plan: Plan) -> None:
        """Replace the current plan and carry the new one out as far as it goes now."""
        self._plan = plan
        self._advance()

    def _advance(self) -> None:
        while (plan := self._plan) is not None and not plan.busy:
            if plan.stops:
                self._stop_next(plan)
            elif plan.spec is not None:
                self.adopt(plan.spec, frozenset(plan.starts))
                plan.spec = None
            elif plan.starts:
                self._start(plan, plan.starts.popleft())
            else:
                self._plan = None
                self._finish(plan)

    def _finish(self, plan: Plan) -> None:
        if plan.call is not None:
            self.act(p.Reply(plan.call, plan.answer or Ok()))
        if plan.mode is Mode.END and self._ending is not None:
            self.ended = self._ending
            self._refuse_waiting_calls()
            self.act(p.Ended(self._ending))
        elif plan.mode is Mode.INIT:
            self._announce()

    def _announce(self) -> None:
        if not self._begun:
            self._begun = True
            self.act(p.Begun())

    def _stop_next(self, plan: Plan) -> None:
        ids = list(plan.stops) if plan.parallel else [plan.stops[0]]
        for id_ in ids:
            plan.stops.popleft()
            child = self.children.get(id_)
            if child is None:
                continue
            if child.is_live:
                plan.busy.add(id_)
                self._stop(child)
            else:
                self._stopped(child, forget=plan.forgets(id_))

    def _stop(self, child: Child) -> None:
        if child.state is State.STOPPING:
            return
        self.set(child, State.STOPPING)
        if child.spec.shutdown == "kill":
            child.timed_out = "kill"
            self.act(p.Kill(child.spec.id, child.incarnation, "brutal kill"))
            return
        self.act(p.AskStop(child.spec.id, child.incarnation))
        if child.spec.shutdown != "infinity":
            assert isinstance(child.spec.shutdown, (int, float))
            self.arm(child, child.spec.shutdown)

    def _stopped(self, child: Child, *, forget: bool | None = None) -> None:
        if child.state is State.DOWN:  # its end need not be looked at any more
            self._deferred = deque(e for e in self._deferred if not _is_end_of(e, child.spec.id))
        child.next_at, child.running_since = None, None
        self.set(child, State.STOPPED)
        if forget is None:
            forget = self._is_simple or child.spec.restart is Restart.TEMPORARY
        if forget:
            del self.children[child.spec.id]

    def _start(self, plan: Plan, id_: str) -> None:
        child = self.children.get(id_)
        if child is None or child.is_live:
            return
        plan.busy.add(id_)
        child.incarnation += 1
        child.next_at, child.running_since, child.timed_out = None, None, ""
        self.set(child, State.STARTING)
        self.act(p.Start(child.spec, child.incarnation))
        if not child.spec.is_supervisor:
            self.arm(child, child.spec.start_timeout_s)

    def adopt(self, spec: SupervisorSpec, starts: frozenset[str]) -> None:
        """Be a supervisor of this spec; who is to be started of it gets a record."""
        self.spec = spec
        self.window.limit(spec.intensity, spec.period_s)
        if not self._is_simple:
            self.children = adopted(self.children, spec, starts)
            self.touched.update(self.children)

    # -- what children report -------------------------------------------------------------------

    def _on_ready(self, event: p.Ready) -> None:
        child = self._current(event.id, event.incarnation)
        if child is None or child.state is not State.STARTING or self._plan is None:
            return
        child.running_since, child.waits = self._now, 0
        self.set(child, State.RUNNING)
        child.timer = 0
        if child.quarantined:
            self.arm(child, self.spec.backoff_of(child.spec).reset_after_s)
        self.act(p.Report("started", event.id, event.incarnation))
        if self._plan.mode is Mode.CALL and self._plan.answer is None:
            self._plan.answer = Started(self.ref(child))
        self._through(child)

    def _on_ignored(self, event: p.Ignored) -> None:
        child = self._started(event.id, event.incarnation)
        if child is None or self._plan is None:
            return
        self.act(p.Report("ignored", event.id, event.incarnation))
        self._stopped(child)
        if self._plan.mode is Mode.CALL:
            self._plan.answer = Started(None)
        self._through(child)

    def _on_missing(self, event: p.Missing) -> None:
        child = self._started(event.id, event.incarnation)
        if child is None or self._plan is None:
            return
        child.waiting_for = event.what
        self.set(child, State.WAITING)
        backoff = self.spec.backoff_of(child.spec)
        self.arm(child, max(_RETRY_S, backoff.delay(child.waits, self._rng)), shown=True)
        if child.waits == 0:
            self.act(p.Report("waiting", event.id, event.incarnation, detail=event.what))
        child.waits += 1
        if self._plan.mode is Mode.CALL:
            self._plan.answer = Started(None)
        self._through(child)

    def _through(self, child: Child) -> None:
        assert self._plan is not None
        self._plan.busy.discard(child.spec.id)
        self._advance()

    def _on_start_error(self, event: p.StartError) -> None:
        child = self._started(event.id, event.incarnation, event.reason)
        if child is not None:
            self._start_failed(child, event.reason)

    def _on_exited(self, event: p.Exited) -> None:
        child = self._current(event.id, event.incarnation)
        if child is None:
            return
        if child.state is State.STARTING:
            self._start_failed(child, event.reason)
        elif child.state is State.STOPPING:
            self._stop_done(child, event.reason)
        elif child.state is State.RUNNING and self._plan is not None:
            self._note_exit(child, event.reason)
            self.set(child, State.DOWN)
            self._deferred.append(event)
        elif child.state is State.RUNNING:
            self._note_exit(child, event.reason)
            self._died(child, event.reason)
        elif child.state is State.DOWN:
            self._died(child, event.reason)

    def _stop_done(self, child: Child, reason: ExitReason) -> None:
        self._note_exit(child, reason)
        is_asked = isinstance(reason, Shutdown) or (
            isinstance(reason, Normal) and child.spec.restart is not Restart.PERMANENT
        )
        if is_asked or (child.timed_out == "kill" and isinstance(reason, Killed)):
            self.act(p.Report("stopped", child.spec.id, child.incarnation, reason))
        else:
            self.act(p.Report("shutdown_error", child.spec.id, child.incarnation, reason))
        assert self._plan is not None
        self._plan.busy.discard(child.spec.id)
        self._stopped(child, forget=self._plan.forgets(child.spec.id))
        self._advance()

    def _note_exit(self, child: Child, reason: ExitReason) -> None:
        child.last_exit, child.last_exit_at = reason, self._now
        self.touched.add(child.spec.id)

    # -- failure --------------------------------------------------------------------------------

    def _start_failed(self, child: Child, reason: ExitReason) -> None:
        if child.timed_out == "start":
            reason = Hung(f"on_start took over {child.spec.start_timeout_s:g} s", _stack(reason))
        self._note_exit(child, reason)
        self.act(p.Report("start_error", child.spec.id, child.incarnation, reason))
        plan = self._plan
        assert plan is not None
        plan.busy.discard(child.spec.id)
        self.set(child, State.STOPPED)
        if plan.mode is Mode.END:  # it was not its turn to be stopped yet
            self._stopped(child)
            self._advance()
        elif plan.mode is Mode.INIT and self.spec.init_failure == "abort":
            self._end(Shutdown(f"failed_to_start_child {child.spec.id}: {reason}"))
        elif plan.mode is Mode.CALL:
            plan.answer = StartFailed(child.spec.id, reason)
            plan.starts.clear()
            self._stopped(child, forget=plan.discard or None)
            self._advance()
        else:
            self._tell_failed(plan, child, reason)
            if child.spec.restart is Restart.TEMPORARY:
                self._stopped(child)
                self._advance()
            else:
                self._fail(child, reason, rest=plan)

    def _tell_failed(self, plan: Plan, child: Child, reason: ExitReason) -> None:
        """Whoever asked for a change is told at once; what follows is an ordinary failure."""
        if plan.mode is Mode.CHANGE and plan.call is not None:
            self.act(p.Reply(plan.call, StartFailed(child.spec.id, reason)))
            plan.call = None

    def _died(self, child: Child, reason: ExitReason) -> None:
        """A running child ended by itself: restart it, or let it go."""
        permanent = child.spec.restart is Restart.PERMANENT
        transient = child.spec.restart is Restart.TRANSIENT
        if permanent or (transient and not reason.is_normal):
            self._fail(child, reason)
            return
        what: Any = "stopped" if reason.is_normal else "child_terminated"
        self.act(p.Report(what, child.spec.id, child.incarnation, reason))
        self._stopped(child)
        self._auto_shutdown(child)

    def _fail(self, child: Child, reason: ExitReason, rest: Plan | None = None) -> None:
        """OTP's restart/2: count, then bring the child and its group back, now or later."""
        backoff = self.spec.backoff_of(child.spec)
        ran_s = 0.0 if child.running_since is None else self._now - child.running_since
        if child.running_since is not None and ran_s >= backoff.reset_after_s > 0:
            child.streak, child.quarantined = 0, False
        child.running_since = None
        if rest is None:
            self.act(p.Report("child_terminated", child.spec.id, child.incarnation, reason))
        if child.quarantined or isinstance(reason, Unsafe):
            self._quarantine(child, reason)
        elif not self.window.add(self._now):
            self._exhausted(child, reason)
        else:
            delay_s = backoff.delay(child.streak, self._rng)
            child.streak += 1
            child.restarts += 1
            self._schedule(child, delay_s, rest)

    def _schedule(self, child: Child, delay_s: float, rest: Plan | None) -> None:
        """Stop the group now, start it now or after the delay.

        After a failed start even a delay of nothing is a timer: calls that wait get their turn
        between two attempts, as they do in OTP, where the retry is a message to oneself.
        """
        self.set(child, State.RESTARTING)
        report = p.Report("restarting", child.spec.id, child.incarnation, child.last_exit, delay_s)
        self.act(report)
        stops, starts = self._group(child)
        if delay_s > 0 or rest is not None:
            self.arm(child, delay_s, shown=True)
            starts = deque()
        mode, others = self._unfinished(rest)
        starts.extend(others)
        self.run(Plan(mode, stops=stops, starts=starts))

    def _unfinished(self, plan: Plan | None) -> tuple[Mode, deque[str]]:
        """What a failure in mid-plan leaves to be started: of a boot or a change, the others."""
        if plan is None or plan.mode not in (Mode.INIT, Mode.CHANGE):
            return Mode.RESTART, deque()
        is_alone = self.spec.strategy is Strategy.ONE_FOR_ONE
        return plan.mode, plan.starts if is_alone else deque()

    def _group(self, child: Child) -> tuple[deque[str], deque[str]]:
        """Who is stopped (in stop order) and who is started (in start order) with a child."""
        if self.spec.strategy in (Strategy.ONE_FOR_ONE, Strategy.SIMPLE_ONE_FOR_ONE):
            return deque(), deque((child.spec.id,))
        ids = list(self.children)
        if self.spec.strategy is Strategy.REST_FOR_ONE:
            ids = ids[ids.index(child.spec.id) :]
        return deque(id_ for id_ in reversed(ids) if id_ != child.spec.id), deque(ids)

    def _exhausted(self, child: Child, reason: ExitReason) -> None:
        self.act(p.Report("exhausted", child.spec.id, child.incarnation, reason))
        if self.spec.on_exhausted == "quarantine":
            self.window.clear()
            self._quarantine(child, reason)
            return
        self._stopped(child)
        self._end(EXHAUSTED)

    def _quarantine(self, child: Child, reason: ExitReason) -> None:
        child.quarantined = True
        self.set(child, State.QUARANTINED)
        probe_s = self.spec.backoff_of(child.spec).maximum_s or _PROBE_S
        self.arm(child, probe_s, shown=True)
        self.act(p.Report("quarantined", child.spec.id, child.incarnation, reason, probe_s))
        mode, others = self._unfinished(self._plan)
        stops, _ = self._group(child)
        self.run(Plan(mode, stops=stops, starts=others))

    # -- time -----------------------------------------------------------------------------------

    def arm(self, child: Child, delay_s: float, *, shown: bool = False) -> None:
        """Give a child its (only) timer; ``shown`` puts the moment into its record."""
        child.timer = next(self._tokens)
        if shown:
            child.next_at = self._now + delay_s
        self.act(p.Arm(child.spec.id, child.timer, delay_s))

    def _on_timeout(self, event: p.Timeout) -> None:
        child = self.children.get(event.id)
        if child is None or child.timer != event.token:
            return
        if child.state is State.STARTING:
            child.timed_out = "start"
            self.act(p.Kill(event.id, child.incarnation, "start timeout"))
        elif child.state is State.STOPPING:
            child.timed_out = "shutdown"
            self.act(p.Kill(event.id, child.incarnation, "shutdown timeout"))
        elif child.state is State.RUNNING:
            child.quarantined, child.streak = False, 0
            self.touched.add(event.id)
            self.act(p.Report("recovered", event.id, child.incarnation))
        elif self._plan is not None:
            self._deferred.append(event)
        elif child.is_pending:
            self.bring_back(child)

    def bring_back(self, child: Child) -> None:
        """Start a pending child now, with the group that went down with it.

        What somebody has started of that group in the meantime is stopped first, as in OTP.
        """
        stops, starts = self._group(child)
        if child.state is State.WAITING:
            stops, starts = deque(), deque((child.spec.id,))
        self.run(Plan(Mode.RESTART, stops=stops, starts=starts))

    # -- the end --------------------------------------------------------------------------------

    def _on_stop(self, event: p.Stop) -> None:
        self._end(event.reason)

    def _end(self, reason: ExitReason) -> None:
        """Stop all children in reverse start order, then end; overtakes everything else."""
        if self._ending is not None:
            return
        self._ending = reason
        interrupted = self._plan
        if interrupted is not None and interrupted.call is not None:
            is_half = interrupted.mode is Mode.CHANGE
            answer = NoProc() if is_half else interrupted.answer or NoProc()
            self.act(p.Reply(interrupted.call, answer))
        self._deferred = deque(e for e in self._deferred if isinstance(e, p.Call))
        stops = deque(reversed(self.children))
        self.run(Plan(Mode.END, stops=stops, parallel=self._is_simple))

    def _refuse_waiting_calls(self) -> None:
        for event in self._deferred:
            if isinstance(event, p.Call):
                self.act(p.Reply(event.ref, NoProc()))
        self._deferred.clear()

    def _auto_shutdown(self, child: Child) -> None:
        flag = self.spec.auto_shutdown
        if flag is AutoShutdown.NEVER or not child.spec.significant:
            return
        others = (c for c in self.children.values() if c.spec.significant)
        if flag is AutoShutdown.ANY_SIGNIFICANT or not any(
            c.is_live or c.is_pending or c.state is State.DOWN for c in others
        ):
            self._end(AUTO_SHUTDOWN)

    # -- the interface --------------------------------------------------------------------------

    def _on_call(self, event: p.Call) -> None:
        if self._ending is not None:
            self.act(p.Reply(event.ref, NoProc()))
        elif self._plan is not None:
            self._deferred.append(event)
        else:
            self._calls.answer(event)

    def answer(self, ref: object, result: Answer) -> None:
        """Answer a call at once."""
        self.act(p.Reply(ref, result))

    # -- small helpers --------------------------------------------------------------------------

    def act(self, action: p.Action) -> None:
        """Add to what this step asks for."""
        self._actions.append(action)

    def set(self, child: Child, state: State) -> None:
        """Move a child and remember that it changed; a move ends its timer.

        What it waits for is known until it runs or fails otherwise: also while it looks again.
        """
        child.state = state
        if state not in (State.WAITING, State.STARTING):
            child.waiting_for = ""
        child.timer = 0
        self.touched.add(child.spec.id)

    def ref(self, child: Child) -> ChildRef:
        """The ref of a child's present incarnation."""
        return ChildRef(f"{self.path}/{child.spec.id}", child.incarnation)

    def _current(self, id_: str, incarnation: int) -> Child | None:
        child = self.children.get(id_)
        return child if child is not None and child.incarnation == incarnation else None

    def _started(
        self, id_: str, incarnation: int, reason: ExitReason | None = None
    ) -> Child | None:
        """The child whose start ended without it running; one being stopped has then stopped."""
        child = self._current(id_, incarnation)
        if child is None or child.state is State.STARTING:
            return child
        if child.state is State.STOPPING:
            self._stop_done(child, reason or Shutdown())
        return None


def _is_end_of(event: p.Event, id_: str) -> bool:
    return isinstance(event, p.Exited) and event.id == id_


def _stack(reason: ExitReason) -> str:
    return reason.stack if isinstance(reason, Hung) else ""


_HANDLERS: dict[type, Callable[[SupervisorCore, Any], None]] = {
    p.Begin: SupervisorCore._on_begin,
    p.Ready: SupervisorCore._on_ready,
    p.StartError: SupervisorCore._on_start_error,
    p.Ignored: SupervisorCore._on_ignored,
    p.Missing: SupervisorCore._on_missing,
    p.Exited: SupervisorCore._on_exited,
    p.Timeout: SupervisorCore._on_timeout,
    p.Stop: SupervisorCore._on_stop,
    p.Call: SupervisorCore._on_call,
}
