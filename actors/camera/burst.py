"""What those who wait want of the camera, and what they have got so far."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from protocol.vision import FrameRef

if TYPE_CHECKING:
    from actors.camera.eye import Look


class Wish(NamedTuple):
    """Frames that are newer than a moment, some time apart, all good.

    Attributes:
        frames: how many.
        newer_than_ns: one exposed before this moment will not do.
        until_ns: it ends then, with what it has.
        interval_ns: from exposure to exposure, at least.
        retries: so many bad frames are overlooked.
        takes_all: also frames that show a fault.
    """

    frames: int
    newer_than_ns: int
    until_ns: int
    interval_ns: int = 0
    retries: int = 0
    takes_all: bool = False


class Burst:
    """One wish on its way.

    Attributes:
        frames: what it has.
        why: what was wrong with the last frame that it did not take.
    """

    def __init__(self, wish: Wish, answer: Callable[[Burst], None]) -> None:
        """Args: answer: called once, at its end."""
        self.frames: list[FrameRef] = []
        self.why = ""
        self._wish = wish
        self._answer = answer
        self._after_ns = wish.newer_than_ns
        self._bad_frames = 0

    def wants(self, look: Look) -> bool:
        """Whether this frame is one for it; what is bad is counted."""
        if look.shot.t_mono_ns <= self._after_ns:
            return False
        if self._wish.takes_all:
            return True
        if look.fault:
            self.stumble(look.why)
        return look.is_proven and not look.fault

    def take(self, frame: FrameRef) -> None:
        """One more."""
        self.frames.append(frame)
        self._after_ns = frame.t_mono_ns + max(0, self._wish.interval_ns - 1)

    def stumble(self, why: str) -> None:
        """A frame was bad, or could not be had."""
        self.why = why
        self._bad_frames += 1

    def is_late(self, now_ns: int) -> bool:
        """Whether its time is over."""
        return now_ns >= self._wish.until_ns

    @property
    def is_complete(self) -> bool:
        """Whether it has what it wanted."""
        return len(self.frames) >= self._wish.frames

    @property
    def has_failed(self) -> bool:
        """Whether too much went wrong."""
        return self._bad_frames > self._wish.retries

    def end(self, why: str) -> None:
        """Answer whoever asked; ``why`` where no bad frame says it better."""
        self.why = self.why or why
        self._answer(self)


class Bursts:
    """All that are on their way."""

    def __init__(self) -> None:
        """Nobody waits."""
        self._waiting: list[Burst] = []

    def __bool__(self) -> bool:
        """Whether anybody waits."""
        return bool(self._waiting)

    def add(self, burst: Burst) -> None:
        """One more."""
        self._waiting.append(burst)

    def offer(self, look: Look, publish: Callable[[Look], FrameRef | None]) -> None:
        """Give a frame to all who want it; it goes into the ring at most once."""
        wanting = [burst for burst in self._waiting if burst.wants(look)]
        frame = publish(look) if wanting else None
        if frame is not None:
            for burst in wanting:
                burst.take(frame)

    def stumble(self, why: str) -> None:
        """No frame could be had."""
        for burst in self._waiting:
            burst.stumble(why)

    def end(self, now_ns: int, why: Callable[[], str]) -> None:
        """Answer those who have enough, or must not be kept waiting any longer."""
        over = [
            burst
            for burst in self._waiting
            if burst.is_complete or burst.has_failed or burst.is_late(now_ns)
        ]
        for burst in over:
            self._waiting.remove(burst)
        for burst in over:
            burst.end(why())

    def end_all(self, why: str) -> None:
        """Nobody will get anything any more."""
        over, self._waiting = self._waiting, []
        for burst in over:
            burst.end(why)
