"""Model directories for tests: any weights, with a manifest that fits them."""

import hashlib
import json
from pathlib import Path

from models.vision import Manifest, load_manifest

CLASSES = ("mineral", "not_empty", "soda")


def write_model(directory: Path, weights: bytes, kind: str = "onnx", **changes: object) -> Path:
    """Write a model of CLASSES with a picture of 96 by 64; `changes` replace manifest fields."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / f"model.{kind}").write_bytes(weights)
    manifest = {
        "schema": 2,
        "name": "tiny",
        "weights": {
            "file": f"model.{kind}",
            "format": kind,
            "size_bytes": len(weights),
            "sha256": hashlib.sha256(weights).hexdigest(),
        },
        "classes": CLASSES,
        "input": {"width_px": 96, "height_px": 64, "padding_level": 114},
        "output": "end_to_end",
        "seen_from": 0.1,
        "thresholds": dict.fromkeys(CLASSES, 0.25),
        "provenance": {
            "made_by": "a test",
            "trained_on": "nothing",
            "licence": "none",
            "thresholds_chosen": "by hand",
        },
        **changes,
    }
    (directory / "manifest.json").write_text(json.dumps(manifest))
    return directory


def manifest_of(directory: Path) -> Manifest:
    return load_manifest(directory)
