"""The golden test: exactly what is expected passes, within the tolerances and no further."""

import json

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from models.vision import load_manifest, open_detector
from models.vision.errors import DigestMismatch, GoldenMissing
from models.vision.golden import GoldenFailed, load_golden, mistake, prove
from models.vision.manifest import Golden, GoldenBox
from protocol.vision import Detection
from tests.actors.models import add_golden, change_manifest, make_model

THRESHOLDS = {"mineral": 0.5, "not_empty": 0.25, "soda": 0.25}
BOX = (10.0, 10.0, 110.0, 60.0)
BOTTLE = GoldenBox("mineral", 0.8, BOX)


def golden(*boxes, decision="accept"):
    return Golden("a.png", "0" * 64, decision, boxes, confidence_tolerance=0.05, iou_min=0.9)


def seen(name="mineral", confidence=0.8, box=BOX):
    return Detection(name, confidence, box)


def test_the_very_answer_is_right():
    assert mistake(golden(BOTTLE), (seen(),), THRESHOLDS) == ""
    assert mistake(golden(decision="empty"), (), THRESHOLDS) == ""


@pytest.mark.parametrize(
    ("answer", "word"),
    [
        ((), "is judged empty"),
        ((seen("soda"),), "is judged reject"),
        ((seen(confidence=0.7),), "seen 0.70"),
        ((seen(box=(20.0, 10.0, 120.0, 60.0)),), "overlap of 0.82"),
        ((seen(), seen("soda", 0.2)), ""),
        ((seen(), seen("soda", 0.24)), ""),
        ((seen(), seen(confidence=0.3, box=(0.0, 0.0, 5.0, 5.0))), ""),
    ],
    ids=["none", "other class", "unsure", "shifted", "below", "near its threshold", "weak double"],
)
def test_what_is_off(answer, word):
    found = mistake(golden(BOTTLE), answer, THRESHOLDS)
    assert (word in found) if word else found == ""


def test_something_that_is_not_there_is_a_mistake():
    both = (seen("soda", 0.9), seen("milk", 0.9, (0.0, 0.0, 9.0, 9.0)))
    expected = golden(GoldenBox("soda", 0.9, BOX), decision="reject")
    assert "shows no milk" in mistake(expected, both, THRESHOLDS)


def test_within_its_tolerance_a_detection_may_be_on_either_side_of_its_threshold():
    expected = golden(
        GoldenBox("soda", 0.9, BOX), GoldenBox("not_empty", 0.27, BOX), decision="reject"
    )
    for confidence in (0.23, 0.31):
        answer = (seen("soda", 0.9), seen("not_empty", confidence))
        assert mistake(expected, answer, THRESHOLDS) == ""


boxes = st.tuples(st.floats(0, 50), st.floats(0, 50), st.floats(60, 100), st.floats(60, 100))


@given(
    st.lists(
        st.tuples(st.sampled_from(sorted(THRESHOLDS)), st.floats(0.6, 0.95), boxes), max_size=4
    )
)
def test_a_model_agrees_with_itself(answer):
    detections = [Detection(name, confidence, box) for name, confidence, box in answer]
    from models.acceptance import judge

    expected = Golden(
        "a.png",
        "0" * 64,
        judge(detections, THRESHOLDS).decision.value,
        tuple(GoldenBox(one.class_name, one.confidence, one.box) for one in detections),
    )
    assert mistake(expected, detections, THRESHOLDS) == ""
    assert mistake(expected, detections[::-1], THRESHOLDS) == ""


@given(st.floats(0.0, 1.0), st.floats(0.0, 1.0))
def test_a_confidence_beyond_the_tolerance_is_found(expected, confidence):
    assume(expected >= 0.5)
    off = abs(expected - confidence)
    assume(abs(off - 0.05) > 1e-9)
    picture = golden(GoldenBox("mineral", expected, BOX))
    assert (mistake(picture, (seen(confidence=confidence),), THRESHOLDS) == "") == (
        off <= 0.05 and confidence >= 0.5
    )


def test_the_pictures_of_a_model_prove_it(tmp_path):
    model = make_model(tmp_path / "model")
    manifest = load_manifest(model)
    pictures = load_golden(model, manifest)
    assert [picture.frame.shape for picture in pictures] == [(336, 448, 3)] * len(pictures)
    detector = open_detector(model)
    prove(detector, pictures)
    wrong = pictures[0]._replace(frame=255 - pictures[0].frame)
    with pytest.raises(GoldenFailed, match=r"golden/"):
        prove(detector, (*pictures[1:], wrong))
    detector.close()


def test_a_picture_that_is_not_the_one(tmp_path):
    model = make_model(tmp_path / "model")
    manifest = load_manifest(model)
    path = model / manifest.golden[0].file
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(DigestMismatch):
        load_golden(model, manifest)
    path.unlink()
    with pytest.raises(GoldenMissing):
        load_golden(model, manifest)


@pytest.mark.parametrize("content", [b"", b"no picture"])
def test_a_file_that_is_no_picture(tmp_path, content):
    model = make_model(tmp_path / "model")
    add_golden(model, [("golden/words.png", content, {"decision": "empty", "boxes": []})])
    with pytest.raises(GoldenMissing, match="no picture"):
        load_golden(model, load_manifest(model))


def test_a_manifest_says_what_is_expected(tmp_path):
    model = make_model(tmp_path / "model")
    told = json.loads((model / "manifest.json").read_text())["golden"]
    assert [one["decision"] for one in told] == [
        one.decision for one in load_manifest(model).golden
    ]
    change_manifest(model, golden=[])
    assert load_golden(model, load_manifest(model)) == ()
