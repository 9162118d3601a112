"""What a manifest says of an exported model."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.vision.manifest import load_manifest
from models.vision.metrics import Rate
from models.vision.rendering.items import CLASSES
from models.vision.training.thresholds import Thresholds
from rvm_edge.train.describing import (
    SEEN_FROM_FLOOR,
    Choice,
    Job,
    describe,
    history,
    source_text,
    weaknesses,
)
from rvm_edge.train.referee import UNDISTURBED, Score, Sitting, counted
from rvm_edge.train.runs import RunAbout, RunInvalid, claim, read
from tests.rvm_edge.train.needs import needs_torch

odds = st.floats(0.018, 0.953)


def chosen(mineral=0.5, liquid=0.3, refusing=0.4, present=0.1) -> Thresholds:
    return Thresholds(mineral, liquid, refusing, present, 0.0, 0.0)


def about(**changed) -> RunAbout:
    fields = {"network": "centre", "sources": (), "width_px": 320, "height_px": 240}
    return RunAbout(**{**fields, "batch": 32, "seed": 1, "steps": 9, "variants": 3, **changed})


def sitting(by_class: dict[str, float], right: int, kinds=()) -> Sitting:
    rate = counted(Rate(right, 100))
    return Sitting(rate, rate, rate, rate, rate, 0.5, by_class, (), kinds, (), 1.0)


@given(odds, odds, odds, st.floats(0, 1))
def test_every_class_has_a_threshold_that_can_be_reached(mineral, liquid, refusing, present):
    choice = Choice.of(chosen(mineral, liquid, refusing, present))
    assert set(choice.thresholds) == set(CLASSES)
    assert SEEN_FROM_FLOOR <= choice.seen_from <= min(choice.thresholds.values())


def test_each_class_gets_the_number_that_was_chosen_for_it():
    choice = Choice.of(chosen())
    assert choice.thresholds["mineral"] == 0.5
    assert choice.thresholds["not_empty"] == 0.3
    assert {choice.thresholds[name] for name in CLASSES[2:]} == {0.4}
    assert choice.seen_from == 0.1


def test_the_manifest_can_be_read_by_the_machine(tmp_path):
    rendered = tmp_path / "set"
    rendered.mkdir()
    (rendered / "set.json").write_text(json.dumps({"recipe": 1, "seed": 5}))
    part = tmp_path / "part"
    part.mkdir()
    job = Job(tmp_path, about(sources=(str(rendered),)), part, "detector-v1", (rendered,), 2)
    describe(job, Choice.of(chosen()), b"weights", shown=40, weak=("dark",))
    manifest = load_manifest(part)
    assert (manifest.name, manifest.input.width_px, manifest.input.height_px) == (
        "detector-v1",
        320,
        240,
    )
    assert manifest.provenance.known_weaknesses == ("dark",)
    assert "40 developed pictures" in manifest.provenance.thresholds_chosen
    assert "AGPL" not in manifest.provenance.licence


def test_a_yolo_says_whose_licence_it_has(tmp_path):
    (tmp_path / "develop.json").write_text('{"recipe": 1, "seed": 5, "variants": 2}')
    yolo = about(network="yolo26n", sources=(str(tmp_path),), steps=0, variants=0, epochs=3)
    manifest = describe(Job(tmp_path, yolo, tmp_path, "y", (), 1), Choice.lowest(), b"w")
    assert "AGPL-3.0" in manifest.provenance.licence


def test_what_it_learned_from_can_be_made_again_from_the_words(tmp_path):
    sets = {"a": {"recipe": 1, "seed": 5}, "b": {"recipe": 1, "seed": 6, "kinds": ["can", "other"]}}
    for name, made in sets.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "set.json").write_text(json.dumps(made))
        (tmp_path / name / "samples.json").write_text("[16, 44]")
        (tmp_path / name / "000001.json").write_text("{}")
    text = source_text(about(sources=(str(tmp_path / "a"), str(tmp_path / "b"))))
    for fact in (
        "seed 5",
        "seed 6",
        "one of ten set aside",
        "with can, other only",
        "1 path-traced",
        "16 to 44 paths",
        "3 developments",
    ):
        assert fact in text


def test_weaknesses_name_what_the_referee_found():
    kinds = (("can", "accept", "accepted", 2), ("mineral", "accept", "accepted", 9))
    plain = sitting({"mineral": 0.95, "milk": 0.6}, 90, kinds)
    score = Score("m", "0" * 64, "b", "p", {UNDISTURBED: plain, "dark": sitting({}, 40)})
    said = "\n".join(weaknesses(score))
    assert "milk is found with an average precision of 0.60" in said
    assert "mineral is found" not in said
    assert "2 of the referee's pictures with can were accepted" in said
    assert "weakest under: dark (40%" in said
    assert "never seen a photograph" in said


# ----- The run's folder -----------------------------------------------------------------------


def test_a_run_is_claimed_once_and_gone_on_with(tmp_path):
    claim(tmp_path / "run", about())
    claim(tmp_path / "run", about())
    assert read(tmp_path / "run") == about()


def test_another_run_is_refused(tmp_path):
    claim(tmp_path, about())
    with pytest.raises(RunInvalid, match="name another folder"):
        claim(tmp_path, about(seed=2))


def test_a_folder_without_a_run_says_so(tmp_path):
    (tmp_path / "run.json").write_text("{}")
    with pytest.raises(RunInvalid, match="begin one with bin/train fit"):
        read(tmp_path)


@needs_torch
def test_a_run_that_learned_on_tells_its_whole_history(tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    claim(first, about(steps=4))
    on = about(steps=7, start=str(first), start_sha256="ab" * 32)
    told = history(second, on)
    assert told == (
        "0 of 7 steps of 32 pictures, seed 1; on from 0 of 4 steps of 32 pictures, seed 1"
    )
    (first / "run.json").unlink()
    assert "not there any more (abababababab" in history(second, on)
