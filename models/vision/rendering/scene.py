"""One chamber with what lies in it, made up from a seed: the plan of a picture.

Metres; x runs along the belt, y across it, z up; the belt is z = 0 and the camera looks down on
the origin. Nothing here knows the renderer.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from models.vision.rendering.items import MAKERS, Part, Thing
from models.vision.rendering.solids import Floats, Pose, Solid, block, placed, pose
from models.vision.rendering.surfaces import Colour, Material, belt_texture, tone

WIDTH_PX, HEIGHT_PX = 448, 336
FIELD_OF_VIEW = 47.0
"""Degrees across the picture's width, of the lens that the machine has."""
MARGIN = 1.06
"""How much more is rendered than is seen: a lens bends the edges inward."""

KINDS = {
    "mineral": 0.29,
    "mineral_full": 0.25,
    "soda_pet": 0.1,
    "can": 0.06,
    "milk": 0.07,
    "yogurt": 0.07,
    "dishwasher": 0.06,
    "other": 0.1,
}
"""How often each kind is drawn: the hard question, full or not, most often."""
EMPTY_SHARE, SECOND_SHARE = 0.05, 0.1
STANDING = {"yogurt": 0.45, "other": 0.04, "can": 0.04}
"""How often each kind stands: a cup does by itself, and then it is a disc."""
ON_ITS_HEAD = 0.2


class Lens(NamedTuple):
    """Where the camera is and how it sees.

    Attributes:
        eye: metres.
        axes: float64 (3, 3), rows: right, down, forward.
        bend: radial distortion, relative at the edge of the picture; negative is a barrel.
    """

    eye: Floats
    axes: Floats
    bend: float


class Lamp(NamedTuple):
    """A rectangle that shines to one side.

    Attributes:
        centre: metres; `toward` is a point it shines at; `size` half its length and width.
        radiance: linear RGB.
    """

    centre: Floats
    toward: Floats
    size: tuple[float, float]
    radiance: Colour


class Placed(NamedTuple):
    """A thing where it lies."""

    thing: Thing
    parts: tuple[Part, ...]


class Scene(NamedTuple):
    """All there is to render.

    Attributes:
        furniture: belt and walls.
        ambient: radiance from everywhere.
        depth: after so many bounces a path ends.
    """

    lens: Lens
    lamps: tuple[Lamp, ...]
    ambient: Colour
    furniture: tuple[Part, ...]
    items: tuple[Placed, ...]
    depth: int


def plan(seed: int, index: int, kinds: Collection[str] = ()) -> Scene:
    """Make up picture `index` of the set `seed`: always the same one.

    Args:
        kinds: the only ones that are drawn, as often among themselves as ever; none: all there are.
    """
    rng = np.random.default_rng((seed, index))
    belt_width = rng.uniform(0.24, 0.36)
    return Scene(
        lens=_lens(rng),
        lamps=_lamps(rng),
        ambient=_ambient(rng),
        furniture=_furniture(rng, belt_width),
        items=_items(rng, belt_width, kinds),
        depth=int(rng.integers(8, 17)),
    )


def _lens(rng: np.random.Generator) -> Lens:
    eye = np.array([rng.normal(0, 0.012), rng.normal(0, 0.015), rng.uniform(0.4, 0.52)])
    aim = np.array([rng.normal(0, 0.012), rng.normal(0, 0.012), 0.0])
    forward = aim - eye
    forward /= np.linalg.norm(forward)
    turn = rng.normal(0, 0.02)
    right = np.cross(forward, [np.sin(turn), np.cos(turn), 0.0])
    right /= np.linalg.norm(right)
    return Lens(eye, np.stack([right, np.cross(forward, right), forward]), rng.normal(0, 0.015))


def _lamps(rng: np.random.Generator) -> tuple[Lamp, ...]:
    """One to three strips or spots above the camera, or at the side out of its sight."""
    lamps = []
    white = _white(rng)
    for _ in range(int(rng.choice([1, 2, 2, 3]))):
        side = rng.choice([-1.0, 1.0])
        if rng.random() < 0.7:
            size = (rng.uniform(0.06, 0.2), rng.uniform(0.01, 0.05))
        else:
            size = (rng.uniform(0.02, 0.05), rng.uniform(0.02, 0.05))
        centre = np.array(
            [rng.normal(0, 0.05), side * rng.uniform(0.05, 0.22), rng.uniform(0.35, 0.62)]
        )
        # Out of the cone that the camera sees.
        sight = (0.52 - centre[2]) * np.tan(np.radians(24)) + size[1] + 0.02
        centre[1] = side * max(abs(centre[1]), sight)
        toward = np.array([rng.normal(0, 0.04), rng.normal(0, 0.06), 0.0])
        power = rng.uniform(0.4, 1.6) * 0.02 / (size[0] * size[1])
        lamps.append(Lamp(centre, toward, size, _scaled(white, power)))
    return tuple(lamps)


def _white(rng: np.random.Generator) -> Colour:
    warm = rng.normal(0, 0.06)
    return (1 + warm, 1.0, 1 - warm)


