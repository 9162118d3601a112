"""The actors of the benchmarks; process hosts import them from here."""

from __future__ import annotations

import mmap
import time
from collections.abc import Callable
from statistics import median

import numpy as np
from numpy.typing import NDArray

from benchmarks.kit.words import (
    TYPICAL,
    Ack,
    AskBurst,
    Crash,
    Crashing,
    Exposed,
    First,
    Flush,
    Handled,
    Seen,
    Shoot,
    Shot,
    TellBurst,
    Took,
    Typical,
)
from models.vision.ring import RingReader, RingWriter
from protocol.message import Done
from supervisors import Actor, handles

FRAME_SHAPE = (720, 1280, 3)
RING_SLOTS = 4
_LONG_S = 300.0


class Sink(Actor):
    """Takes typical messages, and answers one when asked."""

    @handles(Flush)
    def flush(self, _message: Flush) -> None:
        """Everything before it has been handled."""

    @handles(Typical)
    def take(self, message: Typical) -> Ack:
        return Ack(message.sequence)


class Driver(Actor):
    """Tells and asks as often as it is told to, and says what one time took."""

    @handles(TellBurst, deadline_s=_LONG_S)
    def tell_burst(self, burst: TellBurst) -> Took:
        tell, to, message = self.ctx.tell, burst.to, TYPICAL
        began_ns = time.perf_counter_ns()
        for _ in range(burst.count):
            tell(to, message)
        self.ctx.request(to, Flush(), timeout_s=_LONG_S, reply=Done)
        return Took((time.perf_counter_ns() - began_ns) / burst.count)

    @handles(AskBurst, deadline_s=_LONG_S)
    def ask_burst(self, burst: AskBurst) -> Took:
        ask, to, message = self.ctx.request, burst.to, TYPICAL
        began_ns = time.perf_counter_ns()
        for _ in range(burst.count):
            ask(to, message, timeout_s=_LONG_S, reply=Ack)
        return Took((time.perf_counter_ns() - began_ns) / burst.count)


class Idle(Actor):
    """Is there."""

    @handles(Flush)
    def flush(self, _message: Flush) -> None:
        """Answer."""


class Victim(Actor):
    """Crashes when told to; its successor says when it handles its first message."""

    def on_start(self) -> None:
        self.ctx.tell(self.ctx.path, First())

    @handles(First)
    def first(self, _message: First) -> None:
        self.ctx.tell("/meter", Handled(time.monotonic_ns()))

    @handles(Crash)
    def crash(self, _message: Crash) -> None:
        self.ctx.tell("/meter", Crashing(time.monotonic_ns()))
        raise RuntimeError("boom")


class Meter(Actor):
    """Passes on what victims say."""

    def __init__(self, crashing: Callable[[int], None], handled: Callable[[int], None]) -> None:
        self._crashing = crashing
        self._handled = handled

    @handles(Crashing)
    def crash(self, message: Crashing) -> None:
        self._crashing(message.at_ns)

    @handles(Handled)
    def up(self, message: Handled) -> None:
        self._handled(message.at_ns)


class Camera(Actor):
    """Copies pictures into the ring for the reader, and next to it for comparison."""

    def on_start(self) -> None:
        fd = self.ctx.shares["ring"]
        self._ring = RingWriter(mmap.mmap(fd, 0))
        self._picture = np.random.default_rng(1).integers(0, 255, FRAME_SHAPE, np.uint8)
        # As many places to copy to as the ring has slots: the cache must not favour either.
        self._copies = [np.zeros(FRAME_SHAPE, np.uint8) for _ in range(RING_SLOTS)]

    @handles(Shoot, deadline_s=_LONG_S)
    def shoot(self, order: Shoot) -> Shot:
        frames, copies = [], []
        for number in range(order.count):
            frames.append(self._send())
            copies.append(self._copy(self._copies[number % RING_SLOTS]))
        return Shot(median(frames), median(copies))

    def _send(self) -> int:
        began_ns = time.monotonic_ns()
        frame = self._ring.publish(self._picture, began_ns)
        seen: Seen = self.ctx.request("/reader", Exposed(frame, began_ns), reply=Seen)
        return seen.ns

    def _copy(self, place: NDArray[np.uint8]) -> int:
        began_ns = time.monotonic_ns()
        np.copyto(place, self._picture)
        return time.monotonic_ns() - began_ns


class Reader(Actor):
    """Looks at a frame in place."""

    def on_start(self) -> None:
        self._ring = RingReader(mmap.mmap(self.ctx.shares["ring"], 0, prot=mmap.PROT_READ))

    @handles(Exposed)
    def look(self, message: Exposed) -> Seen:
        with self._ring.view(message.frame) as pixels:
            assert pixels[-1, -1, -1] >= 0
            return Seen(time.monotonic_ns() - message.began_ns)
