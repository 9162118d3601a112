"""The frame ring: newest frame wins, the camera never waits, no reader can hold anything.

    writer = RingWriter(buffer)                     reader = RingReader(buffer)
    ref = writer.publish(frame, t_mono_ns)   ──►    with reader.view(ref) as frame: …

The writer takes the slots in turn. A reader checks the slot's generation before and after it
looked: a frame that was overwritten meanwhile raises `FrameGone` and is never taken for a whole
one. The layout and the reason why this is safe stand in `frames.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.vision.errors import FrameGone, FrameInvalid, FrameTooLarge, RingError, RingInvalid
from models.vision.frames import (
    CHANNELS,
    GENERATION,
    HEADER_BYTES,
    HEIGHT,
    SEQUENCE,
    T_MONO_NS,
    WIDTH,
    FrameRef,
    RingWords,
    SharedBuffer,
    fence,
)

DIMENSIONS = 3


class RingSlot(NamedTuple):
    """A slot being written: `with writer.slot(…) as slot: decode_into(slot.pixels)`.

    Attributes:
        ref: the frame, to be sent after the `with` block.
        pixels: uint8 (H, W, C) in the shared memory itself; read-only once published.
    """

    ref: FrameRef
    pixels: NDArray[np.uint8]


class RingWriter:
    """The one writer of a ring. A new one goes on where a dead one stopped."""

    def __init__(self, buffer: SharedBuffer) -> None:
        self._words = RingWords(buffer)
        if not self._words.writable:
            self._words.close()
            raise RingInvalid("the ring is mapped read-only; a writer maps it with PROT_WRITE")
        slots = range(self._words.slots)
        self._pixels = tuple(_slot_pixels(buffer, self._words, slot) for slot in slots)
        self._sequence = max(self._words.get(slot, SEQUENCE) for slot in slots)
        self._writing = False

    def publish(self, frame: NDArray[np.uint8], t_mono_ns: int) -> FrameRef:
        """Copy a frame into the next slot.

        Args:
            frame: uint8 (H, W, C).
            t_mono_ns: when it was exposed, or a moment before that.

        Raises:
            FrameInvalid: another type or number of dimensions.
            FrameTooLarge: more bytes than a slot has.
        """
        if frame.dtype != np.uint8 or frame.ndim != DIMENSIONS:
            raise FrameInvalid(f"the ring takes uint8 (H, W, C), not {frame.dtype} {frame.shape}")
        height, width, channels = frame.shape
        with self.slot(height, width, channels, t_mono_ns=t_mono_ns) as slot:
            np.copyto(slot.pixels, frame)
        return slot.ref

    @contextmanager
    def slot(
        self, height: int, width: int, channels: int = 3, *, t_mono_ns: int
    ) -> Iterator[RingSlot]:
        """Take the next slot to write into it directly; leaving the `with` block publishes it.

        An exception in the block leaves the slot torn: no reader takes it, the next write does.
        """
        ref = self._next_ref(height, width, channels, t_mono_ns)
        pixels = self._pixels[ref.slot][: ref.size_bytes].reshape(height, width, channels)
        self._begin(ref)
        try:
            yield RingSlot(ref, pixels)
            fence()
            self._words.put(ref.slot, GENERATION, ref.generation)
            self._sequence = ref.sequence
        finally:
            pixels.flags.writeable = False
            self._writing = False

    def close(self) -> None:
        """Let go of the buffer, so that its owner can unmap it."""
        self._pixels = ()
        self._words.close()

    def _next_ref(self, height: int, width: int, channels: int, t_mono_ns: int) -> FrameRef:
        if min(height, width, channels) < 1:
            raise FrameInvalid(f"a frame has pixels, not ({height}, {width}, {channels})")
        size_bytes = height * width * channels
        if size_bytes > self._words.slot_bytes:
            raise FrameTooLarge(
                f"a frame of {height} x {width} x {channels} takes {size_bytes} bytes, a slot has"
                f" {self._words.slot_bytes}; make the ring for the camera's largest picture"
            )
        sequence = self._sequence + 1
        slot = sequence % self._words.slots
        now = self._words.get(slot, GENERATION)
        # The next even number; a torn slot's odd one is skipped, so that none is used twice.
        generation = now + 2 + now % 2
        return FrameRef(slot, generation, height, width, channels, t_mono_ns, sequence)

    def _begin(self, ref: FrameRef) -> None:
        if self._writing:
            raise RingError("a slot is being written already; leave its `with` block first")
        self._writing = True
        put = self._words.put
        put(ref.slot, GENERATION, ref.generation - 1)
        fence()
        put(ref.slot, SEQUENCE, ref.sequence)
        put(ref.slot, T_MONO_NS, ref.t_mono_ns)
        put(ref.slot, HEIGHT, ref.height)
        put(ref.slot, WIDTH, ref.width)
        put(ref.slot, CHANNELS, ref.channels)


class RingReader:
    """A reader of a ring; any number may read, a read-only mapping is enough."""

    def __init__(self, buffer: SharedBuffer) -> None:
        self._words = RingWords(buffer)
        slots = range(self._words.slots)
        self._pixels = tuple(_slot_pixels(buffer, self._words, slot) for slot in slots)
        for pixels in self._pixels:
            pixels.flags.writeable = False

    @contextmanager
    def view(self, ref: FrameRef) -> Iterator[NDArray[np.uint8]]:
        """Look at a frame in place: read-only uint8 (H, W, C).

        What was computed from it counts only if the `with` block ends without `FrameGone`.

        Raises:
            FrameGone: overwritten before or while one looked.
            RingInvalid: the reference is to another ring.
        """
        self._check_bounds(ref)
        self._check_generation(ref)
        fence()
        flat = self._pixels[ref.slot][: ref.size_bytes]
        yield flat.reshape(ref.height, ref.width, ref.channels)
        fence()
        self._check_generation(ref)

    def read(self, ref: FrameRef) -> NDArray[np.uint8]:
        """Copy a frame out: uint8 (H, W, C). Raises as `view` does."""
        with self.view(ref) as pixels:
            return np.array(pixels, dtype=np.uint8)

    def holds(self, ref: FrameRef) -> bool:
        """Whether the frame is still there, whole."""
        fence()
        in_ring = 0 <= ref.slot < self._words.slots
        return in_ring and self._words.get(ref.slot, GENERATION) == ref.generation

    def latest(self) -> FrameRef | None:
        """Find the newest whole frame; None before the first."""
        whole = (self._whole_in(slot) for slot in range(self._words.slots))
        return max((ref for ref in whole if ref), key=lambda ref: ref.sequence, default=None)

    def close(self) -> None:
        """Let go of the buffer, so that its owner can unmap it."""
        self._pixels = ()
        self._words.close()

    def _whole_in(self, slot: int) -> FrameRef | None:
        get = self._words.get
        generation = get(slot, GENERATION)
        if generation == 0 or generation % 2:
            return None
        fence()
        ref = FrameRef(
            slot=slot,
            generation=generation,
            height=get(slot, HEIGHT),
            width=get(slot, WIDTH),
            channels=get(slot, CHANNELS),
            t_mono_ns=get(slot, T_MONO_NS),
            sequence=get(slot, SEQUENCE),
        )
        return ref if self.holds(ref) else None

    def _check_bounds(self, ref: FrameRef) -> None:
        """A reference came in a message; it must not lead outside its slot."""
        shaped = min(ref.height, ref.width, ref.channels) > 0
        fits = shaped and ref.size_bytes <= self._words.slot_bytes
        if not (fits and 0 <= ref.slot < self._words.slots):
            raise RingInvalid(f"{ref} is no frame of a ring of {self._words.slots} slots")

    def _check_generation(self, ref: FrameRef) -> None:
        now = self._words.get(ref.slot, GENERATION)
        if now != ref.generation or now % 2:
            raise FrameGone(
                f"frame {ref.sequence} was overwritten (slot {ref.slot}, generation"
                f" {ref.generation}, now {now}); take a newer one or make the ring longer"
            )


def _slot_pixels(buffer: SharedBuffer, words: RingWords, slot: int) -> NDArray[np.uint8]:
    offset = words.slot_offset(slot) + HEADER_BYTES
    return np.frombuffer(buffer, dtype=np.uint8, count=words.slot_bytes, offset=offset)
