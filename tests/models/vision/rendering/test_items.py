"""Everything that is put on the belt is a sound body of the right class."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from models.vision.rendering.items import CLASSES, MAKERS, Thing
from models.vision.rendering.parts import FILM, WALLED
from models.vision.rendering.scene import KINDS
from tests.models.vision.rendering.meshes import agreeing_share, volume

DRAWS = range(12)
LENGTH_MAX_M = 0.36

EXPECTED = {
    "mineral": ("mineral",),
    "mineral_full": ("mineral", "not_empty"),
    "soda_pet": ("soda",),
    "can": ("soda",),
    "milk": ("milk",),
    "yogurt": ("yogurt",),
    "dishwasher": ("dishwasher",),
    "other": ("non_mineral",),
}


@cache
def drawn(kind: str, draw: int) -> Thing:
    return MAKERS[kind](np.random.default_rng((77, draw)))


def mouth(thing: Thing) -> np.ndarray:
    """The middle of the last ring of the body: bottles are open there."""
    points = thing.parts[0].solid.vertices
    return points[points[:, 0] > points[:, 0].max() - 1e-6].mean(axis=0)


def test_the_classes_stand_in_the_order_of_the_contract():
    assert CLASSES == (
        "mineral",
        "not_empty",
        "soda",
        "milk",
        "yogurt",
        "dishwasher",
        "non_mineral",
    )


def test_every_kind_that_is_drawn_can_be_made_and_makes_its_classes():
    assert set(MAKERS) == set(KINDS) == set(EXPECTED)
    for kind, classes in EXPECTED.items():
        assert drawn(kind, 0).kind == kind
        assert {drawn(kind, draw).classes for draw in DRAWS} == {classes}


@pytest.mark.parametrize("kind", ["mineral", "mineral_full"])
def test_a_bottle_of_water_is_clear_however_often_its_walls_are_crossed(kind):
    for draw in range(60):
        wall = drawn(kind, draw).parts[0].material
        seen = np.array(wall.colour) ** (FILM if wall.kind == "film" else WALLED)
        assert seen.min() >= 0.4
        assert seen.max() >= 0.65


def test_the_walls_of_a_bottle_do_not_tell_whether_there_is_water_in_it():
    draws = range(150)
    for kind in ("mineral", "mineral_full"):
        films = sum(drawn(kind, draw).parts[0].material.kind == "film" for draw in draws)
        assert films / len(draws) == pytest.approx(0.2, abs=0.08)


@pytest.mark.parametrize("kind", list(MAKERS))
def test_every_body_is_right_side_out(kind):
    for draw in DRAWS:
        thing = drawn(kind, draw)
        assert volume(thing.parts[0].solid, about=mouth(thing)) > 0, draw


@pytest.mark.parametrize("kind", list(MAKERS))
def test_every_smooth_surface_has_its_normals_on_its_outside(kind):
    for draw in DRAWS:
        for number, part in enumerate(drawn(kind, draw).parts):
            if part.solid.normals is not None:
                assert agreeing_share(part.solid) > 0.99, (draw, number)


@pytest.mark.parametrize("kind", list(MAKERS))
def test_everything_fits_through_the_hatch_and_every_number_is_one(kind):
    for draw in DRAWS:
        points = np.concatenate([part.solid.vertices for part in drawn(kind, draw).parts])
        assert np.isfinite(points).all()
        assert np.ptp(points, axis=0).max() < LENGTH_MAX_M


@pytest.mark.parametrize("kind", list(MAKERS))
def test_every_face_names_corners_that_are_there(kind):
    for draw in DRAWS:
        for part in drawn(kind, draw).parts:
            assert part.solid.faces.min() >= 0
            assert part.solid.faces.max() < len(part.solid.vertices)


@pytest.mark.parametrize(
    "kind", [kind for kind in MAKERS if kind not in {"mineral_full", "soda_pet"}]
)
def test_liquid_is_only_in_full_bottles_and_in_soda(kind):
    assert not any(part.liquid for draw in DRAWS for part in drawn(kind, draw).parts)


def test_every_full_bottle_has_one_liquid_that_fits_into_it():
    for draw in DRAWS:
        thing = drawn("mineral_full", draw)
        (liquid,) = [part.solid for part in thing.parts if part.liquid]
        held = volume(liquid, about=mouth(thing))
        assert 0 < held <= volume(thing.parts[0].solid, about=mouth(thing)), draw


def test_the_inner_wall_of_a_bottle_faces_inward_and_lies_inside():
    walls = 0
    for draw in DRAWS:
        thing = drawn("mineral", draw)
        if thing.parts[0].material.kind != "clear":
            continue
        walls += 1
        outer = volume(thing.parts[0].solid, about=mouth(thing))
        inner = volume(thing.parts[1].solid, about=mouth(thing))
        assert -outer < inner < 0
    assert walls


def test_the_same_chance_makes_the_same_thing():
    for kind in MAKERS:
        one, other = (MAKERS[kind](np.random.default_rng(3)) for _ in range(2))
        assert len(one.parts) == len(other.parts)
        for mine, yours in zip(one.parts, other.parts, strict=True):
            assert np.array_equal(mine.solid.vertices, yours.solid.vertices)
