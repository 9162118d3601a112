"""The TensorRT back end: the network on the GPU, without torch in the process.

    weights (.onnx) ─ build, minutes, once ─▶ engine in the cache ─ load, seconds ─▶ EngineNetwork
                      tensorrt_build.py       engines.py                             here, cuda.py

The names used here are there in TensorRT 8.5, 10 and 11; what is gone in one of them is asked for
before it is used. Whatever goes wrong is an `EngineFailed`, and `open_detector` goes on with the
portable model.

Where this was written there is neither TensorRT nor a GPU. The runner is tested against a stand-in
for both that keeps device memory apart, works only when a stream is waited for, and fails wherever
it is told to; the real libcudart was only seen to say that there is no driver. The first start on
a Jetson is still to be done.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.vision.backends.cuda import NO_MEMORY, Cuda, CudaError, CudaMissing
from models.vision.backends.end_to_end import check_ends, check_output_shape, input_shape
from models.vision.backends.engines import Key, forget_engine, read_engine, write_engine
from models.vision.errors import (
    BackendMissing,
    EngineFailed,
    InferenceFailed,
    ModelError,
    OutOfMemory,
)
from models.vision.manifest import Manifest

try:
    import tensorrt as trt
except (ImportError, OSError) as error:
    raise BackendMissing(
        f"TensorRT cannot be imported ({error}); on a Jetson: apt install python3-libnvinfer, and a"
        " virtual environment that sees the system's packages"
    ) from error

from models.vision.backends.tensorrt_build import (
    Log,
    build_engine,
    dimensions,
    precision,
    type_name,
)


def open_network(
    weights: bytes, manifest: Manifest, *, cache: Path | None, build: bool = True
) -> EngineNetwork:
    """Load the cached engine of these weights, or build one.

    Args:
        cache: directory of engines; None builds one every time and keeps none.
        build: whether a missing engine may be built now, which takes minutes.

    Raises:
        ModelError: there is no GPU, or no engine and none could be made.
    """
    log = Log()
    try:
        cuda = Cuda()
        key = Key(manifest.weights.sha256, trt.__version__, cuda.gpu_name(), precision())
    except CudaMissing as error:
        raise BackendMissing(f"TensorRT needs a GPU: {error}; use onnxruntime") from error
    except CudaError as error:
        raise EngineFailed(f"the GPU does not answer: {error}; use onnxruntime") from error
    kept = _kept(cache, key, manifest, cuda, log) if cache else None
    if kept is not None:
        return kept
    if not build:
        raise EngineFailed(
            f"there is no engine of {manifest.name} for this GPU yet; `rvm-edge models bench`"
            " builds it"
        )
    plan = build_engine(weights, manifest, log)
    network = EngineNetwork(plan, manifest, cuda, log)
    if cache:
        try:
            write_engine(cache, key, plan)
        except OSError as error:
            # It runs; the next start builds again, and the note says what to make room for.
            network.note = f"the engine cannot be kept in {cache}: {error.strerror}"
    return network


def _kept(cache: Path, key: Key, manifest: Manifest, cuda: Cuda, log: Log) -> EngineNetwork | None:
    """The engine from the cache, None if there is none that runs here."""
    plan = read_engine(cache, key)
    if plan is None:
        return None
    try:
        return EngineNetwork(plan, manifest, cuda, log)
    except EngineForeign:
        forget_engine(cache, key)  # made by another TensorRT after all
        return None


class EngineForeign(EngineFailed):
    """The bytes are no engine of this TensorRT and this GPU."""


class _Ends(NamedTuple):
    """Where the network's ends lie while it runs."""

    context: Any
    device_input: int
    device_output: int
    output: NDArray[np.float32]
    stream: int


