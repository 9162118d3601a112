"""Prints and weaves are made up anew every time, and light is coded as the standard says."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.vision.rendering.surfaces import belt_texture, coded, print_colour, printed, tone


@pytest.mark.parametrize(
    ("linear", "byte"),
    # IEC 61966-2-1: 18 % grey is 118, half the light is 188, the toe is linear.
    [(0.0, 0), (0.0031308, 10), (0.18, 118), (0.5, 188), (1.0, 255), (7.0, 255), (-1.0, 0)],
)
def test_light_is_coded_as_srgb(linear, byte):
    assert coded(np.array([linear])) == [byte]


@given(st.floats(0, 1), st.floats(0, 1))
def test_more_light_is_never_darker(one, other):
    low, high = coded(np.array([min(one, other), max(one, other)]))
    assert low <= high


def test_a_label_has_the_size_and_ground_that_were_asked_for():
    label = printed(np.random.default_rng(0), (64, 128), ground=(1.0, 0.0, 0.0), barcode=0.0)
    assert (label.shape, label.dtype) == ((64, 128, 3), np.uint8)
    assert (label == [255, 0, 0]).all(axis=2).any()


def test_labels_differ_and_come_again():
    first, second = (printed(np.random.default_rng(seed)) for seed in (1, 2))
    assert not np.array_equal(first, second)
    assert np.array_equal(first, printed(np.random.default_rng(1)))


def test_a_bar_code_is_black_on_white():
    with_code = [printed(np.random.default_rng(seed), barcode=1.0) for seed in range(8)]
    without = [printed(np.random.default_rng(seed), barcode=0.0) for seed in range(8)]
    changed = [
        one[(one != other).any(axis=2)] for one, other in zip(with_code, without, strict=True)
    ]
    for pixels in changed:
        assert pixels.min() < 60
        assert pixels.max() > 200


def test_ink_is_a_colour():
    rng = np.random.default_rng(0)
    for _ in range(200):
        assert all(0 <= part <= 1 for part in print_colour(rng))
        assert all(0 <= part <= 1 for part in tone(rng, hue=(0.9, 1.1)))


def test_a_belt_is_as_bright_as_its_colour():
    for seed in range(6):
        belt = belt_texture(np.random.default_rng(seed), (0.2, 0.2, 0.2), 128)
        assert belt.shape == (128, 128, 3)
        assert abs(float(belt.mean()) - float(coded(np.array([0.2]))[0])) < 30
