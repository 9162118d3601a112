"""A supervisor: the shell around `SupervisorCore` that has a thread, a clock and real children.

    sup = Supervisor.start(SupervisorSpec((ChildSpec("echo", Echo),)))
    sup.which_children()
    sup.stop()

It handles one thing at a time, as in OTP; what it knows is published row by row, so that status
never has to wait for it.
"""

from __future__ import annotations

import heapq
import queue
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any, Protocol, cast

from protocol.message import Message
from supervisors import plan as p
from supervisors.core import SupervisorCore
from supervisors.exits import Crash, ExitReason, Killed, Normal, Shutdown, stack_of
from supervisors.mailbox import Put
from supervisors.plan import Child, State
from supervisors.registry import Slot
from supervisors.results import (
    Answer,
    Changed,
    ChildCount,
    ChildInfo,
    ChildRef,
    NoProc,
    NotFound,
)
from supervisors.spec import ChildSpec, Host, Strategy, SupervisorSpec
from supervisors.system import ActorSystem
from supervisors.thread_host import Notify, ThreadHost
from supervisors.vitals import Stats

_KILL_S = 2.0
"""How long a killed supervisor waits for the next of its killed children to be gone."""

if TYPE_CHECKING:
    from typing_extensions import Self


class SupervisorFailed(Exception):
    """A supervisor did not get through its start; ``reason`` says which child and why."""

    def __init__(self, reason: ExitReason) -> None:
        """Args: reason: how it ended."""
        super().__init__(str(reason))
        self.reason = reason


class Running(Protocol):
    """A live incarnation of a child, as its supervisor holds it."""

    pid: int | None

    def ask_stop(self) -> None:
        """Ask it to end."""

    def kill(self, why: str) -> None:
        """End it by force."""

    def stats(self) -> Stats:
        """Its counters."""


@dataclass(frozen=True, slots=True)
class Row:
    """What a supervisor publishes of one child; replaced whole, never changed."""

    path: str
    spec: ChildSpec
    state: State
    since: float
    incarnation: int
    restarts: int
    streak: int
    next_at: float | None
    waiting_for: str
    quarantined: bool
    last_exit: ExitReason | None
    last_exit_at: float | None
    running: Running | None


