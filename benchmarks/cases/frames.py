"""A frame from the camera's process to a reader's eyes in another."""

from __future__ import annotations

import mmap
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from benchmarks.kit.actors import FRAME_SHAPE, RING_SLOTS, Camera, Reader
from benchmarks.kit.contest import Case, Contender, Versus
from benchmarks.kit.tree import root
from benchmarks.kit.words import Shoot, Shot
from models.vision.frames import format_ring, ring_size_bytes
from supervisors import ActorSystem, ChildSpec, Host
from supervisors.shares import SharedMemory

_FRAMES = 100


@contextmanager
def _frames(work: float) -> Iterator[Mapping[str, Contender]]:
    height, width, channels = FRAME_SHAPE
    frame_bytes = height * width * channels
    size_bytes = ring_size_bytes(RING_SLOTS, frame_bytes)
    system = ActorSystem(shares=(SharedMemory("ring", size_bytes),), preload=("numpy",))
    with mmap.mmap(system.shares.fd("ring"), size_bytes) as ring:
        format_ring(ring, slots=RING_SLOTS, slot_bytes=frame_bytes)
    reader = ChildSpec("reader", Reader, host=Host.PROCESS, shares=("ring",))
    camera = ChildSpec("camera", Camera, host=Host.PROCESS, shares=("ring",))
    with root(system, reader, camera) as supervisor:
        last = [Shot(0.0, 0.0)]

        def send() -> float:
            order = Shoot(max(10, round(_FRAMES * work)))
            last[0] = supervisor.request("camera", order, timeout_s=60.0, reply=Shot)
            return last[0].frame_ns / 1e3

        yield {"frame through the ring": send, "one memcpy": lambda: last[0].copy_ns / 1e3}


CASES = (
    Case(
        "frame",
        "1280 x 720 x 3 from the camera's memory to a view in another process",
        "us",
        _frames,
        (Versus("frame through the ring", "one memcpy", 1.4),),
        rounds=31,
    ),
)
