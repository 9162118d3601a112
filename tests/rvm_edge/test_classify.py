"""`rvm-edge classify`, inside this process and as a process of its own."""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

import rvm_edge.classify
from models.acceptance import Decision, Reason
from models.vision import default_detector_directory, load_manifest
from models.world.catalogue import default_chamber_directory

IMAGES = default_chamber_directory() / "images"
HOME = str(Path(rvm_edge.classify.__file__).parent.parent)
PROGRAM = (
    "import argparse, sys\n"
    "from rvm_edge.classify import add_arguments, run\n"
    "parser = argparse.ArgumentParser()\n"
    "add_arguments(parser)\n"
    "sys.exit(run(parser.parse_args()))\n"
)


def run(*arguments: object) -> int:
    parser = argparse.ArgumentParser()
    rvm_edge.classify.add_arguments(parser)
    return rvm_edge.classify.run(parser.parse_args([str(one) for one in arguments]))


def start(*arguments: object) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *(str(one) for one in arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": HOME},
    )


def test_json_for_one_picture(capsys):
    assert run(IMAGES / "007_0001.jpg", "--json") == 0
    (entry,) = json.loads(capsys.readouterr().out)
    assert list(entry) == ["file", "decision", "reason", "detections", "milliseconds"]
    assert entry["file"] == str(IMAGES / "007_0001.jpg")
    assert entry["decision"] in {decision.value for decision in Decision}
    assert entry["reason"] in {reason.value for reason in Reason}
    assert 0 < entry["milliseconds"] < 60_000
    classes = load_manifest(default_detector_directory()).classes
    assert entry["detections"]
    for seen in entry["detections"]:
        assert list(seen) == ["class", "confidence", "box"]
        assert seen["class"] in classes
        assert 0 <= seen["confidence"] <= 1
        x1, y1, x2, y2 = seen["box"]
        assert 0 <= x1 <= x2 <= 448
        assert 0 <= y1 <= y2 <= 336


def test_a_directory_stands_for_its_pictures(capsys):
    assert run(IMAGES, "--json") == 0
    entries = json.loads(capsys.readouterr().out)
    assert [entry["file"] for entry in entries] == sorted(str(path) for path in IMAGES.iterdir())


def test_two_runs_agree(capsys):
    answers = []
    for _ in range(2):
        run(IMAGES / "007_0001.jpg", IMAGES / "007_0014.jpg", "--json")
        entries = json.loads(capsys.readouterr().out)
        answers.append([{**entry, "milliseconds": 0} for entry in entries])
    assert answers[0] == answers[1]


def test_what_fails_is_said_and_the_rest_goes_on(tmp_path, capsys):
    (tmp_path / "text.jpg").write_text("no picture")
    (tmp_path / "none").mkdir()
    bad = [tmp_path / "text.jpg", tmp_path / "none", tmp_path / "missing.jpg"]
    assert run(*bad, IMAGES / "007_0001.jpg", "--json") == 1
    *failed, good = json.loads(capsys.readouterr().out)
    assert [entry["file"] for entry in failed] == [str(path) for path in bad]
    assert all(list(entry) == ["file", "error"] for entry in failed)
    assert all(str(path) in entry["error"] for path, entry in zip(bad, failed, strict=True))
    assert good["decision"]


def test_for_people(tmp_path, capsys):
    assert run(IMAGES / "007_0001.jpg", tmp_path / "missing.jpg") == 1
    out, err = capsys.readouterr()
    assert "accept " in out
    assert "Thank you" in out
    assert "mineral 0." in out
    assert out.count("\n") == 1
    assert f"there is no {tmp_path / 'missing.jpg'}" in err


def test_odd_pictures(tmp_path, capsys):
    noise = np.random.default_rng(7)
    shapes = {"grey": (50, 60), "alpha": (50, 60, 4), "tiny": (1, 1, 3), "thin": (2, 3000, 3)}
    for name, shape in shapes.items():
        cv2.imwrite(str(tmp_path / f"{name}.png"), noise.integers(0, 256, shape, dtype=np.uint8))
    cv2.imwrite(str(tmp_path / "huge.jpg"), np.full((6000, 8000, 3), 90, np.uint8))
    assert run(tmp_path, "--json") == 0
    entries = json.loads(capsys.readouterr().out)
    assert len(entries) == len(shapes) + 1
    assert all(entry["decision"] != "accept" for entry in entries)


def test_a_name_that_is_no_text(tmp_path):
    name = os.fsencode(tmp_path) + b"/\xff\xfe.jpg"
    shutil.copy(os.fsencode(IMAGES / "007_0001.jpg"), name)
    for option in ((), ("--json",)):
        with start(os.fsdecode(name), *option) as process:
            out, err = process.communicate(timeout=30)
        assert process.returncode == 0, err
        assert "accept" in out or "reject" in out


def test_no_such_model(tmp_path, capsys):
    assert run(IMAGES / "007_0001.jpg", "--model", tmp_path / "model") == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert str(tmp_path / "model") in err


def test_another_model(tmp_path, capsys):
    model = Path(shutil.copytree(default_detector_directory(), tmp_path / "model"))
    assert run(IMAGES / "007_0001.jpg", "--model", model) == 0
    with (model / "model.onnx").open("ab") as weights:
        weights.write(b"x")
    assert run(IMAGES / "007_0001.jpg", "--model", model) == 2
    assert "install the model again" in capsys.readouterr().err


def test_nothing_named_is_a_usage_error(capsys):
    with pytest.raises(SystemExit) as raised:
        run("--json")
    assert raised.value.code == 2
    assert "PICTURE" in capsys.readouterr().err


def test_importing_it_is_cheap():
    code = (
        "import sys, rvm_edge.classify\n"
        "print(sorted({'numpy', 'cv2', 'onnxruntime'} & set(sys.modules)))"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
        env={**os.environ, "PYTHONPATH": HOME},
    )
    assert answer.stdout.strip() == "[]"


@pytest.mark.parametrize("option", [(), ("--json",)])
def test_nobody_reads_any_more(option):
    with start(*[IMAGES] * 20, *option) as process:
        assert process.stdout is not None
        assert process.stdout.readline()
        process.stdout.close()
        assert process.wait(timeout=30) == 141
        assert process.stderr is not None
        assert process.stderr.read() == ""


def test_control_c_closes_the_array():
    with start(*[IMAGES] * 50, "--json") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        first = process.stdout.readline() + process.stdout.readline()
        process.send_signal(signal.SIGINT)
        rest, err = process.stdout.read(), process.stderr.read()
    assert process.returncode == 130
    assert err == ""
    assert 0 < len(json.loads(first + rest)) < 50 * 80


def test_the_back_end_can_be_named(capsys):
    answers = {}
    for name in ("onnxruntime", "opencv"):
        assert run(IMAGES / "007_0014.jpg", "--json", "--backend", name) == 0
        (entry,) = json.loads(capsys.readouterr().out)
        answers[name] = (entry["decision"], [seen["class"] for seen in entry["detections"]])
    assert answers["onnxruntime"] == answers["opencv"]
    assert run(IMAGES / "007_0014.jpg", "--backend", "ultralytics") == 2
    assert "ultralytics does not run .onnx" in capsys.readouterr().err
