"""The life of one incarnation, the same in a thread and in a process.

Construct, ``on_start``, receive one message at a time, ``on_stop``. The loop knows nothing of
supervisors: it reports to its `LoopHost`, which does.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Protocol

import msgspec

from protocol.envelope import Envelope, Kind
from protocol.message import Delivery, Message, name_of
from protocol.system import InjectFault, Resume, StopActor, Suspend
from supervisors.actor import IGNORE, LATER, Actor, AsyncActor, Waiting, build
from supervisors.context import DONE, AsyncContext, Context
from supervisors.exits import Crash, ExitReason, Shutdown
from supervisors.faults import inject

_REQUEST = Kind.REQUEST  # bound once: looking it up costs as much as a call
_STOP = name_of(StopActor)
_SUSPEND = name_of(Suspend)
_RESUME = name_of(Resume)
_FAULT = name_of(InjectFault)
_CANCEL_AGAIN_S = 1.0
_FAULT_DEADLINE_NS = 5_000_000_000

_Entry = tuple[Callable[[Any], Any], Callable[[bytes], Message], int]


class Inbox(Protocol):
    """Where a loop's messages come from."""

    def get(self, timeout_s: float | None = None, *, only_fast: bool = False) -> Envelope | None:
        """The next message, or None after the timeout or a poke."""

    def attach(self, ready: Callable[[], object]) -> None:
        """Call ``ready`` instead of waking a blocked thread."""

    def rearm(self) -> bool:
        """Ask for the next ``ready``; False when there is something to take already."""


class LoopHost(Protocol):
    """What a loop reports to."""

    allows_faults: bool
    beat_s: float | None

    def ready(self) -> None:
        """``on_start`` has returned."""

    def not_started(self, outcome: ExitReason | Waiting | None) -> None:
        """It failed, found something missing, or (None) asked to be ignored."""

    def refuse(self, envelope: Envelope, code: str, detail: str) -> None:
        """A message that the actor will not handle: answer or count it."""

    def record(self, envelope: Envelope) -> None:
        """A message is about to be handled."""


