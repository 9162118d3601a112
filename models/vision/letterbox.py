"""Fit a picture of any shape into the network's square, and find the way back.

The same arithmetic as ultralytics' (linear interpolation, grey padding, its rounding of half
pixels), so that a model answers here what it answered where it was trained.
"""

from typing import Any, NamedTuple, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from models.vision.errors import FrameInvalid

COLOUR_CHANNELS = 3
SIDE_PX_MAX = 65_500  # cv2.resize counts in 16 bits


class Fit(NamedTuple):
    """How a picture was put into the square: `square = picture * scale + padding`."""

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


def fit(height: int, width: int, side_px: int) -> Fit:
    """Say where a picture of this size lands in the square."""
    scale = min(side_px / height, side_px / width)
    width_px, height_px = max(1, round(width * scale)), max(1, round(height * scale))
    left_px = round((side_px - width_px) / 2 - 0.1)
    top_px = round((side_px - height_px) / 2 - 0.1)
    return Fit(scale, left_px, top_px, width_px, height_px)


def letterbox(
    frame: NDArray[np.uint8], side_px: int, padding_level: int
) -> tuple[NDArray[np.float32], Fit]:
    """Make the network's input of a picture.

    Args:
        frame: uint8 (H, W, 3) BGR.
        side_px: of the square.
        padding_level: grey of the bars, 0–255.

    Returns:
        float32 (1, 3, side, side) RGB 0–1, and how the picture was put into it.
    """
    where = fit(frame.shape[0], frame.shape[1], side_px)
    inside = frame
    if frame.shape[:2] != (where.height_px, where.width_px):
        inside = cast(
            "NDArray[np.uint8]",
            cv2.resize(frame, (where.width_px, where.height_px), interpolation=cv2.INTER_LINEAR),
        )
    square = np.full((side_px, side_px, COLOUR_CHANNELS), padding_level, dtype=np.uint8)
    bottom, right = where.top_px + where.height_px, where.left_px + where.width_px
    square[where.top_px : bottom, where.left_px : right] = inside
    planes = np.ascontiguousarray(square[:, :, ::-1].transpose(2, 0, 1)[np.newaxis])
    return np.true_divide(planes, np.float32(255.0), dtype=np.float32), where


def boxes_in_picture(
    boxes: NDArray[np.float32], where: Fit, height: int, width: int
) -> NDArray[np.float64]:
    """Carry boxes (N, 4) x1, y1, x2, y2 from the square back to the picture, clipped to it."""
    offset = np.array([where.left_px, where.top_px, where.left_px, where.top_px], dtype=np.float64)
    back = (boxes.astype(np.float64) - offset) / where.scale
    clipped: NDArray[np.float64] = np.clip(back, 0.0, np.array([width, height, width, height]))
    return clipped
