"""Building a TensorRT engine of verified weights, on the GPU that will run it. Takes minutes.

Imported by `tensorrt.py` alone, which says what to do where there is no TensorRT.
"""

from __future__ import annotations

from collections import deque
from typing import Any

import tensorrt as trt

from models.vision.backends.end_to_end import check_ends
from models.vision.errors import EngineFailed
from models.vision.manifest import Manifest

# What the builder may use to try out kernels. A detector of ours needs some megabytes; an Orin Nano
# shares 8 GB with everything else.
WORKSPACE_BYTES = 512 << 20
COMPLAINTS_MAX = 8


class Log(trt.ILogger):  # type: ignore[misc]  # a class of a library without types
    """Keeps TensorRT's complaints for our own messages; it would print them to stderr."""

    def __init__(self) -> None:
        trt.ILogger.__init__(self)  # its documentation asks for exactly this call
        self.complaints: deque[str] = deque(maxlen=COMPLAINTS_MAX)

    def log(self, severity: Any, msg: str) -> None:
        if severity in (trt.ILogger.INTERNAL_ERROR, trt.ILogger.ERROR):
            self.complaints.append(msg.strip())

    def last(self) -> str:
        """The latest complaint."""
        return self.complaints[-1] if self.complaints else "TensorRT does not say why"


def precision() -> str:
    """Half precision where the builder decides; from TensorRT 11 on the weights themselves do."""
    return "fp16" if hasattr(trt.BuilderFlag, "FP16") else "fp32"


def build_engine(weights: bytes, manifest: Manifest, log: Log) -> bytes:
    """Make an engine for the GPU of this machine.

    Raises:
        EngineFailed: TensorRT cannot make one.
        ContractBroken: the network's ends are not what the manifest says.
    """
    builder = trt.Builder(log)
    # Before TensorRT 10 a network without this flag was another kind; since then there is one kind.
    explicit = getattr(trt.NetworkDefinitionCreationFlag, "EXPLICIT_BATCH", None)
    network = builder.create_network(0 if explicit is None else 1 << int(explicit))
    parser = trt.OnnxParser(network, log)
    if not parser.parse(weights):
        said = [parser.get_error(index).desc() for index in range(parser.num_errors)]
        raise EngineFailed(
            f"TensorRT {trt.__version__} cannot read {manifest.weights.file} of {manifest.name}:"
            f" {'; '.join(said) or log.last()}; use onnxruntime, or export it for this version"
        )
    _check_tensors(
        [network.get_input(index) for index in range(network.num_inputs)],
        [network.get_output(index) for index in range(network.num_outputs)],
        manifest,
    )
    config = builder.create_builder_config()
    config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, WORKSPACE_BYTES)
    half = getattr(trt.BuilderFlag, "FP16", None)
    if half is not None:
        config.set_flag(half)
    plan = builder.build_serialized_network(network, config)
    if plan is None:
        raise EngineFailed(
            f"TensorRT {trt.__version__} cannot build an engine of {manifest.name}: {log.last()};"
            " use onnxruntime, or free memory and try again"
        )
    return bytes(plan)


def _check_tensors(inputs: list[Any], outputs: list[Any], manifest: Manifest) -> None:
    """Fail before the minutes of building, not after them."""
    check_ends(
        [(type_name(one.dtype), dimensions(one.shape)) for one in inputs],
        [dimensions(one.shape) for one in outputs],
        manifest,
    )


def type_name(dtype: Any) -> str:
    """`float` for single precision, TensorRT's own name for anything else."""
    return "float" if dtype == trt.DataType.FLOAT else str(dtype)


def dimensions(shape: Any) -> list[int]:
    """TensorRT's shape as numbers; -1 is what is not known in advance."""
    return [int(size) for size in shape]
