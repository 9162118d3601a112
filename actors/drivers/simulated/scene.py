"""What lies under a camera above the simulated belt, and what ails the camera.

One small text file, exchanged as a whole: the picture; then, each in a line of its own with tabs
between, the camera's faults and the scenes before this one:

    /…/007_0036.jpg
    fault   blur    3.0
    before  81234000000     /…/007_0005.jpg
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

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


class Scene(NamedTuple):
    """What the file says.

    Attributes:
        picture: file of what lies there; empty: nothing does.
        faults: value by name, of the camera.
        before: until when (monotonic ns) which other picture lay there, oldest first.
    """

    picture: str = ""
    faults: Mapping[str, float] = {}
    before: tuple[tuple[int, str], ...] = ()

    def picture_at(self, t_mono_ns: int) -> str:
        """What lay there at a moment in the past."""
        found = (picture for until_ns, picture in self.before if t_mono_ns < until_ns)
        return next(found, self.picture)


class SceneSource:
    """Shows the very item that lies under the camera, or the empty belt."""

    def __init__(self, directory: str | Path) -> None:
        """Args: directory: of the simulated machine."""
        self._directory = Path(directory)
        self._claims = Claims(directory)
        self._empty = empty_belt_picture()
        self._decoded: OrderedDict[Path, Frame] = OrderedDict()

    def scene(self) -> Scene:
        """What lies there now.

        Raises:
            SceneGone: nobody answers for it any more.
        """
        scene = read_scene(self._directory)
        if scene.picture and not self._claims.is_taken(WORLD):
            where = self._directory / SCENE
            raise SceneGone(f"the simulated world that drew {where} is gone; it begins anew")
        return scene

    def read(self) -> Frame:
        """Show it: uint8 (H, W, 3) BGR, shared between calls; it cannot be written to.

        Raises:
            PicturesError: nobody answers for it, or its picture cannot be read.
        """
        return self.show(self.scene().picture)

    def show(self, picture: str) -> Frame:
        """Show a picture file, or the empty belt; as `read`."""
        path = Path(picture) if picture else self._empty
        known = self._decoded.get(path)
        if known is None:
            known = read_picture(path)
            known.setflags(write=False)
            self._decoded[path] = known
        self._decoded.move_to_end(path)
        while len(self._decoded) > _PICTURES_MAX:
            self._decoded.popitem(last=False)
        return known

    def close(self) -> None:
        """Forget what was decoded."""
        self._decoded.clear()


def read_scene(directory: str | Path) -> Scene:
    """Read the file; without one nothing lies there, and nothing ails the camera."""
    try:
        picture, *more = (Path(directory) / SCENE).read_text(encoding="utf-8").split("\n")
    except FileNotFoundError:
        return Scene()
    faults: dict[str, float] = {}
    before: list[tuple[int, str]] = []
    for line in more:
        word, _, rest = line.partition("\t")
        first, _, second = rest.partition("\t")
        if word == "fault":
            faults[first] = float(second)
        elif word == "before":
            before.append((int(first), second))
    return Scene(picture.strip(), faults, tuple(before))


def draw_scene(
    directory: str | Path,
    picture: str,
    faults: Mapping[str, float] | None = None,
    before: Iterable[tuple[int, str]] = (),
) -> None:
    """Put a picture under the camera; see `Scene`.

    The file is exchanged as a whole, so that a camera sees either the old scene or the new one.
    """
    lines = [picture]
    lines += [f"fault\t{name}\t{value!r}" for name, value in (faults or {}).items()]
    lines += [f"before\t{until_ns}\t{earlier}" for until_ns, earlier in before]
    home = Path(directory)
    fresh = home / f"{SCENE}.new"
    fresh.write_text("\n".join(lines), encoding="utf-8")
    fresh.replace(home / SCENE)
