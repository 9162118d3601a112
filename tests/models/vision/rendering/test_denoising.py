"""Noise goes, edges and highlights stay."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest

from models.vision.rendering import denoising
from models.vision.rendering.denoising import DenoiserMissing, denoise, dimmed, grained

needs_oidn = pytest.mark.skipif(
    importlib.util.find_spec("oidn") is None,
    reason="Open Image Denoise is not installed; bin/setup train installs it",
)


def scene() -> np.ndarray:
    """A grey belt, a darker bottle, and a lamp's highlight on it, brighter than white."""
    light = np.full((96, 128, 3), 0.4, np.float32)
    light[30:70, 20:110] = (0.1, 0.15, 0.2)
    light[48:51, 30:100] = 4.0
    return light


def traced(light: np.ndarray, samples: float = 4.0) -> np.ndarray:
    """As few samples give it: the mean is right, and now and then one is far too bright."""
    rng = np.random.default_rng(5)
    return (light * rng.gamma(samples, 1 / samples, light.shape[:2])[..., None]).astype(np.float32)


@needs_oidn
def test_what_comes_out_is_nearer_to_the_truth_than_what_went_in():
    noisy = traced(scene())
    calm = denoise(noisy)
    assert calm.dtype == np.float32
    assert np.abs(calm - scene()).mean() < 0.4 * np.abs(noisy - scene()).mean()


@needs_oidn
def test_a_highlight_stays_as_bright_as_it_is_and_an_edge_where_it_is():
    calm = denoise(traced(scene()))
    assert calm[49, 40:90].mean() == pytest.approx(4.0, rel=0.25)
    assert calm[40, 15].mean() > 2 * calm[40, 25].mean()


@needs_oidn
def test_the_same_light_gives_the_same_picture():
    assert np.array_equal(denoise(traced(scene())), denoise(traced(scene())))


def test_a_spark_is_dimmed_and_a_line_of_light_is_not():
    light = scene()
    light[10, 10] = 50.0
    light[80, 60:64] = 50.0
    result = dimmed(light)
    assert result[10, 10].max() == pytest.approx(0.4 * denoising.SPARK)
    assert (result[80, 61:63] == 50.0).all()
    assert np.array_equal(result[49], light[49])


def test_grain_lies_between_the_calm_picture_and_the_noisy_one():
    calm, noisy = scene(), traced(scene())
    found = [grained(noisy, calm, np.random.default_rng(seed)) for seed in range(40)]
    none = sum(np.array_equal(one, calm) for one in found)
    assert 8 <= none <= 24
    spread = [np.abs(one - calm).mean() for one in found]
    assert max(spread) < np.abs(dimmed(noisy) - calm).mean()


def test_without_the_library_the_cure_is_named(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    denoising._library.cache_clear()
    with pytest.raises(DenoiserMissing, match="bin/setup train"):
        denoise(scene())
    denoising._library.cache_clear()
