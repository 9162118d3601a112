"""The settings a machine runs with: all layers, with the platform's word as far as it can be used.

A version was right when it was taken in. The file of the machine may have changed since, or the
program: a version that does not fit any more gives way to the one before it, and that to the
machine's own layers. Only what those say wrong keeps a machine from starting.
"""

from __future__ import annotations

from typing import Protocol

from msgspec import Struct

from config.errors import SettingsError
from config.generations import Generation, Generations
from config.load import Loaded
from config.platform import ServerWord


class Layers(Protocol):
    """Loads all layers, with this word of the platform's among them."""

    def __call__(self, *, server: ServerWord | None) -> Loaded:
        """Raises `SettingsError`."""


class InForce(Struct, frozen=True):
    """What a machine runs with.

    Attributes:
        generation: the platform's part; None: only the machine's own layers speak.
        troubles: why it is not what it should be, a sentence each.
    """

    loaded: Loaded
    generation: Generation | None
    troubles: tuple[str, ...] = ()


def in_force(generations: Generations, layers: Layers) -> InForce:
    """Find what can be used.

    Raises:
        SettingsError: the machine's own layers are wrong.
    """
    local = layers(server=None)
    troubles = list(generations.troubles)
    for generation in generations.candidates():
        try:
            return InForce(layers(server=generation.word), generation, tuple(troubles))
        except SettingsError as error:
            troubles.append(f"the platform's version {generation.version} does not fit: {error}")
    return InForce(local, None, tuple(troubles))
