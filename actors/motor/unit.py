"""The guard as a service of its own: the same `Motor`, on a socket instead of in a mailbox.

It outlives the daemon. One controller at a time may connect (the same user, or root); what it says
are envelopes, one a packet. When it goes, however it goes, everything is brought to rest.

    controller ── Move, Renew, StopMotors … ─▶ guard
    controller ◀─ MoveDone, MoveFailed, GuardChanged, replies ─ guard

Everything happens in one thread: `GuardSocket` is the motor's inbox and its router.
"""

from __future__ import annotations

import json
import os
import select
import socket
import struct
import sys
from collections import deque
from collections.abc import Callable, Mapping
from itertools import count
from pathlib import Path
from typing import Any

import msgspec

from actors.motor.actor import Motor
from protocol.codec import encode
from protocol.envelope import (
    MAX_FRAME_BYTES,
    Envelope,
    Kind,
    decode_envelope,
    encode_envelope,
    id_source,
)
from protocol.errors import ProtocolError
from protocol.machine import Jog, MakeSafe, Move, ReadGuard, Renew, ResetGuard, StopMotors
from protocol.message import Delivery, Failed, Message
from protocol.system import StopActor
from supervisors import Waiting
from supervisors.clock import Clock, SystemClock
from supervisors.context import Context, answer_to, kind_of
from supervisors.exits import ExitReason
from supervisors.loop import ActorLoop
from supervisors.mailbox import Put
from supervisors.notify import Notifier
from supervisors.pending import Waiter
from supervisors.vitals import Vitals

PATH = "/machine/motor"
"""Where the guard is for the rest of the machine, whoever hosts it."""
WORDS: tuple[type[Message], ...] = (
    Move,
    Renew,
    StopMotors,
    MakeSafe,
    Jog,
    ResetGuard,
    ReadGuard,
)
"""What a controller may say; anything else ends its connection."""
_DELIVERY = dict(kind_of(word) for word in WORDS)
_FAST = int(Delivery.SAFETY)
_WAITING_MAX = 256
_PEER = struct.Struct("3i")
_MODE = 0o660


