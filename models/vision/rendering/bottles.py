"""Bottles of plastic: water, empty and full, soda, milk (and its cartons), detergent.

One function a kind. Each returns parts in the thing's own frame: axis along x, base at x = 0.
"""

from __future__ import annotations

import numpy as np

from models.vision.rendering.parts import (
    FILM,
    WALL_M,
    WALLED,
    Part,
    Thing,
    cap_on,
    inside_out,
    lacquer,
    seen_through,
    sleeve_on,
    turned,
)
from models.vision.rendering.profiles import Bottle, battered
from models.vision.rendering.solids import Floats, Solid, below, block, lathe
from models.vision.rendering.surfaces import Colour, Material, printed, tone

WATER_IOR = 1.333
FILM_SHARE = 0.2
"""How often a wall is rendered as a film, which costs least: of an empty bottle as often as of a
full one, or a detector takes the double line of a true wall for a sign of water.
"""


def mineral(rng: np.random.Generator) -> Thing:
    """An empty bottle of clear PET: what the machine is there for."""
    return _water_bottle(rng, filled=False)


def mineral_full(rng: np.random.Generator) -> Thing:
    """The same with water in it, from a good fifth of it to the brim."""
    return _water_bottle(rng, filled=True)


def _water_bottle(rng: np.random.Generator, *, filled: bool) -> Thing:
    shape = pet(rng)
    if rng.random() < 0.5:
        look: Colour = (1.0, 1.0, 1.0)
    else:  # a breath of blue or green
        strength = rng.uniform(0.02, 0.4)
        look = (
            1 - strength,
            1 - strength * rng.uniform(0.2, 0.75),
            1 - strength * 0.2 * rng.random(),
        )
    if rng.random() < 0.4:
        grey = rng.uniform(0.75, 1.0)
        look = (look[0] * grey, look[1] * grey, look[2] * grey)
    worn = battered(
        rng,
        shape.length,
        shape.radius,
        dents=int(rng.choice([0, 0, 0, 1, 2, 3, 5])),
        flat=rng.uniform(0.05, 0.5) if rng.random() < (0.1 if filled else 0.2) else 0.0,
        square=rng.uniform(0.3, 1.0) if rng.random() < 0.15 else 0.0,
        bend=rng.normal(0, 0.006) if rng.random() < 0.3 else 0.0,
    )
    film = rng.random() < FILM_SHARE
    haze = rng.uniform(0.01, 0.12) if rng.random() < 0.3 else 0.0
    wall = seen_through(look, FILM if film else WALLED)
    material = Material("film" if film else "clear", wall, ior=rng.uniform(1.45, 1.6), haze=haze)
    parts = [Part(turned(shape.profile(), worn), material)]
    if not film:  # a wall of its own thickness: its inside as well
        inner = turned(shape.profile(inset=WALL_M), worn)
        parts.append(Part(inside_out(inner), material))
    roll = None
    if filled:
        # Water wets the wall: with air between them the bottle would shine like an empty one.
        gap = rng.uniform(-0.0002, 0.0003)
        inside = shape.profile(inset=gap + (0.0003 if film else WALL_M))
        cut, roll = poured(rng, turned(inside.closed(), worn))
        parts.append(Part(cut, Material("clear", water(rng), ior=WATER_IOR), liquid=True))
    parts += sleeve_on(rng, shape, worn, chance=0.85)
    parts += cap_on(rng, shape, worn, chance=0.75)
    if filled:
        return Thing("mineral_full", ("mineral", "not_empty"), tuple(parts), roll)
    return Thing("mineral", ("mineral",), tuple(parts))


def water(rng: np.random.Generator) -> Colour:
    """Draw the colour of what is clear; dark it is not, or the detector would look for that."""
    if rng.random() < 0.7:
        return (1.0, 1.0, 1.0)
    shade = rng.uniform(0.85, 1.0)
    look = (shade * rng.uniform(0.85, 1), shade * rng.uniform(0.93, 1), shade)
    return seen_through(look, FILM)


