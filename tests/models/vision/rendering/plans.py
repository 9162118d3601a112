"""A plan in a few numbers: what the recorded ones are compared by.

Whoever changes what is drawn raises `RECIPE` in dataset.py and records them anew:

    .venv/bin/python -m tests.models.vision.rendering.plans
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from models.vision.rendering.dataset import RECIPE
from models.vision.rendering.scene import Part, plan
from models.vision.rendering.truth import tell_truth

RECORDED = Path(__file__).parent / "plans.json"
SEED = 1
KINDS = 8
"""That lie alone on a belt of the recorded ones; besides them an empty belt and two things."""


def summary(seed: int, index: int) -> dict[str, Any]:
    """Every draw leaves its mark in here, so a changed order of draws is seen."""
    scene = plan(seed, index)
    truth = tell_truth(scene)
    return {
        "eye": scene.lens.eye.tolist(),
        "axes": scene.lens.axes.ravel().tolist(),
        "bend": scene.lens.bend,
        "lamps": [[*lamp.centre, *lamp.toward, *lamp.size, *lamp.radiance] for lamp in scene.lamps],
        "ambient": list(scene.ambient),
        "depth": scene.depth,
        "furniture": [_part(part) for part in scene.furniture],
        "kinds": list(truth.kinds),
        "expected": truth.expected,
        "parts": [_part(part) for item in scene.items for part in item.parts],
        "boxes": [[box.class_name, *box[1:]] for box in truth.boxes],
        "covered_share": float((truth.item > 0).mean()),
        "liquid_share": float(truth.liquid.mean()),
    }


def _part(part: Part) -> list[Any]:
    surface, points = part.material, part.solid.vertices
    texture = 0.0 if surface.texture is None else float(surface.texture.mean())
    numbers = (*surface.colour, texture, surface.roughness, surface.ior, surface.haze)
    middle, spread = points.mean(axis=0), points.std(axis=0)
    return [surface.kind, part.liquid, len(part.solid.faces), *numbers, *middle, *spread]


def is_like(found: Any, recorded: Any) -> bool:
    """Equal but for the last digits, in which processors differ."""
    if isinstance(recorded, dict):
        return recorded.keys() == found.keys() and all(
            is_like(found[key], value) for key, value in recorded.items()
        )
    if isinstance(recorded, list):
        return len(found) == len(recorded) and all(map(is_like, found, recorded))
    if isinstance(recorded, float):
        return bool(np.isclose(found, recorded, rtol=1e-6, atol=1e-4))
    return bool(found == recorded)


def record() -> None:
    """Write down the first plan of every kind."""
    first: dict[tuple[str, ...] | int, int] = {}
    index = 0
    while len(first) < KINDS + 2:
        kinds = tuple(item.thing.kind for item in plan(SEED, index).items)
        first.setdefault(kinds if len(kinds) < 2 else len(kinds), index)
        index += 1
    plans = {str(index): summary(SEED, index) for index in sorted(first.values())}
    RECORDED.write_text(json.dumps({"recipe": RECIPE, "plans": plans}, default=float))


if __name__ == "__main__":
    record()
