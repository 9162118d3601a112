"""What the referee counts, by hand and against laws."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.acceptance import Decision
from models.vision.detector import Detection
from models.vision.metrics import (
    NOTHING,
    Decisions,
    Labelled,
    Picture,
    Rate,
    class_confusion,
    intersection_over_union,
    mean_average_precision,
    precision_and_recall,
)

HERE, THERE = (0.0, 0.0, 10.0, 10.0), (100.0, 100.0, 120.0, 120.0)
ACCEPT, REJECT, EMPTY = Decision.ACCEPT, Decision.REJECT, Decision.EMPTY

edges = st.tuples(*(st.floats(0, 100) for _ in range(4))).map(
    lambda e: (min(e[0], e[2]), min(e[1], e[3]), max(e[0], e[2]), max(e[1], e[3]))
)
names = st.sampled_from(["mineral", "soda", "milk"])
labelled = st.builds(Labelled, names, edges)
detections = st.builds(Detection, names, st.floats(0, 1), edges)
pictures = st.lists(
    st.builds(
        Picture,
        st.lists(detections, max_size=4).map(tuple),
        st.lists(labelled, max_size=3).map(tuple),
    ),
    max_size=6,
)
decisions = st.lists(st.tuples(st.sampled_from(Decision), st.sampled_from(Decision)))


def seen(name: str, confidence: float, box=HERE) -> Detection:
    return Detection(name, confidence, box)


# ----- Boxes ----------------------------------------------------------------------------------


def test_boxes_that_touch_at_an_edge_share_nothing():
    assert intersection_over_union(HERE, (10.0, 0.0, 20.0, 10.0)) == 0.0


def test_half_a_box_beside_a_whole_one_agrees_by_half():
    assert intersection_over_union(HERE, (0.0, 0.0, 5.0, 10.0)) == 0.5


@given(edges, edges)
def test_agreement_is_mutual_and_between_nought_and_one(one, other):
    there = intersection_over_union(one, other)
    assert there == intersection_over_union(other, one)
    assert 0.0 <= there <= 1.0 + 1e-12


# ----- Average precision ----------------------------------------------------------------------


def test_a_detector_that_sees_all_and_nothing_else_is_perfect():
    one = Picture((seen("mineral", 0.9),), (Labelled("mineral", HERE),))
    assert mean_average_precision([one]).by_class == {"mineral": 1.0}


def test_of_two_things_one_found_is_half_a_score():
    both = Picture((seen("milk", 0.9),), (Labelled("milk", HERE), Labelled("milk", THERE)))
    # Recall 0, 0.01 … 0.5 is reached at full precision: 51 of 101 steps.
    assert mean_average_precision([both]).mean == pytest.approx(51 / 101)


def test_a_surer_mistake_costs_precision_all_along():
    one = Picture((seen("milk", 0.9, THERE), seen("milk", 0.5)), (Labelled("milk", HERE),))
    assert mean_average_precision([one]).mean == pytest.approx(0.5)


def test_a_less_sure_mistake_costs_nothing():
    one = Picture((seen("milk", 0.4, THERE), seen("milk", 0.5)), (Labelled("milk", HERE),))
    assert mean_average_precision([one]).mean == 1.0


def test_seeing_one_thing_twice_is_a_mistake():
    one = Picture((seen("milk", 0.9), seen("milk", 0.8)), (Labelled("milk", HERE),))
    assert [point.precision for point in precision_and_recall([one], "milk")] == [1.0, 0.5]


def test_the_order_of_equal_confidences_does_not_matter():
    right, wrong = seen("milk", 0.5), seen("milk", 0.5, THERE)
    true = (Labelled("milk", HERE),)
    curves = {
        precision_and_recall([Picture(pair, true)], "milk")
        for pair in ((right, wrong), (wrong, right))
    }
    assert len(curves) == 1


def test_a_class_that_is_nowhere_has_no_score():
    nothing = Picture((seen("milk", 0.9),), ())
    assert mean_average_precision([nothing]).by_class == {}
    assert math.isnan(mean_average_precision([]).mean)


@given(pictures)
def test_scores_lie_between_nought_and_one(some):
    score = mean_average_precision(some)
    assert all(0.0 <= value <= 1.0 for value in score.by_class.values())
    assert set(score.by_class) == {true.class_name for one in some for true in one.true}


@given(pictures)
def test_a_stricter_overlap_never_finds_more(some):
    for name in ("mineral", "soda", "milk"):
        loose, strict = (precision_and_recall(some, name, iou) for iou in (0.3, 0.8))
        assert max((p.recall for p in strict), default=0.0) <= max(
            (p.recall for p in loose), default=0.0
        )


@given(pictures)
def test_recall_only_grows_down_the_curve(some):
    points = precision_and_recall(some, "milk")
    assert [p.recall for p in points] == sorted(p.recall for p in points)
    confidences = [p.confidence for p in points]
    assert confidences == sorted(set(confidences), reverse=True)


# ----- What was taken for what ----------------------------------------------------------------


def test_a_full_bottle_seen_as_bottle_and_full_is_no_confusion():
    true = (Labelled("mineral", HERE), Labelled("not_empty", HERE))
    one = Picture((seen("not_empty", 0.9), seen("mineral", 0.8)), true)
    assert class_confusion([one], {}) == {
        ("mineral", "mineral"): 1,
        ("not_empty", "not_empty"): 1,
    }


def test_the_wrong_name_at_the_right_place_is_a_confusion_not_two_mistakes():
    one = Picture((seen("soda", 0.9),), (Labelled("milk", HERE),))
    assert class_confusion([one], {}) == {("milk", "soda"): 1}


def test_what_is_missed_and_what_is_invented_is_counted_as_nothing():
    one = Picture((seen("soda", 0.9, THERE),), (Labelled("milk", HERE),))
    assert class_confusion([one], {}) == {("milk", NOTHING): 1, (NOTHING, "soda"): 1}


def test_below_its_threshold_a_detection_does_not_count():
    one = Picture((seen("milk", 0.3),), (Labelled("milk", HERE),))
    assert class_confusion([one], {"milk": 0.4}) == {("milk", NOTHING): 1}


@given(pictures)
def test_everything_true_and_everything_seen_is_counted_once(some):
    counted = class_confusion(some, {})
    true = sum(count for (name, _), count in counted.items() if name != NOTHING)
    found = sum(count for (_, name), count in counted.items() if name != NOTHING)
    assert true == sum(len(one.true) for one in some)
    assert found == sum(len(one.seen) for one in some)


# ----- Decisions ------------------------------------------------------------------------------


def test_each_kind_of_mistake_has_its_own_denominator():
    counted = Decisions(
        [
            (ACCEPT, ACCEPT),
            (ACCEPT, ACCEPT),
            (ACCEPT, REJECT),
            (REJECT, ACCEPT),
            (REJECT, REJECT),
            (EMPTY, EMPTY),
            (EMPTY, REJECT),
        ]
    )
    assert counted.right == Rate(4, 7)
    assert counted.taken_right == Rate(5, 7)
    assert counted.false_accepts == Rate(1, 4)
    assert counted.false_accepts_of_all == Rate(1, 7)
    assert counted.false_rejects == Rate(1, 3)


def test_a_good_bottle_that_is_not_seen_at_all_is_a_false_reject():
    counted = Decisions()
    counted.add(ACCEPT, EMPTY)
    assert counted.false_rejects == Rate(1, 1)


@given(decisions)
def test_right_and_the_mistakes_add_up(pairs):
    counted = Decisions(pairs)
    wrong_refusals = sum(
        count
        for (expected, decided), count in counted.confusion.items()
        if {expected, decided} == {REJECT, EMPTY}
    )
    mistakes = counted.false_accepts.hits + counted.false_rejects.hits + wrong_refusals
    assert counted.right.hits + mistakes == len(pairs)


@pytest.mark.parametrize(
    ("rate", "low", "high"),
    [
        # Newcombe 1998, Statistics in Medicine 17, table I, method 3.
        (Rate(81, 263), 0.2553, 0.3662),
        (Rate(15, 148), 0.0624, 0.1605),
        (Rate(0, 20), 0.0000, 0.1611),
        (Rate(1, 29), 0.0061, 0.1718),
    ],
)
def test_the_interval_is_wilsons(rate, low, high):
    assert rate.interval() == pytest.approx((low, high), abs=5e-5)


def test_nothing_tried_is_nothing_known():
    assert Rate(0, 0).interval() == (0.0, 1.0)
    assert Rate(0, 0).share == 0.0


@given(st.integers(1, 10_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_the_interval_holds_the_share_and_stays_a_share(counts):
    rate = Rate(*counts)
    low, high = rate.interval()
    assert 0.0 <= low <= rate.share + 1e-12
    assert rate.share - 1e-12 <= high <= 1.0
