"""What is said about seeing.

    deposit ── Capture ───────▶ camera      a picture newer than this moment
    deposit ◀─ Captured | CaptureFailed ─ camera
    deposit ── Classify ──────▶ inference   what is on that picture?
    deposit ◀─ Classified | ClassifyFailed ─ inference

Pixels do not travel: a `FrameRef` says where in the shared ring they lie.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from protocol.message import Message


class FrameRef(msgspec.Struct, frozen=True):
    """One frame in the ring: what a message carries instead of pixels.

    Attributes:
        slot: where it lies.
        generation: of the slot when the frame was whole; another one there means it is gone.
        t_mono_ns: monotonic time of the exposure, as the camera's clock says.
        sequence: counts the frames of this ring over all incarnations of its writer.
    """

    slot: int
    generation: int
    height: int
    width: int
    channels: int
    t_mono_ns: int
    sequence: int

    @property
    def size_bytes(self) -> int:
        """What the pixels take, uint8 (height, width, channels)."""
        return self.height * self.width * self.channels


class Detection(msgspec.Struct, frozen=True):
    """One thing seen.

    Attributes:
        class_name: one of the model's classes; `class` in JSON and msgpack.
        confidence: 0 to 1.
        box: x1, y1, x2, y2 in pixels of the original picture, clipped to it.
    """

    class_name: str = msgspec.field(name="class")
    confidence: float
    box: tuple[float, float, float, float]


class Capture(Message, frozen=True, tag="vision.capture"):
    """Deposit: take a picture now; one exposed before ``newer_than_ns`` will not do."""

    deposit: str
    newer_than_ns: int


class Captured(Message, frozen=True, tag="vision.captured"):
    """Camera: here it is."""

    deposit: str
    frame: FrameRef


class CaptureFailed(Message, frozen=True, tag="vision.capture_failed"):
    """Camera: there is none."""

    deposit: str
    why: str


class Classify(Message, frozen=True, tag="vision.classify"):
    """Deposit: what is on this picture?"""

    deposit: str
    frame: FrameRef


class Classified(Message, frozen=True, tag="vision.classified"):
    """Inference: this is on it, and this is what the acceptance rule makes of it.

    Attributes:
        model: name of the model that decided.
        model_sha256: of its weights.
        elapsed_ms: reading the ring, detection and rule.
    """

    deposit: str
    decision: Literal["accept", "reject", "empty"]
    reason: str
    detections: tuple[Detection, ...]
    model: str
    model_sha256: str
    elapsed_ms: float


class ClassifyFailed(Message, frozen=True, tag="vision.classify_failed"):
    """Inference: no answer; the item is not recognised, which is another thing than refused."""

    deposit: str
    why: str


class TakePicture(Message, frozen=True, tag="vision.snapshot"):
    """Operator: take a picture and say where it lies."""


VisionMessage = (
    Capture | Captured | CaptureFailed | Classify | Classified | ClassifyFailed | TakePicture
)
