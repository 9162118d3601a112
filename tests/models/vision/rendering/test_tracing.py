"""The renderer itself: two small pictures, if Mitsuba is here."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from models.vision.rendering.scene import HEIGHT_PX, WIDTH_PX, plan
from models.vision.rendering.tracing import start_renderer, through_lens, trace
from models.vision.rendering.truth import tell_truth

ROOT = Path(__file__).resolve().parents[4]
SAMPLES = 2

needs_mitsuba = pytest.mark.skipif(
    importlib.util.find_spec("mitsuba") is None,
    reason="Mitsuba is not installed; it comes with the extra `train`: bin/setup train",
)

BY_ITSELF = """
import sys
import numpy as np
from models.vision.rendering.scene import plan
from models.vision.rendering.tracing import start_renderer, through_lens, trace
start_renderer()
scene = plan(1, int(sys.argv[2]))
np.save(sys.argv[1], through_lens(trace(scene, samples=2, seed=int(sys.argv[2])), scene.lens))
"""


@pytest.fixture(scope="module")
def traced():
    """Picture 2 of seed 1, rendered in a process of its own: the renderer never leaves one."""
    start_renderer()
    return seen(plan(1, 2))


def seen(scene):
    return through_lens(trace(scene, samples=SAMPLES, seed=2), scene.lens)


@pytest.mark.skipif(
    importlib.util.find_spec("mitsuba") is not None, reason="Mitsuba is installed here"
)
def test_without_mitsuba_the_cure_is_named():
    from models.vision.rendering.tracing import RendererMissing

    with pytest.raises(RendererMissing, match=r"pip install 'rvm-edge\[train\]'"):
        start_renderer()


@needs_mitsuba
def test_it_gives_light_of_the_pictures_size_without_a_number_that_is_none(traced):
    assert (traced.shape, traced.dtype) == ((HEIGHT_PX, WIDTH_PX, 3), np.float32)
    assert np.isfinite(traced).all()
    assert traced.min() >= 0
    assert traced.mean() > 0


@needs_mitsuba
def test_another_process_renders_the_same_bits(traced, tmp_path):
    file = tmp_path / "light.npy"
    subprocess.run(
        [sys.executable, "-c", BY_ITSELF, str(file), "2"],
        check=True,
        timeout=50,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
    )
    assert np.array_equal(np.load(file), traced)


@needs_mitsuba
def test_the_thing_is_seen_where_its_mask_says(traced):
    # Without the thing only its place looks different, and what it reflects and shades.
    scene, truth = plan(1, 2), tell_truth(plan(1, 2))
    bare = seen(scene._replace(items=()))
    change = np.abs(np.log(traced + 1e-3) - np.log(bare + 1e-3)).mean(axis=2)
    inside, outside = change[truth.item > 0], change[truth.item == 0]
    assert truth.item.any()
    assert np.median(inside) > 3 * np.median(outside)
