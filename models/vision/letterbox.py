"""Fit a picture of any shape into the network's rectangle, and find the way back.

The same arithmetic as ultralytics' (linear interpolation, grey padding, its rounding of half
pixels), so that a model answers here what it answered where it was trained.

Pictures of one camera all have one shape, so the way into the rectangle is worked out once and the
buffers are used again: a picture costs a resize, a split into planes and one division a pixel.
"""

from typing import Any, NamedTuple, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from models.vision.errors import FrameInvalid

COLOUR_CHANNELS = 3
BGR_TO_RGB = (2, 1, 0)
FULL_LEVEL = np.float32(255.0)
SIDE_PX_MAX = 65_500  # cv2.resize counts in 16 bits


class Fit(NamedTuple):
    """How a picture was put into the rectangle: `rectangle = picture * scale + padding`."""

    scale: float
    left_px: int
    top_px: int
    width_px: int
    height_px: int


def check_frame(frame: NDArray[np.uint8]) -> None:
    """Refuse what is no picture.

    Raises:
        FrameInvalid: not uint8 (H, W, 3), without a pixel, or longer than OpenCV can resize.
    """
    given = cast("Any", frame)
    if not isinstance(given, np.ndarray):
        raise FrameInvalid(f"a frame is a numpy array, not {type(given).__name__}")
    if given.dtype != np.uint8:
        raise FrameInvalid(f"a frame is uint8, not {given.dtype}; scale it to 0–255")
    if given.ndim == COLOUR_CHANNELS - 1:
        raise FrameInvalid(f"a frame is (H, W, 3), not {given.shape}; grey: cv2.COLOR_GRAY2BGR")
    if given.ndim != COLOUR_CHANNELS or given.shape[2] != COLOUR_CHANNELS:
        raise FrameInvalid(f"a frame is (H, W, 3), not {given.shape}; alpha: cv2.COLOR_BGRA2BGR")
    if given.size == 0:
        raise FrameInvalid(f"a frame has at least one pixel, not {given.shape}")
    if max(given.shape) > SIDE_PX_MAX:
        raise FrameInvalid(f"a frame has at most {SIDE_PX_MAX} pixels a side, not {given.shape}")


def fit(height: int, width: int, input_height: int, input_width: int) -> Fit:
    """Say where a picture of this size lands in the rectangle, all in pixels."""
    scale = min(input_height / height, input_width / width)
    width_px, height_px = max(1, round(width * scale)), max(1, round(height * scale))
    left_px = round((input_width - width_px) / 2 - 0.1)
    top_px = round((input_height - height_px) / 2 - 0.1)
    return Fit(scale, left_px, top_px, width_px, height_px)


class Letterbox:
    """Makes the network's input of pictures, in a buffer of its own.

    Attributes:
        tensor: float32 (1, 3, height, width) RGB 0–1; every `fill` writes the same one.
    """

    def __init__(self, width_px: int, height_px: int, padding_level: int) -> None:
        """Args: padding_level: grey of the bars, 0–255."""
        self._grey = np.float32(padding_level) / FULL_LEVEL
        self.tensor: NDArray[np.float32] = np.full(
            (1, COLOUR_CHANNELS, height_px, width_px), self._grey, np.float32
        )
        self._shape = (0, 0)
        self._where = Fit(1.0, 0, 0, 0, 0)
        self._resized: NDArray[np.uint8]
        self._planes: list[NDArray[np.uint8]]
        self._inside: list[NDArray[np.float32]]

    def fill(self, frame: NDArray[np.uint8]) -> Fit:
        """Put a picture into the rectangle; say where it lies.

        Args:
            frame: uint8 (H, W, 3) BGR, checked by `check_frame`.
        """
        if frame.shape[:2] != self._shape:
            self._prepare(frame.shape[0], frame.shape[1])
        where = self._where
        inside: Any = frame
        if self._shape != (where.height_px, where.width_px):
            size = (where.width_px, where.height_px)
            inside = cv2.resize(frame, size, dst=self._resized, interpolation=cv2.INTER_LINEAR)
        cv2.split(inside, self._planes)
        for plane, part in zip(self._planes, self._inside, strict=True):
            # The type by name: numpy 1 would divide by half-precision 255.
            np.divide(plane, FULL_LEVEL, out=part, dtype=np.float32)
        return where

    def _prepare(self, height: int, width: int) -> None:
        """Make what every picture of this shape needs, and paint the bars grey again."""
        where = fit(height, width, self.tensor.shape[2], self.tensor.shape[3])
        size = (where.height_px, where.width_px)
        self._resized = np.empty((*size, COLOUR_CHANNELS), np.uint8)
        self._planes = [np.empty(size, np.uint8) for _ in range(COLOUR_CHANNELS)]
        self.tensor.fill(self._grey)
        bottom, right = where.top_px + where.height_px, where.left_px + where.width_px
        whole = self.tensor[0, :, where.top_px : bottom, where.left_px : right]
        self._inside = [whole[channel] for channel in BGR_TO_RGB]
        self._shape, self._where = (height, width), where


def boxes_in_picture(
    boxes: NDArray[np.float32], where: Fit, height: int, width: int
) -> NDArray[np.float64]:
    """Carry boxes (N, 4) x1, y1, x2, y2 from the rectangle back to the picture, clipped to it.

    A network that guesses the distances to four edges may guess some of them negative. What it saw
    counts all the same, so its edges are put in order.
    """
    offset = np.array([where.left_px, where.top_px, where.left_px, where.top_px], dtype=np.float64)
    back = (boxes.astype(np.float64) - offset) / where.scale
    back = np.sort(back.reshape(-1, 2, 2), axis=1).reshape(-1, 4)
    clipped: NDArray[np.float64] = np.clip(back, 0.0, np.array([width, height, width, height]))
    return clipped
