"""A segmentation network by ONNX Runtime: boxes, and for each the recipe of its mask.

rows (1, N, 6 + C)      x1, y1, x2, y2, confidence, class, C weights
prototypes (1, C, h, w) a mask is where their weighted sum is positive, within the row's box
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.vision.backends.onnx import ERRORS, SEVERITY_FATAL
from models.vision.errors import ContractBroken, InferenceFailed, WeightsUnreadable
from models.vision.letterbox import Fit, Letterbox, check_frame
from models.vision.manifest import read_weights
from models.vision.outline.manifest import OutlineManifest
from models.vision.outline.matching import best_of
from models.vision.outline.polygon import Patch, Polygon, polygon_of
from protocol.vision import Detection

BOX, CONFIDENCE, WEIGHTS_FROM = slice(0, 4), 4, 6
ROWS_DIMENSIONS, PROTOTYPE_DIMENSIONS = 3, 4


class OnnxSegmenter:
    """See `models.vision.outline.Outliner`."""

    def __init__(self, directory: Path, manifest: OutlineManifest, *, threads: int = 1) -> None:
        self.name = f"segment {manifest.name}"
        self._manifest = manifest
        self._session = _open_session(read_weights(directory, manifest), manifest, threads)
        wanted = manifest.input
        self._letterbox = Letterbox(wanted.width_px, wanted.height_px, wanted.padding_level)
        self._input = _check_ends(self._session, manifest)

    def outlines(
        self, frame: NDArray[np.uint8], detections: tuple[Detection, ...]
    ) -> tuple[Polygon | None, ...]:
        """See `Outliner.outlines`."""
        check_frame(frame)
        where = self._letterbox.fill(frame)
        rows, prototypes = self._run()
        boxes = _boxes_in_picture(rows[:, BOX], where)
        found: list[Polygon | None] = []
        for detection in detections:
            index = best_of(boxes, detection.box)
            if index is None:
                found.append(None)
                continue
            row = rows[index]
            mask = self._mask(row[WEIGHTS_FROM:], prototypes, row[BOX])
            height, width = frame.shape[:2]
            found.append(polygon_of(mask, self._patch(mask, where), height=height, width=width))
        return tuple(found)

    def close(self) -> None:
        """Free the network."""
        self._session = None

    def _run(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Rows that count (N, 6 + C) and prototypes (C, h, w)."""
        try:
            output, prototypes = self._session.run(None, {self._input: self._letterbox.tensor})
        except ERRORS as error:
            raise InferenceFailed(f"{self.name} failed: {error}; start it again") from error
        if not (np.isfinite(output).all() and np.isfinite(prototypes).all()):
            raise ContractBroken(f"{self.name} gives numbers that are none; install it again")
        rows = output[0]
        seen: NDArray[np.float32] = rows[rows[:, CONFIDENCE] >= self._manifest.seen_from]
        return seen, prototypes[0]

    def _mask(
        self,
        weights: NDArray[np.float32],
        prototypes: NDArray[np.float32],
        box: NDArray[np.float32],
    ) -> NDArray[np.bool_]:
        """The mask of one row, at the prototypes' size: bool (h, w)."""
        count, height, width = prototypes.shape
        total = (weights @ prototypes.reshape(count, -1)).reshape(height, width)
        wanted = self._manifest.input
        scales = (width / wanted.width_px, height / wanted.height_px)
        x1, x2 = (round(float(x) * scales[0]) for x in box[0::2])
        y1, y2 = (round(float(y) * scales[1]) for y in box[1::2])
        mask = np.zeros((height, width), dtype=np.bool_)
        inside = slice(max(0, y1), max(0, y2)), slice(max(0, x1), max(0, x2))
        mask[inside] = total[inside] > 0
        return mask

    def _patch(self, mask: NDArray[np.bool_], where: Fit) -> Patch:
        """Where the mask lies in the picture."""
        step_px = self._manifest.input.width_px / mask.shape[1]
        return Patch(
            -where.left_px / where.scale, -where.top_px / where.scale, step_px / where.scale
        )


def _boxes_in_picture(boxes: NDArray[np.float32], where: Fit) -> NDArray[np.float64]:
    offset = np.array([where.left_px, where.top_px] * 2, dtype=np.float64)
    back: NDArray[np.float64] = (boxes.astype(np.float64) - offset) / where.scale
    return back


def _open_session(weights: bytes, manifest: OutlineManifest, threads: int) -> Any:
    # After our module around it, which keeps it from telling its maker.
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = SEVERITY_FATAL
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return ort.InferenceSession(weights, options, providers=["CPUExecutionProvider"])
    except ERRORS as error:
        raise WeightsUnreadable(
            f"ONNX Runtime {ort.__version__} cannot load {manifest.weights.file} of"
            f" {manifest.name}: {error}; export it again for this version"
        ) from error


def _check_ends(session: Any, manifest: OutlineManifest) -> str:
    """Compare the network's ends with the manifest; give the input's name."""
    inputs, outputs = session.get_inputs(), session.get_outputs()
    wanted = [1, 3, manifest.input.height_px, manifest.input.width_px]
    if len(inputs) != 1 or list(inputs[0].shape) != wanted:
        raise ContractBroken(
            f"{manifest.name} does not want one picture {wanted}; correct `input` or export again"
        )
    shapes = [list(output.shape) for output in outputs]
    if not _is_contract(shapes):
        raise ContractBroken(
            f"{manifest.name} gives {shapes}, an outline needs [1, N, 6 + C] and [1, C, h, w];"
            " export a segmentation model end to end (ultralytics: nms=True, or nms=False on"
            " YOLO26)"
        )
    return str(inputs[0].name)


def _is_contract(shapes: list[list[Any]]) -> bool:
    if [len(shape) for shape in shapes] != [ROWS_DIMENSIONS, PROTOTYPE_DIMENSIONS]:
        return False
    rows, prototypes = shapes
    return bool(rows[2] == WEIGHTS_FROM + prototypes[1])
