"""What a camera above the simulated belt sees."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path
from typing import TYPE_CHECKING

from actors.drivers.pictures import PicturesError, empty_belt_picture, read_picture
from actors.drivers.simulated.claims import Claims

if TYPE_CHECKING:
    from actors.drivers.pictures import Frame

SCENE = "scene"
WORLD = "world"
"""The claim of the world that draws the scene."""
_PICTURES_MAX = 80
"""Pictures kept decoded, 450 kB each in the chamber that ships: 36 MB at most."""


class SceneGone(PicturesError):
    """Something lay under the camera, and nobody is there to say whether it still does."""


class SceneSource:
    """Shows the very item that lies under the camera, or the empty belt; never an old picture."""

    def __init__(self, directory: str) -> None:
        """Args: directory: of the simulated machine."""
        self._scene = Path(directory) / SCENE
        self._claims = Claims(directory)
        self._empty = empty_belt_picture()
        self._decoded: OrderedDict[Path, Frame] = OrderedDict()

    def read(self) -> Frame:
        """See `FrameSource.read`; the frame is shared between calls and cannot be written to."""
        shown = self._shown()
        if shown is None:
            return self._picture(self._empty)
        return self._picture(shown)

    def close(self) -> None:
        """See `FrameSource.close`."""
        self._decoded.clear()

    def _shown(self) -> Path | None:
        try:
            shown = self._scene.read_text(encoding="utf-8").strip()
        except FileNotFoundError:
            return None
        if not shown:
            return None
        if not self._claims.is_taken(WORLD):
            raise SceneGone(f"the simulated world that drew {self._scene} is gone; it begins anew")
        return Path(shown)

    def _picture(self, path: Path) -> Frame:
        known = self._decoded.get(path)
        if known is None:
            known = read_picture(path)
            known.setflags(write=False)
            self._decoded[path] = known
        self._decoded.move_to_end(path)
        while len(self._decoded) > _PICTURES_MAX:
            self._decoded.popitem(last=False)
        return known


def draw_scene(directory: str | Path, picture: str) -> None:
    """Put a picture under the camera; an empty name: nothing lies there.

    The file is exchanged as a whole, so that a camera sees either the old scene or the new one.
    """
    home = Path(directory)
    fresh = home / f"{SCENE}.new"
    fresh.write_text(picture, encoding="utf-8")
    fresh.replace(home / SCENE)
