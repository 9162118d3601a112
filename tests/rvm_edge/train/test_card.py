"""The model card: it says what was measured, and every plot is a picture."""

from __future__ import annotations

import importlib.util

import cv2
import numpy as np
import pytest

from models.acceptance import Decision
from models.vision.detector import Detection
from models.vision.metrics import Labelled
from rvm_edge.train.answers import Answer
from rvm_edge.train.shown import Shown
from tests.rvm_edge.train.needs import needs_torch

THRESHOLDS = {"mineral": 0.5, "not_empty": 0.3}
BOX = (10.0, 20.0, 110.0, 90.0)


@pytest.fixture(autouse=True, scope="module")
def fonts_are_open():
    """Matplotlib opens its fonts at the first text and keeps them: before a test is watched."""
    if importlib.util.find_spec("matplotlib") is not None:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        figure = Figure()
        figure.text(0.5, 0.5, "text")
        FigureCanvasAgg(figure).draw()


def answers() -> list[Answer]:
    rng = np.random.default_rng(0)
    made = []
    for number in range(40):
        full = number % 2 == 1
        true = ("mineral", "not_empty") if full else ("mineral",)
        seen = [Detection("mineral", float(rng.uniform(0.3, 1)), BOX)]
        if rng.random() < (0.9 if full else 0.1):
            seen.append(Detection("not_empty", float(rng.uniform(0.2, 1)), BOX))
        expected = Decision.REJECT if full else Decision.ACCEPT
        labels = tuple(Labelled(name, BOX) for name in true)
        kinds = "mineral_full" if full else "mineral"
        made.append(Answer(f"p{number}", kinds, expected, labels, tuple(seen), 1.0))
    return made


def is_drawn(path) -> bool:
    picture = cv2.imread(str(path))
    return picture is not None and picture.std() > 5


@needs_torch
def test_every_plot_is_drawn(tmp_path):
    from rvm_edge.train import plots
    from rvm_edge.train.sweeping import sweep

    some = answers()
    plots.draw_precision_and_recall(tmp_path / "a.png", some, THRESHOLDS)
    plots.draw_confusion(tmp_path / "b.png", [("mineral", "nothing", 3)], list(THRESHOLDS))
    plots.draw_sweep(tmp_path / "c.png", sweep(some, THRESHOLDS), 0.5)
    frame = np.full((336, 448, 3), 90, np.uint8)
    shown = [Shown(one.name, one.kinds, one.expected, one.true, frame) for one in some]
    plots.draw_examples(tmp_path / "d.png", some, THRESHOLDS, shown)
    assert all(is_drawn(tmp_path / f"{name}.png") for name in "abcd")


@needs_torch
def test_a_model_that_sees_nothing_can_be_drawn_as_well(tmp_path):
    from rvm_edge.train import plots

    blind = [one._replace(seen=()) for one in answers()]
    plots.draw_precision_and_recall(tmp_path / "a.png", blind, THRESHOLDS)
    plots.draw_confusion(tmp_path / "b.png", [], list(THRESHOLDS))
    assert (tmp_path / "a.png").exists()
    assert (tmp_path / "b.png").exists()


@needs_torch
def test_examples_show_what_went_wrong_first():
    from rvm_edge.train.plots import choose_examples, is_right

    chosen = choose_examples(answers(), THRESHOLDS)
    right = [is_right(one, THRESHOLDS) for one in chosen]
    assert right == sorted(right)
    assert {False, True} == set(right)
    assert {one.kinds for one in chosen if is_right(one, THRESHOLDS)} == {"mineral", "mineral_full"}


@needs_torch
@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("log.jsonl", '{"step": 1, "total": 3.0, "validation": null}\n'),
        ("log.jsonl", '{"step": 1, "total": 3.0, "validation": 2.5}\n' * 3),
        ("ultralytics/results.csv", "epoch, train/box_loss, lr/pg0\n1, 3.5, 0.1\n2, 3.1, 0.1\n"),
    ],
)
def test_the_run_is_drawn_from_its_own_log(tmp_path, file, text):
    from rvm_edge.train.plots import draw_training

    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).write_text(text)
    assert draw_training(tmp_path / "run.png", tmp_path)
    assert is_drawn(tmp_path / "run.png")


@needs_torch
def test_a_run_without_a_log_has_no_curve(tmp_path):
    from rvm_edge.train.plots import draw_training

    assert not draw_training(tmp_path / "run.png", tmp_path)
