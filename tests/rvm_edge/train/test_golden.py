"""Golden pictures: right, steady, and of every kind."""

from __future__ import annotations

import hashlib

import cv2
import numpy as np
import pytest

from models.acceptance import Decision
from models.vision.detector import Detection
from models.vision.golden import mistake
from rvm_edge.train.answers import Answer
from rvm_edge.train.golden import COUNT, above, choose, steadiness, write
from rvm_edge.train.shown import Shown

THRESHOLDS = {"mineral": 0.5, "not_empty": 0.3, "soda": 0.3}
SEEN_FROM = 0.1
BOX = (10.0, 20.0, 110.123456, 90.0)
ACCEPT, REJECT, EMPTY = Decision.ACCEPT, Decision.REJECT, Decision.EMPTY


def answer(name: str, kinds: str, expected: Decision, **seen: float) -> Answer:
    detections = tuple(Detection(what, confidence, BOX) for what, confidence in seen.items())
    return Answer(name, kinds, expected, (), detections, 1.0)


ANSWERS = (
    answer("near", "mineral", ACCEPT, mineral=0.51),
    answer("steady", "mineral", ACCEPT, mineral=0.95),
    answer("wrong", "mineral_full", REJECT, mineral=0.99),
    answer("full", "mineral_full", REJECT, mineral=0.9, not_empty=0.7),
    answer("can", "can", REJECT, soda=0.8),
    answer("bare", "", EMPTY),
)


def names(answers) -> list[str]:
    return [one.name for one in answers]


def test_every_decision_and_every_kind_is_shown_once_and_rightly():
    chosen = names(choose(ANSWERS, THRESHOLDS, SEEN_FROM))
    assert sorted(chosen) == ["bare", "can", "full", "steady"]


def test_a_model_that_is_never_right_still_has_golden_pictures():
    # A toy of the short recipe: what it answers is all that can be asked of it.
    wrong = (answer("a", "mineral", ACCEPT, soda=0.9), answer("b", "", EMPTY, soda=0.9))
    assert sorted(names(choose(wrong, THRESHOLDS, SEEN_FROM))) == ["a", "b"]


def test_there_are_never_more_than_there_is_room_for():
    many = [answer(f"n{i}", f"kind{i}", REJECT, soda=0.9) for i in range(30)]
    many.append(answer("bare", "", EMPTY))
    chosen = choose(many, THRESHOLDS, SEEN_FROM)
    assert len(chosen) == COUNT
    assert "bare" in names(chosen)


@pytest.mark.parametrize(
    ("seen", "margin"),
    [({"mineral": 0.6}, 0.1), ({"mineral": 0.12}, 0.02), ({"mineral": 0.09}, 0.01), ({}, 1.0)],
)
def test_steadiness_is_the_way_to_the_nearest_edge(seen, margin):
    one = answer("x", "mineral", ACCEPT, **seen)
    assert steadiness(one, THRESHOLDS, SEEN_FROM) == pytest.approx(margin)


def test_noise_is_left_out_as_the_detector_leaves_it_out():
    assert above(answer("x", "", EMPTY, soda=0.05), SEEN_FROM).seen == ()


def test_what_is_written_is_what_the_golden_test_wants(tmp_path):
    frame = np.random.default_rng(0).integers(0, 256, (60, 80, 3)).astype(np.uint8)
    chosen = choose(ANSWERS, THRESHOLDS, SEEN_FROM)
    pictures = [Shown(one.name, one.kinds, one.expected, (), frame) for one in ANSWERS]
    golden = write(tmp_path, chosen, pictures, THRESHOLDS)
    assert len(golden) == len(chosen)
    for one in golden:
        content = (tmp_path / one.file).read_bytes()
        assert hashlib.sha256(content).hexdigest() == one.sha256
        assert np.array_equal(cv2.imread(str(tmp_path / one.file)), frame)
    by_file = {one.file: one for one in golden}
    full = by_file["golden/full.png"]
    assert full.decision == "reject"
    assert {box.class_name for box in full.boxes} == {"mineral", "not_empty"}
    for one in chosen:
        assert mistake(by_file[f"golden/{one.name}.png"], one.seen, THRESHOLDS) == ""
    assert mistake(full, ANSWERS[2].seen, THRESHOLDS) != ""
