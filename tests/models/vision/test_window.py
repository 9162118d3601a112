"""The window between camera and chamber: learned from the empty chamber."""

import cv2
import msgspec
import numpy as np
import pytest

from config.settings import CameraSettings
from models.vision.liveness import measure, thinned
from models.vision.window import Window, acutance, cells, learn, look, words_of

LIMITS = CameraSettings()


def chamber(shape=(336, 448)):
    """A textured belt between two walls."""
    rng = np.random.default_rng(3)
    height, width = shape
    picture = np.full((height, width, 3), 110.0)
    picture[: height // 8] = picture[-height // 8 :] = 170.0
    picture += cv2.GaussianBlur(rng.normal(0, 40, (height, width)), (0, 0), 1.0)[:, :, None]
    return picture


def frame(picture, seed, sigma=1.6):
    rng = np.random.default_rng(seed)
    return np.clip(picture + rng.normal(0, sigma, picture.shape), 0, 255).astype(np.uint8)


def study(picture, seed=1):
    before, now = thinned(frame(picture, seed)), thinned(frame(picture, seed + 1))
    return learn("camera", now.pixels, measure(now, [before]))


def blurred(picture, sigma):
    return cv2.GaussianBlur(picture, (0, 0), sigma)


def spotted(picture, share):
    """A dark spot that covers so much of it."""
    height, width = picture.shape[:2]
    side = int((share * height * width) ** 0.5)
    dirty = picture.copy()
    dirty[40 : 40 + side, 60 : 60 + side] *= 0.4
    return dirty


def watched(pictures, reference, window=None):
    window = window or Window()
    for number, picture in enumerate(pictures):
        window = look(window, study(picture, 10 + 2 * number), reference, LIMITS)
    return window


@pytest.fixture(scope="module")
def reference():
    return study(chamber())


def test_a_clean_window_stays_clean_for_ever(reference):
    window = watched([chamber()] * 12, reference)
    assert (window.trouble, window.refuses, window.spots_percent) == ("", False, 0)
    assert window.sharpness_percent == pytest.approx(100, abs=10)


@pytest.mark.parametrize(
    ("sigma", "trouble", "refuses"),
    [(0.5, "", False), (1.5, "blurred", False), (3.0, "blurred", True), (6.0, "blurred", True)],
)
def test_fog_is_seen_by_the_detail_that_it_takes(reference, sigma, trouble, refuses):
    window = watched([blurred(chamber(), sigma)], reference)
    assert (window.trouble, window.refuses) == (trouble, refuses)
    assert bool(words_of(window)) == bool(trouble)
    assert ("nothing is taken" in words_of(window)) == refuses


@pytest.mark.parametrize("shape", [(720, 1280), (480, 640)])
def test_other_sizes_are_judged_alike(shape):
    reference = study(chamber(shape))
    assert watched([chamber(shape)], reference).trouble == ""
    assert watched([blurred(chamber(shape), 6.0)], reference).trouble == "blurred"


def test_contrast_and_light_do_not_count_as_sharpness(reference):
    weaker = 60 + (chamber() - 110) * 0.5
    assert watched([weaker], reference).sharpness_percent == pytest.approx(100, abs=15)
    dimmer = watched([chamber() * 0.7] * 6, reference)
    assert dimmer.trouble == ""


@pytest.mark.parametrize(
    ("share", "trouble", "refuses"),
    [(0.005, "", False), (0.05, "dirty", False), (0.35, "dirty", True)],
)
def test_a_spot_that_stays_is_dirt(reference, share, trouble, refuses):
    dirty = spotted(chamber(), share)
    early = watched([dirty] * (LIMITS.dirty_looks - 1), reference)
    assert early.trouble == ""
    window = watched([dirty], reference, early)
    assert (window.trouble, window.refuses) == (trouble, refuses)
    assert window.spots_percent == pytest.approx(share * 100, rel=0.2, abs=0.3)


def test_what_lies_there_once_is_no_dirt(reference):
    looks = [spotted(chamber(), 0.2)] * (LIMITS.dirty_looks - 1)
    window = watched([*looks, chamber(), *looks], reference)
    assert (window.trouble, window.spots_percent) == ("", 0)


def test_a_window_that_was_cleaned_is_well_at_once(reference):
    window = watched([spotted(chamber(), 0.05)] * 6, reference)
    assert window.trouble == "dirty"
    assert watched([chamber()], reference, window).trouble == ""


def test_dirt_just_below_the_line_does_not_flutter(reference):
    line = [spotted(chamber(), 0.03)] * LIMITS.dirty_looks
    spots = watched(line, reference).spots_percent
    limits = CameraSettings(dirty_percent=spots * 1.1)
    seen = study(line[0])
    clean = watched(line, reference, Window())
    assert look(msgspec.structs.replace(clean, trouble=""), seen, reference, limits).trouble == ""
    dirty = msgspec.structs.replace(clean, trouble="dirty")
    assert look(dirty, seen, reference, limits).trouble == "dirty"


def test_noise_alone_has_no_detail():
    flat = np.full((336, 448, 3), 100.0)
    now, before = (thinned(frame(flat, seed)) for seed in (1, 2))
    found = measure(now, [before])
    assert acutance(now.pixels, found.noise_levels) < 30
    assert len(cells(now.pixels)) == 64 * 48
    wall = np.full((336, 448, 3), 100, np.uint8)
    assert acutance(wall, 0.0) == 0
    assert look(Window(), learn("x", wall, found), learn("x", wall, found), LIMITS).trouble == ""
