"""Back ends: which there are, which of them can run a model here, and how one is opened.

    name          runs    needs                                    preferred
    tensorrt      .onnx   TensorRT and a GPU; builds an engine     1st
    onnxruntime   .onnx   the onnxruntime package                  2nd
    opencv        .onnx   OpenCV 4.8 or newer, which is always     3rd
    ultralytics   .pt     the ultralytics package and torch        the only one

`auto` takes the first that is there. One that is there and fails, where another one can run the
model, is passed over, and the detector's `info.note` says why. A model that is wrong in itself (its
contract, its digest) is wrong for all of them and is refused at once.

    end_to_end.py         the detector around any of their networks
    onnx.py               ONNX Runtime
    opencv.py             OpenCV; onnx_ends.py reads what it does not tell
    tensorrt.py           TensorRT; tensorrt_build.py makes its engines, engines.py keeps them,
                          cuda.py is the GPU's memory
    ultralytics.py        .pt files; pickles.py says what such a file would do, torchvision_shim.py
                          stands in for a library that does not load
    faulty.py             detectors that fail on purpose

This module imports no library of any back end; asking for a GPU loads libcudart.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import util
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias, get_args

import msgspec

from models.vision.detector import Detector
from models.vision.errors import (
    BackendMissing,
    EngineFailed,
    ModelError,
    OutOfMemory,
    WeightsUnreadable,
)
from models.vision.manifest import Manifest

if TYPE_CHECKING:
    from models.vision.backends.end_to_end import Network

BackendName: TypeAlias = Literal["tensorrt", "onnxruntime", "opencv", "ultralytics"]
BACKENDS: tuple[BackendName, ...] = get_args(BackendName)
AUTO = "auto"

# What one back end cannot do and another one may.
PASSED_OVER = (BackendMissing, EngineFailed, OutOfMemory, WeightsUnreadable)


class Options(msgspec.Struct, frozen=True):
    """How a model is to be opened.

    Attributes:
        threads: for one inference.
        cache: directory for what is built from a model; None keeps nothing.
        build: whether an engine may be built now, which takes minutes.
        lean: spend time to save memory, where the back end can.
    """

    threads: int = 1
    cache: Path | None = None
    build: bool = True
    lean: bool = False


class BackendReport(msgspec.Struct, frozen=True):
    """How a back end stands on this machine.

    Attributes:
        formats: of weights that it runs.
        version: of its library; empty if it is not there or does not say.
        usable: whether it can be opened here.
        why: it cannot; empty if it can.
        cure: what to do about it.
    """

    name: BackendName
    formats: tuple[str, ...]
    version: str
    usable: bool
    why: str = ""
    cure: str = ""


class _Backend(NamedTuple):
    """A row of the registry.

    Attributes:
        module: import name of its library.
        packages: names under which the library may be installed.
        cure: what to install if it is not.
        lacks: what else is missing, and the cure; None if nothing is.
    """

    name: BackendName
    formats: tuple[str, ...]
    module: str
    packages: tuple[str, ...]
    cure: str
    lacks: Callable[[], tuple[str, str] | None]
    load: Callable[[bytes, Manifest, Options], Network]


def available_backends() -> tuple[BackendReport, ...]:
    """Say how every back end stands here, the preferred one first. No library is imported."""
    return tuple(_report(backend) for backend in _REGISTRY)


def open_with(
    weights: bytes, manifest: Manifest, options: Options, backend: str = AUTO
) -> Detector:
    """Open verified weights with the back end of this name, or with the best that is there.

    Raises:
        BackendMissing: it is not there, or does not run such weights.
        ModelError: what else is wrong with the model.
    """
    kind = manifest.weights.format
    fitting = [one for one in _REGISTRY if kind in one.formats]
    if backend == AUTO:
        return _open_best(fitting, weights, manifest, options)
    if backend not in BACKENDS:
        raise BackendMissing(
            f"no back end is called {backend}; there are {', '.join((AUTO, *BACKENDS))}"
        )
    for chosen in fitting:
        if chosen.name == backend:
            if obstacle := _obstacle(chosen):
                raise BackendMissing("; ".join(obstacle))
            return _detector(chosen, weights, manifest, options, passed_over=())
    raise BackendMissing(
        f"{backend} does not run .{kind} files; take {' or '.join(one.name for one in fitting)}"
    )


def _open_best(
    fitting: Sequence[_Backend], weights: bytes, manifest: Manifest, options: Options
) -> Detector:
    failures: list[tuple[str, ModelError]] = []
    absent: list[str] = []
    for backend in fitting:
        if obstacle := _obstacle(backend):
            absent.append("; ".join(obstacle))
            continue
        try:
            return _detector(backend, weights, manifest, options, passed_over=failures)
        except PASSED_OVER as error:
            failures.append((backend.name, error))
    if failures:
        # What a portable back end says of a model is clearer than what became of an engine.
        portable = [error for name, error in failures if name != "tensorrt"]
        raise (portable or [error for _, error in failures])[0]
    raise BackendMissing(
        f"nothing here runs .{manifest.weights.format} files: {', or '.join(absent)}"
    )


def _detector(
    backend: _Backend,
    weights: bytes,
    manifest: Manifest,
    options: Options,
    *,
    passed_over: Sequence[tuple[str, ModelError]],
) -> Detector:
    from models.vision.backends.end_to_end import EndToEndDetector

    network = backend.load(weights, manifest, options)
    said = [f"{name}: {error}" for name, error in passed_over]
    return EndToEndDetector(network, manifest, note="; ".join([*said, network.note]).strip("; "))


# ----- what is here ---------------------------------------------------------------------------


def _report(backend: _Backend) -> BackendReport:
    why, cure = _obstacle(backend) or ("", "")
    version = _version(backend.packages)
    return BackendReport(backend.name, backend.formats, version, not why, why, cure)


def _obstacle(backend: _Backend) -> tuple[str, str] | None:
    """Why it cannot be used here, and the cure; None if it can."""
    if util.find_spec(backend.module) is None:
        return f"{backend.module} is not installed", backend.cure
    return backend.lacks()


def _version(packages: Sequence[str]) -> str:
    # Here, not above: 20 ms to import, and nobody who only opens a detector needs it.
    from importlib import metadata

    for package in packages:
        try:
            return metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return ""


def _nothing() -> None:
    return None


def _lacks_gpu() -> tuple[str, str] | None:
    from models.vision.backends.cuda import Cuda, CudaMissing

    try:
        Cuda()
    except CudaMissing as error:
        return f"TensorRT needs a GPU, and {error}", "use onnxruntime, or install the GPU's driver"
    return None


def _lacks_torch() -> tuple[str, str] | None:
    if util.find_spec("torch") is None:
        return "torch is not installed", "pip install torch; on a Jetson take NVIDIA's build of it"
    return None


# ----- how each is loaded ---------------------------------------------------------------------


def _load_tensorrt(weights: bytes, manifest: Manifest, options: Options) -> Network:
    from models.vision.backends.tensorrt import open_network

    return open_network(weights, manifest, cache=options.cache, build=options.build)


def _load_onnxruntime(weights: bytes, manifest: Manifest, options: Options) -> Network:
    from models.vision.backends.onnx import OnnxNetwork

    return OnnxNetwork(weights, manifest, threads=options.threads, lean=options.lean)


def _load_opencv(weights: bytes, manifest: Manifest, options: Options) -> Network:
    from models.vision.backends.opencv import OpenCvNetwork

    return OpenCvNetwork(weights, manifest, threads=options.threads)


def _load_ultralytics(weights: bytes, manifest: Manifest, options: Options) -> Network:
    from models.vision.backends.ultralytics import UltralyticsNetwork

    return UltralyticsNetwork(weights, manifest, threads=options.threads, cache=options.cache)


_REGISTRY = (
    _Backend(
        "tensorrt",
        ("onnx",),
        module="tensorrt",
        packages=("tensorrt", "tensorrt-cu12", "tensorrt-cu13"),
        cure="on a Jetson: apt install python3-libnvinfer, in an environment that sees it",
        lacks=_lacks_gpu,
        load=_load_tensorrt,
    ),
    _Backend(
        "onnxruntime",
        ("onnx",),
        module="onnxruntime",
        packages=("onnxruntime", "onnxruntime-gpu"),
        cure="pip install onnxruntime",
        lacks=_nothing,
        load=_load_onnxruntime,
    ),
    _Backend(
        "opencv",
        ("onnx",),
        module="cv2",
        packages=("opencv-python-headless", "opencv-python", "opencv-contrib-python-headless"),
        cure="pip install opencv-python-headless",
        lacks=_nothing,
        load=_load_opencv,
    ),
    _Backend(
        "ultralytics",
        ("pt",),
        module="ultralytics",
        packages=("ultralytics", "ultralytics-opencv-headless"),
        cure="pip install 'rvm-edge[ultralytics]', or export the model to ONNX",
        lacks=_lacks_torch,
        load=_load_ultralytics,
    ),
)
