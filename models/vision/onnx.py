"""The ONNX Runtime back end: an end-to-end detector on the processor.

One thread by default and no spinning: on a machine with six cores and a motor to guard, a
detector that is a little faster by burning idle cores is no gain.
"""

import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.vision.detector import Detection, DetectorInfo
from models.vision.errors import BackendMissing, ContractBroken, WeightsUnreadable
from models.vision.letterbox import boxes_in_picture, check_frame, letterbox
from models.vision.manifest import Manifest

# Its wheels tell their maker what they run, and keep a database of it in the home directory. A
# machine in a shop tells its platform and nobody else; heard only when it is imported.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

try:
    import onnxruntime as ort
    from onnxruntime.capi import onnxruntime_pybind11_state as ort_state
except ImportError as error:
    raise BackendMissing(
        f"ONNX Runtime cannot be imported ({error}); pip install onnxruntime"
    ) from error

ROW = 6  # x1, y1, x2, y2, confidence, class
CONFIDENCE = 4
CLASS = 5
SEVERITY_FATAL = 4

# What ONNX Runtime raises for a file it cannot use; they share no base but Exception.
LOAD_ERRORS: tuple[type[Exception], ...] = (
    ort_state.Fail,
    ort_state.InvalidArgument,
    ort_state.InvalidGraph,
    ort_state.InvalidProtobuf,
    ort_state.NoModel,
    ort_state.NotImplemented,
    ort_state.RuntimeException,
)


class OnnxDetector:
    """A `Detector` run by ONNX Runtime."""

    def __init__(self, weights: bytes, manifest: Manifest, *, threads: int = 1) -> None:
        self._manifest = manifest
        self._session = _open_session(weights, manifest, threads)
        self._input_name = _check_contract(self._session, manifest)
        self.info = DetectorInfo(
            name=manifest.name,
            backend=f"onnxruntime {ort.__version__}",
            sha256=manifest.weights.sha256,
            classes=manifest.classes,
            side_px=manifest.input.side_px,
            thresholds=dict(manifest.thresholds),
        )

    def detect(self, frame: NDArray[np.uint8]) -> tuple[Detection, ...]:
        """Find things on a uint8 (H, W, 3) BGR picture, most confident first."""
        check_frame(frame)
        wanted = self._manifest.input
        tensor, where = letterbox(frame, wanted.side_px, wanted.padding_level)
        (output,) = self._session.run(None, {self._input_name: tensor})
        rows = _rows_seen(output, self._manifest)
        boxes = boxes_in_picture(rows[:, :CONFIDENCE], where, frame.shape[0], frame.shape[1])
        return tuple(
            Detection(self._manifest.classes[int(row[CLASS])], float(row[CONFIDENCE]), _box(box))
            for row, box in zip(rows, boxes, strict=True)
        )

    def close(self) -> None:
        """Free the network."""
        self._session = None


def _open_session(weights: bytes, manifest: Manifest, threads: int) -> Any:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = SEVERITY_FATAL  # it would write to stderr; errors are raised
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return ort.InferenceSession(weights, options, providers=["CPUExecutionProvider"])
    except LOAD_ERRORS as error:
        raise WeightsUnreadable(
            f"ONNX Runtime {ort.__version__} cannot load {manifest.weights.file} of"
            f" {manifest.name}: {error}; export it again for this version"
        ) from error


def _check_contract(session: Any, manifest: Manifest) -> str:
    """Compare the network's ends with the manifest; give the input's name."""
    inputs, outputs = session.get_inputs(), session.get_outputs()
    if len(inputs) != 1 or len(outputs) != 1:
        raise ContractBroken(
            f"{manifest.name} has {len(inputs)} inputs and {len(outputs)} outputs, a detector has"
            " one of each; export a plain detector (no masks, no key points)"
        )
    side_px = manifest.input.side_px
    if list(inputs[0].shape) != [1, 3, side_px, side_px] or inputs[0].type != "tensor(float)":
        raise ContractBroken(
            f"{manifest.name} wants {inputs[0].type} {inputs[0].shape}, its manifest says float"
            f" [1, 3, {side_px}, {side_px}]; correct `input` or export with that size"
        )
    _check_output_shape(list(outputs[0].shape), manifest)
    return str(inputs[0].name)


def _check_output_shape(shape: list[Any], manifest: Manifest) -> None:
    if len(shape) == ROW // 2 and shape[0] == 1 and shape[2] == ROW:
        return
    raw_head = len(shape) == ROW // 2 and shape[1] == CONFIDENCE + len(manifest.classes)
    raise ContractBroken(
        f"{manifest.name} gives {shape}, an end-to-end detector gives [1, N, {ROW}]; "
        + (
            "this is a raw head that leaves the suppression of doubles to its caller;"
            " export it end to end (ultralytics: nms=False on YOLO26, nms=True on others)"
            if raw_head
            else "export it end to end"
        )
    )


def _rows_seen(output: NDArray[np.float32], manifest: Manifest) -> NDArray[np.float32]:
    """Keep the rows (N, 6) that are no noise, most confident first; trust nothing in them."""
    _check_output_shape(list(output.shape), manifest)
    rows: NDArray[np.float32] = output[0]
    if not np.isfinite(rows).all():
        raise ContractBroken(f"{manifest.name} gives numbers that are none; install it again")
    rows = rows[rows[:, CONFIDENCE] >= manifest.seen_from]
    numbers = rows[:, CLASS]
    if ((numbers < 0) | (numbers >= len(manifest.classes)) | (numbers % 1 != 0)).any():
        raise ContractBroken(
            f"{manifest.name} gives classes that its manifest does not name; correct `classes`"
        )
    order = np.argsort(-rows[:, CONFIDENCE], kind="stable")
    sorted_rows: NDArray[np.float32] = rows[order]
    return sorted_rows


def _box(box: NDArray[np.float64]) -> tuple[float, float, float, float]:
    x1, y1, x2, y2 = box.tolist()
    return (x1, y1, x2, y2)
