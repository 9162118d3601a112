"""One incarnation of an actor on a stage: no thread of its own, one message a turn."""

from __future__ import annotations

import gc
import math
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import msgspec

from protocol.envelope import Envelope
from supervisors.actor import DEADLINE_S, IGNORE, Actor, AsyncActor, Waiting
from supervisors.exits import Crash, ExitReason, Hung, Killed, Shutdown
from supervisors.loop import ActorLoop
from supervisors.spec import ChildSpec, Host
from supervisors.thread_host import Notify, ThreadHost

if TYPE_CHECKING:
    from supervisors.stage_system import StageSystem

T = TypeVar("T")

_SUSPENDED_S = 0.05
"""How often a suspended actor looks for messages of the fast lane."""


class GivenUp(BaseException):
    """Raised inside an actor that was given up while it waited for an answer: it does no more."""


_NOT_OURS = (KeyboardInterrupt, GivenUp)
"""What ends a turn without being the actor's failure."""


class TurnLoop(ActorLoop):
    """The life of one incarnation, in turns instead of a thread that waits."""

    def begin(self) -> bool:
        """Construct and ``on_start``. Returns whether it runs; if not, the host has been told."""
        try:
            self._actor: Actor | None = self._build()
            outcome = self._actor.on_start()
        except _NOT_OURS:
            raise
        except Waiting as waiting:
            self._host.not_started(waiting)
            return False
        except BaseException as error:
            self._host.not_started(Crash.of(error))
            return False
        if outcome is IGNORE:
            self._host.not_started(None)
            return False
        self._host.ready()
        return True

    def live(self, envelope: Envelope | None) -> ExitReason | None:
        """Handle a message, if there is one, and the timers that are due.

        Returns:
            How it has ended, ``on_stop`` included, if it has.
        """
        reason = self._serve(envelope)
        return None if reason is None else self.leave(reason)

    def _serve(self, envelope: Envelope | None) -> ExitReason | None:
        ctx = self._ctx
        try:
            if envelope is not None:
                self._handle(envelope)
            if ctx._timers and not self._suspended and ctx.stopping is None:
                self._run_timers()
        except _NOT_OURS:
            raise
        except BaseException as error:
            return Crash.of(error)
        return ctx.stopping

    def leave(self, reason: ExitReason) -> ExitReason:
        """``on_stop``. Returns how it has ended after all."""
        assert self._actor is not None
        return self._end(self._actor, reason)

    def drop(self) -> None:
        """Let go of the actor and what it holds, as the end of its process would."""
        self._actor = None
        self._table = {}
        self._ctx._timers.clear()

    @property
    def is_suspended(self) -> bool:
        """Whether ordinary messages and timers are left waiting."""
        return self._suspended