class Supervisor:
    """One supervisor.

    Attributes:
        path: its address, ``"/"`` for a root.
        spec: what it is made of.
        rows: its children as published, by id.
        exit_reason: how it ended, None while it runs.
    """

    pid: int | None = None
    incarnation = 1
    child_id = ""

    def __init__(
        self, system: ActorSystem, path: str, spec: SupervisorSpec, notify: Notify
    ) -> None:
        """Use `Supervisor.start`; a supervisor below another is made by that one."""
        self.path = path or "/"
        self.rows: dict[str, Row] = {}
        self.exit_reason: ExitReason | None = None
        self.system = system
        self._prefix = path
        self._notify = notify
        self._core = SupervisorCore(spec, path)
        self._events: queue.SimpleQueue[p.Event | None] = queue.SimpleQueue()
        self._timers: list[tuple[float, int, p.Timeout]] = []
        self._timer_ids = count()
        self._running: dict[str, Running] = {}
        self._calls: dict[int, tuple[threading.Event, list[Answer]]] = {}
        self._call_ids = count(1)
        self._since: dict[str, tuple[State, int, float]] = {}
        self._killed_why: str | None = None
        self._awaited: tuple[Slot, ...] = ()
        self._owns_system = False
        self.busy_since: float | None = None
        self._over = threading.Event()
        self.thread = threading.Thread(
            target=self._run, name=f"supervisor {self.path}", daemon=True
        )

    @classmethod
    def start(
        cls, spec: SupervisorSpec, *, system: ActorSystem | None = None, timeout_s: float = 60.0
    ) -> Supervisor:
        """Start a tree and wait until all its children are up.

        Args:
            spec: the tree.
            system: the runtime around it; None makes one that ends with the tree.
            timeout_s: how long the start may take.

        Raises:
            SupervisorFailed: a child failed in its start; what had started is stopped again.
        """
        outcome: queue.SimpleQueue[p.Event] = queue.SimpleQueue()
        supervisor = cls(system or ActorSystem(), "", spec, outcome.put)
        supervisor._owns_system = system is None
        supervisor.launch()
        try:
            event = outcome.get(timeout=timeout_s)
        except queue.Empty:
            supervisor.stop(timeout_s=5.0)
            raise SupervisorFailed(Killed(f"not up within {timeout_s:g} s")) from None
        if isinstance(event, p.Ready):
            return supervisor
        supervisor.join()
        raise SupervisorFailed(supervisor.exit_reason or Shutdown())

    # -- OTP's interface ------------------------------------------------------------------------

    def start_child(self, spec: ChildSpec | Mapping[str, Any]) -> Answer:
        """Add and start a child; a simple_one_for_one takes extra arguments instead of a spec.

        Returns:
            Started, AlreadyStarted, AlreadyPresent, StartFailed, InvalidSpec or NoProc.
        """
        return self._answer_to(p.StartChild(spec))

    def terminate_child(self, id_: str) -> Answer:
        """Stop a child and keep its spec (a temporary child's goes). Ok, NotFound or NoProc."""
        return self._answer_to(p.TerminateChild(id_))

    def restart_child(self, id_: str) -> Answer:
        """Start a stopped child: Started, Running, Restarting, NotFound, StartFailed, NoProc."""
        return self._answer_to(p.RestartChild(id_))

    def delete_child(self, id_: str) -> Answer:
        """Forget a stopped child: Ok, Running, Restarting, NotFound or NoProc."""
        return self._answer_to(p.DeleteChild(id_))

    def which_children(self) -> tuple[ChildInfo, ...]:
        """All children, newest first; none once the supervisor has ended."""
        answer = self._answer_to(p.WhichChildren())
        return answer if isinstance(answer, tuple) else ()

    def which_child(self, id_: str) -> ChildInfo | NotFound:
        """The row of one child."""
        rows = (info for info in self.which_children() if info.id == id_)
        return next(rows, NotFound())

    def count_children(self) -> ChildCount:
        """How many children there are of each sort."""
        answer = self._answer_to(p.CountChildren())
        return answer if isinstance(answer, ChildCount) else ChildCount(0, 0, 0, 0)

    def get_childspec(self, id_: str) -> ChildSpec | NotFound | NoProc:
        """The spec of a child with its defaults filled in."""
        return cast("ChildSpec | NotFound | NoProc", self._answer_to(p.GetChildspec(id_)))

    def stop(self, reason: ExitReason | None = None, timeout_s: float | None = None) -> bool:
        """Stop all children in reverse start order, then end.

        Args:
            reason: what to end with; normal by default.
            timeout_s: how long to wait; the stop goes on even if that runs out.

        Returns:
            Whether it has ended.
        """
        self._events.put(p.Stop(reason or Normal()))
        return self.join(timeout_s)

    # -- more than OTP has ----------------------------------------------------------------------

    @property
    def spec(self) -> SupervisorSpec:
        """What it is made of; `change` replaces it."""
        return self._core.spec

    def change(self, spec: SupervisorSpec) -> Answer:
        """Become a tree of another spec: only what differs is stopped, started, or started anew.

        Returns when everything that had to start has, level after level from the top. What fails
        ends it there; its supervisor goes on trying, and changing back to the old spec undoes it.
        See `supervisors.change`.

        Returns:
            Changed, with addresses; StartFailed, InvalidSpec or NoProc.
        """
        found = self._answer_to(p.Change(spec))
        if not isinstance(found, Changed):
            return found
        changed = found.at(self._prefix)
        for child in spec.children:
            below = self.system.supervisors.get(f"{self._prefix}/{child.id}")
            if below is not None and isinstance(child.start, SupervisorSpec):
                found = below.change(child.start)
                if not isinstance(found, Changed):
                    return found
                changed = changed.and_(found)
        return changed

    def kick(self, id_: str) -> Answer:
        """Operator: start or restart this child now and forget its streak."""
        return self._answer_to(p.Kick(id_))

    def rearm(self, topic: str) -> None:
        """Retry the quarantined and waiting children that listen for this; returns at once."""
        self._events.put(p.Call(None, p.Rearm(topic)))

    def join(self, timeout_s: float | None = None) -> bool:
        """Wait until it has ended; False when the time ran out first."""
        if threading.current_thread() is self.thread:
            return False
        return self._over.wait(timeout_s)

    def ref(self, id_: str) -> ChildRef | None:
        """The present incarnation of a running child."""
        row = self.rows.get(id_)
        is_running = row is not None and row.state is State.RUNNING
        return ChildRef(row.path, row.incarnation) if row is not None and is_running else None

    def tell(self, child: str, message: Message, *, ttl_s: float = 0.0) -> Put:
        """Send a message to a child by id, or to any actor by path."""
        return self.system.tell(self._address(child), message, ttl_s=ttl_s)

    def request(self, child: str, message: Message, **kwargs: Any) -> Any:
        """Ask a child by id, or any actor by path; see `ActorSystem.request`."""
        return self.system.request(self._address(child), message, **kwargs)

    def _address(self, child: str) -> str:
        return child if child.startswith("/") else f"{self._prefix}/{child}"

    def __enter__(self) -> Self:
        """Stop at the end of a ``with`` block."""
        return self

    def __exit__(self, *_exc: object) -> None:
        """See `__enter__`."""
        self.stop()

    # -- as a child of another supervisor -------------------------------------------------------

    def launch(self) -> None:
        """Start the thread; the outcome goes to ``notify``."""
        self.system.supervisors[self.path] = self
        if not self._prefix:
            self._awaited = tuple(self._expect(self._core.spec, ""))
        self.system.clock.on_advance(self._poke)
        self.thread.start()
        self._events.put(p.Begin())

    def _expect(self, spec: SupervisorSpec, prefix: str) -> Iterator[Slot]:
        """Everybody in the tree has an address before the first of them starts."""
        if spec.strategy is Strategy.SIMPLE_ONE_FOR_ONE:
            return  # its one spec is a template
        for child in spec.children:
            path = f"{prefix}/{child.id}"
            if isinstance(child.start, SupervisorSpec):
                yield from self._expect(child.start, path)
            else:
                slot = self.system.slot(path, child)
                slot.expect()
                yield slot

    def _give_up_expecting(self) -> None:
        """The tree is up, or over: who has not come by now is missed like anybody else."""
        for slot in self._awaited:
            for envelope in slot.give_up_expecting():
                code = Put.RESTARTING.value
                self.system.refuse(envelope, code, f"{slot.path}: it has not started")
        self._awaited = ()

    def ask_stop(self) -> None:
        """See `Running`."""
        self._events.put(p.Stop(Shutdown()))

    def kill(self, why: str) -> None:
        """End everything below by force, now."""
        self._killed_why = why
        self._poke()

    def stats(self) -> Stats:
        """A supervisor handles no messages."""
        return Stats()

    # -- the thread -----------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            while self._core.ended is None and self._killed_why is None:
                event = self._next_event()
                if event is not None:
                    self.busy_since = self.system.clock.monotonic()
                    self._step(event)
                    self.busy_since = None
        except BaseException as error:
            self._killed_why = f"supervisor bug: {Crash.of(error).stack}"
            self.system.emit(self.path, "supervisor_bug", {"stack": Crash.of(error).stack})
        self._finish()

    def _next_event(self) -> p.Event | None:
        until = self._timers[0][0] if self._timers else None
        if until is not None and until <= self.system.clock.monotonic():
            return heapq.heappop(self._timers)[2]
        try:
            return self._events.get(timeout=self.system.clock.wait_s(until))
        except queue.Empty:
            return None

    def _poke(self) -> None:
        self._events.put(None)

    def _step(self, event: p.Event) -> None:
        self._forget(event)
        actions = self._core.step(event, self.system.clock.monotonic(), self.system.rng)
        for action in actions:
            if not isinstance(action, p.Report):
                self._do(action)
        self._publish()
        for action in actions:  # after the restart, not before it
            if isinstance(action, p.Report):
                self._report(action)

    def _forget(self, event: p.Event | None) -> None:
        """Let go of an incarnation that has ended."""
        if isinstance(event, (p.Exited, p.StartError, p.Ignored, p.Missing)):
            host = self._running.get(event.id)
            if host is not None and getattr(host, "incarnation", None) in (None, event.incarnation):
                self._running.pop(event.id, None)

    def _do(self, action: p.Action) -> None:
        if isinstance(action, p.Start):
            self._start_child(action.spec, action.incarnation)
        elif isinstance(action, p.AskStop):
            if action.id in self._running:  # else it could not even be made: StartError follows
                self._running[action.id].ask_stop()
        elif isinstance(action, p.Kill):
            if action.id in self._running:
                self._running[action.id].kill(action.why)
        elif isinstance(action, p.Arm):
            at = self.system.clock.monotonic() + action.delay_s
            timeout = p.Timeout(action.id, action.token)
            heapq.heappush(self._timers, (at, next(self._timer_ids), timeout))
        elif isinstance(action, p.Reply):
            self._answer(action)
        elif isinstance(action, p.Begun):
            self._give_up_expecting()
            self._notify(p.Ready(*self._identity()))

    def _start_child(self, spec: ChildSpec, incarnation: int) -> None:
        path = f"{self._prefix}/{spec.id}"
        try:
            running = self._host(path, spec, incarnation)
            self._running[spec.id] = running
            running.launch() if isinstance(running, Supervisor) else running.start()
        except Exception as error:
            self._events.put(p.StartError(spec.id, incarnation, Crash.of(error)))

    def _host(self, path: str, spec: ChildSpec, incarnation: int) -> Any:
        notify = self._events.put
        if isinstance(spec.start, SupervisorSpec):
            below = Supervisor(self.system, path, spec.start, notify)
            below.incarnation = incarnation
            below.child_id = spec.id
            return below
        if spec.host is Host.PROCESS:
            from supervisors.process_host import ProcessHost

            return ProcessHost(self.system, path, spec, incarnation, notify)
        return ThreadHost(self.system, path, spec, incarnation, notify)

    def _identity(self) -> tuple[str, int]:
        return self.child_id, self.incarnation

    # -- calls ----------------------------------------------------------------------------------

    def _answer_to(self, request: p.Request) -> Answer:
        if threading.current_thread() is self.thread:
            msg = "a supervisor cannot call itself"
            raise RuntimeError(msg)
        ref = next(self._call_ids)
        answered, box = threading.Event(), cast("list[Answer]", [])
        self._calls[ref] = (answered, box)
        if not self._over.is_set():  # once it is over nobody answers; before, `_finish` sees us
            self._events.put(p.Call(ref, request))
            answered.wait()
        self._calls.pop(ref, None)
        return box[0] if box else NoProc()

    def _answer(self, action: p.Reply) -> None:
        waiting = self._calls.get(cast("int", action.ref))
        if waiting is not None:
            waiting[1].append(action.answer)
            self._publish()
            waiting[0].set()

    # -- what others may read -------------------------------------------------------------------

    def _publish(self) -> None:
        for id_ in self._core.touched:
            child = self._core.children.get(id_)
            if child is None:
                self.rows.pop(id_, None)
                self._since.pop(id_, None)
                self.system.drop_slot(f"{self._prefix}/{id_}")
            else:
                self.rows[id_] = self._row(child)
        self._core.touched.clear()

    def _row(self, child: Child) -> Row:
        id_ = child.spec.id
        known = self._since.get(id_)
        if known is None or known[:2] != (child.state, child.incarnation):
            now = self.system.clock.monotonic()
            known = self._since[id_] = (child.state, child.incarnation, now)
        return Row(
            path=f"{self._prefix}/{id_}",
            spec=child.spec,
            state=child.state,
            since=known[2],
            incarnation=child.incarnation,
            restarts=child.restarts,
            streak=child.streak,
            next_at=child.next_at,
            waiting_for=child.waiting_for,
            quarantined=child.quarantined,
            last_exit=child.last_exit,
            last_exit_at=child.last_exit_at,
            running=self._running.get(id_) if child.is_live else None,
        )

    def restarts_in_window(self) -> int:
        """Restarts that still count towards the intensity."""
        return self._core.window.count(self.system.clock.monotonic())

    def _report(self, report: p.Report) -> None:
        fields: dict[str, Any] = {"incarnation": report.incarnation}
        if report.reason is not None:
            fields["reason"] = str(report.reason)
            stack = stack_of(report.reason)
            if stack and report.what in ("child_terminated", "start_error", "shutdown_error"):
                fields["stack"] = stack
        if report.delay_s is not None:
            fields["delay_s"] = round(report.delay_s, 3)
        if report.detail:
            fields["detail"] = report.detail
        self.system.emit(f"{self._prefix}/{report.id}", report.what, fields)

    # -- the end --------------------------------------------------------------------------------

    def _kill_all(self) -> None:
        """End all below by force, and wait a moment until they are gone."""
        for running in list(self._running.values()):
            running.kill("supervisor killed")
        try:
            while self._running:
                self._forget(self._events.get(timeout=_KILL_S))
        except queue.Empty:
            left = sorted(self._running)
            self.system.emit(self.path, "not_gone", {"children": left})

    def _finish(self) -> None:
        reason = self._core.ended
        if reason is None:
            reason = Killed(self._killed_why or "")
            self._kill_all()
        self.exit_reason = reason
        self.system.supervisors.pop(self.path, None)
        self.system.clock.forget(self._poke)
        for row in list(self.rows.values()):
            self.system.drop_slot(row.path)
        self._give_up_expecting()
        has_begun = self._core.has_begun
        if self._owns_system:
            self.system.close()
        self._over.set()
        for answered, _ in list(self._calls.values()):
            answered.set()
        make: Callable[..., p.Event] = p.Exited if has_begun else p.StartError
        self._notify(make(*self._identity(), reason))
