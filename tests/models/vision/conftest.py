"""A machine with TensorRT and a GPU, as far as a machine without them can be one."""

import ctypes
import importlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from models.vision import default_detector_directory
from models.vision.backends.ultralytics import ENVIRONMENT
from tests.models.vision.maker import write_model

STAND_INS = Path(__file__).with_name("stand_ins")
NEEDS_TENSORRT = (
    "tensorrt",
    "models.vision.backends.tensorrt",
    "models.vision.backends.tensorrt_build",
)


@pytest.fixture(scope="session")
def cudart_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The stand-in for libcudart, compiled."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        pytest.skip("the stand-in for libcudart needs a C compiler: apt install gcc")
    made = tmp_path_factory.mktemp("cuda") / "libcudart_standin.so"
    source = STAND_INS / "cudart.c"
    subprocess.run(
        [compiler, "-O1", "-shared", "-fPIC", "-Wall", "-Werror", "-o", made, source], check=True
    )
    return made


@pytest.fixture
def cudart(cudart_file: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ctypes.CDLL]:
    """The stand-in, found where the real one would be, with one GPU and nothing told to fail.

    Whatever a test does, in the end all memory and all streams have been given back.
    """
    cuda = importlib.import_module("models.vision.backends.cuda")
    monkeypatch.setattr(cuda, "LIBRARIES", ("libno-such-cudart.so", str(cudart_file)))
    library = ctypes.CDLL(str(cudart_file))
    library.standin_allocated.restype = ctypes.c_size_t
    library.standin_reset(1)
    yield library
    assert (library.standin_allocated(), library.standin_streams()) == (0, 0)


@pytest.fixture
def install_tensorrt(
    cudart: ctypes.CDLL, cudart_file: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[str], SimpleNamespace]]:
    """Install the stand-in for TensorRT in a version; give it, our two modules and libcudart."""

    def forget() -> None:
        for name in NEEDS_TENSORRT:
            sys.modules.pop(name, None)

    def install(version: str) -> SimpleNamespace:
        forget()
        monkeypatch.setenv("STANDIN_TENSORRT", version)
        monkeypatch.setenv("STANDIN_CUDART", str(cudart_file))
        monkeypatch.syspath_prepend(str(STAND_INS))
        library, ours, build = (importlib.import_module(name) for name in NEEDS_TENSORRT)
        assert isinstance(library, ModuleType)
        return SimpleNamespace(trt=library, ours=ours, build=build, cudart=cudart)

    yield install
    forget()
    importlib.invalidate_caches()


@pytest.fixture(scope="session")
def yolo_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Directory of yolo26n.pt, yolo26n.onnx and yolo11n.pt, made with the real ultralytics."""
    if not all(map(find_spec, ("ultralytics", "onnx"))):
        pytest.skip("ultralytics or onnx is not installed; pip install 'rvm-edge[train]'")
    made = tmp_path_factory.mktemp("yolo")
    quiet = {**os.environ, **ENVIRONMENT, "YOLO_CONFIG_DIR": str(made), "YOLO_VERBOSE": "false"}
    script = Path(__file__).with_name("yolo_maker.py")
    subprocess.run([sys.executable, script, made], check=True, env=quiet, cwd=made)
    return made


@pytest.fixture(scope="session")
def yolo_model(yolo_files: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model directory around yolo26n.pt."""
    return write_model(
        tmp_path_factory.mktemp("model"), (yolo_files / "yolo26n.pt").read_bytes(), "pt"
    )


@pytest.fixture(scope="session")
def detector_directory() -> Path:
    """The detector that ships."""
    return default_detector_directory()
