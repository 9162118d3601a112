"""Disturbances do what their names say, the same way every time."""

from __future__ import annotations

import numpy as np
import pytest

from models.vision.metrics import Labelled
from rvm_edge.train.disturbed import DISTURBANCES, blur, dark, noise, occlusion

BOX = (20.0, 30.0, 80.0, 70.0)
TRUE = (Labelled("mineral", BOX), Labelled("not_empty", BOX))


def picture() -> np.ndarray:
    frame = np.full((96, 128, 3), 120, np.uint8)
    frame[30:70, 20:80] = (200, 40, 90)
    return frame


def chance() -> np.random.Generator:
    return np.random.default_rng(4)


@pytest.mark.parametrize("name", DISTURBANCES)
def test_it_gives_another_picture_and_leaves_the_first_alone(name):
    given = picture()
    disturbed = DISTURBANCES[name](given, chance(), TRUE)
    assert (disturbed.shape, disturbed.dtype) == (given.shape, np.uint8)
    assert not np.array_equal(disturbed, given)
    assert np.array_equal(given, picture())


@pytest.mark.parametrize("name", DISTURBANCES)
def test_the_same_chance_disturbs_the_same_way(name):
    one, other = (DISTURBANCES[name](picture(), chance(), TRUE) for _ in range(2))
    assert np.array_equal(one, other)


def test_noise_is_grain_around_what_was_there():
    grain = noise(picture(), chance(), TRUE).astype(float) - picture()
    assert abs(grain[:20].mean()) < 2
    assert 14 < grain[:20].std() < 22


def test_dark_is_less_than_a_third_of_the_levels():
    assert dark(picture(), chance(), TRUE).mean() < 0.33 * picture().mean()


def test_blur_takes_the_edges():
    def edge(frame):
        return np.abs(np.diff(frame.astype(float), axis=1)).max()

    # 1.8 px in a picture 448 wide are half a pixel in this one.
    assert edge(blur(picture(), chance(), TRUE)) < 0.9 * edge(picture())


def test_a_part_of_the_thing_is_covered_and_nothing_else():
    covered = (occlusion(picture(), chance(), TRUE) != picture()).any(axis=2)
    rows, columns = np.nonzero(covered)
    assert rows.min() >= 30
    assert rows.max() < 70
    assert columns.min() >= 20
    assert columns.max() < 80
    assert 0.05 < covered.sum() / (60 * 40) < 0.25


def test_an_empty_belt_has_nothing_to_cover():
    assert np.array_equal(occlusion(picture(), chance(), ()), picture())