class EngineNetwork:
    """A `Network` run by a TensorRT engine."""

    def __init__(self, plan: bytes, manifest: Manifest, cuda: Cuda, log: Log) -> None:
        """Load an engine and take memory for its ends.

        Raises:
            EngineForeign: it was made elsewhere.
            OutOfMemory: the GPU has too little.
            EngineFailed: it cannot run here.
        """
        self.backend = f"tensorrt {trt.__version__}"
        self.note = ""
        self._cuda, self._log = cuda, log
        self._runtime = trt.Runtime(log)  # has to outlive the engine
        self._engine = self._runtime.deserialize_cuda_engine(plan)
        if self._engine is None:
            raise EngineForeign(f"{self.backend} refuses the engine: {log.last()}; build it again")
        with ExitStack() as undo:
            try:
                self._ends: _Ends | None = self._prepare(manifest, undo)
            except CudaError as error:
                raise _load_error(error, manifest) from error
            self._undo = undo.pop_all()

    def run(self, tensor: NDArray[np.float32]) -> NDArray[np.float32]:
        """Run it once: copy in, compute, copy out, all in one stream, then wait."""
        if self._ends is None:
            raise InferenceFailed("the engine is closed; open it again")
        context, device_input, device_output, output, stream = self._ends
        try:
            self._cuda.upload(device_input, tensor.ctypes.data, tensor.nbytes, stream)
            if not context.execute_async_v3(stream):
                raise InferenceFailed(f"{self.backend} failed: {self._log.last()}; start it again")
            self._cuda.download(output.ctypes.data, device_output, output.nbytes, stream)
            self._cuda.wait(stream)
        except CudaError as error:
            raise InferenceFailed(f"{self.backend} failed: {error}; start it again") from error
        return output

    def close(self) -> None:
        """Give everything back: first stream and memory, then context, engine and runtime."""
        self._undo.close()
        self._ends = self._engine = self._runtime = None

    def _prepare(self, manifest: Manifest, undo: ExitStack) -> _Ends:
        input_name, output_name = self._check_ends(manifest)
        context = self._engine.create_execution_context()
        if context is None:
            raise OutOfMemory(
                f"{self.backend} has no room for {manifest.name}: {self._log.last()};"
                " take a smaller model or onnxruntime"
            )
        output = np.empty(_rows_shape(context, output_name, manifest), np.float32)
        input_bytes = math.prod(input_shape(manifest.input)) * output.itemsize
        device_input = self._take(input_bytes, undo)
        device_output = self._take(output.nbytes, undo)
        for name, address in ((input_name, device_input), (output_name, device_output)):
            if not context.set_tensor_address(name, address):
                raise EngineFailed(
                    f"{self.backend} does not take memory for {name}: {self._log.last()};"
                    " use onnxruntime"
                )
        # Not the default stream: TensorRT would wait for the whole GPU around every picture.
        stream = self._cuda.open_stream()
        undo.callback(_give_back, self._cuda.close_stream, stream)
        return _Ends(context, device_input, device_output, output, stream)

    def _take(self, size_bytes: int, undo: ExitStack) -> int:
        address = self._cuda.allocate(size_bytes)
        undo.callback(_give_back, self._cuda.free, address)
        return address

    def _check_ends(self, manifest: Manifest) -> tuple[str, str]:
        """Compare the engine's ends with the manifest; give their names."""
        engine = self._engine
        names = [engine.get_tensor_name(index) for index in range(engine.num_io_tensors)]
        modes = {name: engine.get_tensor_mode(name) for name in names}
        inputs = [name for name in names if modes[name] == trt.TensorIOMode.INPUT]
        outputs = [name for name in names if modes[name] == trt.TensorIOMode.OUTPUT]
        shapes = {name: dimensions(engine.get_tensor_shape(name)) for name in names}
        types = {name: type_name(engine.get_tensor_dtype(name)) for name in names}
        check_ends(
            [(types[name], shapes[name]) for name in inputs],
            [shapes[name] for name in outputs],
            manifest,
        )
        if types[outputs[0]] != "float":
            raise EngineFailed(
                f"the engine of {manifest.name} answers in {types[outputs[0]]}, not float;"
                " export its ends in single precision"
            )
        return inputs[0], outputs[0]


def _rows_shape(context: Any, output_name: str, manifest: Manifest) -> list[int]:
    """Shape of the answer; if it depends on the picture, that needs an allocator we do not have."""
    shape = dimensions(context.get_tensor_shape(output_name))
    check_output_shape(shape, manifest)
    if min(shape) < 1:
        raise EngineFailed(
            f"{manifest.name} gives as many rows as it sees things ({shape}), an engine needs"
            " a fixed number; use onnxruntime, or export it with one"
        )
    return shape


def _give_back(release: Callable[[int], None], handle: int) -> None:
    try:
        release(handle)
    except CudaError:
        pass  # the GPU is gone or broken; what it held goes with the process


def _load_error(error: CudaError, manifest: Manifest) -> ModelError:
    if error.code == NO_MEMORY:
        return OutOfMemory(
            f"the GPU has no room for {manifest.name} ({error});"
            " take a smaller model or onnxruntime"
        )
    return EngineFailed(f"the GPU cannot hold {manifest.name}: {error}; use onnxruntime")