def _scaled(colour: Colour, by: float) -> Colour:
    return (colour[0] * by, colour[1] * by, colour[2] * by)


def _ambient(rng: np.random.Generator) -> Colour:
    return _scaled(_white(rng), 10 ** rng.uniform(-1.1, 0.4))


def _furniture(rng: np.random.Generator, belt_width: float) -> tuple[Part, ...]:
    """The belt between two walls, and the floor beside it."""
    grey = 10 ** rng.uniform(-1.5, -0.15)
    hue = tone(rng, saturation=(0, 0.22), value=(1.0, 1.0))
    belt = Material(
        "plastic" if rng.random() < 0.5 else "matt",
        texture=belt_texture(rng, _scaled(hue, grey)),
        roughness=rng.uniform(0.15, 0.5),
    )
    if rng.random() < 0.12:  # brushed steel
        belt = Material("metal", texture=belt.texture, roughness=rng.uniform(0.25, 0.6))
    paint = tone(rng, saturation=(0, 0.15), value=(0.05, 0.9))
    wall = Material("matt" if rng.random() < 0.6 else "plastic", paint, roughness=0.3)
    half, tall = belt_width / 2, rng.uniform(0.05, 0.3)
    sides = [
        Part(_slab_at([-0.5, y, tall / 2 - 0.02], (1.0, 0.004, tall)), wall)
        for y in (-half - 0.002, half + 0.002)
    ]
    return (Part(_plane(1.0, belt_width), belt), *sides)


def _plane(long_: float, wide: float) -> Solid:
    x, y = long_ / 2, wide / 2
    corners = np.array([[-x, -y, 0], [x, -y, 0], [x, y, 0], [-x, y, 0]], float)
    uv = np.array([[0, 0], [long_ / 0.4, 0], [long_ / 0.4, wide / 0.4], [0, wide / 0.4]])
    return Solid(corners, np.array([[0, 1, 2], [0, 2, 3]]), None, uv)


def _slab_at(start: list[float], size: tuple[float, float, float]) -> Solid:
    solid = block(size)
    return solid._replace(vertices=solid.vertices + np.array(start))


def _items(
    rng: np.random.Generator, belt_width: float, kinds: Collection[str]
) -> tuple[Placed, ...]:
    if rng.random() < EMPTY_SHARE and not kinds:
        return ()
    drawn = {kind: often for kind, often in KINDS.items() if not kinds or kind in kinds}
    shares = np.array(list(drawn.values())) / sum(drawn.values())
    count = 2 if rng.random() < SECOND_SHARE else 1
    lying: list[Placed] = []
    taken = np.zeros((256, 256), np.uint8)
    for _ in range(count):
        kind = str(rng.choice(list(drawn), p=shares))
        thing = MAKERS[kind](rng)
        for _ in range(24):
            item = _laid(rng, thing, belt_width, alone=count == 1)
            footprint = _footprint(item.parts)
            if not (taken & footprint).any():
                lying.append(item)
                taken |= footprint
                break
    return tuple(lying)


def _laid(rng: np.random.Generator, thing: Thing, belt_width: float, *, alone: bool) -> Placed:
    """Drop it on the belt: any roll, mostly along the belt, now and then partly out of sight."""
    yaw = rng.normal(0, 0.4) if rng.random() < 0.9 else rng.uniform(0, np.pi)
    yaw += np.pi * rng.integers(2)
    boxy = all(part.solid.uv is not None and part.solid.normals is None for part in thing.parts)
    roll = rng.integers(4) * np.pi / 2 if boxy else rng.uniform(0, 2 * np.pi)
    roll = roll if thing.roll is None else thing.roll
    pitch = 0.0
    if not boxy and rng.random() < STANDING.get(thing.kind, 0.0):
        pitch = np.pi / 2 if rng.random() < ON_ITS_HEAD else -np.pi / 2
    where = pose(roll, yaw, pitch)
    points = np.concatenate([part.solid.vertices for part in thing.parts]) @ where.turn.T
    low, high = points.min(0), points.max(0)
    centre = (low + high) / 2
    reach = max(0.01, belt_width / 2 - (high[1] - low[1]) / 2)
    target = np.array([rng.normal(0, 0.05), np.clip(rng.normal(0, 0.045), -reach, reach)])
    if not alone:
        target = np.array([rng.normal(0, 0.05), rng.uniform(-reach, reach)])
    move = np.array([*(target - centre[:2]), 0.0008 - low[2]])
    where = Pose(where.turn, move)
    parts = tuple(part._replace(solid=placed(part.solid, where)) for part in thing.parts)
    return Placed(thing, parts)


def _footprint(parts: tuple[Part, ...]) -> NDArray[np.uint8]:
    """What of the belt it covers, in a raster of 4 mm."""
    raster = np.zeros((256, 256), np.uint8)
    points = np.concatenate([part.solid.vertices[:, :2] for part in parts])
    cells = np.rint(points / 0.004 + 128).astype(np.int32)
    cv2.fillConvexPoly(raster, cv2.convexHull(cells), 1)
    return raster
