"""The back end for `.pt`: first the locks, which need no ultralytics, then the real library."""

import hashlib
import json
import os
import pickle
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import cv2
import numpy as np
import pytest

import models
from models.vision import open_detector
from models.vision.backends.ultralytics import UltralyticsNetwork
from models.vision.errors import (
    ContractBroken,
    DigestMismatch,
    PickleRefused,
    WeightsUnreadable,
)
from tests.models.vision.backends.test_pickles import Calls, pt
from tests.models.vision.maker import manifest_of, write_model

TOP = 20  # of 126 anchors, those that both have to agree on


def frames(count=6):
    rng = np.random.default_rng(0)
    for _ in range(count):
        small = rng.integers(0, 256, (6, 8, 3), dtype=np.uint8)
        yield cv2.resize(small, (144, 96), interpolation=cv2.INTER_CUBIC)


# ----- before anything is loaded --------------------------------------------------------------


def test_a_file_that_the_manifest_does_not_describe_is_not_even_looked_into(tmp_path):
    """The first lock: a swapped file has another digest."""
    trace = tmp_path / "trace"
    directory = write_model(tmp_path / "model", pt(b"N."), "pt")
    evil = pt(pickle.dumps(Calls(os.system, f"touch {trace}"), 2))
    (directory / "model.pt").write_bytes(evil)
    with pytest.raises(DigestMismatch):
        open_detector(directory)
    assert not trace.exists()


def test_one_that_it_does_describe_is_still_not_run(tmp_path):
    """The second lock: somebody signed what he should not have."""
    trace = tmp_path / "trace"
    evil = pt(pickle.dumps(Calls(os.system, f"touch {trace}"), 2))
    directory = write_model(tmp_path / "model", evil, "pt")
    with pytest.raises(PickleRefused, match=r"model\.pt of tiny would call posix\.system"):
        UltralyticsNetwork(evil, manifest_of(directory))
    assert not trace.exists()


def test_the_format_is_what_the_manifest_says_and_not_the_ending(tmp_path):
    """A renamed file: an .onnx full of pickle goes to ONNX Runtime, which reads no pickles."""
    directory = write_model(tmp_path / "model", pt(b"N."), "pt")
    manifest = json.loads((directory / "manifest.json").read_text())
    manifest["weights"]["format"] = "onnx"
    (directory / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(WeightsUnreadable):
        open_detector(directory)


# ----- with the real library ------------------------------------------------------------------


@pytest.fixture
def exported(yolo_files, tmp_path):
    """The same network as ONNX."""
    return write_model(tmp_path / "onnx", (yolo_files / "yolo26n.onnx").read_bytes())


def test_sees_what_its_export_sees(yolo_model, exported):
    with closing(open_detector(yolo_model)) as mine, closing(open_detector(exported)) as reference:
        assert mine.info.backend.startswith("ultralytics 8.")
        for frame in frames():
            wanted, seen = reference.detect(frame), mine.detect(frame)
            assert len(wanted) > TOP
            for one in wanted[:TOP]:
                assert any(same(one, other) for other in seen[: 2 * TOP]), one


def same(one, other):
    return (
        one.class_name == other.class_name
        and abs(one.confidence - other.confidence) < 1e-3
        and max(abs(a - b) for a, b in zip(one.box, other.box, strict=True)) < 0.1
    )


def test_one_without_an_end_to_end_head_is_refused_with_the_cure(yolo_files, tmp_path):
    weights = (yolo_files / "yolo11n.pt").read_bytes()
    with pytest.raises(ContractBroken, match="train a YOLO26, or export it to ONNX"):
        open_detector(write_model(tmp_path / "model", weights, "pt"))


def test_a_whole_zip_that_holds_no_network(yolo_files, tmp_path):
    weights = pt(pickle.dumps({"model": None}, 2))
    with pytest.raises(WeightsUnreadable, match="save it again with this version"):
        open_detector(write_model(tmp_path / "model", weights, "pt"))


def test_more_classes_than_the_manifest_names(yolo_model, tmp_path):
    weights = (yolo_model / "model.pt").read_bytes()
    directory = write_model(
        tmp_path / "model", weights, "pt", classes=["mineral"], thresholds={"mineral": 0.25}
    )
    with pytest.raises(ContractBroken, match="correct `classes`"):
        open_detector(directory)


PROGRAM = """
import json, os, sys
from pathlib import Path
import numpy as np
from models.vision import open_detector

home = set(Path.home().rglob("*ltralytics*"))
detector = open_detector(Path(sys.argv[1]), threads=2, cache=Path(sys.argv[2]))
detector.detect(np.zeros((64, 96, 3), np.uint8))
import torch
print(json.dumps({
    "threads": torch.get_num_threads(),
    "torchvision": "torchvision" in sys.modules,
    "install": os.environ["YOLO_AUTOINSTALL"],
    "offline": os.environ["YOLO_OFFLINE"],
    "home": set(Path.home().rglob("*ltralytics*")) == home,
}))
"""


def test_quiet_offline_and_without_torchvision(yolo_model, tmp_path):
    """In a fresh process: nothing printed, nothing written to the home directory."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, yolo_model, tmp_path],
        capture_output=True,
        text=True,
        check=False,
        timeout=50,
        env={
            **{key: value for key, value in os.environ.items() if not key.startswith("YOLO_")},
            "HOME": str(tmp_path / "home"),
            "PYTHONPATH": str(Path(models.__file__).parent.parent),
        },
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == {
        "threads": 2,
        "torchvision": False,
        "install": "false",
        "offline": "true",
        "home": True,
    }


def test_the_bytes_that_were_checked_are_the_bytes_that_are_loaded(yolo_model, tmp_path):
    """Whoever changes the file after it was read changes nothing."""
    weights = (yolo_model / "model.pt").read_bytes()
    directory = write_model(tmp_path / "model", weights, "pt")
    manifest = manifest_of(directory)
    (directory / "model.pt").write_bytes(b"changed")
    network = UltralyticsNetwork(weights, manifest)
    assert network.run(np.zeros((1, 3, 64, 96), np.float32)).shape == (1, 126, 6)
    assert hashlib.sha256(weights).hexdigest() == manifest.weights.sha256
    network.close()
