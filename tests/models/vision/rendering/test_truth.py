"""The truth of a picture: projection, boxes, masks, and what the machine should do."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.vision.rendering.parts import Part, Thing
from models.vision.rendering.scene import (
    FIELD_OF_VIEW,
    HEIGHT_PX,
    MARGIN,
    WIDTH_PX,
    Lens,
    Placed,
    plan,
)
from models.vision.rendering.solids import Solid, block
from models.vision.rendering.surfaces import Material
from models.vision.rendering.truth import Truth, lens_map, project, tell_truth

STRAIGHT_DOWN = np.array([[1.0, 0.0, 0.0], [0.0, -1.0, 0.0], [0.0, 0.0, -1.0]])
"""Right is along the belt; down in the picture is towards -y; forward is down."""
HIGH = 0.5
SOME = range(80)

bends = st.floats(-0.06, 0.06)
places = st.floats(-0.15, 0.15)


def above(bend: float = 0.0) -> Lens:
    return Lens(np.array([0.0, 0.0, HIGH]), STRAIGHT_DOWN, bend)


@pytest.fixture(scope="module")
def pictures():
    scenes = [plan(21, index) for index in SOME]
    return [(scene, tell_truth(scene)) for scene in scenes]


# ----- Projection -----------------------------------------------------------------------------


@given(places, places, st.floats(0.0, 0.2))
def test_a_pinhole_camera_sees_by_similar_triangles(x, y, z):
    focal = WIDTH_PX / 2 / np.tan(np.radians(FIELD_OF_VIEW / 2))
    (seen,) = project(above(), np.array([[x, y, z]]))
    expected = [WIDTH_PX / 2 + focal * x / (HIGH - z), HEIGHT_PX / 2 - focal * y / (HIGH - z)]
    assert seen == pytest.approx(expected)


def test_the_edge_of_the_picture_is_the_edge_of_the_field_of_view():
    reach = HIGH * np.tan(np.radians(FIELD_OF_VIEW / 2))
    (left, right) = project(above(), np.array([[-reach, 0, 0], [reach, 0, 0]]))
    assert (left[0], right[0]) == pytest.approx((0, WIDTH_PX))


def test_a_barrel_draws_corners_in_and_leaves_the_middle():
    points = np.array([[0.0, 0.0, 0.0], [0.15, 0.1, 0.0]])
    straight, barrel = project(above(), points), project(above(-0.05), points)
    middle = np.array([WIDTH_PX / 2, HEIGHT_PX / 2])
    assert barrel[0] == pytest.approx(straight[0])
    assert np.linalg.norm(barrel[1] - middle) < np.linalg.norm(straight[1] - middle)


@settings(max_examples=25)  # a map is 150 000 pixels
@given(bends, places, st.floats(-0.11, 0.11))
def test_the_map_of_the_lens_undoes_the_projection(bend, x, y):
    # The renderer makes a straight picture, a little wider; the map says where each pixel of the
    # bent one is in it. A point must be found where the projection says it is.
    lens = above(bend)
    ((u, v),) = project(lens, np.array([[x, y, 0.0]]))
    column, row = int(u), int(v)
    if not (0 <= column < WIDTH_PX - 1 and 0 <= row < HEIGHT_PX - 1):
        return
    across, down = lens_map(lens)
    ((straight_u, straight_v),) = project(above(), np.array([[x, y, 0.0]]))
    expected = np.array(
        [
            (straight_u - WIDTH_PX / 2) / MARGIN + WIDTH_PX / 2 - 0.5,
            (straight_v - HEIGHT_PX / 2) / MARGIN + HEIGHT_PX / 2 - 0.5,
        ]
    )
    found = np.array([across[row, column], down[row, column]])
    assert np.abs(found - expected).max() < 1.1


@settings(max_examples=25)
@given(st.floats(-0.045, 0.045))  # three standard deviations of what is drawn
def test_the_margin_is_wide_enough_for_the_bent_picture(bend):
    across, down = lens_map(above(bend))
    # Beyond the rendered image the last pixel is repeated: at the corners only, and not for much.
    outside = (across < -1) | (across > WIDTH_PX) | (down < -1) | (down > HEIGHT_PX)
    assert outside.mean() < 0.02


# ----- Boxes and masks ------------------------------------------------------------------------


def test_every_mask_lies_in_its_box(pictures):
    for scene, truth in pictures:
        boxes = iter(truth.boxes)
        for number, kind in enumerate(truth.kinds, 1):
            box = next(boxes)
            if kind == "mineral_full":
                assert next(boxes)[1:] == box[1:]
            rows, columns = np.nonzero(truth.item == number)
            assert columns.min() >= box.x1 - 1.5, scene
            assert columns.max() <= box.x2 + 0.5
            assert rows.min() >= box.y1 - 1.5
            assert rows.max() <= box.y2 + 0.5


def test_a_box_is_as_tight_as_its_mask_where_the_picture_does_not_cut_it(pictures):
    whole = 0
    for _, truth in pictures:
        if len(truth.kinds) != 1:
            continue
        box = truth.boxes[0]
        if min(box.x1, box.y1, WIDTH_PX - box.x2, HEIGHT_PX - box.y2) <= 0:
            continue
        whole += 1
        rows, columns = np.nonzero(truth.item)
        seen = np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])
        assert np.abs(seen - box[1:]).max() < 2.0
    assert whole > 20


def test_every_box_lies_in_the_picture(pictures):
    for _, truth in pictures:
        for box in truth.boxes:
            assert 0 <= box.x1 < box.x2 <= WIDTH_PX
            assert 0 <= box.y1 < box.y2 <= HEIGHT_PX


def test_liquid_is_seen_only_in_full_bottles_and_in_soda(pictures):
    wet = [truth for _, truth in pictures if truth.liquid.any()]
    assert wet
    for truth in wet:
        assert {"mineral_full", "soda_pet"} & set(truth.kinds)
        assert ((truth.liquid == 1) <= (truth.item > 0)).all()


def test_every_full_bottle_shows_its_liquid(pictures):
    full = [truth for _, truth in pictures if truth.kinds == ("mineral_full",)]
    assert full
    assert all(truth.liquid.any() for truth in full)


@pytest.mark.parametrize(("is_front", "share"), [(True, 0.5), (False, 1.0)])
def test_a_label_hides_the_water_behind_it_and_not_the_water_before_it(is_front, share):
    water = Part(block((0.1, 0.04, 0.02)), Material("clear"), liquid=True)
    x, y, z = 0.05, 0.03, 0.03
    corners = np.array([[0, -y, z], [x, -y, z], [x, y, z], [0, y, z]], float)
    upwards = np.array([[0, 1, 2], [0, 2, 3]])
    label = Part(Solid(corners, upwards if is_front else upwards[:, ::-1]), Material("matt"))
    thing = Thing("mineral_full", ("mineral", "not_empty"), (water, label))
    scene = plan(3, 0)._replace(lens=above(), items=(Placed(thing, thing.parts),))
    bare = scene._replace(items=(Placed(thing, (water,)),))
    seen, all_of_it = tell_truth(scene).liquid.sum(), tell_truth(bare).liquid.sum()
    assert seen == pytest.approx(share * all_of_it, rel=0.1)


# ----- What should happen ---------------------------------------------------------------------


def test_exactly_one_empty_clear_bottle_is_to_be_accepted(pictures):
    for _, truth in pictures:
        if truth.kinds == ("mineral",):
            assert truth.expected == "accept"
        else:
            assert truth.expected == ("reject" if truth.kinds else "empty")
    assert {truth.expected for _, truth in pictures} == {"accept", "reject", "empty"}


def test_two_empty_bottles_are_to_be_refused():
    scene = next(
        scene
        for scene in (plan(5, index) for index in range(600))
        if tell_truth(scene).kinds == ("mineral", "mineral")
    )
    assert tell_truth(scene).expected == "reject"


def test_what_is_hardly_in_the_picture_has_no_box_and_no_say():
    scene = next(scene for scene in (plan(5, i) for i in range(40)) if len(scene.items) == 1)
    away = scene.lens._replace(eye=scene.lens.eye + np.array([3.0, 0.0, 0.0]))
    truth = tell_truth(scene._replace(lens=away))
    assert (truth.kinds, truth.expected, truth.boxes) == ((), "empty", ())
    assert not truth.item.any()


def test_the_same_seed_and_index_have_the_same_truth_to_the_last_bit():
    def bits(truth: Truth):
        return (*truth[:3], truth.item.tobytes(), truth.liquid.tobytes())

    for index in range(6):
        assert bits(tell_truth(plan(3, index))) == bits(tell_truth(plan(3, index)))
