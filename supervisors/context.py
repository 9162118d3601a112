"""An actor's way to the world: sending, asking, watching, timers, and a word about itself.

A context belongs to one incarnation. When that is over (or given up as hung) the context is
*fenced*: what a leaked thread still sends is dropped.
"""

from __future__ import annotations

import asyncio
import heapq
import os
from collections.abc import Callable, Coroutine, Mapping
from itertools import count
from random import Random
from typing import Any, Protocol

import msgspec

from protocol.codec import encode
from protocol.envelope import Envelope, Kind
from protocol.errors import LocalProtocolError
from protocol.message import Delivery, Done, Failed, Message, name_of
from supervisors.clock import Clock
from supervisors.exits import ExitReason, Killed, Normal, Shutdown
from supervisors.mailbox import Put
from supervisors.pending import AsyncWaiter, Waiter
from supervisors.vitals import Vitals

REQUEST_TIMEOUT_S = 3.0
"""Default patience of a request: below a handler's deadline, so that of two actors waiting for each
other one gets an answer before it is taken for hung."""


class RequestFailed(Exception):
    """A request was not carried out.

    Attributes:
        code: one word, as in `protocol.message.Failed`.
        detail: a sentence for people.
    """

    def __init__(self, code: str, detail: str = "") -> None:
        """Args: code: one word. detail: a sentence."""
        super().__init__(f"{code}: {detail}" if detail else code)
        self.code = code
        self.detail = detail


class Router(Protocol):
    """What a context needs of the runtime around it; the core and a process host each have one."""

    clock: Clock
    ids: count[int]

    def route(self, envelope: Envelope) -> Put:
        """Send it on its way."""

    def ask(self, envelope: Envelope, timeout_s: float) -> Envelope | None:
        """Send a request and block the calling thread for the reply; None when time runs out."""

    def expect(self, ref: int, waiter: Waiter) -> None:
        """A waiter wants the reply to request ``ref``."""

    def forget(self, ref: int) -> None:
        """It no longer does."""

    def watch(self, watcher: str, path: str) -> None:
        """Tell ``watcher`` when the actor at ``path`` ends."""

    def unwatch(self, watcher: str, path: str) -> None:
        """Undo `watch`."""

    def emit(self, path: str, event: str, fields: Mapping[str, Any]) -> None:
        """Put an event into the machine's record."""

    def log(self, path: str, level: str, event: str, fields: Mapping[str, Any]) -> None:
        """Write a line to the log."""

    def announce(self, topic: str) -> None:
        """Something came back: retry the children that wait for it."""


# Bound once: looking a member up in its enumeration costs as much as a call.
_CAST = Kind.CAST
_REQUEST = Kind.REQUEST
_REPLY = Kind.REPLY
_ERROR = Kind.ERROR
_SYSTEM = int(Delivery.SYSTEM)
_KINDS: dict[type[Message], tuple[str, int]] = {}


def kind_of(message: type[Message]) -> tuple[str, int]:
    """A message type's name and delivery class."""
    known = _KINDS.get(message)
    if known is None:
        known = _KINDS[message] = (name_of(message), int(message.delivery))
    return known


