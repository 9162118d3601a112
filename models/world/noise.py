"""Chance that depends on when, not on how often somebody looks.

A number is a function of the seed, of what it is for, and of which measurement it belongs to. So a
channel that nobody reads costs nothing, and a world gives the same readings however its time is
cut into pieces.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from random import Random

_MASK = (1 << 64) - 1
_TABLE = 8191


class Noise:
    """Normal and uniform numbers by stream and number."""

    __slots__ = ("_normal", "_salt")

    def __init__(self, rng: Random) -> None:
        """Take the seed, and a table of normal numbers, from a generator."""
        self._salt = rng.getrandbits(64)
        self._normal = [rng.gauss(0.0, 1.0) for _ in range(_TABLE)]

    def normal(self, stream: int, number: int) -> float:
        """Mean 0, deviation 1."""
        return self._normal[self._hash(stream, number) % _TABLE]

    def uniform(self, stream: int, number: int) -> float:
        """From 0 up to, and without, 1."""
        return (self._hash(stream, number) >> 11) / (1 << 53)

    def _hash(self, stream: int, number: int) -> int:
        """Mix the bits (the finaliser of splitmix64)."""
        bits = (number * 0x9E3779B97F4A7C15 + stream * 0xD1B54A32D192ED03 + self._salt) & _MASK
        bits = ((bits ^ (bits >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        bits = ((bits ^ (bits >> 27)) * 0x94D049BB133111EB) & _MASK
        return bits ^ (bits >> 31)
