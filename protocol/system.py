"""What the runtime itself says to an actor's loop; actors see none of it but Ping.

supervisor ── Stop ──────────────▶ loop      end after the present handler
operator  ── Suspend / Resume ───▶ loop      leave ordinary messages waiting
anybody   ── Ping ───────────────▶ actor     answered by every actor with Pong
operator  ── InjectFault ────────▶ loop      misbehave, to see what happens (simulated profile)
"""

from __future__ import annotations

from typing import ClassVar, Literal

from protocol.message import Delivery, Message


class StopActor(Message, frozen=True, tag="sys.stop"):
    """Supervisor: end now, behind nothing but the handler in progress."""

    delivery: ClassVar[Delivery] = Delivery.SYSTEM


class Suspend(Message, frozen=True, tag="sys.suspend"):
    """Operator: leave ordinary messages waiting; system and safety messages are still served."""

    delivery: ClassVar[Delivery] = Delivery.SYSTEM


class Resume(Message, frozen=True, tag="sys.resume"):
    """Operator: undo `Suspend`."""

    delivery: ClassVar[Delivery] = Delivery.SYSTEM


class Ping(Message, frozen=True, tag="sys.ping"):
    """Anybody: are you there?"""


class Pong(Message, frozen=True, tag="sys.pong"):
    """Any actor: yes."""

    path: str
    incarnation: int


FaultKind = Literal["raise", "exit", "hang", "gil", "segfault", "vanish", "memory"]
"""raise an exception; raise SystemExit; hang in Python; hang in C holding the interpreter lock;
die of a segmentation fault; leave with status 0 and no goodbye; eat memory."""


class InjectFault(Message, frozen=True, tag="sys.fault"):
    """Operator on the simulated profile: misbehave in one of the usual ways."""

    delivery: ClassVar[Delivery] = Delivery.SYSTEM

    kind: FaultKind
    seconds: float = 3600.0
    megabytes: int = 1024


SystemMessage = StopActor | Suspend | Resume | Ping | Pong | InjectFault
