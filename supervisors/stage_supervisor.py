"""A supervisor on a stage: the shell that `Supervisor` is, without its thread."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

from supervisors import plan as p
from supervisors.results import Answer, NoProc
from supervisors.spec import ChildSpec, SupervisorSpec
from supervisors.stage_actor import StagedActor
from supervisors.supervisor import Supervisor
from supervisors.thread_host import Notify

if TYPE_CHECKING:
    from supervisors.stage_system import StageSystem

_CALL_S = 120.0
"""How long a call may take in virtual time: longer than any start and stop it waits for."""


class _Events:
    """A supervisor's queue that never blocks; each event asks for a turn."""

    def __init__(self, soon: Callable[[], None]) -> None:
        self._waiting: deque[p.Event | None] = deque()
        self._soon = soon

    def put(self, event: p.Event | None) -> None:
        self._waiting.append(event)
        self._soon()

    def get(self, timeout: float | None = None) -> p.Event | None:
        """Raises `queue.Empty` at once instead of waiting."""
        if not self._waiting:
            raise queue.Empty
        return self._waiting.popleft()

    def __bool__(self) -> bool:
        return bool(self._waiting)


class StagedSupervisor(Supervisor):
    """See the module. Its thread is never started."""

    system: StageSystem

    def __init__(
        self, system: StageSystem, path: str, spec: SupervisorSpec, notify: Notify
    ) -> None:
        """See `Supervisor`."""
        super().__init__(system, path, spec, notify)
        self._schedule = system.schedule
        self._has_turn = False
        self._inbox = _Events(self._soon)
        self._events = cast("queue.SimpleQueue[p.Event | None]", self._inbox)

    def launch(self) -> None:
        """Ask for the first turn; the outcome goes to ``notify``."""
        self.system.supervisors[self.path] = self
        self._events.put(p.Begin())

    def kill(self, why: str) -> None:
        """End everything below by force, now."""
        self._killed_why = why
        self._turn()

    def vanish(self, *, at_once: bool) -> None:
        """The whole core is gone, and this with it; see `Stage.vanish`."""
        self._over.set()
        for running in reversed(list(self._running.values())):
            if isinstance(running, StagedSupervisor):
                running.vanish(at_once=at_once)
            elif isinstance(running, StagedActor):
                running.vanish(orderly=running.outlives_core and not at_once)

    def join(self, timeout_s: float | None = None) -> bool:
        """Let time pass until it has ended; False when the time ran out first."""
        until = self._schedule.clock.monotonic() + (_CALL_S if timeout_s is None else timeout_s)
        while not self._over.is_set() and self._schedule.step(until):
            pass
        return self._over.is_set()

    # -- turns ----------------------------------------------------------------------------------

    def _soon(self) -> None:
        if not self._has_turn:
            self._has_turn = True
            self._schedule.soon(self._turn)

    def _turn(self) -> None:
        self._has_turn = False
        if self._over.is_set():
            return
        if self._killed_why is None:
            event = self._next_event()
            if event is not None:
                self._step(event)
        if self._core.ended is not None or self._killed_why is not None:
            self._finish()
        elif self._inbox:
            self._soon()

    def _do(self, action: p.Action) -> None:
        super()._do(action)
        if isinstance(action, p.Arm):
            self._schedule.at(self.system.clock.monotonic() + action.delay_s, self._soon)

    def _host(self, path: str, spec: ChildSpec, incarnation: int) -> Any:
        notify = self._events.put
        if isinstance(spec.start, SupervisorSpec):
            below = StagedSupervisor(self.system, path, spec.start, notify)
            below.incarnation = incarnation
            below.child_id = spec.id
            return below
        return StagedActor(self.system, path, spec, incarnation, notify)

    # -- calls ----------------------------------------------------------------------------------

    def _answer_to(self, request: p.Request) -> Answer:
        ref = next(self._call_ids)
        answered, box = threading.Event(), cast("list[Answer]", [])
        self._calls[ref] = (answered, box)
        if not self._over.is_set():
            self._events.put(p.Call(ref, request))
            until = self._schedule.clock.monotonic() + _CALL_S
            while not answered.is_set() and self._schedule.step(until):
                pass
        self._calls.pop(ref, None)
        return box[0] if box else NoProc()
