"""From a picture and an item's box to what the decoders say about it.

A code on a bottle lies along its axis or around it, at whatever angle the bottle rolled to. It is
read as it is, turned, and, where that did not settle it, enlarged: at 1.2 pixels a module neither
decoder reads one of ten codes in ten, at twice the size both do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from math import ceil, floor
from typing import TYPE_CHECKING, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from models.vision.barcode import AGREEING, Reading

if TYPE_CHECKING:
    from models.vision.barcode.decoders import Decoder

Box = tuple[float, float, float, float]

MARGIN = 0.05  # of the box on each side: the detector cuts a label now and then
SIDE_PX_MIN = 95  # a code has 95 modules, and less than a pixel a module nobody reads
ENLARGED_FROM_PX = 640  # a longer side has pixels enough, and four times as many take too long
ENLARGEMENT = 2
TURNS_DEG = (0.0, 45.0)  # zxing-cpp reads at 0° and 90° and some 20° beside them
SAME_TURN_DEG = 10.0


class BarcodeReader:
    """Reads one item after the other; `models.vision.barcode.settle` decides what is believed."""

    def __init__(self, decoders: Sequence[Decoder]) -> None:
        self._decoders = tuple(decoders)

    @property
    def names(self) -> tuple[str, ...]:
        """The decoders that are here."""
        return tuple(decoder.name for decoder in self._decoders)

    def read(
        self,
        frame: NDArray[np.uint8],
        box: Box,
        place: int,
        *,
        axis_deg: float | None = None,
        may_go_on: Callable[[], bool] = lambda: True,
    ) -> tuple[Reading, ...]:
        """Say what each decoder reads in a box.

        Args:
            frame: uint8 (H, W, 3) BGR.
            box: x1, y1, x2, y2 in pixels.
            place: what the readings are filed under.
            axis_deg: of the item, from the picture's rows towards its columns; None: unknown.
            may_go_on: asked before every look; no: what there is has to do.
        """
        crop = _crop(frame, box)
        if max(crop.shape) < SIDE_PX_MIN or min(crop.shape) == 0:
            return ()
        seen: set[Reading] = set()
        for view, decoder in self._looks(crop, axis_deg):
            if not may_go_on():
                break
            seen.update(Reading(place, text, decoder.name) for text in decoder.decode(view))
            if _agree(seen):
                break
        return tuple(sorted(seen))

    def _looks(
        self, crop: NDArray[np.uint8], axis_deg: float | None
    ) -> Iterator[tuple[NDArray[np.uint8], Decoder]]:
        """What is looked at by whom, the cheapest first."""
        scales = [1, ENLARGEMENT] if max(crop.shape) <= ENLARGED_FROM_PX else [1]
        for scale in scales:
            view = crop if scale == 1 else _enlarged(crop, scale)
            for turn_deg in _turns(axis_deg):
                turned = _turned(view, turn_deg)
                for decoder in self._decoders:
                    yield turned, decoder


def _agree(readings: set[Reading]) -> bool:
    texts = [reading.text for reading in readings]
    return any(texts.count(text) >= AGREEING for text in set(texts))


def _turns(axis_deg: float | None) -> tuple[float, ...]:
    """Angles to look at, a right angle apart being the same."""
    if axis_deg is None:
        return TURNS_DEG
    first = axis_deg % 90.0
    others = [
        turn for turn in TURNS_DEG if abs((turn - first + 45.0) % 90.0 - 45.0) > SAME_TURN_DEG
    ]
    near_rows = len(others) < len(TURNS_DEG) and 0.0 not in others
    # Where the item lies along the rows nearly, as it is will do: turning costs sharpness.
    return (0.0, *others) if near_rows else (first, *others)


def _crop(frame: NDArray[np.uint8], box: Box) -> NDArray[np.uint8]:
    """Cut a box with its margin out of a picture, in grey: uint8 (h, w), contiguous."""
    height, width = frame.shape[:2]
    x1, y1, x2, y2 = box
    across, down = MARGIN * (x2 - x1), MARGIN * (y2 - y1)
    left, top = max(0, floor(x1 - across)), max(0, floor(y1 - down))
    right, bottom = min(width, ceil(x2 + across)), min(height, ceil(y2 + down))
    if right <= left or bottom <= top:
        return np.zeros((0, 0), dtype=np.uint8)
    grey = cv2.cvtColor(frame[top:bottom, left:right], cv2.COLOR_BGR2GRAY)
    return cast("NDArray[np.uint8]", grey)


def _enlarged(grey: NDArray[np.uint8], scale: int) -> NDArray[np.uint8]:
    larger = cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
    return cast("NDArray[np.uint8]", larger)


def _turned(grey: NDArray[np.uint8], turn_deg: float) -> NDArray[np.uint8]:
    """Turn a picture so that what lay at that angle lies along the rows; nothing is cut off."""
    if turn_deg == 0.0:
        return grey
    height, width = grey.shape
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), turn_deg, 1.0)
    cos, sin = abs(turn[0, 0]), abs(turn[0, 1])
    size = (ceil(height * sin + width * cos), ceil(height * cos + width * sin))
    turn[:, 2] += size[0] / 2 - width / 2, size[1] / 2 - height / 2
    turned = cv2.warpAffine(
        grey, turn, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
    )
    return cast("NDArray[np.uint8]", turned)