def poured(rng: np.random.Generator, solid: Solid) -> tuple[Solid, float | None]:
    """Cut the water: gathered at an end by a slope and a swing, or level as the bottle lies.

    Returns:
        The water; and where it is level, by how much the bottle has to be rolled for that.
    """
    if rng.random() < 0.75:
        return _cut(rng, solid, _across(rng), least=0.22), None
    roll, slope = rng.uniform(0, 2 * np.pi), rng.normal(0, 0.06)
    up = np.array([np.sin(slope), *(np.cos(slope) * np.array([np.sin(roll), np.cos(roll)]))])
    return _cut(rng, solid, up, least=0.22), roll


def level(rng: np.random.Generator, solid: Solid) -> Solid:
    """Cut a drink: to an end, or to any side; in a coloured bottle it makes no difference."""
    if rng.random() < 0.6:
        normal = _across(rng)
    else:
        angle, slope = rng.uniform(0, 2 * np.pi), rng.normal(0, 0.12)
        normal = np.array([np.sin(slope), np.cos(angle), np.sin(angle)])
        normal /= np.linalg.norm(normal)
    return _cut(rng, solid, normal, least=0.12)


def _across(rng: np.random.Generator) -> Floats:
    """The direction of a surface that lies across the axis: mostly the water is in the base."""
    tilt, side = rng.normal(0, 0.15), rng.uniform(0, 2 * np.pi)
    normal = np.array([np.cos(tilt), np.sin(tilt) * np.cos(side), np.sin(tilt) * np.sin(side)])
    if rng.random() < 0.1:
        normal[0] = -normal[0]
    return normal


def _cut(rng: np.random.Generator, solid: Solid, normal: Floats, *, least: float) -> Solid:
    """Keep a share of its extent in a direction, at least so much."""
    heights = solid.vertices @ normal
    start, end = heights.min(), heights.max()
    point = normal * (start + rng.uniform(least, 1.02) * (end - start))
    cut = below(solid, point, normal)
    return cut if len(cut.faces) else solid


def pet(rng: np.random.Generator) -> Bottle:
    """A bottle of 0.25 to 1.5 litres."""
    length = rng.uniform(0.15, 0.33)
    radius = np.clip(length * rng.uniform(0.115, 0.185), 0.024, 0.047)
    ribbed = rng.random() < 0.45
    return Bottle(
        length=length,
        radius=radius,
        neck_radius=rng.uniform(0.0095, 0.0145),
        neck=rng.uniform(0.012, 0.03),
        shoulder=length * rng.uniform(0.1, 0.38),
        power=rng.uniform(0.6, 1.5),
        base=rng.uniform(0.004, 0.014),
        ribs=int(rng.integers(4, 14)) if ribbed else 0,
        rib_depth=rng.uniform(0.0006, 0.0025) if ribbed else 0.0,
        waist=rng.uniform(0.03, 0.2) if rng.random() < 0.3 else 0.0,
    )


def soda_pet(rng: np.random.Generator) -> Thing:
    """Coloured PET, empty or not, or clear PET with a coloured drink."""
    shape = pet(rng)
    worn = battered(
        rng,
        shape.length,
        shape.radius,
        dents=int(rng.choice([0, 0, 1, 2])),
        flat=rng.uniform(0.05, 0.4) if rng.random() < 0.12 else 0.0,
    )
    look = _strong_tint(rng)
    film = rng.random() < 0.6
    drink = rng.random()
    filled = drink < 0.45
    tint = seen_through(look, FILM if film or filled else WALLED)
    wall = Material("film" if film else "clear", tint, ior=rng.uniform(1.45, 1.6))
    parts = [Part(turned(shape.profile(), worn), wall)]
    if filled:
        inside = turned(shape.profile(inset=0.0006), worn)
        if drink < 0.12:  # clear wall, coloured drink
            parts[0] = parts[0]._replace(material=Material("film", (1.0, 1.0, 1.0)))
        elif not film:
            parts[0] = parts[0]._replace(material=Material("film", tint))
        parts.append(Part(level(rng, inside), Material("clear", tint, ior=WATER_IOR), liquid=True))
    elif not film:
        parts.append(Part(inside_out(turned(shape.profile(inset=WALL_M), worn)), wall))
    cap = None if rng.random() < 0.6 else look
    parts += [
        *sleeve_on(rng, shape, worn, chance=0.85),
        *cap_on(rng, shape, worn, chance=0.8, colour=cap),
    ]
    return Thing("soda_pet", ("soda",), tuple(parts))


