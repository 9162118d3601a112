"""The referee counts rightly and ships the right one."""

from __future__ import annotations

import json

import msgspec
import pytest

from models.acceptance import Decision
from models.vision.detector import Detection, DetectorInfo
from models.vision.metrics import Labelled
from rvm_edge.train import cli
from rvm_edge.train.answers import Answer
from rvm_edge.train.referee import UNDISTURBED, Score, best, score, sit
from rvm_edge.train.sweeping import sweep

THRESHOLDS = {"mineral": 0.5, "not_empty": 0.3, "soda": 0.3}
BOX = (10.0, 20.0, 110.0, 90.0)
ACCEPT, REJECT, EMPTY = Decision.ACCEPT, Decision.REJECT, Decision.EMPTY


def answer(kinds: str, expected: Decision, true: tuple[str, ...], **seen: float) -> Answer:
    detections = tuple(Detection(what, confidence, BOX) for what, confidence in seen.items())
    labels = tuple(Labelled(name, BOX) for name in true)
    return Answer("x", kinds, expected, labels, detections, 2.0)


GOOD = answer("mineral", ACCEPT, ("mineral",), mineral=0.9)
REFUSED = answer("mineral", ACCEPT, ("mineral",), mineral=0.4)
FULL = answer("mineral_full", REJECT, ("mineral", "not_empty"), mineral=0.9, not_empty=0.8)
PAID = answer("mineral_full", REJECT, ("mineral", "not_empty"), mineral=0.9)
BARE = answer("", EMPTY, ())
MISSED = answer("can", REJECT, ("soda",))


def scored(name: str, **lots: list[Answer]) -> Score:
    info = DetectorInfo(name, "test", "0" * 64, (), 320, 240, THRESHOLDS)
    plain = lots.pop("plain")
    return score(info, "pictures", {UNDISTURBED: plain, **lots})


def test_a_sitting_counts_every_kind_of_mistake():
    sitting = sit([GOOD, REFUSED, FULL, PAID, BARE, MISSED], THRESHOLDS)
    assert (sitting.right.hits, sitting.right.of) == (3, 6)
    assert (sitting.taken_right.hits, sitting.taken_right.of) == (4, 6)
    assert (sitting.false_accepts.hits, sitting.false_accepts.of) == (1, 4)
    assert (sitting.false_rejects.hits, sitting.false_rejects.of) == (1, 2)
    assert ("mineral_full", "accept", "accepted", 1) in sitting.kinds
    assert ("can", "empty", "nothing_seen", 1) in sitting.kinds
    assert ("soda", "nothing", 1) in sitting.classes
    assert sitting.median_ms == 2.0
    assert sitting.by_class["mineral"] == 1.0
    assert sitting.by_class["soda"] == 0.0


def test_a_model_that_pays_wrongly_does_not_ship():
    strict = scored("strict", plain=[REFUSED] * 10 + [FULL] * 90)
    generous = scored("generous", plain=[GOOD] * 10 + [FULL] * 88 + [PAID] * 2)
    assert best([generous, strict]).model == "strict"


def test_among_honest_ones_the_better_one_ships_also_when_disturbed():
    fair = scored("fair", plain=[GOOD, FULL], noise=[REFUSED, FULL])
    steady = scored("steady", plain=[GOOD, FULL], noise=[GOOD, FULL])
    assert best([fair, steady]).model == "steady"
    assert best([steady, fair]).model == "steady"


def test_among_dishonest_ones_the_least_dishonest_ships():
    bad = scored("bad", plain=[PAID] * 5 + [FULL] * 5)
    worse = scored("worse", plain=[PAID] * 9 + [GOOD])
    assert best([worse, bad]).model == "bad"


def test_a_score_survives_json():
    one = scored("one", plain=[GOOD, FULL])
    assert msgspec.json.decode(msgspec.json.encode(one), type=Score) == one


def test_strictness_trades_false_accepts_for_false_rejects():
    steps = sweep([GOOD, REFUSED, PAID, FULL], THRESHOLDS, steps=10)
    accepts = [step.decisions.false_accepts.hits for step in steps]
    rejects = [step.decisions.false_rejects.hits for step in steps]
    assert accepts == sorted(accepts, reverse=True)
    assert rejects == sorted(rejects)
    assert (accepts[0], rejects[0]) == (1, 0)
    assert (accepts[-1], rejects[-1]) == (0, 2)


# ----- The command ----------------------------------------------------------------------------


def test_the_shipped_detector_is_scored_on_the_referees_pictures(capsys):
    assert cli.main(["score", "--limit", "4", "--json"]) == 0
    (one,) = json.loads(capsys.readouterr().out)
    assert set(one["sittings"]) == {UNDISTURBED, "noise", "blur", "dark", "occlusion"}
    assert all(sitting["right"]["of"] == 4 for sitting in one["sittings"].values())


def test_people_get_a_table(capsys):
    assert cli.main(["score", "--limit", "3", "--plain"]) == 0
    out = capsys.readouterr().out
    assert "as they are" in out
    assert "noise" not in out
    assert "mAP50 per class" in out


def test_a_grade_that_is_not_reached_fails(capsys):
    score_some = ["score", "--plain", "--limit", "20"]
    assert cli.main([*score_some, "--json"]) == 0
    reached = json.loads(capsys.readouterr().out)[0]["sittings"][UNDISTURBED]["right"]["share"]
    assert cli.main([*score_some, "--at-least", str(reached)]) == 0
    # A perfect model cannot fail; then there is nothing above it to ask for.
    if reached < 1:
        assert cli.main([*score_some, "--at-least", "1"]) == 1
        assert "wanted at least 100.0%" in capsys.readouterr().err


@pytest.mark.parametrize("what", ["--model", "--pictures"])
def test_what_cannot_be_used_is_named(tmp_path, capsys, what):
    assert cli.main(["score", what, str(tmp_path)]) == 2
    assert str(tmp_path) in capsys.readouterr().err
