"""The ONNX Runtime back end: the network on the processor.

One thread by default and no spinning: on a machine with six cores and a motor to guard, a
detector that is a little faster by burning idle cores is no gain.
"""

import os
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from models.vision.backends.end_to_end import check_ends
from models.vision.errors import (
    BackendMissing,
    InferenceFailed,
    ModelError,
    OutOfMemory,
    WeightsUnreadable,
)
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

SEVERITY_FATAL = 4

# What ONNX Runtime raises where it fails; they share no base but Exception.
ERRORS: tuple[type[Exception], ...] = (
    ort_state.Fail,
    ort_state.InvalidArgument,
    ort_state.InvalidGraph,
    ort_state.InvalidProtobuf,
    ort_state.NoModel,
    ort_state.NotImplemented,
    ort_state.RuntimeException,
    MemoryError,
)
# How it says that memory ran out: in words, of C++ and of its own allocator.
MEMORY_WORDS = ("bad_alloc", "bad allocation", "Failed to allocate memory")


class OnnxNetwork:
    """A `Network` run by ONNX Runtime."""

    def __init__(
        self, weights: bytes, manifest: Manifest, *, threads: int = 1, lean: bool = False
    ) -> None:
        """Load the network.

        Args:
            threads: for one inference.
            lean: give memory back after every picture; costs up to 30 % of time.
        """
        self.backend = f"onnxruntime {ort.__version__}"
        self.note = ""
        self._session = _open_session(weights, manifest, threads, lean=lean)
        inputs = self._session.get_inputs()
        check_ends(
            [(_plain_type(one.type), one.shape) for one in inputs],
            [one.shape for one in self._session.get_outputs()],
            manifest,
        )
        self._input_name = str(inputs[0].name)

    def run(self, tensor: NDArray[np.float32]) -> NDArray[np.float32]:
        """Run it once."""
        try:
            (output,) = self._session.run(None, {self._input_name: tensor})
        except ERRORS as error:
            raise InferenceFailed(f"{self.backend} failed: {error}; start it again") from error
        return cast("NDArray[np.float32]", output)

    def close(self) -> None:
        """Free the network."""
        self._session = None


def _open_session(weights: bytes, manifest: Manifest, threads: int, *, lean: bool) -> Any:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = SEVERITY_FATAL  # it would write to stderr; errors are raised
    options.enable_cpu_mem_arena = not lean
    options.enable_mem_pattern = not lean
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return ort.InferenceSession(weights, options, providers=["CPUExecutionProvider"])
    except ERRORS as error:
        raise _load_error(error, manifest) from error


def _load_error(error: Exception, manifest: Manifest) -> ModelError:
    what = f"{manifest.weights.file} of {manifest.name}"
    if isinstance(error, MemoryError) or any(word in str(error) for word in MEMORY_WORDS):
        return OutOfMemory(
            f"too little memory for {what} ({error}); raise the limit or take a smaller model"
        )
    return WeightsUnreadable(
        f"ONNX Runtime {ort.__version__} cannot load {what}: {error};"
        " export it again for this version"
    )


def _plain_type(name: str) -> str:
    """`tensor(float)` is `float`."""
    return name.removeprefix("tensor(").removesuffix(")")
