"""Pictures with their truth, one after the other, for whoever wants to measure something.

From a folder with labels (`images/`, `labels/`, `items.csv`: the chamber's, or one side of a
developed set), or from the validation side of a rendered set, developed on the way.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from models.acceptance import Decision
from models.vision.metrics import Labelled
from rvm_edge.train.develop import open_set, stem

if TYPE_CHECKING:
    from models.vision.detector import Frame

LABEL_FIELDS = 5


class PicturesInvalid(Exception):
    """The folder does not hold pictures with labels; the message names the cure."""


class Shown(NamedTuple):
    """A picture to be looked at.

    Attributes:
        kinds: of the things on it, joined by `+`, as items.csv has them.
        frame: uint8 (H, W, 3) BGR.
    """

    name: str
    kinds: str
    expected: Decision
    true: tuple[Labelled, ...]
    frame: Frame


def default_pictures() -> Path:
    """Say where the referee's pictures lie that ship with the project."""
    import models.world

    return Path(models.world.__file__).parent / "chamber"


def count(path: Path, variants: int = 1) -> int:
    """How many pictures `show` will give."""
    if (path / "set.json").exists():
        folder = open_set(path)
        return variants * sum(map(folder.is_measured, folder.complete()))
    return len(_rows(_labelled(path)))


def show(path: Path, variants: int = 1) -> Iterator[Shown]:
    """Read the pictures of a folder.

    Args:
        path: a rendered set, a developed one (its `val` side) or a folder with labels.
        variants: of each picture, where they are developed on the way.

    Raises:
        PicturesInvalid: a file is missing or says something that it must not.
        SetInvalid: a rendered picture is damaged.
    """
    if (path / "set.json").exists():
        return _developed(path, variants)
    return _read(_labelled(path))


def show_all(paths: Iterable[Path], variants: int = 1) -> Iterator[Shown]:
    """Read the pictures of several folders, one after the other."""
    return chain.from_iterable(show(path, variants) for path in paths)


def _labelled(path: Path) -> Path:
    return path / "val" if (path / "develop.json").exists() else path


def _developed(path: Path, variants: int) -> Iterator[Shown]:
    import numpy as np

    folder = open_set(path)
    for index in folder.complete():
        if not folder.is_measured(index):
            continue
        rendered = folder.get(index)
        truth = rendered.truth
        for variant in range(variants):
            frame = rendered.photographed(np.random.default_rng((folder.seed, index, variant)))
            true = tuple(Labelled(box.class_name, box[1:]) for box in truth.boxes)
            kinds = "+".join(truth.kinds)
            name = f"s{folder.seed}-{stem(index, variant)}"
            yield Shown(name, kinds, Decision(truth.expected), true, frame)


def _read(path: Path) -> Iterator[Shown]:
    import cv2
    import numpy as np

    from models.vision.rendering.items import CLASSES

    for file, kinds, expected in _rows(path):
        frame = cv2.imread(str(path / "images" / file), cv2.IMREAD_COLOR)
        if frame is None:
            raise PicturesInvalid(f"{path / 'images' / file} is missing, or no picture")
        true = _boxes(path / "labels" / f"{Path(file).stem}.txt", frame.shape, CLASSES)
        yield Shown(file, kinds, expected, true, np.asarray(frame, np.uint8))


def _rows(path: Path) -> list[tuple[str, str, Decision]]:
    try:
        with (path / "items.csv").open(newline="") as file:
            rows = list(csv.DictReader(file))
        return [(row["file"], row["kinds"], Decision(row["expected"])) for row in rows]
    except (OSError, KeyError, ValueError) as error:
        raise PicturesInvalid(
            f"{path} holds no pictures with truth ({error}); name a folder with images/, labels/"
            " and items.csv, such as bin/train develop makes"
        ) from error


def _boxes(path: Path, shape: Sequence[int], classes: Sequence[str]) -> tuple[Labelled, ...]:
    height, width = shape[:2]
    boxes = []
    try:
        for line in path.read_text().splitlines():
            number, x, y, w, h = map(float, line.split())
            edges = (
                (x - w / 2) * width,
                (y - h / 2) * height,
                (x + w / 2) * width,
                (y + h / 2) * height,
            )
            boxes.append(Labelled(classes[int(number)], edges))
    except (OSError, ValueError, IndexError) as error:
        raise PicturesInvalid(f"{path}: {error}; each row is `class cx cy w h`") from error
    return tuple(boxes)
