"""The detector interface: a picture in, what is on it out.

`models.vision.open_detector` verifies a model, chooses the back end that runs it (`backends`)
and gives a `Detector`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

import msgspec

from protocol.vision import Detection

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Frame = NDArray[np.uint8]


__all__ = ["Detection", "Detector", "DetectorInfo"]


class DetectorInfo(msgspec.Struct, frozen=True):
    """Which detector this is: enough to say in a record what decided.

    Attributes:
        name: of the model.
        backend: the library that runs it, with its version.
        sha256: of the weights.
        thresholds: per class, from which confidence on a detection counts in a decision.
        note: why it is not the back end that would have been preferred, empty if it is.
    """

    name: str
    backend: str
    sha256: str
    classes: tuple[str, ...]
    width_px: int
    height_px: int
    thresholds: Mapping[str, float]
    note: str = ""


class Detector(Protocol):
    """Finds things on pictures. Owned by one thread: it works in buffers that it uses again."""

    @property
    def info(self) -> DetectorInfo:
        """Which detector this is."""
        ...

    def detect(self, frame: Frame) -> tuple[Detection, ...]:
        """Find things, most confident first.

        Args:
            frame: uint8 (H, W, 3) BGR, as OpenCV reads it; need not be contiguous.

        Raises:
            FrameInvalid: the picture is of another shape or type.
            ContractBroken: the network's answer makes no sense.
            InferenceFailed: the back end broke; go on with another process, not with this one.
        """
        ...

    def close(self) -> None:
        """Free what the back end holds; may be called twice, `detect` not after it."""
        ...
