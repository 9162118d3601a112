"""Rendered pictures on the disk, four files each; whatever is complete is kept.

    000042.hdr     linear light, Radiance RGBE, 448 × 336
    000042.calm.hdr   the same without the noise of path tracing
    000042.png     masks: thing number in the low four bits, liquid in the fifth
    000042.json    what is true of it; written last, so that its presence says "complete"

A set is a folder with a seed; picture i depends on (seed, i) only, so any machine can add to it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import msgspec
import numpy as np

from models.vision.rendering.denoising import grained
from models.vision.rendering.development import HARSH, Light, Picture, develop
from models.vision.rendering.items import CLASSES, MAKERS
from models.vision.rendering.truth import Box, Decision, Mask, Truth

LIQUID_BIT = 16
RECIPE = 8
"""Of the renderer: pictures of another recipe are another set."""
VALIDATION_EVERY = 10
"""A picture whose number is divisible by this is kept for measuring."""


class SetInvalid(Exception):
    """The folder holds another set, or a damaged one; the message names the cure."""


class Row(msgspec.Struct, frozen=True):
    """What is true of a picture, without its masks: `Truth.row` read again.

    Attributes:
        boxes: number of the class, x1, y1, x2, y2 in pixels.
    """

    kinds: tuple[str, ...]
    expected: Decision
    boxes: tuple[tuple[int, float, float, float, float], ...]


class Rendered(NamedTuple):
    """One picture as it lies on the disk.

    Attributes:
        light: linear float32 (H, W, 3) RGB, with the noise of its few samples; `calm`, without.
    """

    index: int  # type: ignore[assignment]  # of the picture; nobody searches a picture as a tuple
    light: Light
    calm: Light
    truth: Truth

    def photographed(self, rng: np.random.Generator, *, harsh: float = HARSH) -> Picture:
        """One photograph of it: uint8 (H, W, 3) BGR; the same numbers give the same one."""
        return develop(grained(self.light, self.calm, rng), rng, harsh=harsh)


class Folder:
    """A set of rendered pictures."""

    def __init__(self, path: Path, seed: int, kinds: tuple[str, ...] = ()) -> None:
        """Open it, or begin it.

        Args:
            kinds: the only ones in it; none: all there are.

        Raises:
            SetInvalid: it holds pictures of another seed, recipe or of other kinds; or there is no
                such kind.
        """
        if unknown := sorted(set(kinds) - set(MAKERS)):
            raise SetInvalid(f"no kind {', '.join(unknown)}; there are {', '.join(MAKERS)}")
        self._path = path
        self.seed, self.kinds = seed, tuple(sorted(set(kinds)))
        path.mkdir(parents=True, exist_ok=True)
        about = path / "set.json"
        described: dict[str, Any] = {"recipe": RECIPE, "seed": seed}
        if kinds:
            described["kinds"] = list(self.kinds)
        if not about.exists():
            _write(about, json.dumps(described).encode())
        elif _decoded(about) != described:
            raise SetInvalid(
                f"{path} holds {about.read_text()}, wanted {described}; name another folder"
            )

    @property
    def path(self) -> Path:
        """Where it lies."""
        return self._path

    def is_measured(self, index: int) -> bool:
        """Say whether a picture is kept for measuring and never learned from.

        Of a set of some kinds only none is: its mix is not what lies on a belt.
        """
        return not self.kinds and index % VALIDATION_EVERY == 0

    def complete(self) -> list[int]:
        """Indices of the pictures that are there, growing."""
        return sorted(int(file.stem) for file in self._path.glob("[0-9]*.json"))

    def put(self, index: int, light: Light, calm: Light, truth: Truth) -> None:
        """Keep a picture; after a crash in the middle it is as if it had never been begun."""
        stem = f"{index:06d}"
        for name, linear in ((f"{stem}.hdr", light), (f"{stem}.calm.hdr", calm)):
            _, coded = cv2.imencode(".hdr", np.ascontiguousarray(linear[..., ::-1]))
            _write(self._path / name, coded.tobytes())
        _, coded = cv2.imencode(".png", truth.item + LIQUID_BIT * truth.liquid)
        _write(self._path / f"{stem}.png", coded.tobytes())
        _write(self._path / f"{stem}.json", json.dumps(truth.row()).encode())

    def get(self, index: int) -> Rendered:
        """Read a picture.

        Raises:
            SetInvalid: a file of it is damaged; it is to be deleted and rendered again.
        """
        stem = self._path / f"{index:06d}"
        light, calm = _linear(f"{stem}.hdr"), _linear(f"{stem}.calm.hdr")
        masks = cv2.imread(f"{stem}.png", cv2.IMREAD_UNCHANGED)
        row = _row(Path(f"{stem}.json"))
        if light is None or calm is None or masks is None or row is None:
            raise SetInvalid(f"{stem}.* is damaged; delete these files and render again")
        if not light.shape[:2] == calm.shape[:2] == masks.shape:
            raise SetInvalid(f"{stem}.* differ in size; delete these files and render again")
        return Rendered(index, light, calm, _truth(row, masks.astype(np.uint8)))

    def about(self, index: int) -> Row:
        """Read what is true of a picture, but not the picture.

        Raises:
            SetInvalid: the file is damaged.
        """
        path = self._path / f"{index:06d}.json"
        row = _row(path)
        if row is None:
            raise SetInvalid(f"{path} is damaged; delete it and render again")
        return row

    def __iter__(self) -> Iterator[Rendered]:
        return (self.get(index) for index in self.complete())


def _linear(file: str) -> Light | None:
    coded = cv2.imread(file, cv2.IMREAD_UNCHANGED)
    return None if coded is None else np.ascontiguousarray(coded[..., ::-1], np.float32)


def _decoded(path: Path) -> object:
    try:
        return json.loads(path.read_bytes())
    except ValueError:
        return None


def _row(path: Path) -> Row | None:
    try:
        row = msgspec.json.decode(path.read_bytes(), type=Row)
    except (OSError, msgspec.DecodeError):
        return None
    return row if all(0 <= box[0] < len(CLASSES) for box in row.boxes) else None


def _truth(row: Row, masks: Mask) -> Truth:
    boxes = tuple(Box(CLASSES[number], *edges) for number, *edges in row.boxes)
    return Truth(row.kinds, row.expected, boxes, masks % LIQUID_BIT, masks // LIQUID_BIT)


def _write(path: Path, content: bytes) -> None:
    part = path.with_name(f".{path.name}.{os.getpid()}")
    part.write_bytes(content)
    part.replace(path)
