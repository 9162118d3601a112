"""What people put into the machine, made up anew every time: the kinds there are.

parts.py      what many things share: walls, labels, caps
bottles.py    bottles of plastic
packs.py      everything else
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from models.vision.rendering.bottles import dishwasher, milk, mineral, mineral_full, soda_pet
from models.vision.rendering.packs import drink_can, other, yogurt
from models.vision.rendering.parts import Part, Thing

__all__ = ["CLASSES", "MAKERS", "Part", "Thing"]

CLASSES = ("mineral", "not_empty", "soda", "milk", "yogurt", "dishwasher", "non_mineral")
"""What the detector knows, in the order of its outputs."""

MAKERS: Mapping[str, Callable[[np.random.Generator], Thing]] = {
    "mineral": mineral,
    "mineral_full": mineral_full,
    "soda_pet": soda_pet,
    "can": drink_can,
    "milk": milk,
    "yogurt": yogurt,
    "dishwasher": dishwasher,
    "other": other,
}
