"""Detectors that fail on purpose: for fault tests and the simulated machine, never elsewhere.

    slow    forty times the work for the same answer
    hang    never answers, and spends no time of the processor on it
    crash   reads where nothing is, as a broken driver does
    oom     takes memory until there is none
    wrong   sure of itself, and every class is called by the next one's name

`spoil` wraps a sound detector; `info.note` says so, so that nobody mistakes it for one.
"""

from __future__ import annotations

import ctypes
import signal
from typing import TYPE_CHECKING, Literal, NoReturn, TypeAlias

import msgspec

from models.vision.detector import Detection, Detector, DetectorInfo

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Fault: TypeAlias = Literal["slow", "hang", "crash", "oom", "wrong"]
FAULTS: tuple[Fault, ...] = ("slow", "hang", "crash", "oom", "wrong")

SLOWER = 40
CHUNK_BYTES = 16 << 20
# Where no limit is set, this fault is not to take down the machine that tests it.
HOARD_BYTES_MAX = 2 << 30


def spoil(detector: Detector, fault: Fault) -> Detector:
    """Give the detector a fault that shows at every picture; the wrapper owns it from now on."""
    return _Spoiled(detector, fault)


class _Spoiled:
    """A `Detector` with a fault."""

    def __init__(self, detector: Detector, fault: Fault) -> None:
        self._detector = detector
        self._fault = fault
        self.info: DetectorInfo = msgspec.structs.replace(
            detector.info, note=f"spoiled on purpose: {fault}"
        )

    def detect(self, frame: NDArray[np.uint8]) -> tuple[Detection, ...]:
        """Fail, or answer in a way that a sound detector does not."""
        match self._fault:
            case "slow":
                for _ in range(SLOWER - 1):
                    self._detector.detect(frame)
            case "hang":
                _hang()
            case "crash":
                ctypes.string_at(0)
            case "oom":
                _hoard()
            case "wrong":
                return tuple(self._renamed(seen) for seen in self._detector.detect(frame))
        return self._detector.detect(frame)

    def close(self) -> None:
        """Free the sound one."""
        self._detector.close()

    def _renamed(self, seen: Detection) -> Detection:
        classes = self.info.classes
        following = classes[(classes.index(seen.class_name) + 1) % len(classes)]
        return msgspec.structs.replace(seen, class_name=following)


def _hang() -> NoReturn:
    while True:
        signal.pause()  # a signal that is handled wakes it; then it goes on waiting


def _hoard() -> NoReturn:
    """Take memory and write to it, so that it is really taken."""
    hoard = bytearray()
    while len(hoard) < HOARD_BYTES_MAX:
        hoard.extend(b"\xff" * CHUNK_BYTES)
    raise MemoryError(f"no limit stopped it at {len(hoard)} bytes")
