"""From light to a picture: what a lens, its window and a cheap sensor make of it.

One rendered image gives any number of pictures, each with an exposure, a white balance, dirt,
blur, noise and compression of its own. Pictures are uint8 (H, W, 3) BGR, as OpenCV reads them.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from models.vision.rendering.surfaces import coded

Light = NDArray[np.float32]
Picture = NDArray[np.uint8]

WHITE_MAX = 1.6
"""Times the light that makes a pixel white; what is more is cut off before the lens blurs it."""


HARSH = 0.15
"""How likely each of dirt, strong blur and strong noise is, where nobody says otherwise."""


def develop(light: Light, rng: np.random.Generator, *, harsh: float = HARSH) -> Picture:
    """Take the picture.

    Args:
        light: linear float32 (H, W, 3) RGB.
        rng: draws the circumstances.
        harsh: how likely each of dirt, strong blur and strong noise is.
    """
    seen = _faded(light * _exposure(light, rng), rng) * _balance(rng)
    seen *= _vignette(light.shape[:2], rng)
    # A path that met a lamp by chance is brighter than anything real: it must not become a disc.
    seen = np.minimum(seen, WHITE_MAX)
    if rng.random() < harsh:
        seen = _behind_dirt(seen, rng)
    seen = _blurred(seen, rng, strong=rng.random() < harsh)
    seen = _noisy(seen, rng, strong=rng.random() < harsh)
    picture = np.ascontiguousarray(coded(seen)[..., ::-1])
    if rng.random() < 0.7:
        picture = _compressed(picture, int(rng.integers(72, 97)))
    return picture


def _exposure(light: Light, rng: np.random.Generator) -> float:
    """Bring the middle of the picture to a drawn brightness, from dusk to glare."""
    grey = light.mean(-1)[::4, ::4]
    middle, bright = float(np.median(grey)) + 1e-6, float(np.quantile(grey, 0.98)) + 1e-6
    wanted = 10 ** rng.uniform(-1.9, -0.35) / middle
    # An automatic exposure would not let the bright things burn out altogether.
    return min(wanted, 10 ** rng.uniform(-0.4, 0.3) / bright)


def _faded(seen: Light, rng: np.random.Generator) -> Light:
    """Let light stray between the lenses, and colours fade: a cheap lens before a cheap sensor."""
    veil, colour = rng.uniform(0.0, 0.25) * (rng.random() < 0.6), rng.uniform(0.35, 1.05)
    grey = seen.mean(axis=2, keepdims=True)
    coloured = grey + colour * (seen - grey)
    return np.asarray(coloured + veil * (seen.mean() - coloured), np.float32)


def _balance(rng: np.random.Generator) -> NDArray[np.float32]:
    return np.exp(rng.normal(0, 0.035, 3)).astype(np.float32)


def _vignette(shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.float32]:
    height, width = shape
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    shade: NDArray[np.float32] = (1 - rng.uniform(0, 0.3) * (x**2 + y**2) / 2)[..., None].astype(
        np.float32
    )
    return shade


def _behind_dirt(seen: Light, rng: np.random.Generator) -> Light:
    """Dust and fingerprints on the window, out of focus: they dim and they glow."""
    height, width = seen.shape[:2]
    cloud = np.zeros((height // 4, width // 4), np.float32)
    for _ in range(rng.integers(2, 30)):
        centre = (int(rng.integers(0, width // 4)), int(rng.integers(0, height // 4)))
        axes = (int(rng.integers(1, 16)), int(rng.integers(1, 10)))
        density = float(rng.uniform(0.05, 0.6))
        cv2.ellipse(cloud, centre, axes, float(rng.uniform(0, 180)), 0, 360, density, -1)
    cloud = cv2.GaussianBlur(cloud, (0, 0), float(rng.uniform(1.0, 5.0)))
    dense = cv2.resize(cloud, (width, height))[..., None] * rng.uniform(0.3, 1.0)
    glow = seen.mean() * rng.uniform(0.5, 2.0)
    dirty: Light = seen * (1 - dense) + glow * dense
    return dirty


def _blurred(seen: Light, rng: np.random.Generator, *, strong: bool) -> Light:
    sigma = rng.uniform(0.8, 2.2) if strong else rng.uniform(0.0, 0.9)
    if strong and rng.random() < 0.5:  # the belt had not come to rest
        length = int(rng.integers(3, 12))
        return np.asarray(cv2.blur(seen, (length, 1)), np.float32)
    if sigma < 0.25:
        return seen
    return np.asarray(cv2.GaussianBlur(seen, (0, 0), sigma), np.float32)


def _noisy(seen: Light, rng: np.random.Generator, *, strong: bool) -> Light:
    """Photons come one by one, and the amplifier hisses."""
    shot = 10 ** (rng.uniform(-1.9, -1.2) if strong else rng.uniform(-3.0, -1.9))
    read = 10 ** (rng.uniform(-2.4, -1.7) if strong else rng.uniform(-3.6, -2.3))
    spread = np.sqrt(np.maximum(seen, 0) * shot**2 + read**2)
    hiss = rng.standard_normal(seen.shape, dtype=np.float32)
    return np.asarray(seen + spread * hiss, np.float32)


def _compressed(picture: Picture, quality: int) -> Picture:
    _, stream = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(stream, cv2.IMREAD_COLOR), np.uint8)
