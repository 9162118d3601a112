"""What an item of the catalogue weighs and measures: plausible for its kind, the same each time."""

from __future__ import annotations

from zlib import crc32

from models.world.catalogue import EMPTY, Item
from models.world.items import Body

# Length, diameter, mass. Bottles: our own kitchen scale would say the same within a few grams.
_PET_330 = Body(0.17, 0.058, 12.0)
_PET_600 = Body(0.23, 0.066, 20.0)
_PET_1500 = Body(0.31, 0.09, 34.0)
_SHAPES: dict[str, tuple[Body, ...]] = {
    # Shops sell three of 0.6 l for one of each other size.
    "mineral": (_PET_600, _PET_600, _PET_600, _PET_330, _PET_1500),
    "mineral_full": (_PET_600, _PET_600, _PET_600, _PET_330, _PET_1500),
    "soda_pet": (Body(0.225, 0.067, 25.0), Body(0.30, 0.088, 42.0)),
    "can": (Body(0.115, 0.066, 13.0),),
    "milk": (Body(0.235, 0.078, 38.0), Body(0.20, 0.07, 30.0)),
    "yogurt": (Body(0.13, 0.06, 14.0), Body(0.16, 0.062, 19.0)),
    "dishwasher": (Body(0.24, 0.07, 48.0), Body(0.22, 0.08, 55.0)),
    "other": (Body(0.18, 0.07, 30.0), Body(0.10, 0.05, 45.0)),
    # What the camera cannot see: a piece of film.
    EMPTY: (Body(0.12, 0.04, 4.0),),
}
_SPREAD = 0.03
_REST_G = (50.0, 600.0)
"""What is still in a full bottle. The smallest holds 330 g, hence the cap below."""
_WATER_G_PER_M3 = 1e6


def usual_body(item: Item) -> Body:
    """The body of an item; of several in one picture, the longest with the mass of all."""
    parts = [_part(kind, item.name) for kind in item.kinds or (EMPTY,)]
    longest = max(parts, key=lambda part: part.length_m)
    mass_g = round(sum(part.mass_g for part in parts), 1)
    return Body(longest.length_m, longest.diameter_m, mass_g)


def _part(kind: str, name: str) -> Body:
    seed = crc32(f"{kind} {name}".encode())
    shapes = _SHAPES.get(kind, _SHAPES["other"])
    shape = shapes[seed % len(shapes)]
    size = 1 + _SPREAD * _share(seed, 8)
    mass_g = shape.mass_g * (1 + _SPREAD * _share(seed, 16))
    if kind.endswith("_full"):
        low, high = _REST_G
        # Two thirds of a bottle's outline are the most it holds.
        room_g = 0.52 * shape.length_m * shape.diameter_m**2 * _WATER_G_PER_M3
        mass_g += low + (min(high, room_g) - low) * (1 + _share(seed, 20)) / 2
    return Body(round(shape.length_m * size, 4), shape.diameter_m, round(mass_g, 1))


def _share(seed: int, shift: int) -> float:
    """From -1 to 1."""
    return ((seed >> shift) & 0xFF) / 127.5 - 1
