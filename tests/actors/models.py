"""Model directories for tests: the weights that ship, with golden pictures and their answers."""

from __future__ import annotations

import functools
import hashlib
import json
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import cv2

from models.acceptance import judge
from models.vision import default_detector_directory, open_detector
from models.world.catalogue import load_catalogue

SHIPPED = default_detector_directory()


@functools.cache
def _golden() -> tuple[tuple[str, bytes, dict[str, Any]], ...]:
    """Pictures of the chamber, each with what the shipped weights make of it."""
    detector = open_detector(SHIPPED)
    thresholds = detector.info.thresholds
    found = {}
    for item in load_catalogue():
        frame = cv2.imread(str(item.picture))
        seen = detector.detect(frame)
        decision = judge(seen, thresholds).decision.value
        if decision in found:
            continue
        _, png = cv2.imencode(".png", frame)
        boxes = [
            {"class": one.class_name, "confidence": one.confidence, "box": one.box}
            for one in seen
            if one.confidence >= thresholds[one.class_name]
        ]
        found[decision] = (f"golden/{decision}.png", png.tobytes(), boxes)
        if {"accept", "reject"} <= found.keys():
            break
    detector.close()
    return tuple(
        (name, content, {"decision": decision, "boxes": boxes})
        for decision, (name, content, boxes) in found.items()
    )


def make_model(directory: Path, *, golden: bool = True, **changes: Any) -> Path:
    """Write a sound model of its own name and fingerprint; `changes` go into its manifest."""
    shutil.copytree(SHIPPED, directory)
    change_manifest(directory, name=directory.name, golden=[])
    if golden:
        add_golden(directory, _golden())
    change_manifest(directory, **changes)
    return directory


def add_golden(directory: Path, pictures: Iterable[tuple[str, bytes, dict[str, Any]]]) -> None:
    """Put golden pictures into a model."""
    (directory / "golden").mkdir(exist_ok=True)
    entries = []
    for name, content, expected in pictures:
        (directory / name).write_bytes(content)
        entries.append({"file": name, "sha256": hashlib.sha256(content).hexdigest(), **expected})
    change_manifest(directory, golden=entries)


def change_manifest(directory: Path, **changes: Any) -> None:
    """Change what the manifest says."""
    path = directory / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def weights_of(directory: Path) -> Path:
    """The file that holds the network."""
    return directory / str(json.loads((directory / "manifest.json").read_text())["weights"]["file"])