class GuardSocket:
    """Listens, and hands the motor what its one controller says.

    Attributes:
        problem: why the motor did not come to run.
    """

    allows_faults = False
    beat_s: float | None = 0.25

    def __init__(self, path: Path, notifier: Notifier) -> None:
        """Args: path: of the socket; it is opened when the motor is ready, not before."""
        self.clock: Clock = SystemClock()
        self.ids: count[int] = id_source()
        self.problem = ""
        self._path = path
        self._notifier = notifier
        self._listener: socket.socket | None = None
        self._peer: socket.socket | None = None
        self._poll = select.poll()
        self._fast: deque[Envelope] = deque()
        self._lane: deque[Envelope] = deque()

    # -- inbox ----------------------------------------------------------------------------------

    def get(self, timeout_s: float | None = None, *, only_fast: bool = False) -> Envelope | None:
        """See `Inbox`. The motor's ticks bring it here often, which feeds the watchdog."""
        self._notifier.tick(is_healthy=True)
        waits = self._fast or (self._lane and not only_fast)
        for fd, _ in self._poll.poll(0 if waits else (timeout_s or 0.0) * 1000):
            if self._listener is not None and fd == self._listener.fileno():
                self._accept(self._listener)
            elif self._peer is not None:
                self._receive(self._peer)
        if self._fast:
            return self._fast.popleft()
        return self._lane.popleft() if self._lane and not only_fast else None

    def attach(self, ready: Callable[[], object]) -> None:
        """The motor has no event loop."""
        raise NotImplementedError

    def rearm(self) -> bool:
        """See `attach`."""
        raise NotImplementedError

    # -- the controller -------------------------------------------------------------------------

    def _accept(self, listener: socket.socket) -> None:
        peer, _ = listener.accept()
        credentials = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size)
        pid, uid, _ = _PEER.unpack(credentials)
        refusal = "" if uid in (0, os.geteuid()) else f"user {uid} may not"
        refusal = "there is one already" if self._peer is not None else refusal
        if refusal:
            self.log(PATH, "warning", "controller_refused", {"pid": pid, "why": refusal})
            peer.close()
            return
        peer.setblocking(False)
        self._peer = peer
        self._poll.register(peer, select.POLLIN)
        self.log(PATH, "info", "controller_connected", {"pid": pid, "uid": uid})

    def _receive(self, peer: socket.socket) -> None:
        """Take one packet; what makes no sense ends the connection, as its end does."""
        try:
            packet = peer.recv(MAX_FRAME_BYTES)
            envelope = decode_envelope(packet) if packet else None
        except BlockingIOError:
            return
        except (OSError, ProtocolError) as error:
            self.lose_controller(str(error))
            return
        if envelope is None:
            self.lose_controller("it has ended")
        elif envelope.name not in _DELIVERY or len(self._lane) >= _WAITING_MAX:
            self.lose_controller(f"{envelope.name}: not understood, or too much at once")
        else:
            envelope.delivery = _DELIVERY[envelope.name]
            (self._fast if envelope.delivery <= _FAST else self._lane).append(envelope)

    def lose_controller(self, why: str) -> None:
        """Nobody is in control any more: bring everything to rest, obey nothing of the past."""
        peer, self._peer = self._peer, None
        if peer is None:
            return
        self._poll.unregister(peer)
        peer.close()
        self._lane.clear()
        self._fast.clear()
        self._fast.append(self._own(MakeSafe("the controller has gone")))
        self.log(PATH, "warning", "controller_gone", {"why": why})

    def stop(self) -> None:
        """End the motor in order."""
        self._fast.append(self._own(StopActor()))

    def close(self) -> None:
        """Let go of the socket."""
        if self._peer is not None:
            self._peer.close()
        if self._listener is not None:
            self._listener.close()
            self._path.unlink(missing_ok=True)

    def _own(self, message: Message) -> Envelope:
        name, delivery = kind_of(type(message))
        now_ns = self.clock.monotonic_ns()
        return Envelope(
            next(self.ids), Kind.CAST, name, "", PATH, encode(message), delivery, now_ns
        )

    # -- what the loop reports ------------------------------------------------------------------

    def ready(self) -> None:
        """The outputs are claimed and low: now somebody may come."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.unlink(missing_ok=True)  # of a guard before this one: it held the lines, too
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_NONBLOCK)
        listener.bind(str(self._path))
        self._path.chmod(_MODE)
        listener.listen(1)
        self._listener = listener
        self._poll.register(listener, select.POLLIN)
        self._notifier.ready(f"guards, at {self._path}")
        self.log(PATH, "info", "guard_ready", {"socket": str(self._path)})

    def not_started(self, outcome: ExitReason | Waiting | None) -> None:
        """See `LoopHost`."""
        self.problem = str(outcome)

    def refuse(self, envelope: Envelope, code: str, detail: str) -> None:
        """See `LoopHost`."""
        if envelope.kind is Kind.REQUEST:
            answer_to(self, envelope, Failed(code, f"{PATH}: {detail}"), PATH)
        else:
            self.log(PATH, "warning", "refused", {"message": envelope.name, "detail": detail})

    def record(self, envelope: Envelope) -> None:
        """Nothing is kept here: the daemon does that."""

    # -- router ---------------------------------------------------------------------------------

    def route(self, envelope: Envelope) -> Put:
        """Send it to the controller, which knows the way; without one it is lost."""
        if self._peer is None:
            return Put.NO_ACTOR
        try:
            self._peer.send(encode_envelope(envelope))
        except OSError as error:  # gone; or it does not read, which is no better
            self.lose_controller(str(error))
            return Put.NO_ACTOR
        return Put.OK

    def ask(self, envelope: Envelope, timeout_s: float) -> Envelope | None:
        """The guard asks nobody."""
        raise NotImplementedError

    def expect(self, ref: int, waiter: Waiter) -> None:
        """See `ask`."""
        raise NotImplementedError

    def forget(self, ref: int) -> None:
        """See `ask`."""

    def watch(self, watcher: str, path: str) -> None:
        """The guard depends on nobody."""

    def unwatch(self, watcher: str, path: str) -> None:
        """See `watch`."""

    def emit(self, path: str, event: str, fields: Mapping[str, Any]) -> None:
        """To the journal."""
        self.log(path, "notice", event, fields)

    def announce(self, topic: str) -> None:
        """There is nobody to hear it."""

    def log(self, path: str, level: str, event: str, fields: Mapping[str, Any]) -> None:
        """One JSON line on the standard error, which is the journal."""
        line = {"level": level, "event": event, "actor": path, **fields}
        sys.stderr.write(f"{json.dumps(line, default=str)}\n")
        sys.stderr.flush()


def serve(link: GuardSocket, args: Mapping[str, Any]) -> str:
    """Be the guard until told to stop. Returns what went wrong; empty: nothing."""
    ctx = Context(link, PATH, 1, Vitals())
    loop = ActorLoop(Motor, args, ctx, link, link)
    try:
        reason = loop.run()
    finally:
        link.close()
    if reason is None:
        return link.problem
    return "" if reason.is_normal else str(reason)


def read_message(envelope: Envelope, wanted: Any) -> Message:
    """The message in an envelope.

    Raises:
        msgspec.ValidationError: it is not one of those.
    """
    message: Message = msgspec.msgpack.decode(envelope.body, type=wanted)
    return message
