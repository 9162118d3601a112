"""What things are made of, and what is printed on them.

A `Material` says a surface in words that `tracing.py` turns into the renderer's; textures are
uint8 (H, W, 3) RGB, sRGB-coded. All marks are made up here: no brand, no font file.
"""

from __future__ import annotations

import colorsys
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

Colour: TypeAlias = tuple[float, float, float]
Texture: TypeAlias = NDArray[np.uint8]
Field: TypeAlias = NDArray[np.float64]

_FACES = (
    cv2.FONT_HERSHEY_SIMPLEX,
    cv2.FONT_HERSHEY_DUPLEX,
    cv2.FONT_HERSHEY_TRIPLEX,
    cv2.FONT_HERSHEY_COMPLEX,
    cv2.FONT_HERSHEY_SCRIPT_COMPLEX,
)
_LETTERS = "ABCDEFGHIKLMNOPRSTUVWXYZ"


@dataclass(frozen=True, eq=False)
class Material:
    """A surface.

    Attributes:
        kind: `film` is a wall too thin to bend light, `clear` a body that does (glass, water).
        colour: reflected, or let through by `film` and `clear`; linear RGB, 0 to 1.
        texture: instead of the colour.
        roughness: 0 is a mirror, 1 is chalk.
        ior: index of refraction of `film`, `clear` and of the lacquer of `plastic`.
        haze: share of a film that is scratched and scatters.
    """

    kind: Literal["matt", "plastic", "metal", "film", "clear"]
    colour: Colour = (0.5, 0.5, 0.5)
    texture: Texture | None = None
    roughness: float = 0.1
    ior: float = 1.5
    haze: float = 0.0


def tone(
    rng: np.random.Generator,
    *,
    hue: tuple[float, float] = (0.0, 1.0),
    saturation: tuple[float, float] = (0.0, 1.0),
    value: tuple[float, float] = (0.0, 1.0),
) -> Colour:
    """Draw a colour; hue may run over 1, back to red."""
    drawn = (rng.uniform(*span) for span in (hue, saturation, value))
    h, s, v = drawn
    return colorsys.hsv_to_rgb(h % 1.0, s, v)


def print_colour(rng: np.random.Generator) -> Colour:
    """Draw a colour of printing ink: mostly bright, sometimes white or nearly black."""
    pick = rng.random()
    if pick < 0.12:
        return tone(rng, saturation=(0, 0.08), value=(0.85, 1.0))
    if pick < 0.18:
        return tone(rng, saturation=(0, 0.3), value=(0.03, 0.2))
    if pick < 0.6:
        return tone(rng, saturation=(0.15, 0.55), value=(0.6, 1.0))
    return tone(rng, saturation=(0.5, 1.0), value=(0.35, 0.95))


def printed(
    rng: np.random.Generator,
    size: tuple[int, int] = (256, 512),
    *,
    ground: Colour | None = None,
    barcode: float = 0.5,
) -> Texture:
    """Print a label: bands, blots, waves, words and sometimes a bar code.

    Args:
        size: rows (along the axis) and columns (around it).
        barcode: how likely there is one.
    """
    rows, columns = size
    image = np.empty((rows, columns, 3), np.uint8)
    image[:] = _ink(ground or print_colour(rng))
    for _ in range(rng.integers(0, 4)):
        _pattern(image, rng)
    for _ in range(rng.integers(0, 4)):
        _word(image, rng)
    if rng.random() < barcode:
        _bars(image, rng)
    return image


def _ink(colour: Colour) -> tuple[int, int, int]:
    r, g, b = (round(255 * part) for part in colour)
    return (r, g, b)


def _pattern(image: Texture, rng: np.random.Generator) -> None:
    rows, columns = image.shape[:2]
    ink = _ink(print_colour(rng))
    pick = rng.integers(0, 5)
    if pick == 0:  # a band round the body
        top, height = int(rng.integers(0, rows)), int(rows * rng.uniform(0.04, 0.4))
        image[top : top + height] = ink
    elif pick == 1:  # a field on one side
        left, width = int(rng.integers(0, columns)), int(columns * rng.uniform(0.08, 0.5))
        image[:, left : left + width] = ink
    elif pick == 2:  # a wave
        x = np.arange(columns)
        turns, swing = rng.integers(1, 7), rows * rng.uniform(0.03, 0.2)
        y = rows * rng.random() + swing * np.sin(x / columns * 2 * np.pi * turns)
        points = np.stack([x, y], -1).astype(np.int32)
        cv2.polylines(
            image, [points], isClosed=False, color=ink, thickness=int(rng.integers(3, 26))
        )
    elif pick == 3:  # blots
        for _ in range(rng.integers(1, 6)):
            centre = (int(rng.integers(0, columns)), int(rng.integers(0, rows)))
            axes = (int(rng.integers(8, 70)), int(rng.integers(8, 70)))
            cv2.ellipse(image, centre, axes, float(rng.uniform(0, 180)), 0, 360, ink, -1)
    else:  # a leaf, a mountain
        points = rng.uniform((0, 0), (columns, rows), (int(rng.integers(3, 6)), 2)).astype(np.int32)
        cv2.fillPoly(image, [points], ink)


