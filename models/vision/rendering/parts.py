"""Surfaces that make a thing, and those that many things share: walls, labels, caps.

Metres, in the thing's own frame: axis along x, base at x = 0.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from models.vision.rendering.profiles import Bottle, Profile, cylinder
from models.vision.rendering.solids import Deform, Solid, lathe
from models.vision.rendering.surfaces import Colour, Material, printed, tone

PAPER_M = 0.0003  # by which a label stands off
WALL_M = 0.0006
FILM, WALLED = 4, 8
"""How often light crosses a surface to the belt and back: of a bottle of film, or of walls."""


class Part(NamedTuple):
    """One surface of a thing."""

    solid: Solid
    material: Material
    liquid: bool = False


class Thing(NamedTuple):
    """Something to put on the belt.

    Attributes:
        kind: as in the catalogue's list: `mineral`, `mineral_full`, `can`…
        classes: what a detector should say of it.
        roll: radians about its axis, where what is in it leaves no choice.
    """

    kind: str
    classes: tuple[str, ...]
    parts: tuple[Part, ...]
    roll: float | None = None


def seen_through(look: Colour, crossings: int) -> Colour:
    """What one surface lets through, so that a white belt seen through all has this look."""
    r, g, b = (part ** (1.0 / crossings) for part in look)
    return (r, g, b)


def turned(profile: Profile, worn: Deform) -> Solid:
    """Turn a profile on the lathe, and let its life happen to it."""
    return lathe(profile.along, profile.radii, deform=worn)


def inside_out(solid: Solid) -> Solid:
    """Make an inner wall of an outer one: it faces the axis."""
    normals = None if solid.normals is None else -solid.normals
    return solid._replace(faces=solid.faces[:, ::-1], normals=normals)


def sleeve_on(
    rng: np.random.Generator, shape: Bottle, worn: Deform, *, chance: float
) -> tuple[Part, ...]:
    """A label round the body, with the body's dents."""
    if rng.random() > chance:
        return ()
    outline = shape.profile()
    straight = outline.label_to - outline.label_from
    if straight < 0.02:
        return ()
    long_ = straight * rng.uniform(0.2, 0.75)
    start = outline.label_from + (straight - long_) * rng.random()
    along = np.linspace(start, start + long_, 24)
    radii = np.interp(along, outline.along, outline.radii)
    # A sleeve is stretched over the ribs, it does not follow them.
    radii = np.maximum(radii, 0.5 * radii + 0.5 * radii.max()) + PAPER_M
    solid = lathe(along, radii, deform=worn)
    ink = printed(rng)
    glossy = rng.random() < 0.3
    return (Part(solid, Material("plastic" if glossy else "matt", texture=ink, roughness=0.2)),)


def cap_on(
    rng: np.random.Generator,
    shape: Bottle,
    worn: Deform,
    *,
    chance: float,
    colour: Colour | None = None,
) -> tuple[Part, ...]:
    """Screw a cap on, or leave it off."""
    if rng.random() > chance:
        return ()
    if colour is None:
        bright = tone(rng, saturation=(0.3, 1.0), value=(0.35, 1.0))
        colour = bright if rng.random() < 0.75 else tone(rng, saturation=(0, 0.1), value=(0.3, 1.0))
    outline = cylinder(rng.uniform(0.011, 0.02), shape.neck_radius + rng.uniform(0.001, 0.003))
    tip = worn(np.array([[shape.length, 0.0, 0.0]]))[0]
    solid = lathe(outline.along, outline.radii, around=40)
    shift = np.array([shape.length - outline.length * 0.8, tip[1], tip[2]])
    return (Part(solid._replace(vertices=solid.vertices + shift), lacquer(rng, colour)),)


def lacquer(rng: np.random.Generator, colour: Colour) -> Material:
    """Coloured plastic, from dull to glossy."""
    if rng.random() < 0.3:
        return Material("matt", colour)
    return Material("plastic", colour, roughness=rng.uniform(0.05, 0.4))
