"""Profiles of what people throw away: radius along the axis, and how it is dented.

Metres. `along` grows from the base (or the bottom of a cup) to the mouth.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from models.vision.rendering.solids import Deform, Floats

STEPS = 110


class Profile(NamedTuple):
    """Radius along the axis, and where the body's straight part lies, for the label."""

    along: Floats
    radii: Floats
    label_from: float
    label_to: float

    @property
    def length(self) -> float:
        """From base to mouth."""
        return float(self.along[-1])

    def closed(self) -> Profile:
        """With a lid on its mouth: what is in it has a surface there."""
        along, radii = np.append(self.along, self.along[-1]), np.append(self.radii, 0.0)
        return self._replace(along=along, radii=radii)


@dataclass(frozen=True)
class Bottle:
    """A bottle, in metres.

    Attributes:
        shoulder: length of the part between body and neck.
        power: of the shoulder's curve: 1 is a cosine, less is round, more is slender.
        ribs: how many grooves; `rib_depth` of each.
        waist: how much thinner the middle is, as a share.
    """

    length: float
    radius: float
    neck_radius: float
    neck: float
    shoulder: float
    power: float = 1.0
    base: float = 0.008
    ribs: int = 0
    rib_depth: float = 0.0
    waist: float = 0.0

    def profile(self, *, inset: float = 0.0) -> Profile:
        """Its outline; with `inset` that of the inside of a wall so thick."""
        body_end = self.length - self.neck - self.shoulder
        x = np.concatenate(
            [
                self.base * (1 - np.cos(np.linspace(0, np.pi / 2, 10))),
                np.linspace(self.base, body_end, STEPS // 2)[1:],
                np.linspace(body_end, self.length - self.neck, STEPS // 3)[1:],
                np.linspace(self.length - self.neck, self.length, 8)[1:],
            ]
        )
        r = np.full_like(x, self.radius)
        near = np.clip(1 - x / self.base, 0, 1)
        r -= 0.55 * self.base * (1 - np.sqrt(np.clip(1 - near**2, 0, 1)))
        share = np.clip((x - body_end) / self.shoulder, 0, 1)
        fall = ((1 + np.cos(np.pi * share)) / 2) ** self.power
        r = np.where(x > body_end, self.neck_radius + (self.radius - self.neck_radius) * fall, r)
        body = np.clip((x - self.base) / (body_end - self.base), 0, 1)
        r -= self.waist * self.radius * np.sin(np.pi * body) ** 2 * (x < body_end)
        if self.ribs:
            groove = np.abs(np.sin(np.pi * self.ribs * body)) ** 6
            r -= self.rib_depth * (1 - groove) * (body > 0.02) * (body < 0.98)
        x, r = x + 0.0, np.maximum(r - inset, 0.001)
        # The base is closed; the mouth of a bottle without a cap is open.
        x = np.concatenate([[x[0] + inset], np.clip(x, inset, self.length - inset)])
        r = np.concatenate([[0.0], r])
        x = np.maximum.accumulate(x + np.arange(len(x)) * 1e-9)
        return Profile(x, r, self.base + 0.01, body_end)


def cylinder(length: float, radius: float, *, edge: float = 0.002, taper: float = 0.0) -> Profile:
    """A closed cylinder with rounded edges; `taper` is the share by which its top is wider."""
    turn = np.linspace(0, np.pi / 2, 6)
    x = np.concatenate(
        [[0.0], edge * (1 - np.cos(turn)), np.linspace(edge, length - edge, 30)[1:-1]]
    )
    x = np.concatenate([x, length - edge + edge * np.sin(turn), [length]])
    r = np.full_like(x, radius)
    r[1:7] = radius - edge + edge * np.sin(turn)
    r[-7:-1] = radius - edge + edge * np.cos(turn)
    r *= 1 + taper * x / length
    r[0] = r[-1] = 0.0
    x = np.maximum.accumulate(x + np.arange(len(x)) * 1e-9)
    return Profile(x, r, edge, length - edge)


def can(length: float, radius: float, neck: float = 0.86) -> Profile:
    """A drink can: tapered to both ends, with a sunken lid."""
    x = np.array([0.0, 0.0, 0.001, 0.004, 0.011, 0.02])
    r = radius * np.array([0.0, 0.74, 0.78, 0.84, 0.96, 1.0])
    top = length - np.array([0.018, 0.006, 0.003, 0.0, 0.0, 0.003, 0.003])
    lid = radius * np.array([1.0, neck, neck, neck, neck - 0.05, neck - 0.06, 0.0])
    return Profile(np.concatenate([x, top]), np.concatenate([r, lid]), 0.012, length - 0.014)


def cup(length: float, bottom: float, mouth: float, *, rim: float = 0.002) -> Profile:
    """A cup with a rim and a lid."""
    x = np.array([0.0, 0.0, 0.001, length - 0.004, length - 0.004, length, length])
    r = np.array([0.0, bottom * 0.96, bottom, mouth, mouth + rim, mouth + rim, 0.0])
    return Profile(x, r, 0.004, length - 0.006)


def battered(
    rng: np.random.Generator,
    length: float,
    radius: float,
    *,
    dents: int = 0,
    flat: float = 0.0,
    square: float = 0.0,
    bend: float = 0.0,
) -> Deform:
    """What its life has done to a thing that was turned on a lathe.

    Args:
        dents: how many thumbs were pressed into it.
        flat: how much of its height it lost, as a share.
        square: 0 for a round section, 1 for a square one with round corners.
        bend: metres by which its ends are off the axis.
    """
    where = rng.uniform(0.15, 0.8, dents) * length
    at = rng.uniform(0, 2 * np.pi, dents)
    depth = rng.uniform(0.08, 0.4, dents) * radius
    width = rng.uniform(0.08, 0.22, dents) * length
    spread = rng.uniform(0.35, 1.0, dents)
    squeezed = rng.uniform(0, np.pi)

    def deform(points: Floats) -> Floats:
        x, y, z = points.T.copy()
        angle = np.arctan2(z, y)
        radial = np.hypot(y, z)
        if square:
            corner = np.maximum(np.abs(np.cos(angle)), np.abs(np.sin(angle)))
            radial = radial * (1 - square + square * np.minimum(1 / corner, 1.18) * 0.93)
        for k in range(dents):
            off = np.angle(np.exp(1j * (angle - at[k])))
            push = np.exp(-(((x - where[k]) / width[k]) ** 2) - (off / spread[k]) ** 2)
            radial = radial - depth[k] * push * (radial / radius)
        y, z = radial * np.cos(angle - squeezed), radial * np.sin(angle - squeezed)
        y, z = y * (1 + 0.5 * flat), z * (1 - flat)
        y = y + bend * np.sin(np.pi * x / length)
        c, s = np.cos(squeezed), np.sin(squeezed)
        return np.stack([x, y * c - z * s, y * s + z * c], axis=1)

    return deform
