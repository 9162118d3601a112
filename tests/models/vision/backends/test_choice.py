"""Which back end runs a model here, and what is said about the others."""

import os
import subprocess
import sys
from contextlib import closing
from importlib import util
from pathlib import Path

import numpy as np
import pytest

import models
from models.vision import available_backends, open_detector
from models.vision import backends as ours
from models.vision.errors import BackendMissing, ContractBroken, WeightsUnreadable
from tests.models.vision.maker import write_model
from tests.models.vision.tiny_onnx import network

ROWS = [[1, 2, 30, 40, 0.9, 0]]


@pytest.fixture
def model(tmp_path):
    return write_model(tmp_path / "model", network(ROWS))


def info(directory, **options):
    with closing(open_detector(directory, **options)) as detector:
        return detector.info


@pytest.fixture
def without(monkeypatch):
    """A machine on which some libraries are not installed."""
    find = util.find_spec

    def hide(*modules):
        monkeypatch.setattr(
            ours.util, "find_spec", lambda name: None if name in modules else find(name)
        )

    return hide


# ----- auto -----------------------------------------------------------------------------------


def test_onnxruntime_where_there_is_no_gpu(model):
    assert info(model).backend.startswith("onnxruntime ")
    assert info(model).note == ""


def test_tensorrt_where_there_is_one(model, install_tensorrt):
    install_tensorrt("10.3.0")
    assert info(model).backend == "tensorrt 10.3.0"


def test_a_tensorrt_that_cannot_be_imported_is_passed_over(model, cudart, tmp_path, monkeypatch):
    """Installed, with a GPU, and one of its libraries is missing."""
    (tmp_path / "tensorrt.py").write_text("raise ImportError('libnvinfer.so.10 is not there')")
    monkeypatch.syspath_prepend(str(tmp_path))
    about = info(model)
    assert about.backend.startswith("onnxruntime ")
    assert "cannot be imported (libnvinfer.so.10 is not there)" in about.note


def test_tensorrt_without_a_gpu_is_not_even_tried(model, install_tensorrt):
    install_tensorrt("10.3.0").cudart.standin_reset(0)
    assert info(model).backend.startswith("onnxruntime ")
    assert info(model).note == ""


def test_opencv_where_onnxruntime_has_no_wheel(model, without):
    without("onnxruntime")
    assert info(model).backend.startswith("opencv ")


def test_a_build_that_fails_goes_on_with_the_portable_model_and_says_so(model, install_tensorrt):
    install_tensorrt("10.3.0").trt.told.build = False
    about = info(model)
    assert about.backend.startswith("onnxruntime ")
    assert about.note.startswith("tensorrt: TensorRT 10.3.0 cannot build an engine of tiny")


def test_no_time_to_build_goes_on_with_the_portable_model(model, install_tensorrt, tmp_path):
    here = install_tensorrt("10.3.0")
    about = info(model, build=False, cache=tmp_path / "cache")
    assert about.backend.startswith("onnxruntime ")
    assert "no engine of tiny for this GPU yet" in about.note
    assert here.trt.built == []


def test_an_engine_that_loads_and_does_not_run_is_passed_over(model, install_tensorrt):
    install_tensorrt("10.3.0").trt.told.execute = False
    about = info(model)
    assert about.backend.startswith("onnxruntime ")
    assert "does not run" in about.note


def test_a_model_that_is_wrong_is_wrong_for_all(tmp_path, install_tensorrt):
    install_tensorrt("10.3.0")
    with pytest.raises(ContractBroken, match="raw head"):
        open_detector(write_model(tmp_path / "model", network([[0.5] * 40] * 7)))


def test_if_all_fail_the_portable_one_speaks(tmp_path, install_tensorrt):
    install_tensorrt("10.3.0")
    with pytest.raises(WeightsUnreadable, match=r"ONNX Runtime .* cannot load"):
        open_detector(write_model(tmp_path / "model", b"not a network"))


