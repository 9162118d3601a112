"""The ultralytics back end, for `.pt` files: training boxes, not machines.

The network is taken out of the file and run directly: ultralytics' own `predict` chooses the head
once, on its first call, and needs torchvision for it, and takes twice the time. Here the
one-to-one head is asked for before anything else happens (what `nms=False` means there), and
torchvision is never imported.

A `.pt` is loaded only after its digest and its pickle were checked, from a private copy of the very
bytes that were, and with ultralytics' own list of allowed classes on top.

ultralytics is AGPL-3.0; the extra that installs it says so.
"""

from __future__ import annotations

import importlib
import os
import pickle
import tempfile
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from models.vision.backends.pickles import check_pickle
from models.vision.errors import (
    BackendMissing,
    ContractBroken,
    InferenceFailed,
    OutOfMemory,
    WeightsUnreadable,
)
from models.vision.manifest import Manifest

# Read when it is imported. Without these it installs packages while the machine runs, tells its
# maker about it, looks for updates, and prints; with the last one it builds allowed classes only.
ENVIRONMENT = {
    "YOLO_AUTOINSTALL": "false",
    "YOLO_OFFLINE": "true",
    "YOLO_VERBOSE": "false",
    "ULTRALYTICS_SAFE_LOAD": "1",
}
LOAD_ERRORS = (
    AttributeError,
    EOFError,
    ImportError,
    KeyError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
    pickle.UnpicklingError,
)


class UltralyticsNetwork:
    """A `Network` run by torch, out of a file of ultralytics."""

    def __init__(
        self, weights: bytes, manifest: Manifest, *, threads: int = 1, cache: Path | None = None
    ) -> None:
        """Check and load the file.

        Args:
            cache: where ultralytics may keep its settings; without one they are thrown away.
        """
        check_pickle(weights, f"{manifest.weights.file} of {manifest.name}")
        with tempfile.TemporaryDirectory(prefix="rvm-weights-") as private:
            library = _import_ultralytics(cache or Path(private))
            self._torch = importlib.import_module("torch")
            self.backend = f"ultralytics {library.__version__}"
            self.note = ""
            self._torch.set_num_threads(threads)
            self._device = "cuda" if self._torch.cuda.is_available() else "cpu"
            self._module = self._load(weights, manifest, Path(private))

    def run(self, tensor: NDArray[np.float32]) -> NDArray[np.float32]:
        """Run it once."""
        torch = self._torch
        try:
            with torch.inference_mode():
                answer = self._module(torch.from_numpy(tensor).to(self._device))
        except RuntimeError as error:
            raise InferenceFailed(f"{self.backend} failed: {error}; start it again") from error
        while isinstance(answer, (tuple, list)):
            answer = answer[0]  # what follows is for training
        return cast("NDArray[np.float32]", answer.float().cpu().numpy())

    def close(self) -> None:
        """Free the network."""
        self._module = None

    def _load(self, weights: bytes, manifest: Manifest, private: Path) -> Any:
        """Make the network of the very bytes that were checked, whatever is on the disk by now."""
        file = private / "weights.pt"  # only a file's name tells ultralytics what it is
        file.write_bytes(weights)
        what = f"{manifest.weights.file} of {manifest.name}"
        try:
            tasks = importlib.import_module("ultralytics.nn.tasks")
            module, _ = tasks.load_checkpoint(file, device=self._device)
        except MemoryError as error:
            raise OutOfMemory(f"too little memory for {what}; raise the limit") from error
        except LOAD_ERRORS as error:
            raise WeightsUnreadable(
                f"{self.backend} cannot load {what}: {error}; save it again with this version"
            ) from error
        return _end_to_end(module, manifest)


def _import_ultralytics(settings: Path) -> Any:
    os.environ.update(ENVIRONMENT)
    os.environ.setdefault("YOLO_CONFIG_DIR", str(settings))
    try:
        return importlib.import_module("ultralytics")
    except ImportError as error:
        raise BackendMissing(
            f"ultralytics cannot be imported ({error}); pip install 'rvm-edge[ultralytics]', or"
            " export the model to ONNX"
        ) from error


def _end_to_end(module: Any, manifest: Manifest) -> Any:
    """Choose the head that needs no suppression of doubles, before the other one is fused away."""
    head = module.model[-1] if hasattr(module, "model") else None
    if getattr(head, "one2one_cv2", None) is None:
        raise ContractBroken(
            f"{manifest.name} has no end-to-end head and leaves the suppression of doubles to its"
            " caller; train a YOLO26, or export it to ONNX with nms=True"
        )
    module.end2end = True
    return module.fuse(verbose=False).eval()
