"""`bin/train develop`: rendered light as 8-bit pictures with labels, for any trainer.

    DIR/develop.json                what it was made of; other wishes are refused
    DIR/data.yaml                   for ultralytics
    DIR/train|val/images/*.jpg      000042_1.jpg: picture 42, developed for the second time
    DIR/train|val/labels/*.txt      YOLO rows; written after the picture, so its presence says
                                    "complete"
    DIR/train|val/items.csv         file, kinds, expected decision, as models/world/chamber has it

A picture belongs to a side by its number, with all its variants: nothing that was learned from is
measured on. Each side has the layout that `score` and `rvm-edge models test` read.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import os
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from rvm_edge.train.arguments import folder as folder_name
from rvm_edge.train.arguments import natural, share
from rvm_edge.train.meter import Meter
from rvm_edge.train.stopping import Stop

if TYPE_CHECKING:
    from models.vision.rendering.dataset import Folder, Rendered, Row

EXIT_OK, EXIT_USAGE, EXIT_INTERRUPTED = 0, 2, 130
HARSH = 0.15
JPEG_QUALITY = 96
"""High, because the developing has compressed most pictures once already."""
SIDES = ("train", "val")

EPILOG = """\
examples:
  bin/train develop --from rendered/a --out developed --variants 2
  bin/train develop --from rendered/a --out harsh --variants 1 --harsh 0.6

A variant is another photograph of the same scene: exposure, white balance, dirt on the window,
blur, noise and compression are drawn anew. Run it again after more has been rendered: it adds.
"""


class Wish(NamedTuple):
    """What the pictures are made of."""

    seed: int
    recipe: int
    variants: int
    harsh: float


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say which arguments `develop` takes."""
    parser.epilog = EPILOG
    parser.add_argument(
        "--from", metavar="DIR", dest="source", type=folder_name, required=True, help="rendered set"
    )
    parser.add_argument("--out", metavar="DIR", type=Path, required=True, help="for the pictures")
    parser.add_argument(
        "--variants", metavar="V", type=natural, default=1, help="of each (default: 1)"
    )
    parser.add_argument(
        "--harsh",
        metavar="SHARE",
        type=share,
        default=HARSH,
        help=f"how likely each of dirt, strong blur, strong noise is (default: {HARSH})",
    )
    parser.add_argument("--json", action="store_true", help="print how it ended for programs")


def run(args: argparse.Namespace) -> int:
    """Develop what is not there yet; give the exit code."""
    from models.vision.rendering.dataset import RECIPE, SetInvalid

    try:
        source = open_set(args.source)
        wish = Wish(source.seed, RECIPE, args.variants, args.harsh)
        _claim(args.out, wish)
        with Stop("this picture") as stop:
            made = develop_set(source, args.out, wish, stop)
    except SetInvalid as error:
        print(f"bin/train develop: {error}", file=sys.stderr)
        return EXIT_USAGE
    if args.json:
        print(json.dumps({"folder": str(args.out), "developed": made, **wish._asdict()}))
    else:
        print(f"{args.out}: {made} pictures developed")
    return EXIT_INTERRUPTED if stop.asked else EXIT_OK


def open_set(path: Path) -> Folder:
    """Open a rendered set with the seed that it has.

    Raises:
        SetInvalid: it is none, or of another recipe than this program's.
    """
    from models.vision.rendering.dataset import Folder, SetInvalid

    try:
        about = json.loads((path / "set.json").read_bytes())
        seed, kinds = int(about["seed"]), tuple(map(str, about.get("kinds", ())))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SetInvalid(
            f"{path} holds no rendered set; begin one with bin/train render"
        ) from error
    return Folder(path, seed, kinds)


def side_of(source: Folder, index: int) -> str:
    """Say whether a picture is learned from (`train`) or measured on (`val`)."""
    return SIDES[source.is_measured(index)]


