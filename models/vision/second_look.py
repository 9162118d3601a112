"""Which things on a picture get a second look: items, not every box around a part of one.

A bottle with liquid has two boxes, one around it and one around what is in it. Looking at both
would read its bar code twice.
"""

from __future__ import annotations

from collections.abc import Sequence

from protocol.vision import Detection

Box = tuple[float, float, float, float]

INSIDE_MIN = 0.8  # of the smaller box lies in the larger one: a part of that item


def items_on(
    detections: Sequence[Detection], *, width: int, height: int, items_max: int
) -> tuple[Detection, ...]:
    """Choose the items: clipped to the picture, none a part of another, the surest first.

    Args:
        detections: in any order; what has no area on the picture is left out.
        width: of the picture, in pixels; `height` likewise.
        items_max: not more than these.
    """
    whole = [_clipped(seen, width, height) for seen in detections]
    by_size = sorted((seen for seen in whole if _area(seen.box) > 0), key=lambda s: -_area(s.box))
    items: list[Detection] = []
    for seen in by_size:
        if not any(_is_part(seen.box, item.box) for item in items):
            items.append(seen)
    surest = sorted(items, key=lambda seen: -seen.confidence)
    return tuple(surest[:items_max])


def _clipped(seen: Detection, width: int, height: int) -> Detection:
    x1, y1, x2, y2 = seen.box
    box = (max(0.0, x1), max(0.0, y1), min(float(width), x2), min(float(height), y2))
    return Detection(seen.class_name, seen.confidence, box)


def _area(box: Box) -> float:
    x1, y1, x2, y2 = box
    # No number compares false with everything, so it has no area either.
    return (x2 - x1) * (y2 - y1) if x2 > x1 and y2 > y1 else 0.0


def _is_part(box: Box, other: Box) -> bool:
    shared = (
        max(box[0], other[0]),
        max(box[1], other[1]),
        min(box[2], other[2]),
        min(box[3], other[3]),
    )
    return _area(shared) >= INSIDE_MIN * _area(box)
