"""A whole tree in one thread and in virtual time: the third way to run what a spec describes.

    stage = Stage(machine(...), rng=Random(7))
    stage.start()
    stage.advance(60.0)
    stage.request("/service/deposit", DescribeCycle(), reply=CycleDescribed)

The same actors, mailboxes, messages and supervisor cores as on threads and in processes; only the
shells differ. Handling takes no time, unless a cost says so; time passes from timer to timer, as
fast as the work in between allows. With the same clock, chance and commands the same happens in the
same order.

What is not there: async actors, threads that actors start themselves, and real blocking. Of two
actors that wait for answers at the same time, the one that asked first goes on last.
"""

from __future__ import annotations

import gc
from collections import deque
from collections.abc import Mapping
from random import Random
from typing import Any

from protocol.message import Message
from supervisors import plan as p
from supervisors.context import REQUEST_TIMEOUT_S
from supervisors.dead_letters import DeadLetters
from supervisors.exits import ExitReason, Killed, Shutdown, Signal
from supervisors.mailbox import Put
from supervisors.shares import SharedMemory
from supervisors.spec import SupervisorSpec
from supervisors.stage_actor import StagedActor
from supervisors.stage_schedule import Schedule
from supervisors.stage_supervisor import StagedSupervisor
from supervisors.stage_system import KEPT, Event, StageSystem
from supervisors.supervisor import Row, Supervisor, SupervisorFailed
from supervisors.virtual_clock import VirtualClock

_START_S = 120.0
"""How long a start may take in virtual time before it is given up."""


class Stage:
    """A tree in virtual time.

    Attributes:
        clock: its time.
        schedule: what happens next.
        root: the root supervisor, with OTP's interface.
        system: the runtime around it.
    """

    def __init__(
        self,
        spec: SupervisorSpec,
        *,
        clock: VirtualClock | None = None,
        rng: Random | None = None,
        shares: tuple[SharedMemory, ...] = (),
        costs: Mapping[str, float] | None = None,
        allows_faults: bool = False,
        beside: Stage | None = None,
    ) -> None:
        """Make it; `start` starts it.

        Args:
            clock: its time; by default one of its own.
            rng: its chance; by default always the same.
            shares: shared memory areas, by the names in child specs.
            costs: seconds that handling a message takes, by the message's name.
            allows_faults: whether `InjectFault` is obeyed.
            beside: share the time and the schedule of this stage, whose tree goes on when this
                one vanishes: what is around a machine does not stop with its core.
        """
        schedule = beside.schedule if beside else Schedule(clock or VirtualClock())
        self.schedule: Schedule = schedule
        self.clock = schedule.clock
        self.system = StageSystem(
            schedule,
            rng or Random(0),
            costs or {},
            shares=shares,
            allows_faults=allows_faults,
            on_log=self._log,
        )
        self.lines: deque[tuple[str, str, str, Mapping[str, Any]]] = deque(maxlen=KEPT)
        self._outcome: list[p.Event] = []
        self.root = StagedSupervisor(self.system, "", spec, self._outcome.append)

    def _log(self, path: str, level: str, event: str, fields: Mapping[str, Any]) -> None:
        self.lines.append((path, level, event, fields))

    # -- its life -------------------------------------------------------------------------------

    def start(self, timeout_s: float = _START_S) -> None:
        """Start the tree and let time pass until all its children are up.

        Raises:
            SupervisorFailed: a child failed in its start; what had started is stopped again.
        """
        self.root.launch()
        until = self.now + timeout_s
        while not self._outcome and self.schedule.step(until):
            pass
        if not self._outcome:
            self.stop()
            raise SupervisorFailed(Killed(f"not up within {timeout_s:g} s"))
        if not isinstance(self._outcome[0], p.Ready):
            raise SupervisorFailed(self.root.exit_reason or Shutdown())

    def stop(self) -> bool:
        """Stop all children in reverse start order. Returns whether they have all ended."""
        has_ended = self.root.stop(Shutdown())
        self.system.close()
        return has_ended

    def vanish(self, *, at_once: bool = False) -> None:
        """The whole core dies, as by SIGKILL.

        Nobody gets ``on_stop`` but those whose spec lets them outlive the core, and no fail_safe
        is run. What the actors held is let go of, as the kernel would.

        Args:
            at_once: nobody outlives anything: the power is cut.
        """
        self.root.vanish(at_once=at_once)
        self.system.close()
        gc.collect()

    @property
    def has_ended(self) -> bool:
        """Whether the root supervisor has ended, on its own or because it was stopped."""
        return self.root.exit_reason is not None

    # -- time -----------------------------------------------------------------------------------

    @property
    def now(self) -> float:
        """Monotonic seconds."""
        return self.clock.monotonic()

    def advance(self, seconds: float) -> None:
        """Let so much time pass."""
        self.schedule.run_until(self.now + seconds)

    def run_until(self, moment_s: float) -> None:
        """Let time pass up to a moment (monotonic seconds)."""
        self.schedule.run_until(moment_s)

    # -- from outside ---------------------------------------------------------------------------

    def tell(self, address: str, message: Message, *, ttl_s: float = 0.0) -> Put:
        """See `ActorSystem.tell`."""
        return self.system.tell(address, message, ttl_s=ttl_s)

    def request(
        self,
        address: str,
        message: Message,
        *,
        timeout_s: float = REQUEST_TIMEOUT_S,
        reply: type[Message] | None = None,
    ) -> Any:
        """See `ActorSystem.request`; time passes until the answer is there."""
        return self.system.request(address, message, timeout_s=timeout_s, reply=reply)

    def kill(self, path: str, reason: ExitReason | None = None) -> None:
        """End an actor as SIGKILL ends its process: no ``on_stop``, but its fail_safe.

        Raises:
            KeyError: no such actor is running.
        """
        self._actor(path).give_up(reason or Signal(9))

    def freeze(self, path: str, seconds: float) -> None:
        """Stop an actor for so long, as SIGSTOP stops its process.

        Longer than its host's patience (`Limits.beat_timeout_s`, in a thread a handler's deadline)
        it is found hung, ended and restarted.

        Raises:
            KeyError: no such actor is running.
        """
        self._actor(path).freeze(seconds)

    def _actor(self, path: str) -> StagedActor:
        row = self.rows().get(path)
        if row is None or not isinstance(row.running, StagedActor):
            raise KeyError(path)
        return row.running

    # -- what can be seen -----------------------------------------------------------------------

    @property
    def events(self) -> deque[Event]:
        """What happened, oldest first; the newest hundred thousand."""
        return self.system.record.kept

    @property
    def dead_letters(self) -> DeadLetters:
        """What reached nobody."""
        return self.system.dead_letters

    def rows(self) -> dict[str, Row]:
        """Every child of every supervisor, by path."""
        supervisors: list[Supervisor] = list(self.system.supervisors.values())
        return {row.path: row for supervisor in supervisors for row in supervisor.rows.values()}

    def facts(self, path: str) -> dict[str, Any]:
        """What an actor shows about itself; nothing while it does not run."""
        row = self.rows().get(path)
        running = row.running if row is not None else None
        return dict(running.vitals.facts) if isinstance(running, StagedActor) else {}
