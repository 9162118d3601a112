"""The acceptance rule: examples to read, properties to trust."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.acceptance import (
    ACCEPTED_CLASS,
    REFUSING,
    Decision,
    Reason,
    Verdict,
    judge,
    judge_all,
)
from models.vision.detector import Detection

THRESHOLDS = {ACCEPTED_CLASS: 0.5, **dict.fromkeys(REFUSING, 0.25)}
CLASSES = (ACCEPTED_CLASS, *REFUSING)
BOX = (0.0, 0.0, 10.0, 10.0)


def seen(*pairs: tuple[str, float]) -> tuple[Detection, ...]:
    return tuple(Detection(name, confidence, BOX) for name, confidence in pairs)


@pytest.mark.parametrize(
    ("detections", "decision", "reason"),
    [
        ((), Decision.EMPTY, Reason.NOTHING_SEEN),
        ([("mineral", 0.5)], Decision.ACCEPT, Reason.ACCEPTED),
        ([("mineral", 0.9), ("soda", 0.24)], Decision.ACCEPT, Reason.ACCEPTED),
        ([("mineral", 0.9), ("mineral", 0.4)], Decision.ACCEPT, Reason.ACCEPTED),
        ([("mineral", 0.49)], Decision.REJECT, Reason.NOT_RECOGNISED),
        ([("soda", 0.24)], Decision.REJECT, Reason.NOT_RECOGNISED),
        ([("mineral", 0.9), ("mineral", 0.5)], Decision.REJECT, Reason.SEVERAL_ITEMS),
        ([("mineral", 0.9), ("not_empty", 0.25)], Decision.REJECT, Reason.NOT_EMPTY),
        ([("mineral", 0.9), ("soda", 0.25)], Decision.REJECT, Reason.REFUSED_SODA),
        ([("milk", 0.6), ("yogurt", 0.7)], Decision.REJECT, Reason.REFUSED_YOGURT),
        ([("milk", 0.6)], Decision.REJECT, Reason.REFUSED_MILK),
        ([("dishwasher", 0.6)], Decision.REJECT, Reason.REFUSED_DISHWASHER),
        ([("non_mineral", 0.6)], Decision.REJECT, Reason.REFUSED_NON_MINERAL),
        ([("mineral", 0.9), ("grenade", 0.01)], Decision.REJECT, Reason.REFUSED_OTHER),
        ([("mineral", 0.9), ("soda", math.nan)], Decision.REJECT, Reason.REFUSED_SODA),
        ([("mineral", math.nan)], Decision.REJECT, Reason.NOT_RECOGNISED),
    ],
)
def test_example(detections, decision, reason):
    assert judge(seen(*detections), THRESHOLDS) == Verdict(decision, reason)


def test_without_a_threshold_nothing_is_accepted():
    assert judge(seen(("mineral", 1.0)), {}).decision is Decision.REJECT


anything = st.lists(
    st.builds(
        Detection,
        st.sampled_from((*CLASSES, "unheard_of")),
        st.floats(0.0, 1.0),
        st.just(BOX),
    ),
    max_size=8,
).map(tuple)


@given(anything)
def test_accepts_exactly_one_clean_bottle(detections):
    bottles = [
        one for one in detections if one.class_name == ACCEPTED_CLASS and one.confidence >= 0.5
    ]
    refusing = [
        one
        for one in detections
        if one.class_name != ACCEPTED_CLASS
        and one.confidence >= THRESHOLDS.get(one.class_name, 0.0)
    ]
    accepted = judge(detections, THRESHOLDS).decision is Decision.ACCEPT
    assert accepted == (len(bottles) == 1 and not refusing)


@given(anything, st.randoms(use_true_random=False))
def test_order_does_not_matter(detections, rng):
    shuffled = list(detections)
    rng.shuffle(shuffled)
    assert judge(shuffled, THRESHOLDS) == judge(detections, THRESHOLDS)


@given(anything, st.sampled_from(sorted(REFUSING)), st.floats(0.25, 1.0))
def test_a_refusing_class_always_refuses(detections, name, confidence):
    verdict = judge((*detections, *seen((name, confidence))), THRESHOLDS)
    assert verdict.decision is Decision.REJECT


@given(anything)
def test_empty_means_that_nothing_was_seen(detections):
    assert (judge(detections, THRESHOLDS).decision is Decision.EMPTY) == (not detections)


@given(anything)
def test_decision_and_reason_belong_together(detections):
    verdict = judge(detections, THRESHOLDS)
    assert (verdict.decision is Decision.ACCEPT) == (verdict.reason is Reason.ACCEPTED)
    assert (verdict.decision is Decision.EMPTY) == (verdict.reason is Reason.NOTHING_SEEN)


# ----- A burst of pictures --------------------------------------------------------------------

BOTTLE, FULL = seen(("mineral", 0.9)), seen(("mineral", 0.9), ("not_empty", 0.6))
SODA, UNSURE, NOTHING = seen(("soda", 0.9)), seen(("mineral", 0.2)), ()


@pytest.mark.parametrize(
    ("pictures", "decision", "reason"),
    [
        ((), Decision.EMPTY, Reason.NOTHING_SEEN),
        ((BOTTLE,), Decision.ACCEPT, Reason.ACCEPTED),
        ((BOTTLE, BOTTLE, BOTTLE), Decision.ACCEPT, Reason.ACCEPTED),
        ((BOTTLE, BOTTLE, UNSURE), Decision.ACCEPT, Reason.ACCEPTED),
        ((FULL, BOTTLE, BOTTLE), Decision.ACCEPT, Reason.ACCEPTED),
        ((BOTTLE, FULL, FULL), Decision.REJECT, Reason.NOT_EMPTY),
        ((BOTTLE, FULL), Decision.REJECT, Reason.NOT_EMPTY),
        ((BOTTLE, NOTHING), Decision.REJECT, Reason.NOT_RECOGNISED),
        ((SODA, FULL, BOTTLE), Decision.REJECT, Reason.REFUSED_SODA),
        ((FULL, SODA, SODA), Decision.REJECT, Reason.REFUSED_SODA),
        ((NOTHING, NOTHING, SODA), Decision.REJECT, Reason.REFUSED_SODA),
        ((NOTHING, NOTHING, BOTTLE), Decision.REJECT, Reason.NOT_RECOGNISED),
        ((NOTHING, NOTHING, NOTHING), Decision.EMPTY, Reason.NOTHING_SEEN),
    ],
)
def test_example_of_a_burst(pictures, decision, reason):
    verdict, votes = judge_all(pictures, THRESHOLDS)
    assert verdict == Verdict(decision, reason)
    assert votes == tuple(judge(picture, THRESHOLDS) for picture in pictures)


bursts = st.lists(anything, max_size=5).map(tuple)


@given(bursts)
def test_a_burst_is_accepted_exactly_by_more_than_half_of_its_pictures(pictures):
    verdict, votes = judge_all(pictures, THRESHOLDS)
    accepting = sum(vote.decision is Decision.ACCEPT for vote in votes)
    assert (verdict.decision is Decision.ACCEPT) == (2 * accepting > len(pictures))


@given(bursts)
def test_a_burst_is_empty_exactly_if_nobody_saw_anything(pictures):
    verdict, _ = judge_all(pictures, THRESHOLDS)
    assert (verdict.decision is Decision.EMPTY) == (not any(pictures))


@given(bursts, st.randoms(use_true_random=False))
def test_the_decision_does_not_depend_on_the_order_of_the_pictures(pictures, rng):
    shuffled = list(pictures)
    rng.shuffle(shuffled)
    verdict, _ = judge_all(pictures, THRESHOLDS)
    assert judge_all(shuffled, THRESHOLDS)[0].decision is verdict.decision


@given(anything, st.integers(1, 5))
def test_equal_pictures_are_judged_as_one_of_them(picture, count):
    assert judge_all((picture,) * count, THRESHOLDS)[0] == judge(picture, THRESHOLDS)


@given(bursts)
def test_a_refusal_has_the_reason_of_most_pictures_that_refuse(pictures):
    verdict, votes = judge_all(pictures, THRESHOLDS)
    refusing = [vote for vote in votes if vote.decision is Decision.REJECT]
    if verdict.decision is Decision.REJECT and refusing:
        times = refusing.count(verdict)
        assert times == max(refusing.count(vote) for vote in refusing)
        earlier = refusing[: refusing.index(verdict)]
        assert all(refusing.count(vote) < times for vote in earlier)


@given(bursts, anything)
def test_one_more_picture_that_does_not_accept_never_makes_it_accepted(pictures, more):
    if judge(more, THRESHOLDS).decision is not Decision.ACCEPT:
        before, _ = judge_all(pictures, THRESHOLDS)
        after, _ = judge_all((*pictures, more), THRESHOLDS)
        assert before.decision is Decision.ACCEPT or after.decision is not Decision.ACCEPT
