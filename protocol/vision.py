"""What is said about seeing.

    deposit ── Capture ───────▶ camera      a burst of pictures newer than this moment
    deposit ◀─ Captured | CaptureFailed ─ camera
    deposit ── Classify ──────▶ inference   what is on those pictures?
    deposit ◀─ Classified | ClassifyFailed ─ inference
    deposit ── Concluded ─────▶ inference   how it ended, for the evidence
    inference ── EvidenceKept ▶ media       its files are there, for the platform
    inference ── Examine ─────▶ detail      outline and bar code, outside the decision path
    inference ◀─ Examined ─ detail

Pixels do not travel: a `FrameRef` says where in the shared ring they lie.
"""

from __future__ import annotations

from typing import ClassVar, Literal

import msgspec

from protocol.message import Delivery, Message
from protocol.storage import DepositRecord


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
    """Deposit: take pictures now; one exposed before ``newer_than_ns`` will not do."""

    deposit: str
    newer_than_ns: int


class Captured(Message, frozen=True, tag="vision.captured"):
    """Camera: here they are, oldest first; the camera's settings say how many a burst has."""

    deposit: str
    frames: tuple[FrameRef, ...]


class CaptureFailed(Message, frozen=True, tag="vision.capture_failed"):
    """Camera: there is none that can be trusted."""

    deposit: str
    why: str


class Classify(Message, frozen=True, tag="vision.classify"):
    """Deposit: what is on these pictures of one item?

    Attributes:
        newer_than_ns: as in `Capture`; a picture from before that decides nothing.
    """

    deposit: str
    frames: tuple[FrameRef, ...]
    newer_than_ns: int = 0


class Classified(Message, frozen=True, tag="vision.classified"):
    """Inference: this is on it, and this is what the acceptance rule makes of it.

    Attributes:
        detections: on the picture that stands for the burst.
        model: name of the model that decided.
        model_sha256: of its weights.
        elapsed_ms: reading the ring, detection and rule, for all pictures.
        votes: decision of each picture, in order.
    """

    deposit: str
    decision: Literal["accept", "reject", "empty"]
    reason: str
    detections: tuple[Detection, ...]
    model: str
    model_sha256: str
    elapsed_ms: float
    votes: tuple[Literal["accept", "reject", "empty"], ...] = ()


class ClassifyFailed(Message, frozen=True, tag="vision.classify_failed"):
    """Inference: no answer; the item is not recognised, which is another thing than refused."""

    deposit: str
    why: str


class Concluded(Message, frozen=True, tag="vision.concluded"):
    """Deposit: this is how the item ended; the evidence of its decision may be written.

    Attributes:
        beams_ms: when each beam was covered and freed, `exit_covered`, counted from the moment
            from which the beams were watched for this passage.
    """

    record: DepositRecord
    beams_ms: dict[str, float] = msgspec.field(default_factory=dict)


class EvidenceKept(Message, frozen=True, tag="vision.evidence_kept"):
    """Inference: what the decision about this deposit rested on is written, with its end.

    Attributes:
        directory: where its files are, until the quota wants their place.
    """

    record: DepositRecord
    directory: str


class Outline(msgspec.Struct, frozen=True):
    """Where a thing is, exactly: a polygon in pixels of the original picture."""

    class_name: str = msgspec.field(name="class")
    polygon: tuple[tuple[float, float], ...]


class Barcode(msgspec.Struct, frozen=True):
    """A bar code that was read.

    Attributes:
        text: its digits, 13 of them for EAN-13.
        decoders: who read it; one alone counts only if the article list knows the code.
        article: name of the article, empty if the list does not know it.
        material: as the list says it, empty without it.
        accepted: whether the list takes the article; None if it does not know it.
    """

    text: str
    decoders: tuple[str, ...]
    article: str = ""
    material: str = ""
    accepted: bool | None = None


class Examine(Message, frozen=True, tag="vision.examine"):
    """Inference: look closer at this picture; nobody waits for the answer.

    Latest-wins: who is behind looks at the newest item and leaves out the others.
    """

    delivery: ClassVar[Delivery] = Delivery.TELEMETRY

    deposit: str
    frame: FrameRef
    detections: tuple[Detection, ...]


class Examined(Message, frozen=True, tag="vision.examined"):
    """Detail: this is what there is besides boxes."""

    deposit: str
    outlines: tuple[Outline, ...]
    barcodes: tuple[Barcode, ...]
    elapsed_ms: float


class TakePicture(Message, frozen=True, tag="vision.snapshot"):
    """Operator: take a picture and say where it lies."""


class CheckCamera(Message, frozen=True, tag="vision.check_camera"):
    """Operator: is the picture one that can be trusted?"""


class LearnChamber(Message, frozen=True, tag="vision.learn_chamber"):
    """Operator: the chamber is empty and the window clean; remember what that looks like."""


class CameraReport(Message, frozen=True, tag="vision.camera_report"):
    """Camera: how it stands.

    Attributes:
        state: `ok`, or the first that is wrong: `stalled`, `frozen`, `black`, `over_exposed`,
            `blurred`, `dirty`, `torn`.
        measures: what was measured, by name, with its unit in the name.
    """

    source: str
    state: str
    why: str
    measures: dict[str, float]
    frame: FrameRef | None = None


class UseModel(Message, frozen=True, tag="vision.use_model"):
    """Operator: let this model serve, if it proves itself; else the old one goes on.

    Attributes:
        directory: of the model, absolute; empty: the one that ships.
        again: although it has failed before.
        fault: on a simulated machine only: let it misbehave so (`models.vision.backends.faulty`).
        when: in its trial, while it is put into service, or once it serves.
    """

    directory: str
    again: bool = False
    fault: Literal["", "slow", "hang", "crash", "oom", "wrong"] = ""
    when: Literal["trial", "adoption", "service"] = "trial"


class ProveModel(Message, frozen=True, tag="vision.prove_model"):
    """Operator: show the model that serves all its golden pictures, now."""


class DescribeModel(Message, frozen=True, tag="vision.describe_model"):
    """Anybody: which model serves? Answered with `ModelInUse`."""


class ModelInUse(Message, frozen=True, tag="vision.model_in_use"):
    """Inference: this model serves.

    Attributes:
        refused: why the wanted one does not, empty if it does.
    """

    model: str
    model_sha256: str
    backend: str
    directory: str
    refused: str = ""


VisionMessage = (
    Capture
    | Captured
    | CaptureFailed
    | Classify
    | Classified
    | ClassifyFailed
    | Concluded
    | EvidenceKept
    | Examine
    | Examined
    | TakePicture
    | CheckCamera
    | LearnChamber
    | CameraReport
    | UseModel
    | ProveModel
    | DescribeModel
    | ModelInUse
)
