"""The base of every message, and the delivery class it travels in.

A message is a frozen struct. Its tag is its name on the wire (``"motor.rotate"``); commands are
imperatives, events are past participles. The delivery class decides what a full mailbox does with
it and is a property of the message's type, so no sender can get it wrong.
"""

from __future__ import annotations

import enum
from typing import ClassVar

import msgspec


class Delivery(enum.IntEnum):
    """What a mailbox promises to a message of this class; lower numbers are served first.

    SYSTEM and SAFETY use the fast lane and are never refused. MONEY is never dropped: it makes
    room for itself. COMMAND (an order to an actuator) is refused when the mailbox is full and is
    never replayed after a restart. EVENT may push out telemetry. TELEMETRY is latest-wins: a
    newer value of the same name from the same sender replaces the one still waiting.
    """

    SYSTEM = 0
    SAFETY = 1
    MONEY = 2
    COMMAND = 3
    EVENT = 4
    TELEMETRY = 5


class Message(msgspec.Struct, frozen=True, tag=True, gc=False):
    """Base of all messages. Subclass it with fields and, for the wire, ``tag="topic.verb"``.

    Example:
        >>> class Rotate(Message, frozen=True, tag="motor.rotate"):
        ...     delivery = Delivery.COMMAND
        ...     turns: float
    """

    delivery: ClassVar[Delivery] = Delivery.EVENT


class Done(Message, frozen=True, tag="done"):
    """The reply of a handler that had nothing else to answer."""


class Failed(Message, frozen=True, tag="failed"):
    """The reply to a request that was not carried out.

    Attributes:
        code: one word a program can match: ``crashed``, ``full``, ``no_actor``, ``restarting``,
            ``timeout``, ``unknown_message``, ``invalid``, ``expired``, ``poisoned``, ``refused`` …
        detail: a sentence for people.
    """

    code: str
    detail: str = ""


class Down(Message, frozen=True, tag="down"):
    """A watched actor is gone; also the answer to watching one that is not there.

    Attributes:
        path: the address that was watched.
        incarnation: which life of it ended; 0 when there was none.
        reason: how it ended, in one line.
        normal: whether that was a normal end.
    """

    delivery: ClassVar[Delivery] = Delivery.SYSTEM

    path: str
    incarnation: int
    reason: str
    normal: bool


def name_of(message: type[Message] | Message) -> str:
    """The name a message carries on the wire (its tag)."""
    tag = message.__struct_config__.tag
    return str(tag)
