"""`bin/bench vision`: without its peer, on several models, when it is interrupted; the peer."""

import contextlib
import json
import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.kit.contest import play
from benchmarks.kit.survey import Sheet
from benchmarks.kit.table import draw_sheet
from benchmarks.peers.ultralytics_predict import (
    INTERPRETER,
    PeerAbsent,
    Ultralytics,
)
from benchmarks.peers.ultralytics_words import labelled
from models.vision import default_detector_directory, load_manifest, read_weights

ROOT = Path(__file__).parents[2]
SHIPPED = default_detector_directory()
WEIGHTS = SHIPPED / load_manifest(SHIPPED).weights.file
SEEN = [[1.0, 2.0, 30.0, 40.0, 0.75, 2.0]]
FAKE = f"""
class Boxes:
    class data:
        tolist = staticmethod(lambda: {SEEN})

class Seen:
    boxes = Boxes

class YOLO:
    def __init__(self, weights, task):
        print("noise on stdout")
        assert weights.endswith("weights.onnx") and task == "detect"
    def predict(self, frame, **options):
        print("more of it")
        assert frame.shape == (6, 8, 3)
        return [Seen]
"""


def bench(*arguments, **environment):
    """Run it to its end; what it prints, as JSON."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.vision", "--json", "--quick", *arguments],
        cwd=ROOT,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        check=False,
    )
    return done.returncode, json.loads(done.stdout)


@pytest.mark.slow
def test_without_ultralytics_its_rows_say_how_to_get_it_and_ours_are_measured():
    status, rows = bench("--only", "eyes-memory", **{INTERPRETER: "/nowhere/python"})
    assert status == 0
    for row in rows:
        assert row["ours_value"] > 0
        assert row["peer_value"] is row["ratio"] is row["met"] is None
        assert "/nowhere/python" in row["note"]
        assert "pip install" in row["note"]


@pytest.mark.slow
def test_models_are_compared_on_every_back_end_and_one_that_is_none_is_named(tmp_path):
    _, (sheet,) = bench("--only", "accuracy", "--models", str(SHIPPED), str(tmp_path))
    *good, bad = (dict(zip(sheet["heads"], row, strict=False)) for row in sheet["rows"])
    assert {row["back end"].split()[0] for row in good} >= {"onnxruntime", "opencv"}
    manifest = load_manifest(SHIPPED)
    for row in good:
        assert row["model"] == manifest.name
        assert row["input"] == f"{manifest.input.width_px}x{manifest.input.height_px}"
        assert row["MB"] == manifest.weights.size_bytes / 1e6
        assert row["ms"] > 0
        assert 0 <= row["mAP50"] <= 1
    assert bad["model"] == str(tmp_path)
    assert "manifest.json" in sheet["rows"][-1][-1]


@pytest.mark.slow
@pytest.mark.parametrize("whom", ["the command", "everybody, as a terminal does"])
def test_what_is_known_when_it_is_interrupted_is_shown(whom):
    ours, theirs = pty.openpty()  # on a terminal progress is shown at once
    try:
        with subprocess.Popen(
            [sys.executable, "-m", "benchmarks.vision", "--json", "--only", "frames-memory"],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=theirs,
            start_new_session=True,
        ) as process:
            os.close(theirs)
            shown = b""
            while b" of 100000 frames" not in shown:
                shown += os.read(ours, 4096)
            if whom == "the command":
                process.send_signal(signal.SIGINT)
            else:
                os.killpg(process.pid, signal.SIGINT)
            with contextlib.suppress(OSError):  # EIO: nobody writes to it any more
                while os.read(ours, 4096):
                    pass
            said, _ = process.communicate()
    finally:
        os.close(ours)
    assert process.returncode == 130
    (sheet,) = json.loads(said)
    assert "interrupted" in sheet["note"]
    first, *_, last = sheet["rows"]
    assert first[0] == 0 < last[0] < 100_000
    assert last[4].startswith(("+", "-"))


def test_a_round_that_is_interrupted_does_not_count():
    given = iter([0.0, 0.0, 1.0, 2.0, 3.0, 5.0])

    def ours():
        return next(given)

    def theirs():
        value = next(given)
        if value == 5.0:
            raise KeyboardInterrupt
        return value

    assert play({"ours": ours, "theirs": theirs}, 9) == {"ours": [1.0], "theirs": [2.0]}


def test_a_sheet_without_rows_is_its_title_and_its_note():
    empty = Sheet("frames", "title", "one", ("a", "b"), (), "interrupted")
    assert draw_sheet(empty) == "\nframes: title\n  interrupted"
    one = Sheet("frames", "title", "one", ("what", "MB"), (("model", 12), ("of mine", None)))
    assert draw_sheet(one).splitlines()[2:] == ["  what     MB", "  model    12", "  of mine   -"]


# ----- The peer -------------------------------------------------------------------------------


@pytest.fixture
def interpreter(tmp_path, monkeypatch):
    """One in which `ultralytics` is what the test says."""

    def make(library):
        (tmp_path / "ultralytics.py").write_text(library)
        start = tmp_path / "python"
        packages = os.pathsep.join(
            [str(tmp_path), *(path for path in sys.path if "-packages" in path)]
        )
        start.write_text(f'#!/bin/sh\nshift\nPYTHONPATH={packages} exec {sys.executable} "$@"\n')
        start.chmod(0o755)
        monkeypatch.setenv(INTERPRETER, str(start))

    return make


FRAME = np.zeros((6, 8, 3), np.uint8)


def test_the_peer_predicts_as_often_as_it_is_told_whatever_it_prints(interpreter):
    interpreter(FAKE)
    with Ultralytics.started(WEIGHTS, load_manifest(SHIPPED), FRAME) as peer:
        assert peer.rows == SEEN
        assert peer.predict_ms(3) > 0
        assert peer.start.ready_s > 0


def test_a_peer_that_fails_says_why(interpreter):
    interpreter("raise ImportError('no torch here')")
    with (
        pytest.raises(PeerAbsent, match="no torch here"),
        Ultralytics.started(WEIGHTS, load_manifest(SHIPPED), FRAME),
    ):
        pass


def test_a_network_is_labelled_as_ultralytics_wants_it_and_stays_the_same():
    from models.vision.backends.onnx import ort  # imported there, it does not tell its maker

    manifest = load_manifest(SHIPPED)
    weights = read_weights(SHIPPED, manifest)
    plain = weights.replace(b"end2end", b"other_1")  # one that has no such label yet
    session = ort.InferenceSession(labelled(plain, manifest))
    words = session.get_modelmeta().custom_metadata_map
    assert words["end2end"] == "True"
    assert words["names"] == str(dict(enumerate(manifest.classes)))
    assert words["imgsz"] == f"[{manifest.input.height_px}, {manifest.input.width_px}]"
    shape = (1, 3, manifest.input.height_px, manifest.input.width_px)
    tensor = np.random.default_rng(1).random(shape, np.float32)
    (name,) = (one.name for one in session.get_inputs())
    (ours,) = session.run(None, {name: tensor})
    (theirs,) = ort.InferenceSession(weights).run(None, {name: tensor})
    assert (ours == theirs).all()
    assert labelled(labelled(plain, manifest), manifest) == labelled(plain, manifest)
