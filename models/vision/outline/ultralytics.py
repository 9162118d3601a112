"""A `.pt` segmentation model, or SAM2, by ultralytics: the extra [ultralytics], with torch.

For labelling and audits rather than for a shop: SAM2 takes a second and 700 MB for a box at 512
pixels. The bytes that were verified are the bytes that get loaded: they go through a directory that
nobody else can write to, because ultralytics loads from files only, chooses SAM2's size by the
file's name, and downloads what it does not find.
"""

from __future__ import annotations

import os
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.vision.backends.pickles import check_pickle
from models.vision.backends.ultralytics import ENVIRONMENT, LOAD_ERRORS
from models.vision.errors import BackendMissing, WeightsUnreadable
from models.vision.letterbox import check_frame
from models.vision.manifest import read_weights
from models.vision.outline.manifest import OutlineManifest
from models.vision.outline.matching import best_of
from models.vision.outline.polygon import Patch, Polygon, polygon_of
from protocol.vision import Detection

WHOLE = Patch(0.0, 0.0, 1.0)


class UltralyticsOutliner:
    """See `models.vision.outline.Outliner`."""

    def __init__(self, directory: Path, manifest: OutlineManifest, *, threads: int = 1) -> None:
        self.name = f"{manifest.draws} {manifest.name}"
        self._manifest = manifest
        self._model = _load(read_weights(directory, manifest), manifest, threads)

    def outlines(
        self, frame: NDArray[np.uint8], detections: tuple[Detection, ...]
    ) -> tuple[Polygon | None, ...]:
        """See `Outliner.outlines`."""
        check_frame(frame)
        if not detections:
            return ()
        if self._manifest.draws == "sam2":
            masks = self._prompted(frame, detections)
        else:
            masks = self._matched(frame, detections)
        height, width = frame.shape[:2]
        return tuple(
            None if mask is None else polygon_of(mask, WHOLE, height=height, width=width)
            for mask in masks
        )

    def close(self) -> None:
        """Let go of the network."""
        self._model = None

    def _prompted(
        self, frame: NDArray[np.uint8], detections: tuple[Detection, ...]
    ) -> list[NDArray[np.bool_] | None]:
        """Show the boxes and get a mask for each, in their order."""
        answer = self._predict(frame, bboxes=[list(detection.box) for detection in detections])
        masks = _masks(answer)
        if len(masks) != len(detections):
            return [None] * len(detections)
        return list(masks)

    def _matched(
        self, frame: NDArray[np.uint8], detections: tuple[Detection, ...]
    ) -> list[NDArray[np.bool_] | None]:
        """Let it find things, and take for each box the one that fits."""
        answer = self._predict(frame, conf=self._manifest.seen_from, retina_masks=True, nms=False)
        masks = _masks(answer)
        boxes = answer.boxes.xyxy.cpu().numpy().astype(np.float64)[: len(masks)]
        chosen = [best_of(boxes, detection.box) for detection in detections]
        return [None if index is None else masks[index] for index in chosen]

    def _predict(self, frame: NDArray[np.uint8], **more: Any) -> Any:
        wanted = self._manifest.input
        size = max(wanted.width_px, wanted.height_px)
        return self._model.predict(frame, imgsz=size, device="cpu", verbose=False, **more)[0]


def _masks(answer: Any) -> NDArray[np.bool_]:
    """All masks of an answer at the picture's size: bool (N, H, W)."""
    if answer.masks is None:
        return np.zeros((0, 0, 0), dtype=np.bool_)
    masks: NDArray[np.bool_] = answer.masks.data.cpu().numpy() > 0
    return masks


def _load(weights: bytes, manifest: OutlineManifest, threads: int) -> Any:
    what = f"{manifest.weights.file} of {manifest.name}"
    check_pickle(weights, what)
    with TemporaryDirectory(prefix="rvm-outline-") as private:
        torch, maker = _import(manifest, private)
        torch.set_num_threads(threads)
        path = Path(private) / manifest.weights.file
        path.write_bytes(weights)
        try:
            return maker(str(path))
        except LOAD_ERRORS as error:
            raise WeightsUnreadable(
                f"ultralytics cannot load {what}: {error}; name SAM2's file as its size is"
                " (sam2_t.pt), and save others again with this version"
            ) from error


def _import(manifest: OutlineManifest, private: str) -> tuple[Any, Any]:
    """Import torch and ultralytics, which must not install, download or tell anything."""
    os.environ.update(ENVIRONMENT)
    os.environ.setdefault("YOLO_CONFIG_DIR", private)
    try:
        torch, library = import_module("torch"), import_module("ultralytics")
    except ImportError as error:
        raise BackendMissing(
            f'"{manifest.draws}" with .pt needs ultralytics ({error}); pip install'
            " 'rvm-edge[ultralytics]', or take an ONNX model or \"grabcut\""
        ) from error
    return torch, library.SAM if manifest.draws == "sam2" else library.YOLO
