"""What is said in the benchmarks, and the typical message that travels in them."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from protocol.message import Delivery, Message
from protocol.vision import FrameRef


class Thing(msgspec.Struct, frozen=True, gc=False):
    """One of three structs inside the typical message."""

    class_name: str
    confidence: float
    x1: float
    y1: float
    x2: float
    y2: float


class Typical(Message, tag="bench.typical"):
    """Anybody: fifteen fields and three nested structs, as large as our messages get."""

    deposit: str
    camera: str
    model: str
    backend: str
    sequence: int
    slot: int
    generation: int
    width: int
    height: int
    exposed_ns: int
    milliseconds: float
    mass_g: float
    is_fresh: bool
    article: str | None
    things: tuple[Thing, ...]


TYPICAL = Typical(
    deposit="01J9Z6YV6N-000000421",
    camera="/vision/camera",
    model="detector-v0",
    backend="onnxruntime",
    sequence=184_467,
    slot=3,
    generation=92_232,
    width=1280,
    height=720,
    exposed_ns=8_123_456_789_012,
    milliseconds=41.375,
    mass_g=23.5,
    is_fresh=True,
    article="8992761002015",
    things=(
        Thing("mineral", 0.9375, 412.25, 96.5, 880.75, 655.0),
        Thing("soda", 0.0625, 400.0, 90.5, 890.25, 660.5),
        Thing("not_empty", 0.03125, 415.5, 101.0, 871.0, 640.25),
    ),
)


class Ack(Message, tag="bench.ack"):
    """The short answer to a request."""

    sequence: int


class Flush(Message, tag="bench.flush"):
    """Driver: answer when everything before this is handled."""


class TellBurst(Message, tag="bench.tell_burst"):
    """Benchmark: tell ``to`` that often and wait until it has handled it all."""

    count: int
    to: str


class AskBurst(Message, tag="bench.ask_burst"):
    """Benchmark: ask ``to`` that often, one request after the other."""

    count: int
    to: str


class Took(Message, tag="bench.took"):
    """Driver: one operation took that long."""

    ns: float


class Crash(Message, tag="bench.crash"):
    """Benchmark: raise."""


class First(Message, tag="bench.first"):
    """A fresh incarnation to itself: its first message."""


class Crashing(Message, tag="bench.crashing"):
    """Victim: about to raise, at this moment (monotonic)."""

    delivery: ClassVar[Delivery] = Delivery.SYSTEM

    at_ns: int


class Handled(Message, tag="bench.handled"):
    """Successor: handling its first message, at this moment (monotonic)."""

    delivery: ClassVar[Delivery] = Delivery.SYSTEM

    at_ns: int


class Shoot(Message, tag="bench.shoot"):
    """Benchmark: send that many frames to the reader and copy as many, in turn."""

    count: int


class Exposed(Message, tag="bench.exposed"):
    """Camera: a frame lies in the ring; the camera had it at ``began_ns``."""

    frame: FrameRef
    began_ns: int


class Seen(Message, tag="bench.seen"):
    """Reader: looking at it, that long after the camera had it."""

    ns: int


class Shot(Message, tag="bench.shot"):
    """Camera: medians of both ways."""

    frame_ns: float
    copy_ns: float