class ActorLoop:
    """Runs one incarnation in the calling thread."""

    def __init__(
        self,
        actor: type[Actor],
        args: Mapping[str, Any],
        ctx: Context,
        inbox: Inbox,
        host: LoopHost,
        *,
        convert: bool = False,
    ) -> None:
        """Args: convert: the arguments came through msgpack and are to be validated."""
        self._class = actor
        self._args = args
        self._ctx = ctx
        self._inbox = inbox
        self._host = host
        self._vitals = ctx._vitals
        self._convert = convert
        self._suspended = False
        self._table: dict[str, _Entry] = {}
        self.in_flight: Envelope | None = None

    def run(self) -> ExitReason | None:
        """Live. Returns how it ended, or None when it never got as far as running."""
        try:
            actor = self._build()
            outcome = actor.on_start()
        except Waiting as waiting:
            self._host.not_started(waiting)
            return None
        except BaseException as error:
            self._host.not_started(Crash.of(error))
            return None
        if outcome is IGNORE:
            self._host.not_started(None)
            return None
        self._host.ready()
        reason = self._receive()
        return self._end(actor, reason)

    def _build(self) -> Actor:
        actor = build(self._class, self._args) if self._convert else self._class(**self._args)
        actor.ctx = self._ctx
        self._table = {
            entry.name: (getattr(actor, entry.method), entry.decode, int(entry.deadline_s * 1e9))
            for entry in actor.handlers.values()
        }
        return actor

    def _receive(self) -> ExitReason:
        ctx, get, beat_s = self._ctx, self._inbox.get, self._host.beat_s
        try:
            while ctx.stopping is None:
                patience_s = self._patience_s() if ctx._timers else beat_s
                envelope = get(patience_s, only_fast=self._suspended)
                if envelope is None:
                    self._vitals.beat()
                else:
                    self._handle(envelope)
                if ctx._timers and not self._suspended:
                    self._run_timers()
        except BaseException as error:
            return Crash.of(error)
        return ctx.stopping

    def _patience_s(self) -> float | None:
        timer = None if self._suspended else self._ctx.next_timer()
        beat_s = self._host.beat_s
        if timer is None:
            return beat_s
        wait_s = self._ctx.clock.wait_s(timer)
        if wait_s is None or beat_s is None:
            return wait_s if beat_s is None else beat_s
        return min(wait_s, beat_s)

    def _handle(self, envelope: Envelope) -> None:
        began_ns = self._ctx._now_ns()
        admitted = self._admit(envelope, began_ns)
        if admitted is None:
            return
        method, message, deadline_ns = admitted
        vitals, ctx = self._vitals, self._ctx
        self.in_flight = envelope
        vitals.begin((envelope.id, envelope.name, began_ns, began_ns + deadline_ns))
        ctx.handling(envelope)
        result = method(message)
        if envelope.kind is _REQUEST and result is not LATER:
            ctx.reply(envelope, DONE if result is None else result)
        ctx.handling(None)
        self.in_flight = None
        vitals.end(envelope.sent_ns, began_ns, ctx._now_ns())

    def _admit(
        self, envelope: Envelope, now_ns: int
    ) -> tuple[Callable[[Any], Any], Message, int] | None:
        """Decode a message for its handler, or dispose of one that cannot be handled."""
        entry = self._table.get(envelope.name)
        if entry is None:
            return self._admit_system(envelope)
        if envelope.ttl_s > 0 and envelope.expired(now_ns):
            self._host.refuse(envelope, "expired", f"older than its {envelope.ttl_s:g} s")
            return None
        try:
            message = entry[1](envelope.body)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            self._host.refuse(envelope, "invalid", str(error))
            return None
        self._host.record(envelope)
        return entry[0], message, entry[2]

    def _admit_system(self, envelope: Envelope) -> tuple[Callable[[Any], Any], Message, int] | None:
        name = envelope.name
        is_own = envelope.delivery == Delivery.SYSTEM
        if is_own and name == _STOP:
            self._ctx.stopping = Shutdown()
        elif is_own and name in (_SUSPEND, _RESUME):
            self._suspended = name == _SUSPEND
            self._ctx.note(suspended=True if self._suspended else None)
            if envelope.kind is Kind.REQUEST:
                self._ctx.reply(envelope, DONE)
        elif is_own and name == _FAULT and self._host.allows_faults:
            fault = msgspec.msgpack.decode(envelope.body, type=InjectFault)
            if envelope.kind is Kind.REQUEST:
                self._ctx.reply(envelope, DONE)
            return inject, fault, _FAULT_DEADLINE_NS
        else:
            known = ", ".join(sorted(self._table)) or "nothing"
            self._host.refuse(envelope, "unknown_message", f"{name!r}; it understands {known}")
        return None

    def _run_timers(self) -> None:
        for message in self._ctx.due():
            self._handle(self._to_self(message))
            if self._ctx.stopping is not None:
                return

    def _to_self(self, message: Message) -> Envelope:
        ctx = self._ctx
        id_ = next(ctx._ids)
        body = msgspec.msgpack.encode(message)
        now_ns = ctx._now_ns()
        return Envelope(
            id_, Kind.CAST, name_of(message), ctx.path, ctx.path, body, Delivery.EVENT, now_ns, id_
        )

    def _end(self, actor: Actor, reason: ExitReason) -> ExitReason:
        if self._ctx.is_fenced:
            return reason
        try:
            actor.on_stop(reason)
        except BaseException as error:
            return Crash.of(error) if reason.is_normal else reason
        return reason


