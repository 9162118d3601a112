"""A frame ring for tests of the eyes, formatted as soon as it exists, as the daemon does it."""

import mmap

import pytest

from actors.camera import FRAMES
from models.vision.frames import format_ring, ring_size_bytes
from supervisors.shares import SharedMemory, Shares

SLOT_BYTES = 640 * 480 * 3


def area(slots):
    """What the tree has to share."""
    return SharedMemory(FRAMES, ring_size_bytes(slots, SLOT_BYTES))


def formatting(slots):
    """A fixture for every test of a module: `formatted = formatting(SLOTS)`."""

    @pytest.fixture(autouse=True)
    def formatted(monkeypatch):
        make = Shares.fd

        def fd(self, name):
            is_new = name not in self._fds
            number = make(self, name)
            if is_new and name == FRAMES:
                with mmap.mmap(number, 0) as ring:
                    format_ring(ring, slots=slots, slot_bytes=SLOT_BYTES)
            return number

        monkeypatch.setattr(Shares, "fd", fd)

    return formatted
