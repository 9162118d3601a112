"""The OpenCV back end: for interpreters that ONNX Runtime has no wheel for.

Nothing to install, half the speed. OpenCV 5 runs every end-to-end detector that was tried; OpenCV 4
(4.10 was) lacks TopK, with which a YOLO ends, and says so when it loads one. OpenCV's number of
threads is one for the whole process, which is another reason why a detector has its own.
"""

from typing import Any, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from models.vision.backends.end_to_end import check_ends
from models.vision.backends.onnx_ends import NotOnnx, read_ends
from models.vision.errors import BackendMissing, InferenceFailed, OutOfMemory, WeightsUnreadable
from models.vision.manifest import Manifest

OLDEST = (4, 8)  # JetPack 6 has it
STATUS_NO_MEMORY = -4


class OpenCvNetwork:
    """A `Network` run by OpenCV's own inference."""

    def __init__(self, weights: bytes, manifest: Manifest, *, threads: int = 1) -> None:
        """Load the network; OpenCV says nothing about its ends, so the file itself has to."""
        version = str(cv2.__version__)
        if tuple(int(part) for part in version.split(".")[:2]) < OLDEST:
            raise BackendMissing(
                f"OpenCV {version} is too old to run detectors; install 4.8 or newer"
            )
        self.backend = f"opencv {version}"
        self.note = ""
        cv2.setNumThreads(threads)
        try:
            check_ends(*read_ends(weights), manifest)
        except NotOnnx as error:
            what = f"{manifest.weights.file} of {manifest.name}"
            raise WeightsUnreadable(f"{what} is no ONNX file: {error}; install it again") from error
        self._net: Any = _read(weights, manifest, version)

    def run(self, tensor: NDArray[np.float32]) -> NDArray[np.float32]:
        """Run it once."""
        try:
            self._net.setInput(tensor)
            output = self._net.forward()
        except cv2.error as error:
            raise InferenceFailed(
                f"{self.backend} failed: {_said(error)}; start it again"
            ) from error
        return cast("NDArray[np.float32]", output)

    def close(self) -> None:
        """Free the network."""
        self._net = None


def _read(weights: bytes, manifest: Manifest, version: str) -> Any:
    buffer = np.frombuffer(weights, np.uint8)
    # OpenCV 5 has several engines and one that chooses; OpenCV 4 has one and no such argument.
    engine = getattr(cv2.dnn, "ENGINE_AUTO", None)
    choice = () if engine is None else (engine,)
    try:
        net = cv2.dnn.readNetFromONNX(buffer, *choice)
    except cv2.error as error:
        what = f"{manifest.weights.file} of {manifest.name}"
        if error.code == STATUS_NO_MEMORY:
            raise OutOfMemory(
                f"too little memory for {what}; raise the limit or take a smaller model"
            ) from error
        raise WeightsUnreadable(
            f"OpenCV {version} cannot load {what}: {_said(error)}; install onnxruntime"
        ) from error
    return net


def _said(error: cv2.error) -> str:
    """What OpenCV says, on one line and without its quotation marks."""
    said = getattr(error, "err", "") or str(error)
    return " ".join(said.replace(">", " ").split())
