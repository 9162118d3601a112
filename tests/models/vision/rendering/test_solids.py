"""Meshes are closed, face outward and hold what geometry says."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.vision.rendering.solids import (
    AROUND,
    ball,
    below,
    block,
    lathe,
    placed,
    pose,
    stretched,
)
from tests.models.vision.rendering.meshes import agreeing_share, open_edges, volume

POLYGON = AROUND / (2 * np.pi) * np.sin(2 * np.pi / AROUND)
"""Area of the regular polygon in a circle, as a share of the circle's."""

metres = st.floats(0.01, 0.4)
angles = st.floats(-np.pi, np.pi)


def drum(length: float = 0.2, radius: float = 0.05):
    return lathe([0.0, 0.0, length, length], [0.0, radius, radius, 0.0])


@given(metres, metres)
def test_a_drum_holds_what_a_drum_holds(length, radius):
    solid = drum(length, radius)
    assert volume(solid) == pytest.approx(np.pi * radius**2 * length * POLYGON)
    assert open_edges(solid) == 0


@given(metres, metres, metres)
def test_a_block_holds_its_edges_product_and_is_closed(length, width, height):
    solid = block((length, width, height))
    assert volume(solid) == pytest.approx(length * width * height)
    assert open_edges(solid) == 0


@given(metres, metres, metres, st.floats(0.1, 0.9))
def test_a_carton_ends_in_a_wedge(length, width, height, roof):
    solid = block((length, width, height), gable=roof * length)
    body = length * (1 - roof) + length * roof / 2
    assert volume(solid) == pytest.approx(body * width * height)
    assert open_edges(solid) == 0


def test_a_ball_holds_what_a_ball_holds():
    assert volume(ball(0.05)) == pytest.approx(4 / 3 * np.pi * 0.05**3, rel=0.01)
    assert open_edges(ball(0.05)) == 0


@pytest.mark.parametrize("seed", range(6))
def test_a_crumpled_ball_is_still_closed_and_right_side_out(seed):
    solid = ball(0.05, rough=0.3, rng=np.random.default_rng(seed))
    assert volume(solid) > 0
    assert open_edges(solid) == 0


def test_what_crumples_has_sharp_folds_or_is_smooth():
    crumpled = [ball(0.05, rough=0.2, rng=np.random.default_rng(seed)) for seed in range(12)]
    assert {solid.normals is None for solid in crumpled} == {True, False}


def test_a_stretched_body_keeps_its_normals_across_its_surface():
    solid = stretched(ball(0.05), np.array([0.6, 1.0, 1.4]))
    assert volume(solid) == pytest.approx(0.84 * volume(ball(0.05)))
    assert agreeing_share(solid) > 0.999
    assert np.linalg.norm(solid.normals, axis=1) == pytest.approx(1.0)


@pytest.mark.parametrize("solid", [drum(), ball(0.04)], ids=["drum", "ball"])
def test_normals_point_outward_and_have_length_one(solid):
    assert agreeing_share(solid) > 0.999
    assert np.linalg.norm(solid.normals, axis=1) == pytest.approx(1.0)


def test_dents_make_it_smaller_and_keep_it_closed():
    def dented(points):
        return points * np.where(points[:, :1] > 0.1, 0.8, 1.0)

    solid = lathe([0.0, 0.0, 0.05, 0.2, 0.2], [0.0, 0.05, 0.05, 0.05, 0.0], deform=dented)
    assert 0 < volume(solid) < volume(drum())
    assert open_edges(solid) == 0


@given(angles, angles, angles)
def test_laying_it_down_changes_neither_its_size_nor_its_sides(roll, yaw, pitch):
    where = pose(roll, yaw, pitch)._replace(move=np.array([0.1, -0.2, 0.3]))
    assert np.linalg.det(where.turn) == pytest.approx(1.0)
    moved = placed(drum(), where)
    assert volume(moved) == pytest.approx(volume(drum()))
    assert agreeing_share(moved) > 0.999


# ----- Cut: the liquid in a bottle ------------------------------------------------------------


@given(st.floats(0.02, 0.98))
def test_upright_liquid_fills_its_share(share):
    solid = drum()
    cut = below(solid, np.array([0.2 * share, 0.0, 0.0]), np.array([1.0, 0.0, 0.0]))
    assert volume(cut) == pytest.approx(volume(solid) * share)
    assert open_edges(cut) == 0


@given(st.floats(-0.045, 0.045), angles)
def test_both_sides_of_any_cut_make_the_whole(offset, tilt):
    solid = drum()
    normal = np.array([np.sin(tilt), np.cos(tilt), 0.0])
    point = np.array([0.1, 0.0, 0.0]) + offset * normal
    kept, rest = below(solid, point, normal), below(solid, point, -normal)
    assert volume(kept) > 0
    assert volume(rest) > 0
    assert volume(kept) + volume(rest) == pytest.approx(volume(solid))


def test_a_lying_bottle_filled_to_its_axis_is_half_full():
    cut = below(drum(), np.array([0.0, 0.0, 1e-7]), np.array([0.0, 0.0, 1.0]))
    assert volume(cut) == pytest.approx(volume(drum()) / 2, rel=1e-4)


def test_the_lid_of_the_liquid_is_flat_and_the_rest_as_round_as_the_bottle():
    level = np.array([0.0, 0.0, 1.0])
    cut = below(drum(), np.array([0.0, 0.0, 0.01]), level)
    assert agreeing_share(cut) > 0.999
    corners = cut.vertices[cut.faces]
    area = np.linalg.norm(
        np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1
    )
    lid = np.isclose(corners[..., 2], 0.01).all(axis=1) & (area > 1e-12)
    assert area[lid].sum() / 2 == pytest.approx(2 * np.sqrt(0.05**2 - 0.01**2) * 0.2, rel=1e-3)
    normals = cut.normals[cut.faces[lid]]
    assert normals == pytest.approx(np.broadcast_to(level, normals.shape))


def test_of_what_lies_wholly_above_nothing_is_kept():
    cut = below(drum(), np.array([-0.1, 0.0, 0.0]), np.array([1.0, 0.0, 0.0]))
    assert len(cut.faces) == 0


def test_what_lies_wholly_below_is_kept_whole():
    cut = below(drum(), np.array([0.3, 0.0, 0.0]), np.array([1.0, 0.0, 0.0]))
    assert volume(cut) == pytest.approx(volume(drum()))
