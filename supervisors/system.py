"""The actor system: addresses, routing, requests, watches, dead letters, and its few threads.

One per process (tests may have several). It starts its monitor at once, its reactor and its zygote
when the first process host needs them.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from itertools import count
from random import Random
from typing import TYPE_CHECKING, Any

from protocol.codec import encode
from protocol.envelope import MAX_FRAME_BYTES, Envelope, Kind, id_source
from protocol.message import Delivery, Down, Failed, Message, name_of
from supervisors.clock import Clock, SystemClock
from supervisors.context import (
    REQUEST_TIMEOUT_S,
    RequestFailed,
    answer_to,
    kind_of,
    read_reply,
)
from supervisors.dead_letters import DeadLetters
from supervisors.desk import Desk
from supervisors.exits import ExitReason
from supervisors.mailbox import Put
from supervisors.monitor import Loop, Monitor
from supervisors.pending import BlockingWaiter, Waiter
from supervisors.recorder import NullRecorder, Recorder
from supervisors.registry import Slot
from supervisors.shares import SharedMemory, Shares
from supervisors.spec import ChildSpec, MailboxSpec

if TYPE_CHECKING:
    from supervisors.supervisor import Supervisor
    from supervisors.zygote import Zygote


class ActorSystem:
    """The runtime around a tree.

    Attributes:
        clock: the time everything here runs on.
        rng: the chance behind backoff jitter.
        dead_letters: what reached nobody.
        recorder: where events and last messages are written.
        allows_faults: whether `InjectFault` is obeyed.
        supervisors: all supervisors by path.
        monitor: finds hung actors.
        shares: shared memory areas by name.
    """

    def __init__(
        self,
        *,
        clock: Clock | None = None,
        rng: Random | None = None,
        recorder: Recorder | None = None,
        shares: tuple[SharedMemory, ...] = (),
        allows_faults: bool = False,
        preload: tuple[str, ...] = (),
        zygote: Zygote | None = None,
        max_leaks: int | None = None,
        on_too_many_leaks: Callable[[], None] = lambda: None,
        on_log: Callable[[str, str, str, Mapping[str, Any]], None] = lambda *_: None,
    ) -> None:
        """Make a system.

        Args:
            preload: modules the zygote imports, so that its hosts start warm.
            zygote: one that was started earlier, before this process had threads.
            max_leaks: more leaked threads than this call ``on_too_many_leaks``; None: any number.
            on_log: takes log lines: path, level, event, fields.
        """
        self.clock: Clock = clock or SystemClock()
        self.rng = rng or Random()
        self.recorder: Recorder = recorder or NullRecorder()
        self.allows_faults = allows_faults
        self.dead_letters = DeadLetters()
        self.ids: count[int] = id_source()
        self.supervisors: dict[str, Supervisor] = {}
        self.slots: dict[str, Slot] = {}
        self.shares = Shares(shares)
        self.leaked_threads = 0
        self.hangs = 0
        self._max_leaks = max_leaks
        self._on_too_many_leaks = on_too_many_leaks
        self.log = on_log
        self._pending: dict[int, Waiter] = {}
        self._watchers: dict[str, set[str]] = {}
        self._lock = threading.Lock()
        self._preload = preload
        self._zygote = zygote
        self._reactor: Any = None
        self.monitor = Monitor(self)

    # -- routing --------------------------------------------------------------------------------

    def route(self, envelope: Envelope) -> Put:
        """Send an envelope on its way; anything but OK is a dead letter as well."""
        if envelope.ref:
            return self._route_reply(envelope)
        slot = self.slots.get(envelope.destination)
        recipient = slot.recipient if slot is not None else None
        if recipient is None:
            put = Put.NO_ACTOR if slot is None else Put.RESTARTING
        else:
            put = recipient.put(envelope)
            if put is Put.NO_ACTOR and slot is not None:  # it ended just now: who is there next?
                recipient = slot.recipient
                put = Put.RESTARTING if recipient is None else recipient.put(envelope)
            if put is _OK:
                return put
            if envelope.kind is Kind.REQUEST and slot is not None and slot.is_awaited:
                # The tree is still coming up. The asker hears of it, so that nothing is lost.
                failed = Failed(put.value, f"{envelope.destination}: it has not started yet")
                answer_to(self, envelope, failed, envelope.destination)
                return put
        self.refuse(envelope, put.value, f"{envelope.destination}: {_WHY[put]}")
        return put

    def _route_reply(self, envelope: Envelope) -> Put:
        waiter = self._pending.pop(envelope.ref, None)
        if waiter is not None:
            waiter.resolve(envelope)
            return _OK
        slot = self.slots.get(envelope.destination)
        recipient = slot.recipient if slot is not None else None
        relay = getattr(recipient, "relay_reply", None)
        if relay is not None:
            relay(envelope)
            return Put.OK
        self.dead_letters.add(envelope, "late_reply")
        return Put.NO_ACTOR

    def refuse(self, envelope: Envelope, code: str, detail: str) -> None:
        """A message that nobody handles: answer a request, count the rest as a dead letter."""
        self.dead_letters.add(envelope, code)
        if envelope.kind is Kind.REQUEST:
            answer_to(self, envelope, Failed(code, detail), envelope.destination)

    def tell(self, address: str, message: Message, *, ttl_s: float = 0.0) -> Put:
        """Send a message from outside any actor; see `Context.tell`."""
        return self.route(self.envelope(Kind.CAST, address, message, ttl_s))

    def request(
        self,
        address: str,
        message: Message,
        *,
        timeout_s: float = REQUEST_TIMEOUT_S,
        reply: type[Message] | None = None,
    ) -> Any:
        """Ask from outside any actor; see `Context.request`.

        Raises:
            RequestFailed: no such actor, it crashed, refused, was full, or time ran out.
        """
        answer = self.ask(self.envelope(Kind.REQUEST, address, message, timeout_s), timeout_s)
        return read_reply(answer, reply, address, timeout_s)

    def envelope(self, kind: Kind, address: str, message: Message, ttl_s: float = 0.0) -> Envelope:
        """A message from outside any actor, ready to be sent."""
        name, delivery = kind_of(type(message))
        id_ = next(self.ids)
        now_ns = self.clock.monotonic_ns()
        body = encode(message)
        at = self.clock.wall()
        return Envelope(id_, kind, name, "", address, body, delivery, now_ns, id_, 0, ttl_s, at)

    def ask(self, envelope: Envelope, timeout_s: float) -> Envelope | None:
        """See `Router.ask`.

        A thread that asks a process host reads the answer off the socket itself. It claims the
        socket before the question is out, or the reactor would race it for the answer.
        """
        waiter = BlockingWaiter()
        slot = self.slots.get(envelope.destination)
        link = slot.recipient.link if slot is not None and slot.recipient is not None else None
        self._pending[envelope.id] = waiter
        try:
            if link is None or not link.claim():
                self.route(envelope)
                return waiter.wait(timeout_s)
            until = self.clock.monotonic() + timeout_s
            try:
                self.route(envelope)
                link.read_for(waiter, until, self.clock.monotonic)
            finally:
                link.release()
            return waiter.wait(max(0.0, until - self.clock.monotonic()))
        finally:
            self._pending.pop(envelope.id, None)

    def expect(self, ref: int, waiter: Waiter) -> None:
        """See `Router.expect`."""
        self._pending[ref] = waiter

    def forget(self, ref: int) -> None:
        """See `Router.forget`."""
        self._pending.pop(ref, None)

    # -- slots ----------------------------------------------------------------------------------

    def slot(self, path: str, spec: ChildSpec) -> Slot:
        """The slot of a child, made on first use."""
        slot = self.slots.get(path)
        if slot is None:
            slot = self.slots[path] = Slot(path, spec.mailbox)
        slot.spec = spec.mailbox
        return slot

    def serve(self, address: str, take: Callable[[Envelope], None]) -> None:
        """Answer an address outside the tree; see `supervisors.desk`.

        Args:
            take: told of every message, in the sender's thread; must not block.
        """
        slot = Slot(address, MailboxSpec())
        slot.occupy(Desk(take))
        self.slots[address] = slot

    def drop_slot(self, path: str) -> None:
        """The child's spec is gone; so is its address."""
        slot = self.slots.pop(path, None)
        if slot is not None:
            for envelope in slot.close():
                self.refuse(envelope, Put.NO_ACTOR.value, f"{path}: {_WHY[Put.NO_ACTOR]}")

    # -- watching -------------------------------------------------------------------------------

    def watch(self, watcher: str, path: str) -> None:
        """See `Router.watch`."""
        with self._lock:
            slot = self.slots.get(path)
            is_there = slot is not None and slot.is_inhabited
            if is_there:
                self._watchers.setdefault(path, set()).add(watcher)
        if not is_there:
            self._send_down(watcher, Down(path, 0, "noproc", normal=False))

    def unwatch(self, watcher: str, path: str) -> None:
        """See `Router.unwatch`."""
        with self._lock:
            self._watchers.get(path, set()).discard(watcher)

    def announce_down(self, path: str, incarnation: int, reason: ExitReason) -> None:
        """Tell those who watched it; an ended actor watches nobody any more."""
        if not self._watchers:
            return
        with self._lock:
            watchers = self._watchers.pop(path, set())
            for others in self._watchers.values():
                others.discard(path)
        for watcher in sorted(watchers):
            self._send_down(watcher, Down(path, incarnation, str(reason), normal=reason.is_normal))

    def _send_down(self, watcher: str, down: Down) -> None:
        id_ = next(self.ids)
        now_ns = self.clock.monotonic_ns()
        self.route(
            Envelope(
                id_,
                Kind.EVENT,
                name_of(down),
                down.path,
                watcher,
                encode(down),
                Delivery.SYSTEM,
                now_ns,
                id_,
            )
        )

    # -- events and leaks -----------------------------------------------------------------------

    def emit(self, path: str, event: str, fields: Mapping[str, Any]) -> None:
        """Record an event."""
        self.recorder.event(path, event, fields)

    def announce(self, topic: str) -> None:
        """See `Router.announce`."""
        self.emit("/", "announced", {"topic": topic})
        for supervisor in list(self.supervisors.values()):
            supervisor.rearm(topic)

    def leak(self, change: int) -> None:
        """A thread was given up (+1) or ended after all (-1)."""
        with self._lock:
            self.leaked_threads += change
            is_too_many = self._max_leaks is not None and self.leaked_threads > self._max_leaks
        if is_too_many and change > 0:
            self.emit("/", "too_many_leaks", {"threads": self.leaked_threads})
            self._on_too_many_leaks()

    # -- what process hosts need ----------------------------------------------------------------

    @property
    def reactor(self) -> Any:
        """The thread that owns the sockets of process hosts."""
        with self._lock:
            if self._reactor is None:
                from supervisors.reactor import Reactor

                self._reactor = Reactor()
            return self._reactor

    @property
    def zygote(self) -> Zygote:
        """The process that starts process hosts; a dead one is replaced."""
        from supervisors.zygote import Zygote

        with self._lock:
            if self._zygote is None or not self._zygote.is_alive:
                self._zygote = Zygote(self._preload)  # a dead one clears up after itself
            return self._zygote

    def loops(self) -> dict[str, Loop]:
        """The threads that all depend on, by path, for the monitor."""
        loops: dict[str, Loop] = dict(self.supervisors.copy())
        if self._reactor is not None:
            loops["/reactor"] = self._reactor
        return loops

    @property
    def zygote_pid(self) -> int | None:
        """Process id of the zygote, if there is one."""
        zygote = self._zygote
        return zygote.pid if zygote is not None and zygote.is_alive else None

    def close(self) -> None:
        """End the system's threads and helper process; the tree must have ended."""
        self.monitor.close()
        with self._lock:
            reactor, self._reactor = self._reactor, None
            zygote, self._zygote = self._zygote, None
        if zygote is not None:
            zygote.close()
        if reactor is not None:
            reactor.close()
        self.shares.close()
        self.recorder.close()


_OK = Put.OK
_WHY = {
    Put.OK: "delivered",
    Put.FULL: "its mailbox is full",
    Put.NO_ACTOR: "nobody has that address",
    Put.RESTARTING: "it is not running at the moment",
    Put.EXPIRED: "too old",
    Put.TOO_LARGE: f"no message may have more than {MAX_FRAME_BYTES} bytes; share memory instead",
}

__all__ = ["ActorSystem", "RequestFailed"]
