"""What a detector says of pictures, and what the machine would do with each."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from models.acceptance import Decision, Verdict, judge
from models.vision.detector import Detection, Detector
from models.vision.metrics import Labelled, Picture
from rvm_edge.train.shown import Shown
from supervisors.clock import Clock

if TYPE_CHECKING:
    import numpy as np

    from models.vision.detector import Frame

    Disturbance = Callable[[Frame, np.random.Generator, tuple[Labelled, ...]], Frame]


class Answer(NamedTuple):
    """A picture, what is true of it, and what was made of it.

    Attributes:
        kinds: of the things on it, joined by `+`.
        milliseconds: of the detection.
    """

    name: str
    kinds: str
    expected: Decision
    true: tuple[Labelled, ...]
    seen: tuple[Detection, ...]
    milliseconds: float

    def verdict(self, thresholds: Mapping[str, float]) -> Verdict:
        """What the acceptance rule makes of it."""
        return judge(self.seen, thresholds)

    @property
    def picture(self) -> Picture:
        """For the metrics."""
        return Picture(self.seen, self.true)


def look(
    detector: Detector, shown: Shown, clock: Clock, disturb: Disturbance | None = None
) -> Answer:
    """Show one picture to a detector.

    Args:
        disturb: done to the picture first; its chance depends on the picture's name only.
    """
    frame = shown.frame
    if disturb is not None:
        import numpy as np

        rng = np.random.default_rng(zlib.crc32(shown.name.encode()))
        frame = disturb(frame, rng, shown.true)
    began_s = clock.monotonic()
    seen = detector.detect(frame)
    milliseconds = (clock.monotonic() - began_s) * 1000
    return Answer(shown.name, shown.kinds, shown.expected, shown.true, seen, milliseconds)


def look_at_all(detector: Detector, pictures: Iterable[Shown], clock: Clock) -> tuple[Answer, ...]:
    """Show all of them, as they are."""
    return tuple(look(detector, shown, clock) for shown in pictures)