def test_if_all_fail_and_tensorrt_is_broken_the_portable_one_still_speaks(
    cudart, tmp_path, monkeypatch
):
    (tmp_path / "tensorrt.py").write_text("raise OSError('libnvinfer.so.10 is not there')")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(WeightsUnreadable, match=r"ONNX Runtime .* cannot load"):
        open_detector(write_model(tmp_path / "model", b"not a network"))


def test_nothing_here_runs_it(model, without):
    without("tensorrt", "onnxruntime", "cv2")
    with pytest.raises(BackendMissing, match=r"pip install onnxruntime.*opencv-python-headless"):
        open_detector(model)


def test_a_pt_file_needs_ultralytics(tmp_path, without):
    without("ultralytics")
    with pytest.raises(BackendMissing, match=r"\.pt.*rvm-edge\[ultralytics\].*export"):
        open_detector(write_model(tmp_path / "model", b"-", "pt"))


# ----- by name --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "module", "says"),
    [
        ("tensorrt", "tensorrt", "python3-libnvinfer"),
        ("onnxruntime", "onnxruntime", "pip install onnxruntime"),
        ("opencv", "cv2", "pip install opencv"),
    ],
)
def test_one_that_is_missing_says_what_to_install(model, without, name, module, says):
    without(module)
    with pytest.raises(BackendMissing, match=says):
        open_detector(model, backend=name)


@pytest.mark.parametrize("name", ["onnxruntime", "opencv"])
def test_the_one_that_was_asked_for(model, name):
    assert info(model, backend=name).backend.startswith(f"{name} ")


def test_one_that_runs_other_files(model):
    with pytest.raises(BackendMissing, match=r"does not run \.onnx files; take tensorrt or onnx"):
        open_detector(model, backend="ultralytics")


def test_one_that_nobody_knows(model):
    with pytest.raises(BackendMissing, match="no back end is called openvino; there are auto, "):
        open_detector(model, backend="openvino")


def test_what_was_asked_for_by_name_is_not_replaced(model, install_tensorrt):
    install_tensorrt("10.3.0").trt.told.build = False
    with pytest.raises(Exception, match="cannot build") as caught:
        open_detector(model, backend="tensorrt")
    assert caught.type.__name__ == "EngineFailed"


# ----- what is said ---------------------------------------------------------------------------


def test_every_back_end_is_reported_with_its_cure(model):
    reports = {report.name: report for report in available_backends()}
    assert tuple(reports) == ours.BACKENDS
    assert reports["onnxruntime"].usable
    assert reports["onnxruntime"].version[0].isdigit()
    assert reports["opencv"].usable
    for report in reports.values():
        assert bool(report.why) == bool(report.cure) == (not report.usable)
        if report.usable and "onnx" in report.formats:
            assert info(model, backend=report.name).note == ""


def test_a_gpu_that_does_not_answer_is_reported(install_tensorrt):
    install_tensorrt("10.3.0").cudart.standin_reset(0)
    report = next(one for one in available_backends() if one.name == "tensorrt")
    assert (report.usable, report.cure) == (False, "use onnxruntime, or install the GPU's driver")
    assert "no GPU answers" in report.why


PROGRAM = """
import sys
from models.vision import available_backends
assert available_backends()
heavy = {"numpy", "cv2", "onnxruntime", "tensorrt", "torch", "ultralytics"} & set(sys.modules)
sys.exit(f"loads {sorted(heavy)}" if heavy else 0)
"""


def test_the_report_imports_no_library():
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
        env={**os.environ, "PYTHONPATH": str(Path(models.__file__).parent.parent)},
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_a_picture_goes_through_what_was_chosen(model):
    with closing(open_detector(model)) as detector:
        (seen,) = detector.detect(np.zeros((64, 96, 3), np.uint8))
    assert (seen.class_name, seen.box) == ("mineral", (1, 2, 30, 40))
