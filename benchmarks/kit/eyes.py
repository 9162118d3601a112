"""The inference actor in its process, as the machine runs it, and somebody who asks it.

Evidence is off: it is written after the answer, while the machine waits for the item to leave.
"""

from __future__ import annotations

import mmap
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from actors.camera import FRAMES
from actors.drivers.pictures import read_picture
from actors.inference import Inference
from actors.preload import PRELOAD
from actors.tree import frame_ring
from benchmarks.kit.memory import Memory, memory_of
from config.settings import InferenceSettings, Settings
from models.vision.frames import format_ring
from models.vision.ring import RingWriter
from protocol.message import Failed, Message
from protocol.vision import Classified, Classify, ClassifyFailed, FrameRef
from supervisors import (
    LATER,
    Actor,
    ActorSystem,
    ChildSpec,
    Host,
    Limits,
    Supervisor,
    SupervisorSpec,
    handles,
)

_ORDER_S = 600.0
_START_S = 60.0


class Look(Message, frozen=True, tag="bench.look_at_frames"):
    """Have so many bursts judged, of so many pictures each."""

    times: int
    frames: int


class Looked(Message, frozen=True, tag="bench.looked_at_frames"):
    """Median from a burst in the ring to its decision."""

    ms: float


class Asker(Actor):
    """Stands for camera and deposit: puts pictures into the ring and asks what is on them."""

    def __init__(self, pictures: tuple[str, ...]) -> None:
        self._frames = [read_picture(Path(picture)) for picture in pictures]
        self._shown = 0
        self._took_ms: list[float] = []

    def on_start(self) -> None:
        self._ring = RingWriter(mmap.mmap(self.ctx.shares[FRAMES], 0))

    @handles(Look, deadline_s=_ORDER_S)
    def look(self, order: Look) -> object:
        self._order, self._asked = order, self.ctx.later()
        self._took_ms = []
        self._ask()
        return LATER

    def _ask(self) -> None:
        burst = tuple(self._publish() for _ in range(self._order.frames))
        self._began_ns = time.perf_counter_ns()
        self.ctx.tell("/inference", Classify("bench", burst))

    def _publish(self) -> FrameRef:
        frame = self._frames[self._shown % len(self._frames)]
        self._shown += 1
        return self._ring.publish(frame, self.ctx.clock.monotonic_ns())

    @handles(Classified)
    def classified(self, _message: Classified) -> None:
        self._took_ms.append((time.perf_counter_ns() - self._began_ns) / 1e6)
        if len(self._took_ms) < self._order.times:
            self._ask()
        else:
            self.ctx.reply(self._asked, Looked(median(self._took_ms)))

    @handles(ClassifyFailed)
    def failed(self, message: ClassifyFailed) -> None:
        self.ctx.reply(self._asked, Failed("not_classified", message.why))


class Eyes:
    """The near end of both."""

    def __init__(self, root: Supervisor) -> None:
        self._root = root

    def look_ms(self, times: int, frames: int = 1) -> float:
        """From frames in the ring to a decision at the one who asked: median of so many times.

        Raises:
            RequestFailed: a picture was not judged.
        """
        order = Look(times, frames)
        looked: Looked = self._root.request("/asker", order, timeout_s=_ORDER_S, reply=Looked)
        return looked.ms

    def memory(self) -> Memory:
        """Of the process in which the detector is."""
        running = self._root.rows["inference"].running
        assert running is not None
        assert running.pid is not None
        return memory_of(running.pid)


@contextmanager
def eyes(directory: Path, pictures: Sequence[Path]) -> Iterator[Eyes]:
    """Inference with this model, ready, and the pictures it is going to be shown."""
    area, slots, slot_bytes = frame_ring(Settings())
    system = ActorSystem(shares=(area,), preload=PRELOAD)
    with mmap.mmap(system.shares.fd(FRAMES), area.size_bytes) as ring:
        format_ring(ring, slots=slots, slot_bytes=slot_bytes)
    limits = InferenceSettings(model=str(directory))
    children = (
        ChildSpec(
            "inference",
            Inference,
            host=Host.PROCESS,
            args={"limits": limits},
            shares=(FRAMES,),
            start_timeout_s=_START_S,
            limits=Limits(memory_mb=limits.memory_mb_max),
        ),
        ChildSpec("asker", Asker, args={"pictures": tuple(map(str, pictures))}, shares=(FRAMES,)),
    )
    try:
        with Supervisor.start(SupervisorSpec(children), system=system) as root:
            yield Eyes(root)
    finally:
        system.close()
