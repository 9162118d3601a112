"""Where frames lie in the shared ring: words and layout, no pixel is touched here.

The ring is one piece of shared memory (a memfd, mapped by whoever needs it). Its maker formats it
once; the camera writes, anybody reads; nobody waits for anybody.

    | ring header 64 B | slot header 64 B | pixels … | slot header 64 B | pixels … | …

    ring header   magic, version, slots, bytes a slot, stride
    slot header   generation, sequence, t_mono_ns, height, width, channels

All words are 64-bit, aligned, in the machine's own order. A slot's generation is odd while it is
being written and even when it is whole; it never goes back, not even over a crash of the writer,
so a reference to an overwritten frame can never become valid again (a seqlock).
"""

import mmap
import os
from typing import TypeAlias

from models.vision.errors import RingInvalid
from protocol.vision import FrameRef

__all__ = ["FrameRef", "RingWords", "fence", "format_ring", "ring_size_bytes"]

SharedBuffer: TypeAlias = mmap.mmap | memoryview | bytearray

MAGIC = 0x52564D52494E4731  # "RVMRING1"
VERSION = 1
WORD_BYTES = 8
HEADER_BYTES = 64
HEADER_WORDS = HEADER_BYTES // WORD_BYTES
SLOTS_MIN = 2  # with one, every write takes the newest frame away from its readers

# Words of the ring header.
RING_MAGIC, RING_VERSION, RING_SLOTS, RING_SLOT_BYTES, RING_STRIDE = range(5)
# Words of a slot header.
GENERATION, SEQUENCE, T_MONO_NS, HEIGHT, WIDTH, CHANNELS = range(6)


def _stride_bytes(slot_bytes: int) -> int:
    """A slot with its header, on whole cache lines."""
    return HEADER_BYTES + -(-slot_bytes // HEADER_BYTES) * HEADER_BYTES


def ring_size_bytes(slots: int, slot_bytes: int) -> int:
    """Say how much shared memory a ring needs.

    Args:
        slots: frames kept; a frame stays readable while the next slots - 1 are written.
        slot_bytes: of the largest frame, height * width * channels.
    """
    if slots < SLOTS_MIN or slot_bytes < 1:
        raise RingInvalid(
            f"a ring of {slots} slots of {slot_bytes} bytes holds nothing; take at least"
            f" {SLOTS_MIN} slots of the largest frame's height * width * 3"
        )
    return HEADER_BYTES + slots * _stride_bytes(slot_bytes)


def format_ring(buffer: SharedBuffer, *, slots: int, slot_bytes: int) -> None:
    """Make an empty ring of a writable buffer. Once, by its maker, before anybody uses it.

    Raises:
        RingInvalid: the buffer is read-only or shorter than `ring_size_bytes`.
    """
    size_bytes = ring_size_bytes(slots, slot_bytes)
    with memoryview(buffer) as whole:
        if whole.readonly or whole.nbytes < size_bytes:
            raise RingInvalid(
                f"a ring of {slots} slots of {slot_bytes} bytes needs {size_bytes} writable bytes,"
                f" this buffer has {whole.nbytes}{' read-only' if whole.readonly else ''};"
                " size the memfd by ring_size_bytes()"
            )
        with whole[:size_bytes].cast("B").cast("Q") as words:
            stride = _stride_bytes(slot_bytes)
            for slot in range(slots):
                start = (HEADER_BYTES + slot * stride) // WORD_BYTES
                for word in range(HEADER_WORDS):
                    words[start + word] = 0
            words[RING_VERSION] = VERSION
            words[RING_SLOTS] = slots
            words[RING_SLOT_BYTES] = slot_bytes
            words[RING_STRIDE] = stride
            fence()
            words[RING_MAGIC] = MAGIC


def fence() -> None:
    """Order memory: what was stored or read before stays before what comes after.

    ARM reorders stores where x86 does not, and Python has no barrier. Giving the interpreter lock
    up and taking it again is one (an unlock, then a lock), and every blocking system call does
    that; this is the cheapest one, about half a microsecond.
    """
    os.access("", os.F_OK)


class RingWords:
    """The header words of a formatted ring, checked once. Reading one is a single load."""

    def __init__(self, buffer: SharedBuffer) -> None:
        self._whole = memoryview(buffer).cast("B")
        nbytes = self._whole.nbytes
        self._words = self._whole[: nbytes - nbytes % WORD_BYTES].cast("Q")
        try:
            self.slots, self.slot_bytes, self._stride = self._checked()
        except RingInvalid:
            self.close()
            raise
        self._start = tuple(self.slot_offset(slot) // WORD_BYTES for slot in range(self.slots))

    @property
    def writable(self) -> bool:
        """Whether the buffer may be written."""
        return not self._whole.readonly

    def slot_offset(self, slot: int) -> int:
        """Where a slot's header begins, in bytes; its pixels come right after."""
        return HEADER_BYTES + slot * self._stride

    def get(self, slot: int, word: int) -> int:
        """Read one word of a slot's header."""
        return self._words[self._start[slot] + word]

    def put(self, slot: int, word: int, value: int) -> None:
        """Write one word of a slot's header."""
        self._words[self._start[slot] + word] = value

    def close(self) -> None:
        """Let go of the buffer, so that its owner can unmap it."""
        self._words.release()
        self._whole.release()

    def _checked(self) -> tuple[int, int, int]:
        """Slots, bytes a slot and stride, if this is a ring of ours and all of it is here."""
        if len(self._words) < HEADER_WORDS or self._words[RING_MAGIC] != MAGIC:
            raise RingInvalid("the buffer is no frame ring; its maker calls format_ring() first")
        if self._words[RING_VERSION] != VERSION:
            raise RingInvalid(
                f"the ring has layout {self._words[RING_VERSION]}, this program knows {VERSION};"
                " restart the whole daemon after an update"
            )
        slots, slot_bytes = self._words[RING_SLOTS], self._words[RING_SLOT_BYTES]
        stride, needed = self._words[RING_STRIDE], ring_size_bytes(slots, slot_bytes)
        if stride != _stride_bytes(slot_bytes) or self._whole.nbytes < needed:
            raise RingInvalid(
                f"the ring says {slots} slots of {slot_bytes} bytes and needs {needed} bytes,"
                f" the buffer has {self._whole.nbytes}; map the whole memfd"
            )
        return slots, slot_bytes, stride