def develop_set(source: Folder, out: Path, wish: Wish, stop: Stop) -> int:
    """Develop every picture that has no labels yet; give how many were.

    Raises:
        SetInvalid: a rendered picture is damaged.
    """
    for side in SIDES:
        for kind in ("images", "labels"):
            (out / side / kind).mkdir(parents=True, exist_ok=True)
    rows = {index: source.about(index) for index in source.complete()}
    made = 0
    with closing(Meter("pictures", len(rows) * wish.variants)) as meter:
        for index in rows:
            if stop.asked:
                break
            made += _develop_one(source, index, out, wish)
            for _ in range(wish.variants):
                meter.step()
    for side in SIDES:
        _write(out / side / "items.csv", _items(out / side, rows).encode())
    return made


def _claim(out: Path, wish: Wish) -> None:
    """Make the folder ours, or refuse one that holds other pictures."""
    from models.vision.rendering.dataset import SetInvalid
    from models.vision.rendering.items import CLASSES

    out.mkdir(parents=True, exist_ok=True)
    about, described = out / "develop.json", json.dumps(wish._asdict())
    if about.exists() and about.read_text() != described:
        raise SetInvalid(
            f"{out} holds {about.read_text()}, wanted {described}; name another folder"
        )
    _write(about, described.encode())
    names = "".join(f"  {number}: {name}\n" for number, name in enumerate(CLASSES))
    text = f"path: {out.resolve()}\ntrain: train/images\nval: val/images\nnames:\n{names}"
    _write(out / "data.yaml", text.encode())


def _develop_one(source: Folder, index: int, out: Path, wish: Wish) -> int:
    side = out / side_of(source, index)
    missing = [
        variant
        for variant in range(wish.variants)
        if not (side / "labels" / f"{stem(index, variant)}.txt").exists()
    ]
    if not missing:
        return 0
    rendered = source.get(index)
    labels = label_rows(rendered).encode()
    for variant in missing:
        name = stem(index, variant)
        _write(side / "images" / f"{name}.jpg", _jpeg(rendered, wish, variant))
        _write(side / "labels" / f"{name}.txt", labels)
    return len(missing)


def stem(index: int, variant: int) -> str:
    """Name of a developed picture, without its suffix."""
    return f"{index:06d}_{variant}"


def _jpeg(rendered: Rendered, wish: Wish, variant: int) -> bytes:
    import cv2
    import numpy as np

    rng = np.random.default_rng((wish.seed, rendered.index, variant))
    picture = rendered.photographed(rng, harsh=wish.harsh)
    _, stream = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    return stream.tobytes()


def label_rows(rendered: Rendered) -> str:
    """Boxes as YOLO wants them: class, centre and size, relative to the picture."""
    from models.vision.rendering.items import CLASSES

    height, width = rendered.light.shape[:2]
    lines = []
    for name, x1, y1, x2, y2 in rendered.truth.boxes:
        centre = ((x1 + x2) / 2 / width, (y1 + y2) / 2 / height)
        size = ((x2 - x1) / width, (y2 - y1) / height)
        numbers = " ".join(f"{number:.6f}" for number in (*centre, *size))
        lines.append(f"{CLASSES.index(name)} {numbers}\n")
    return "".join(lines)


def _items(side: Path, rows: dict[int, Row]) -> str:
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(("file", "kinds", "expected"))
    for index, file in _complete(side):
        if index in rows:
            table.writerow((file, "+".join(rows[index].kinds), rows[index].expected))
    return text.getvalue()


def _complete(side: Path) -> Iterator[tuple[int, str]]:
    for label in sorted((side / "labels").glob("[0-9]*_[0-9]*.txt")):
        yield int(label.stem.split("_")[0]), f"{label.stem}.jpg"


def _write(path: Path, content: bytes) -> None:
    part = path.with_name(f".{path.name}.{os.getpid()}")
    part.write_bytes(content)
    part.replace(path)
