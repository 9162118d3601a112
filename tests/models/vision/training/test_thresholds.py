"""Thresholds are chosen so that few are paid wrongly, and not by the sharpest chance."""

import numpy as np
import pytest

from models.vision.detector import Detection

pytest.importorskip("numpy")
from models.vision.training.thresholds import Judged, choose

BOX = (0.0, 0.0, 10.0, 10.0)


def picture(*, accept=False, empty=False, wet=False, **confidences):
    seen = tuple(Detection(name, value, BOX) for name, value in confidences.items())
    return Judged(seen, accept, empty, wet)


def crowd(rng, count=300, overlap=0.15):
    """Bottles, full ones, cans and nothing, as a good but not a perfect detector sees them."""
    pictures = []
    for _ in range(count):
        kind = rng.integers(4)
        high = float(np.clip(rng.normal(0.8, overlap), 0.01, 0.99))
        low = float(np.clip(rng.normal(0.1, overlap / 2), 0.001, 0.99))
        if kind == 0:
            pictures.append(picture(accept=True, mineral=high, not_empty=low))
        elif kind == 1:
            pictures.append(picture(wet=True, mineral=high, not_empty=high))
        elif kind == 2:
            pictures.append(picture(mineral=low, soda=high))
        else:
            pictures.append(picture(empty=True, mineral=0.02))
    return pictures


def test_what_can_be_told_apart_is_told_apart():
    chosen = choose(crowd(np.random.default_rng(1), overlap=0.05))
    assert 0.15 < chosen.mineral < 0.75
    assert 0.15 < chosen.liquid < 0.75
    assert 0.15 < chosen.refusing < 0.75
    assert chosen.false_accepts == 0
    assert chosen.false_rejects < 0.02


def test_a_wrong_payment_costs_more_than_a_wrong_refusal():
    chosen = choose(crowd(np.random.default_rng(2), overlap=0.3), false_accepts_max=0.01)
    assert chosen.false_accepts <= 0.02
    assert chosen.false_rejects < 0.6


def test_water_that_cannot_be_seen_is_no_reason_to_refuse_for_a_trace_of_soda():
    rng = np.random.default_rng(3)
    pictures = [picture(mineral=0.1, soda=float(rng.uniform(0.5, 0.9))) for _ in range(60)]
    for wet in (False, True):
        for _ in range(60):
            trace, liquid = rng.uniform(0.02, 0.15), rng.uniform(0.2, 0.6)
            seen = {"mineral": 0.8, "soda": float(trace), "not_empty": float(liquid)}
            pictures.append(picture(accept=not wet, wet=wet, **seen))
    assert choose(pictures).refusing > 0.2


def test_nothing_is_paid_for_on_a_faint_suspicion():
    pictures = [picture(accept=True, mineral=0.2) for _ in range(50)]
    pictures += [picture(empty=True, mineral=0.01) for _ in range(50)]
    assert choose(pictures).mineral >= 0.3


def test_the_middle_of_the_gap_is_taken():
    """Between 0.3 and 0.7 nothing is seen: a threshold at either edge would be luck."""
    pictures = [picture(accept=True, mineral=0.7) for _ in range(50)]
    pictures += [picture(mineral=0.3) for _ in range(50)]
    assert 0.38 < choose(pictures).mineral < 0.65


def test_an_empty_belt_and_a_faint_thing_are_told_apart():
    pictures = [picture(empty=True, mineral=0.02) for _ in range(40)]
    pictures += [picture(accept=True, mineral=0.5) for _ in range(40)]
    assert 0.02 < choose(pictures).present < 0.5


def test_without_an_empty_belt_the_lowest_is_taken():
    assert choose([picture(accept=True, mineral=0.5)]).present < 0.02