class Context:
    """One incarnation's context.

    Attributes:
        path: the actor's address.
        incarnation: which life this is, from 1.
        clock: where to get the time from.
        rng: where to get chance from.
        shares: file descriptors of the shared memory areas named in the child spec.
        trace: trace id of the message being handled, 0 between messages.
    """

    def __init__(
        self,
        router: Router,
        path: str,
        incarnation: int,
        vitals: Vitals | Any,
        *,
        rng: Random | None = None,
        shares: Mapping[str, int] | None = None,
        poke: Callable[[], None] = lambda: None,
    ) -> None:
        """Made by the host, once per incarnation."""
        self.path = path
        self.incarnation = incarnation
        self.clock = router.clock
        self.rng = rng or Random(int.from_bytes(os.urandom(8), "big"))
        self.shares = dict(shares or {})
        self.trace = 0
        self.is_fenced = False
        self.stopping: ExitReason | None = None
        self._router = router
        self._route = router.route
        self._ids = router.ids
        self._now_ns = router.clock.monotonic_ns
        self._wall = router.clock.wall
        self._vitals = vitals
        self._poke = poke
        self._timers: list[tuple[float, int, float, Message]] = []
        self._timer_ids = count(1)
        self._handling: Envelope | None = None

    # -- sending --------------------------------------------------------------------------------

    def tell(self, address: str, message: Message, *, ttl_s: float = 0.0) -> Put:
        """Send a message and go on; never blocks, and never raises for the receiver's sake.

        Args:
            address: the receiver's path.
            message: what to say.
            ttl_s: worthless after that long; 0 means never.

        Returns:
            What became of it. Anything but OK has also been counted as a dead letter.

        Raises:
            LocalProtocolError: the message cannot be encoded.
        """
        if self.is_fenced:
            return Put.NO_ACTOR
        return self._route(self._envelope(_CAST, address, message, ttl_s))

    def _envelope(self, kind: Kind, address: str, message: Message, ttl_s: float) -> Envelope:
        name, delivery = _KINDS.get(type(message)) or kind_of(type(message))
        id_ = next(self._ids)
        body, now_ns = encode(message), self._now_ns()
        trace, at = self.trace or id_, self._wall()
        return Envelope(
            id_, kind, name, self.path, address, body, delivery, now_ns, trace, 0, ttl_s, at
        )

    def request(
        self,
        address: str,
        message: Message,
        *,
        timeout_s: float = REQUEST_TIMEOUT_S,
        reply: type[Message] | None = None,
    ) -> Any:
        """Ask and wait for the answer. Never ask yourself, nor up the tree.

        Args:
            address: the receiver's path.
            message: the question.
            timeout_s: how long to wait; always finite.
            reply: the type the answer must have; None gives it as plain Python values.

        Raises:
            RequestFailed: no such actor, it crashed, refused, was full, or time ran out.
            LocalProtocolError: the message cannot be encoded, or the address is one's own.
        """
        question = self._question(address, message, timeout_s)
        answer = self._router.ask(question, timeout_s)
        return read_reply(answer, reply, address, timeout_s, self.path)

    def _question(self, address: str, message: Message, timeout_s: float) -> Envelope:
        if address == self.path:
            msg = f"{self.path} cannot ask itself: it would wait for its own handler"
            raise LocalProtocolError(msg)
        if self.is_fenced:
            raise RequestFailed("fenced", f"this incarnation of {self.path} was given up")
        return self._envelope(_REQUEST, address, message, timeout_s)

    # -- answering ------------------------------------------------------------------------------

    @property
    def sender(self) -> str:
        """Path of who sent the message being handled; ``""`` if that is no actor."""
        return self._handling.source if self._handling is not None else ""

    def later(self) -> Envelope:
        """The request in progress, to be answered through `reply` after returning `LATER`."""
        if self._handling is None:
            msg = "nothing is being handled"
            raise RuntimeError(msg)
        return self._handling

    def reply(self, request: Envelope, message: Message) -> None:
        """Answer a request; nothing happens for a cast."""
        if request.kind is not _REQUEST or self.is_fenced:
            return
        answer_to(self._router, request, message, self.path)

    # -- watching -------------------------------------------------------------------------------

    def watch(self, path: str) -> None:
        """Get a `Down` when the actor at ``path`` ends, or at once if there is none."""
        self._router.watch(self.path, path)

    def unwatch(self, path: str) -> None:
        """Undo `watch`."""
        self._router.unwatch(self.path, path)

    # -- time -----------------------------------------------------------------------------------

    def schedule_once(self, delay_s: float, message: Message) -> int:
        """Send oneself a message after a delay; gone with this incarnation. Returns a timer id."""
        return self._schedule(delay_s, 0.0, message)

    def schedule_every(self, period_s: float, message: Message) -> int:
        """The same, again and again; a late tick is not made up for."""
        return self._schedule(period_s, period_s, message)

    def _schedule(self, delay_s: float, period_s: float, message: Message) -> int:
        timer = next(self._timer_ids)
        heapq.heappush(self._timers, (self.clock.monotonic() + delay_s, timer, period_s, message))
        self._poke()
        return timer

    def cancel(self, timer: int) -> None:
        """Forget a timer; an unknown or past one is fine."""
        kept = [entry for entry in self._timers if entry[1] != timer]
        if len(kept) < len(self._timers):  # not left lying until it is due: that may be long
            heapq.heapify(kept)
            self._timers[:] = kept

    def next_timer(self) -> float | None:
        """When the next timer is due (monotonic seconds); for the loop."""
        return self._timers[0][0] if self._timers else None

    def due(self) -> list[Message]:
        """Messages whose time has come; for the loop."""
        now = self.clock.monotonic()
        messages: list[Message] = []
        while self._timers and self._timers[0][0] <= now:
            at, timer, period_s, message = heapq.heappop(self._timers)
            messages.append(message)
            if period_s > 0:
                following = max(at + period_s, now)
                heapq.heappush(self._timers, (following, timer, period_s, message))
        return messages

    # -- oneself --------------------------------------------------------------------------------

    def stop(self, why: str = "") -> None:
        """End after the present handler: a normal end."""
        self.stopping = Shutdown(why) if why else Normal()

    def extend(self, seconds: float) -> None:
        """The present handler honestly needs that much longer from now."""
        self._vitals.extend(self._now_ns() + int(seconds * 1e9))

    def note(self, **facts: Any) -> None:
        """Show facts about oneself in status; None removes one."""
        merged = {**self._vitals.facts, **facts}
        self._vitals.facts = {key: value for key, value in merged.items() if value is not None}
        self._vitals.flush()

    def waiting(self, what: str) -> None:
        """Show in status that one runs but waits for something."""
        self.note(waiting_for=what)

    def available(self) -> None:
        """Undo `waiting`."""
        self.note(waiting_for=None)

    def emit(self, event: str, **fields: Any) -> None:
        """Put an event into the machine's record (``rvm-edge events``)."""
        self._router.emit(self.path, event, fields)

    def log(self, event: str, *, level: str = "info", **fields: Any) -> None:
        """Write a line to the log; what an operator should find later goes to `emit`."""
        self._router.log(self.path, level, event, fields)

    def announce(self, topic: str) -> None:
        """Something came back (``"network"``, ``"device"``, ``"config"``).

        Quarantined and waiting children whose spec lists the topic are tried again at once.
        """
        self._router.announce(topic)

    def fence(self) -> None:
        """This incarnation is given up: whatever it still says is dropped, and it shall end."""
        self.is_fenced = True
        self.stopping = Killed("given up")

    def handling(self, envelope: Envelope | None) -> None:
        """Set by the loop around each handler."""
        self._handling = envelope
        self.trace = envelope.trace if envelope is not None else 0


