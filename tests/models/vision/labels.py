"""EAN-13 labels on bottles, drawn exactly: what a camera sees of a code on a cylinder."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from models.vision.barcode import check_digit

# The bars of a digit in 7 modules: odd and even parity on the left, and the right side.
LEFT_ODD = (
    "0001101", "0011001", "0010011", "0111101", "0100011",
    "0110001", "0101111", "0111011", "0110111", "0001011",
)  # fmt: skip
RIGHT = tuple("".join("10"[int(bit)] for bit in bits) for bits in LEFT_ODD)
LEFT_EVEN = tuple(bits[::-1] for bits in RIGHT)
# Which of the six left digits have even parity says the first digit.
PARITY = (
    "LLLLLL", "LLGLGG", "LLGGLG", "LLGGGL", "LGLLGG",
    "LGGLLG", "LGGGLL", "LGLGLG", "LGLGGL", "LGGLGL",
)  # fmt: skip
QUIET_MODULES = 11
MODULES = 95 + 2 * QUIET_MODULES
OVERSAMPLING = 8


def ean13(twelve: str) -> str:
    return twelve + str(check_digit(twelve))


def random_ean(rng) -> str:
    return ean13("".join(str(digit) for digit in rng.integers(0, 10, 12)))


def bars(ean: str) -> str:
    left = "".join(
        (LEFT_ODD if parity == "L" else LEFT_EVEN)[int(digit)]
        for digit, parity in zip(ean[1:7], PARITY[int(ean[0])], strict=True)
    )
    right = "".join(RIGHT[int(digit)] for digit in ean[7:])
    quiet = "0" * QUIET_MODULES
    return f"{quiet}101{left}01010{right}101{quiet}"


@dataclass(frozen=True)
class Label:
    """How a code lies under the camera.

    Attributes:
        module_px: width of the narrowest bar where the cylinder faces the camera.
        wraps: the bars run along the bottle's axis, so that the code goes round it; else its
            digits lie along the axis and only the ends of the bars bend away.
        turned_deg: of the whole bottle.
        blur_px: standard deviation of the blur.
        noise: standard deviation of the noise, in levels.
    """

    ean: str
    module_px: float = 2.0
    wraps: bool = False
    turned_deg: float = 0.0
    blur_px: float = 0.0
    noise: float = 0.0
    radius_px: float = 170.0


def draw(label: Label, rng, *, height=480, width=640):
    """Draw it: uint8 (H, W, 3) BGR, and the bottle's box in it."""
    picture = np.full((height, width), 70.0)
    picture += cv2.GaussianBlur(rng.normal(0, 12, picture.shape), (0, 0), 3)
    axis, across = _bottle_coordinates(label, height, width)
    body = np.abs(across) < 0.97 * label.radius_px
    length_px = 0.46 * width
    body &= np.abs(axis) < length_px
    arc = np.arcsin(np.clip(across / label.radius_px, -1, 1)) * label.radius_px
    shade = 0.55 + 0.45 * np.cos(arc / label.radius_px)
    picture = np.where(body, 205 * shade, picture)
    along, up = (arc, axis) if label.wraps else (axis, arc)
    picture = np.where(body, _ink(label, along, up, 225 * shade, 35 * shade, picture), picture)
    if label.blur_px:
        picture = cv2.GaussianBlur(picture, (0, 0), label.blur_px)
    picture += rng.normal(0, label.noise, picture.shape) if label.noise else 0
    grey = np.clip(picture, 0, 255).astype(np.uint8)
    rows, columns = np.nonzero(body)
    box = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
    return cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR), tuple(float(edge) for edge in box)


def _bottle_coordinates(label, height, width):
    """Where each pixel lies in the bottle's own directions, in pixels from its middle."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    x, y = x - width / 2, y - height / 2
    turn = np.deg2rad(label.turned_deg)
    return x * np.cos(turn) + y * np.sin(turn), -x * np.sin(turn) + y * np.cos(turn)


def _ink(label, along, up, paper, ink, beside):
    """Black on white within the label; each pixel is the mean over its own width of bars."""
    pattern = np.array([int(bit) for bit in bars(label.ean)], dtype=np.float64)
    fine = np.repeat(pattern, OVERSAMPLING * 4)
    step_px = label.module_px / (OVERSAMPLING * 4)
    summed = np.concatenate([[0.0], np.cumsum(fine)])
    start = along / step_px + len(fine) / 2
    half = 0.5 / step_px
    low = np.clip(start - half, 0, len(fine))
    high = np.clip(start + half, 0, len(fine))
    places = np.arange(len(summed))
    covered = np.interp(high, places, summed) - np.interp(low, places, summed)
    black = covered / (2 * half)
    on_label = (np.abs(along) < MODULES * label.module_px / 2) & (
        np.abs(up) < 0.28 * MODULES * label.module_px
    )
    return np.where(on_label, paper + (ink - paper) * black, beside)