class AsyncActorLoop(ActorLoop):
    """Runs one incarnation of an async actor: one event loop, the whole life inside it."""

    _ctx: AsyncContext

    def run(self) -> ExitReason | None:
        """See `ActorLoop.run`."""
        try:
            return asyncio.run(self._live())
        except BaseException as error:
            return Crash.of(error)

    async def _live(self) -> ExitReason | None:
        self._awake = asyncio.Event()
        loop = asyncio.get_running_loop()
        self._ctx.wake = self._awake.set
        self._inbox.attach(partial(_wake, loop, self._awake))
        try:
            actor = self._build()
            outcome = await _settle(actor.on_start())
        except Waiting as waiting:
            self._host.not_started(waiting)
            return None
        except BaseException as error:
            self._host.not_started(Crash.of(error))
            return None
        if outcome is IGNORE:
            self._host.not_started(None)
            return None
        self._host.ready()
        reason = await self._receive_async()
        await self._cancel_tasks()
        return await self._end_async(actor, reason)

    async def _receive_async(self) -> ExitReason:
        ctx = self._ctx
        try:
            while ctx.stopping is None:
                envelope = self._inbox.get(0, only_fast=self._suspended)
                if envelope is not None:
                    await self._handle_async(envelope)
                    await asyncio.sleep(0)
                elif self._suspended or self._inbox.rearm():
                    await self._doze()
                self._check_tasks()
                for message in () if self._suspended else ctx.due():
                    await self._handle_async(self._to_self(message))
        except BaseException as error:
            return Crash.of(error)
        return ctx.stopping

    async def _doze(self) -> None:
        self._vitals.beat()
        with contextlib.suppress(asyncio.TimeoutError):
            patience_s = 0.05 if self._suspended else self._patience_s()
            await asyncio.wait_for(self._awake.wait(), patience_s)
        self._awake.clear()

    async def _handle_async(self, envelope: Envelope) -> None:
        began_ns = self._ctx._now_ns()
        admitted = self._admit(envelope, began_ns)
        if admitted is None:
            return
        method, message, deadline_ns = admitted
        self.in_flight = envelope
        self._vitals.begin((envelope.id, envelope.name, began_ns, began_ns + deadline_ns))
        self._ctx.handling(envelope)
        result = await _settle(method(message))
        if envelope.kind is _REQUEST and result is not LATER:
            self._ctx.reply(envelope, DONE if result is None else result)
        self._ctx.handling(None)
        self.in_flight = None
        self._vitals.end(envelope.sent_ns, began_ns, self._ctx._now_ns())

    def _check_tasks(self) -> None:
        for task in [task for task in self._ctx.tasks if task.done()]:
            self._ctx.tasks.discard(task)
            if not task.cancelled() and (error := task.exception()) is not None:
                raise error

    async def _cancel_tasks(self) -> None:
        left: set[asyncio.Task[Any]] = self._ctx.tasks
        while left:
            for task in left:
                task.cancel()
            # Again and again: `asyncio.wait_for` before Python 3.12 may swallow one.
            _, left = await asyncio.wait(left, timeout=_CANCEL_AGAIN_S)
        await asyncio.gather(*self._ctx.tasks, return_exceptions=True)

    async def _end_async(self, actor: Actor, reason: ExitReason) -> ExitReason:
        if self._ctx.is_fenced:
            return reason
        try:
            await _settle(actor.on_stop(reason))
        except BaseException as error:
            return Crash.of(error) if reason.is_normal else reason
        return reason


def loop_for(actor: type[Actor]) -> tuple[type[ActorLoop], type[Context]]:
    """The loop and context classes an actor class needs."""
    if issubclass(actor, AsyncActor):
        return AsyncActorLoop, AsyncContext
    return ActorLoop, Context


def _wake(loop: asyncio.AbstractEventLoop, awake: asyncio.Event) -> None:
    with contextlib.suppress(RuntimeError):  # the event loop is closed: nobody there to be woken
        loop.call_soon_threadsafe(awake.set)


async def _settle(result: Any) -> Any:
    return await result if inspect.isawaitable(result) else result
