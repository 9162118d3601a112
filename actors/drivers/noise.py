"""The noise of a sensor, for pictures that come from no sensor.

Two exposures of one scene are never the same to the bit. What judges a camera by that must not be
misled by files, and what judges pictures must stand some noise.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from actors.drivers.pictures import Frame

SIGMA_LEVELS = 1.6
"""Of a usual CMOS sensor in good light, of 255 levels."""
_TURNS = 24
"""So many different patterns, in turn: more than anybody compares, few enough to be remembered."""
_STEP_ROWS = 3
_SHAPES_MAX = 4


class SensorNoise:
    """Adds noise to frames; the same seed and the same frames give the same pictures."""

    def __init__(self, seed: int = 0) -> None:
        """Args: seed: of the noise."""
        self._seed = seed
        self._sheets: dict[tuple[int, ...], NDArray[np.int8]] = {}
        self._turn = 0

    def add(self, frame: Frame) -> Frame:
        """Give a noisy copy of a frame."""
        sheet = self._sheets.get(frame.shape)
        if sheet is None:
            sheet = self._sheet(frame.shape)
        self._turn = (self._turn + 1) % _TURNS
        first = self._turn * _STEP_ROWS
        pattern = sheet[first : first + len(frame)]
        return cast("Frame", cv2.add(frame, pattern, dtype=cv2.CV_8U))

    def _sheet(self, shape: tuple[int, ...]) -> NDArray[np.int8]:
        """Noise that is higher than a frame; each pattern begins at another row of it."""
        while len(self._sheets) >= _SHAPES_MAX:
            del self._sheets[next(iter(self._sheets))]
        rng = np.random.default_rng(self._seed)
        higher = (shape[0] + _TURNS * _STEP_ROWS, *shape[1:])
        noise = rng.standard_normal(higher, dtype=np.float32) * SIGMA_LEVELS
        made: NDArray[np.int8] = np.rint(noise).astype(np.int8)
        self._sheets[shape] = made
        return made
