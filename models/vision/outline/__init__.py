"""Outlines: exactly where a thing is on the picture. They are shown and kept, and decide nothing.

    __init__.py      the interface, and `open_outliner`
    polygon.py       from a mask to a polygon
    grabcut.py       by colour, from the detector's box; needs nothing but OpenCV
    manifest.py      what a model that draws outlines is
    segment.py       a segmentation network by ONNX Runtime
    ultralytics.py   a `.pt` segmentation model, and SAM2; the extra [ultralytics]

Importing this file and `manifest` needs neither numpy nor OpenCV.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

from protocol.vision import Detection

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from models.vision.outline.polygon import Polygon

Kind: TypeAlias = Literal["grabcut", "segment", "sam2"]


class Outliner(Protocol):
    """Draws the line around things whose boxes are known."""

    @property
    def name(self) -> str:
        """What draws, with the model's name where there is one."""
        ...

    def outlines(
        self, frame: NDArray[np.uint8], detections: tuple[Detection, ...]
    ) -> tuple[Polygon | None, ...]:
        """Draw one polygon for each detection; None where nothing fits its box.

        Args:
            frame: uint8 (H, W, 3) BGR.
            detections: boxes in pixels of the frame.

        Raises:
            FrameInvalid: the picture is of another shape or type.
            ModelError: the model's answer is not what its manifest promises.
        """
        ...

    def close(self) -> None:
        """Free what it holds."""
        ...


def open_outliner(kind: Kind, model: Path | None, *, threads: int = 1) -> Outliner:
    """Make what draws outlines, its model verified before it is loaded.

    Args:
        kind: see `config.settings.DetailSettings.outline`.
        model: its directory; "grabcut" needs none.
        threads: for one picture.

    Raises:
        ModelError: what is wrong with the model or missing to run it, and what to do about it.
    """
    # Here, not above: whoever asks for GrabCut must not pay for torch.
    if kind == "grabcut":
        from models.vision.outline.grabcut import GrabCut

        return GrabCut()
    from models.vision.outline.manifest import load_outline_manifest

    directory, manifest = load_outline_manifest(kind, model)
    if manifest.weights.format == "onnx":
        from models.vision.outline.segment import OnnxSegmenter

        return OnnxSegmenter(directory, manifest, threads=threads)
    from models.vision.outline.ultralytics import UltralyticsOutliner

    return UltralyticsOutliner(directory, manifest, threads=threads)
