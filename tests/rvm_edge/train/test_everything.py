"""The recipe as a toy, from nothing to a model that proves itself."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from models.vision import load_manifest, open_detector
from models.vision.golden import load_golden, prove
from rvm_edge.train import cli, runs
from tests.rvm_edge.train.needs import needs_mitsuba, needs_torch, needs_ultralytics
from tests.rvm_edge.train.sets import make_set

ROOT = Path(__file__).resolve().parents[3]


def train(*words: str, **more) -> subprocess.CompletedProcess[str]:
    # A process of its own: torch keeps its threads for ever.
    return subprocess.run(
        [sys.executable, "-m", "rvm_edge.train", *words],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        **more,
    )


def check_model(directory: Path) -> str:
    """The machine can use it, it proves itself, and its card is whole; gives the card."""
    manifest = load_manifest(directory)
    assert len(manifest.golden) >= 1
    detector = open_detector(directory)
    prove(detector, load_golden(directory, manifest))
    detector.close()
    card = (directory / "card.md").read_text()
    for plot in re.findall(r"\]\((plots/\w+\.png)\)", card):
        assert (directory / plot).stat().st_size > 1000
    return card


@needs_mitsuba
@needs_torch
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_short_recipe_makes_a_model_and_running_it_again_goes_on(tmp_path):
    done = train("all", "--short", "--out", str(tmp_path), "--workers", "2", timeout=500)
    assert done.returncode == 0, done.stderr
    card = check_model(tmp_path / "model")
    assert "## What it is bad at" in card
    assert "referee, as they are" in card
    assert "as they are" in done.stdout
    weights = (tmp_path / "model" / "model.onnx").read_bytes()
    again = train("all", "--short", "--out", str(tmp_path), "--workers", "2", timeout=500)
    assert again.returncode == 0, again.stderr
    assert "0 rendered" in again.stdout
    assert (tmp_path / "model" / "model.onnx").read_bytes() == weights


@needs_torch
@pytest.mark.slow
@pytest.mark.timeout(240)
def test_a_stopped_run_goes_on_and_another_one_is_refused(tmp_path):
    make_set(tmp_path / "set", range(12))
    words = ["fit", "--from", str(tmp_path / "set"), "--out", str(tmp_path / "run")]
    toy = ["--size", "64x48", "--batch", "2", "--variants", "1"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "rvm_edge.train", *words, *toy, "--steps", "100000"]
    with subprocess.Popen(
        command, env=environment, text=True, stderr=subprocess.PIPE, stdout=subprocess.PIPE
    ) as run:
        # The run has begun when its description is there; signals wait until the step is done.
        while not (tmp_path / "run" / runs.RUN_FILE).exists():
            assert run.poll() is None, run.communicate()
        run.send_signal(signal.SIGINT)
        said, _ = run.communicate(timeout=120)
    assert run.returncode == 130, said
    assert "run the same to go on" in said
    other = train(*words, *toy, "--steps", "5", timeout=100)
    assert other.returncode == 2
    assert "name another folder" in other.stderr


@needs_torch
@pytest.mark.slow
@pytest.mark.timeout(240)
def test_the_same_seed_trains_the_same_network(tmp_path):
    from rvm_edge.train.centre import adopt, export_centre

    make_set(tmp_path / "set", range(6))
    for name in ("one", "two"):
        done = train(
            *("fit", "--from", str(tmp_path / "set"), "--out", str(tmp_path / name)),
            *("--size", "64x48", "--batch", "2", "--variants", "1", "--steps", "3"),
            *("--device", "cpu"),
            timeout=110,
        )
        assert done.returncode == 0, done.stderr
    about = runs.read(tmp_path / "one")
    assert about.steps == 3
    # A run that was begun without the tool is known by its checkpoint.
    assert adopt(tmp_path / "one", about.sources) == about
    assert adopt(tmp_path, ()) is None
    one, two = (export_centre(tmp_path / name, about) for name in ("one", "two"))
    assert one == two


@needs_ultralytics
@needs_torch
@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.parametrize("network", ["yolo26n", "yolo11n"])
def test_a_yolo_is_trained_exported_end_to_end_and_opens(tmp_path, network):
    rendered = make_set(tmp_path / "set", range(12)).path
    developed = tmp_path / "developed"
    assert cli.main(["develop", "--from", str(rendered), "--out", str(developed)]) == 0
    words = ["fit", "--network", network, "--from", str(developed), "--out", str(tmp_path / "run")]
    toy = ["--size", "96x64", "--batch", "4", "--epochs", "1", "--device", "cpu"]
    fitted = train(*words, *toy, timeout=150)
    assert fitted.returncode == 0, fitted.stderr
    again = train(*words, *toy, timeout=60)
    assert "came to its end, 0 s" in again.stdout
    model = tmp_path / "model"
    words = ["export", "--run", str(tmp_path / "run"), "--out", str(model), "--json"]
    exported = train(*words, timeout=150)
    assert exported.returncode == 0, exported.stderr
    assert json.loads(exported.stdout)["thresholds"] == load_manifest(model).thresholds
    assert "AGPL-3.0" in check_model(model)
    detector = open_detector(model)
    assert (detector.info.width_px, detector.info.height_px) == (96, 64)
    assert detector.detect(np.zeros((336, 448, 3), np.uint8)) is not None
    detector.close()


def test_a_run_that_is_none_cannot_be_exported(tmp_path, capsys):
    run = tmp_path / "run"
    run.mkdir()
    assert cli.main(["export", "--run", str(run), "--out", str(tmp_path / "model")]) == 2
    assert "begin one with bin/train fit" in capsys.readouterr().err
    assert not (tmp_path / "model").exists()


def test_something_else_is_not_overwritten_by_a_model(tmp_path, capsys):
    run, out = tmp_path / "run", tmp_path / "photographs"
    out.mkdir()
    (out / "dear.jpg").write_bytes(b"dear")
    about = runs.RunAbout("centre", (str(tmp_path),), 64, 48, 2, 1, steps=1, variants=1, rate=1e-3)
    runs.claim(run, about)
    assert cli.main(["export", "--run", str(run), "--out", str(out)]) == 2
    assert "is no model" in capsys.readouterr().err
    assert (out / "dear.jpg").exists()


@needs_torch
def test_there_must_be_weights_to_learn_on_from_and_a_yolo_takes_none(tmp_path, capsys):
    words = ["fit", "--from", str(tmp_path), "--start", str(tmp_path), "--out", str(tmp_path / "r")]
    assert cli.main(words) == 2
    assert "has saved nothing" in capsys.readouterr().err
    assert cli.main([*words, "--network", "yolo26n"]) == 2
    assert "are centre's" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("network", "cure"), [("centre", "rendered set"), ("yolo26n", "bin/train develop")]
)
def test_a_run_on_the_wrong_pictures_is_refused(tmp_path, capsys, network, cure):
    words = ["fit", "--network", network, "--from", str(tmp_path), "--out", str(tmp_path / "run")]
    assert cli.main(words) == 2
    assert cure in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