class StagedActor(ThreadHost):
    """A host whose thread is never launched: the stage's schedule gives it its turns.

    An actor of a process host is built from arguments that went through msgpack, as there.
    """

    def __init__(
        self, system: StageSystem, path: str, spec: ChildSpec, incarnation: int, notify: Notify
    ) -> None:
        """Prepare it; `start` asks for its first turn.

        Raises:
            TypeError: it is an async actor, which needs an event loop of its own.
        """
        assert isinstance(spec.start, type)
        if issubclass(spec.start, AsyncActor):
            msg = f"{path} is an async actor; a stage has no event loop: leave it out of the tree"
            raise TypeError(msg)
        super().__init__(system, path, spec, incarnation, notify)
        is_hosted = spec.host is Host.PROCESS
        args = msgspec.msgpack.decode(msgspec.msgpack.encode(spec.args)) if is_hosted else spec.args
        self._loop: TurnLoop = TurnLoop(
            spec.start, args, self._ctx, self.mailbox, self, convert=is_hosted
        )
        self._stage = system
        self._schedule = system.schedule
        self._patience_s = spec.limits.beat_timeout_s if is_hosted else DEADLINE_S
        self._held: Envelope | None = None
        self._frozen_until = -math.inf
        self._wake_at = math.inf
        self._has_turn = False
        self._is_busy = False
        self.mailbox.attach(self._soon)

    # -- orders of the supervisor and of the stage ----------------------------------------------

    def start(self) -> None:
        """See `ThreadHost.start`."""
        self._slot.occupy(self.mailbox)
        self._schedule.soon(self._begin)

    def give_up(self, reason: ExitReason) -> None:
        """End it now, without ``on_stop``: SIGKILL, a monitor that has lost patience.

        What it held is let go of first, as the kernel would: its fail_safe may need it.
        """
        if not self._is_over:
            self._loop.drop()
            gc.collect()
            self._abandon(reason)

    def kill(self, why: str) -> None:
        """See `ThreadHost.kill`."""
        self.give_up(Hung(why) if why.endswith("timeout") else Killed(why))

    def contain(self, why: str) -> None:
        """See `Watched`."""
        if not self._is_over:
            self._stage.hangs += 1
            self.give_up(Hung(why))

    def freeze(self, seconds: float) -> None:
        """It handles nothing for so long, as after SIGSTOP; too long, and it is found hung."""
        now = self._schedule.clock.monotonic()
        self._hold_until(now + seconds)
        if seconds > self._patience_s:
            self._schedule.at(now + self._patience_s, self._found_frozen)

    def vanish(self, *, orderly: bool) -> None:
        """The whole core is gone, and this with it; nobody is told.

        Args:
            orderly: it outlives the core for long enough to run ``on_stop``.
        """
        if self._is_over:
            return
        if orderly and self._is_running:
            self._act(partial(self._loop.leave, Shutdown("the core is gone")))
        self._is_over = True
        self._ctx.fence()
        self._loop.drop()

    @property
    def is_over(self) -> bool:
        """Whether this incarnation has ended."""
        return self._is_over

    @property
    def outlives_core(self) -> bool:
        """Whether it is left a moment when the core is gone."""
        return self._spec.outlives_core_s > 0

    @property
    def frozen_until(self) -> float:
        """When it goes on (monotonic seconds); in the past if it is not frozen."""
        return self._frozen_until

    def deadline(self) -> float:
        """When the handler in progress will have taken too long (monotonic seconds)."""
        current = self.vitals.current
        return math.inf if current is None else current[3] / 1e9

    # -- turns ----------------------------------------------------------------------------------

    def _begin(self) -> None:
        if self._is_over:
            return
        try:
            is_up = self._act(self._loop.begin)
        except GivenUp:
            return
        if is_up:
            self._go_on()
        else:
            self._conclude_life()

    def _turn(self) -> None:
        self._has_turn = False
        if self._is_over or self._is_busy:
            return
        if self._schedule.clock.monotonic() < self._frozen_until:
            return  # the thaw is scheduled
        envelope, self._held = self._held, None
        if envelope is None:
            envelope = self.mailbox.get(0, only_fast=self._loop.is_suspended)
            if envelope is not None and self._stage.costs and self._takes_time(envelope):
                return
        try:
            reason = self._act(partial(self._loop.live, envelope))
        except GivenUp:
            return
        if reason is None:
            self._go_on()
        else:
            self._reason = reason
            self._conclude_life()

    def _act(self, part: Callable[[], T]) -> T:
        """Let the actor's own code run; what it asks for runs inside."""
        acting = self._stage.acting
        acting.append(self)
        self._is_busy = True
        try:
            return part()
        finally:
            self._is_busy = False
            acting.pop()

    def _takes_time(self, envelope: Envelope) -> bool:
        """Whether this message keeps it busy for a while; it is handled at the end of that."""
        cost_s = self._stage.costs.get(envelope.name, 0.0)
        if cost_s <= 0:
            return False
        self._held = self._loop.in_flight = envelope
        self._hold_until(self._schedule.clock.monotonic() + cost_s)
        return True

    def _conclude_life(self) -> None:
        self._loop.drop()
        self._after()

    def _soon(self) -> None:
        if not self._has_turn:
            self._has_turn = True
            self._schedule.soon(self._turn)

    def _wake(self) -> None:
        if self._wake_at <= self._schedule.clock.monotonic():  # else an earlier one replaced it
            self._wake_at = math.inf
            self._turn()

    def _go_on(self) -> None:
        """Ask for the next turn: a message waits, a timer is due, or somebody writes."""
        at = self._ctx.next_timer()
        if self._loop.is_suspended:
            at = self._schedule.clock.monotonic() + _SUSPENDED_S
        elif not self.mailbox.rearm():
            self._soon()
        if at is not None and at < self._wake_at:
            self._wake_at = at
            self._schedule.at(at, self._wake)

    def _hold_until(self, moment_s: float) -> None:
        self._frozen_until = max(self._frozen_until, moment_s)
        self._schedule.at(moment_s, self._turn)

    def _found_frozen(self) -> None:
        if self._schedule.clock.monotonic() < self._frozen_until:
            self.contain("frozen")

    # -- what a host with a thread has to see to ------------------------------------------------

    def _leaks(self) -> bool:
        """No thread, no leak."""
        return False