def _word(image: Texture, rng: np.random.Generator) -> None:
    letters = "".join(rng.choice(list(_LETTERS), int(rng.integers(2, 8))))
    # Words run round the body, or along it.
    canvas = image if rng.random() < 0.5 else np.ascontiguousarray(image.transpose(1, 0, 2))
    height = canvas.shape[0] * rng.uniform(0.12, 0.5)
    face, scale = int(rng.choice(_FACES)), height / 30
    start = (int(rng.integers(-40, canvas.shape[1])), int(rng.integers(0, canvas.shape[0])))
    thickness = max(1, int(scale * rng.uniform(1, 5)))
    cv2.putText(
        canvas, letters, start, face, scale, _ink(print_colour(rng)), thickness, cv2.LINE_AA
    )
    if canvas is not image:
        image[:] = canvas.transpose(1, 0, 2)
    if rng.random() < 0.5:  # seen from the other side of the press
        image[:] = image[:, ::-1]


def _bars(image: Texture, rng: np.random.Generator) -> None:
    rows, columns = image.shape[:2]
    modules = rng.integers(0, 2, 95).astype(np.uint8)
    wide, high = int(columns * rng.uniform(0.1, 0.2)), int(rows * rng.uniform(0.2, 0.6))
    code = np.repeat(np.repeat(modules, 3)[None, :, None] * 235 + 10, 40, 0)
    code = np.pad(np.repeat(code, 3, 2), ((8, 8), (20, 20), (0, 0)), constant_values=245)
    if rng.random() < 0.5:
        code = code.transpose(1, 0, 2)
    small = cv2.resize(
        np.ascontiguousarray(code, np.uint8), (wide, high), interpolation=cv2.INTER_AREA
    )
    top = int(rng.integers(0, max(1, rows - high)))
    left = int(rng.integers(0, max(1, columns - wide)))
    image[top : top + high, left : left + wide] = small


def belt_texture(rng: np.random.Generator, colour: Colour, size: int = 512) -> Texture:
    """Weave a belt: plain, chequered, striped or cleated, more or less worn."""
    y, x = np.mgrid[0:size, 0:size] / size
    cells = rng.integers(12, 70)
    contrast = rng.uniform(0.02, 0.5)
    pick = rng.random()
    if pick < 0.4:
        weave = np.zeros((size, size))
    elif pick < 0.65:
        weave = ((np.floor(x * cells) + np.floor(y * cells)) % 2) - 0.5
    elif pick < 0.85:
        weave = (np.floor(x * cells) % 2) * 0.7 + (
            np.floor(y * cells / rng.integers(2, 6)) % 2
        ) * 0.3
        weave -= 0.5
    else:
        weave = np.abs(np.sin(np.pi * x * cells / 3)) ** rng.uniform(1, 8) - 0.5
    worn = _enlarged(rng.normal(size=(12, 12)), size, cv2.INTER_CUBIC)
    worn += 0.4 * _enlarged(rng.normal(size=(90, 90)), size, cv2.INTER_LINEAR)
    shade = 1 + contrast * weave + rng.uniform(0, 0.08) * worn
    linear = np.array(colour)[None, None] * shade[..., None]
    return coded(linear)


def _enlarged(field: Field, size: int, interpolation: int) -> Field:
    return np.asarray(cv2.resize(field, (size, size), interpolation=interpolation), np.float64)


def coded(linear: NDArray[np.floating[Any]]) -> Texture:
    """Linear light 0–1 to sRGB bytes (IEC 61966-2-1)."""
    light = np.clip(linear, 0.0, 1.0)
    low, high = 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055
    bytes_: Texture = np.rint(255 * np.where(light <= 0.0031308, low, high)).astype(np.uint8)
    return bytes_
