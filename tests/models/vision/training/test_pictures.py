"""Developed and varied pictures keep their truth."""

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs torch: bin/setup train")
from models.vision.rendering.dataset import Rendered
from models.vision.rendering.items import CLASSES, MAKERS
from models.vision.rendering.scene import HEIGHT_PX, WIDTH_PX
from models.vision.rendering.truth import Box, Truth
from models.vision.training.pictures import CLASS_OF_KIND, example, take, varied

SIZE = (320, 240)


def bottle(x1=120, y1=80, x2=320, y2=160) -> Rendered:
    """A bright block on a dark belt, its right half full of water."""
    light = np.full((HEIGHT_PX, WIDTH_PX, 3), 0.05, np.float32)
    item = np.zeros((HEIGHT_PX, WIDTH_PX), np.uint8)
    liquid = item.copy()
    light[y1:y2, x1:x2] = 0.8
    item[y1:y2, x1:x2] = 1
    liquid[y1:y2, (x1 + x2) // 2 : x2] = 1
    boxes = tuple(Box(name, x1, y1, x2, y2) for name in ("mineral", "not_empty"))
    return Rendered(0, light, light, Truth(("mineral_full",), "reject", boxes, item, liquid))


def test_every_kind_has_a_class():
    assert CLASS_OF_KIND.keys() == MAKERS.keys()
    assert set(CLASS_OF_KIND.values()) <= set(CLASSES)


def test_boxes_and_masks_come_into_the_networks_size_together():
    sample = take(bottle(), (1, 0, 0), SIZE)
    assert sample.picture.shape == (240, 320, 3)
    scale = 320 / WIDTH_PX
    np.testing.assert_allclose(sample.boxes[0, 1:], np.array([120, 80, 320, 160]) * scale)
    rows, columns = np.nonzero(sample.cover)
    assert abs(columns.min() - 120 * scale) <= 1
    assert abs(rows.max() + 1 - 160 * scale) <= 1
    assert set(np.unique(sample.cover)) == {0, 1 + CLASSES.index("mineral")}


def test_a_variant_is_always_the_same_and_another_one_is_not():
    one, again, other = (take(bottle(), (1, 0, k), SIZE).picture for k in (0, 0, 1))
    np.testing.assert_array_equal(one, again)
    assert (one != other).mean() > 0.2


@pytest.mark.parametrize("seed", range(40))
def test_boxes_go_where_the_masks_go(seed):
    rng = np.random.default_rng(seed)
    moved = varied(take(bottle(), (1, 0, 0), SIZE), rng)
    rows, columns = np.nonzero(moved.cover)
    assert len(moved.boxes) == 2
    x1, y1, x2, y2 = moved.boxes[0, 1:]
    found = np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])
    np.testing.assert_allclose([x1, y1, x2, y2], found, atol=1.6)
    wet = np.nonzero(moved.liquid)
    assert (moved.cover[wet] > 0).mean() > 0.95


def test_a_thing_that_is_shifted_out_of_sight_has_no_box():
    corner = take(bottle(0, 0, 30, 20), (1, 0, 0), SIZE)
    kept = [len(varied(corner, np.random.default_rng(seed)).boxes) for seed in range(60)]
    assert 0 in kept
    assert 2 in kept


def test_the_same_chance_gives_the_same_example():
    sample = take(bottle(), (1, 0, 0), SIZE)
    one, again = (example(varied(sample, np.random.default_rng(5))) for _ in range(2))
    np.testing.assert_array_equal(one.picture, again.picture)
    assert one.picture.dtype == np.float32
    assert 0 <= one.picture.min() <= one.picture.max() <= 1