class AsyncContext(Context):
    """A context whose `request` is awaited, with background tasks that die with the actor."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """As `Context`."""
        super().__init__(*args, **kwargs)
        self.tasks: set[asyncio.Task[Any]] = set()
        self.wake: Callable[[], None] = lambda: None

    def stop(self, why: str = "") -> None:
        """As `Context.stop`; a background task may call it too."""
        super().stop(why)
        self.wake()

    async def request(
        self,
        address: str,
        message: Message,
        *,
        timeout_s: float = REQUEST_TIMEOUT_S,
        reply: type[Message] | None = None,
    ) -> Any:
        """As `Context.request`, without blocking the event loop."""
        waiter = AsyncWaiter()
        question = self._question(address, message, timeout_s)
        self._router.expect(question.id, waiter)
        try:
            self._route(question)
            answer = await waiter.wait(timeout_s)
        finally:
            self._router.forget(question.id)
        return read_reply(answer, reply, address, timeout_s, self.path)

    def spawn(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Run a coroutine beside the handlers; if it fails, the actor crashes."""
        task = asyncio.get_running_loop().create_task(work)
        self.tasks.add(task)
        task.add_done_callback(lambda _task: self.wake())
        return task


def answer_to(router: Router, request: Envelope, message: Message, source: str) -> None:
    """Send the answer to a request."""
    name, _ = _KINDS.get(type(message)) or kind_of(type(message))
    router.route(
        Envelope(
            next(router.ids),
            _ERROR if isinstance(message, Failed) else _REPLY,
            name,
            source,
            request.source,
            encode(message),
            _SYSTEM,
            router.clock.monotonic_ns(),
            request.trace,
            request.id,
        )
    )


def read_reply(
    answer: Envelope | None,
    wanted: type[Message] | None,
    address: str,
    timeout_s: float,
    asker: str = "",
) -> Any:
    """The message inside a reply, or the failure it reports.

    Raises:
        RequestFailed: see `Context.request`.
    """
    if answer is None:
        whom = f" {asker}" if asker else ""
        detail = f"{address} did not answer{whom} within {timeout_s:g} s"
        raise RequestFailed("timeout", detail)
    try:
        if answer.kind is not _ERROR:
            return _decoder(wanted)(answer.body)
        failure = _decoder(Failed)(answer.body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise RequestFailed("invalid", f"answer of {address}: {error}") from None
    raise RequestFailed(failure.code, failure.detail)


def _decoder(wanted: type[Message] | None) -> Callable[[bytes], Any]:
    key = Any if wanted is None else wanted
    known = _DECODERS.get(key)
    if known is None:
        known = _DECODERS[key] = msgspec.msgpack.Decoder(key).decode
    return known


_DECODERS: dict[Any, Callable[[bytes], Any]] = {}
DONE = Done()
