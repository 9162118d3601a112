"""The golden test: a model answers pictures whose answers are known before it may serve.

    pictures = load_golden(directory, manifest)     digests checked, decoded once
    prove(detector, pictures)                       raises GoldenFailed with the first wrong answer

The pictures go through the very detector that will serve, in the process in which it will serve: a
back end that rounds badly, a driver that was updated, a label map that was turned are all found
here. One of them is also the canary that is shown to a serving detector once a minute.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from models.acceptance import judge
from models.vision.errors import GoldenMissing, ModelError
from models.vision.manifest import Golden, GoldenBox, Manifest, read_golden
from models.vision.metrics import intersection_over_union

if TYPE_CHECKING:
    from models.vision.detector import Detection, Detector, Frame


class GoldenFailed(ModelError):
    """The model is authentic and loads, and gives a wrong answer to a golden picture."""


class Unproven(ModelError):
    """There are no golden pictures to prove the model on."""


class GoldenPicture(NamedTuple):
    """A golden picture, ready to be shown.

    Attributes:
        frame: uint8 (H, W, 3) BGR.
    """

    expected: Golden
    frame: Frame


def load_golden(directory: Path, manifest: Manifest) -> tuple[GoldenPicture, ...]:
    """Read, check and decode the golden pictures of a model.

    Raises:
        GoldenMissing: a file is not there, or is no picture.
        DigestMismatch: a file is another than the manifest describes.
    """
    return tuple(
        GoldenPicture(golden, _decode(directory / golden.file, read_golden(directory, golden)))
        for golden in manifest.golden
    )


def _decode(path: Path, content: bytes) -> Frame:
    import cv2
    import numpy as np

    frame = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR) if content else None
    if frame is None:
        raise GoldenMissing(f"{path} is no picture; install the model again")
    return frame.astype(np.uint8, copy=False)


def prove(detector: Detector, pictures: Sequence[GoldenPicture]) -> None:
    """Show a detector every golden picture.

    Raises:
        GoldenFailed: an answer is wrong.
        VisionError: the detector could not answer at all.
    """
    for picture in pictures:
        wrong = mistake(picture.expected, detector.detect(picture.frame), detector.info.thresholds)
        if wrong:
            raise GoldenFailed(f"{detector.info.name} by {detector.info.backend}: {wrong}")


def mistake(golden: Golden, seen: Sequence[Detection], thresholds: Mapping[str, float]) -> str:
    """Compare an answer with what is known; the first thing that is wrong, empty if nothing is.

    The decision has to be the same. Each expected box has to be there, and nothing else that
    counts; what is within the tolerance of its threshold may be on either side of it.
    """
    decision = judge(seen, thresholds).decision.value
    if decision != golden.decision:
        return f"{golden.file} is judged {decision} and is {golden.decision}"
    left = list(seen)
    for box in golden.boxes:
        match = _match(box, left, golden)
        if match is None:
            return (
                f"{golden.file} shows {box.class_name} at {_edges(box.box)}; {_nearest(box, seen)}"
            )
        left.remove(match)
    for extra in left:
        surely_from = thresholds.get(extra.class_name, 0.0) + golden.confidence_tolerance
        if not extra.confidence <= surely_from:
            what = f"{extra.class_name} at {_edges(extra.box)} with {extra.confidence:.2f}"
            return f"{golden.file} shows no {what}"
    return ""


def _match(box: GoldenBox, seen: Sequence[Detection], golden: Golden) -> Detection | None:
    """The detection that overlaps an expected box most, if it is good enough."""
    fitting = [
        one
        for one in seen
        if one.class_name == box.class_name
        and abs(one.confidence - box.confidence) <= golden.confidence_tolerance
        and intersection_over_union(one.box, box.box) >= golden.iou_min
    ]
    return max(fitting, key=lambda one: intersection_over_union(one.box, box.box), default=None)


def _nearest(box: GoldenBox, seen: Sequence[Detection]) -> str:
    own = [one for one in seen if one.class_name == box.class_name]
    if not own:
        return "it is not seen"
    best = max(own, key=lambda one: intersection_over_union(one.box, box.box))
    overlap = intersection_over_union(best.box, box.box)
    return (
        f"expected {box.confidence:.2f}, seen {best.confidence:.2f} with an overlap of"
        f" {overlap:.2f} at {_edges(best.box)}"
    )


def _edges(box: tuple[float, float, float, float]) -> str:
    return "(" + ", ".join(f"{edge:.0f}" for edge in box) + ")"
