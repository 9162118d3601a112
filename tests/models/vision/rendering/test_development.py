"""From light to a picture: by its chance alone, and never out of range."""

from __future__ import annotations

import numpy as np
import pytest

from models.vision.rendering.development import _faded, develop

SIZE = (96, 128)


def light(level: float = 0.2) -> np.ndarray:
    field = np.full((*SIZE, 3), level, np.float32)
    field[30:60, 40:90] = 0.02
    return field


def taken(seed: int, level: float = 0.2, harsh: float = 0.15) -> np.ndarray:
    return develop(light(level), np.random.default_rng(seed), harsh=harsh)


def test_it_gives_a_picture_as_a_camera_gives_it():
    picture = taken(0)
    assert (picture.shape, picture.dtype) == ((*SIZE, 3), np.uint8)
    assert picture.flags.c_contiguous


def test_the_same_chance_gives_the_same_picture_to_the_last_bit():
    for seed in range(10):
        assert np.array_equal(taken(seed, harsh=0.5), taken(seed, harsh=0.5))


def test_other_chance_gives_another_picture():
    assert len({taken(seed).tobytes() for seed in range(10)}) == 10


def test_the_light_itself_is_left_alone():
    field = light()
    develop(field, np.random.default_rng(3), harsh=1.0)
    assert np.array_equal(field, light())


def test_exposure_is_automatic_so_the_lamps_power_hardly_matters():
    faint = np.mean([taken(seed, 0.001).mean() for seed in range(12)])
    bright = np.mean([taken(seed, 100.0).mean() for seed in range(12)])
    assert faint < bright * 3
    assert bright < faint * 3


def test_pictures_run_from_dusk_to_glare():
    levels = [taken(seed, harsh=0.0).mean() for seed in range(60)]
    assert min(levels) < 60
    assert max(levels) > 130


def test_a_dark_thing_stays_darker_than_the_belt():
    for seed in range(20):
        picture = taken(seed, harsh=0.0)
        assert picture[38:52, 50:80].mean() < picture[5:25].mean()


@pytest.mark.parametrize("level", [0.0, 1e-9, 1e6])
def test_no_light_is_no_error(level):
    assert taken(1, level, harsh=1.0).shape == (*SIZE, 3)


def test_harsh_circumstances_blur_what_mild_ones_leave_sharp():
    def sharpness(harsh: float) -> float:
        pictures = [taken(seed, harsh=harsh).astype(float) for seed in range(30)]
        steps = [np.abs(np.diff(picture[40:50].mean(axis=(0, 2)))).max() for picture in pictures]
        return float(np.median(steps))

    assert sharpness(1.0) < sharpness(0.0)


def test_stray_light_and_faded_colours_leave_the_brightness_and_add_no_contrast():
    field = light()
    field[30:60, 40:90] = (0.5, 0.1, 0.02)
    found = [_faded(field, np.random.default_rng(seed)) for seed in range(40)]
    grey = field.mean(axis=2)
    for seen in found:
        assert seen.mean() == pytest.approx(field.mean(), rel=1e-4)
        assert seen.mean(axis=2).std() <= grey.std() * 1.0001
    paleness = [np.ptp(seen[45, 60]) / np.ptp(field[45, 60]) for seen in found]
    assert min(paleness) < 0.5
    assert max(paleness) > 0.9