def _strong_tint(rng: np.random.Generator) -> Colour:
    """Green, brown, red, orange, deep blue: what colours a bottle so that nobody calls it clear."""
    hue = rng.choice(
        [0.36, 0.32, 0.06, 0.03, 0.0, 0.1, 0.62, 0.13],
        p=[0.35, 0.15, 0.17, 0.08, 0.1, 0.05, 0.05, 0.05],
    )
    return tone(rng, hue=(hue - 0.03, hue + 0.03), saturation=(0.75, 0.98), value=(0.15, 1.0))


def milk(rng: np.random.Generator) -> Thing:
    """A white bottle or a carton."""
    white = tone(rng, saturation=(0, 0.06), value=(0.75, 1.0))
    if rng.random() < 0.55:
        shape = _stout(rng)
        worn = battered(rng, shape.length, shape.radius, dents=int(rng.choice([0, 0, 1])))
        body = Part(turned(shape.profile(), worn), lacquer(rng, white))
        extras = (*sleeve_on(rng, shape, worn, chance=0.85), *cap_on(rng, shape, worn, chance=0.85))
        return Thing("milk", ("milk",), (body, *extras))
    side = rng.uniform(0.055, 0.095)
    length = rng.uniform(0.15, 0.26)
    gable = rng.uniform(0.02, 0.04) if rng.random() < 0.7 else 0.0
    ink = printed(rng, (256, 256), ground=white)
    solid = block((length, side, side * rng.uniform(0.6, 1.0)), gable=gable)
    return Thing("milk", ("milk",), (Part(solid, Material("plastic", texture=ink, roughness=0.3)),))


def _stout(rng: np.random.Generator) -> Bottle:
    length = rng.uniform(0.15, 0.28)
    return Bottle(
        length=length,
        radius=np.clip(length * rng.uniform(0.15, 0.22), 0.028, 0.05),
        neck_radius=rng.uniform(0.013, 0.02),
        neck=rng.uniform(0.012, 0.022),
        shoulder=length * rng.uniform(0.12, 0.35),
        power=rng.uniform(0.5, 1.2),
        base=rng.uniform(0.006, 0.016),
    )


def dishwasher(rng: np.random.Generator) -> Thing:
    """A detergent bottle: opaque, bright, with a nozzle or a wide cap."""
    length = rng.uniform(0.18, 0.3)
    shape = Bottle(
        length=length,
        radius=np.clip(length * rng.uniform(0.12, 0.18), 0.025, 0.045),
        neck_radius=rng.uniform(0.01, 0.016),
        neck=rng.uniform(0.008, 0.02),
        shoulder=length * rng.uniform(0.12, 0.4),
        power=rng.uniform(0.6, 1.5),
        base=rng.uniform(0.005, 0.012),
        waist=rng.uniform(0.05, 0.25) if rng.random() < 0.35 else 0.0,
    )
    oval = battered(rng, length, shape.radius, flat=rng.uniform(0, 0.3))
    colour = tone(rng, saturation=(0.55, 1.0), value=(0.4, 1.0))
    body = Part(turned(shape.profile(), oval), lacquer(rng, colour))
    wide = shape.neck_radius + 0.003
    if rng.random() < 0.8:  # foot, cone and tip of a nozzle
        along = np.array([0, 0, 0.012, 0.013, 0.03, 0.032, 0.044, 0.044]) * rng.uniform(0.8, 1.3)
        radii = np.array([0, wide, wide, wide * 0.6, wide * 0.5, wide * 0.5, wide * 0.45, 0])
    else:
        along = np.array([0.0, 0.0, 0.022, 0.022])
        radii = np.array([0.0, wide, wide * 0.95, 0.0])
    tip = oval(np.array([[length, 0.0, 0.0]]))[0]
    nozzle = lathe(along, radii, around=40)
    nozzle = nozzle._replace(vertices=nozzle.vertices + np.array([length - 0.004, tip[1], tip[2]]))
    ink = tone(rng, saturation=(0.0, 0.9), value=(0.5, 1.0))
    sleeve = sleeve_on(rng, shape, oval, chance=0.85)
    return Thing("dishwasher", ("dishwasher",), (body, *sleeve, Part(nozzle, lacquer(rng, ink))))
