"""Words of the command line into values; what is wrong with one is said by argparse."""

from __future__ import annotations

import argparse
import re
from pathlib import Path


def natural(text: str) -> int:
    """Read a whole number of at least 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number of at least 1")
    return int(text)


def share(text: str) -> float:
    """Read a number from 0 to 1."""
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 0 to 1")
    return number


def rate(text: str) -> float:
    """Read a rate of learning, above 0 and at most 1."""
    number = share(text)
    if not number:
        raise argparse.ArgumentTypeError(f"{text!r} teaches nothing")
    return number


def span(text: str) -> tuple[int, int]:
    """Read `16-44`, or `16` for both ends."""
    found = re.fullmatch(r"(\d+)(?:-(\d+))?", text)
    low, high = (int(found[1]), int(found[2] or found[1])) if found else (0, 0)
    if not 1 <= low <= high:
        raise argparse.ArgumentTypeError(f"{text!r} is no range such as 16-44")
    return low, high


def size(text: str) -> tuple[int, int]:
    """Read `320x240`: width and height in pixels, both divisible by 16."""
    found = re.fullmatch(r"(\d+)x(\d+)", text)
    width, height = (int(found[1]), int(found[2])) if found else (0, 0)
    if min(width, height) < 32 or width % 16 or height % 16:  # noqa: PLR2004
        raise argparse.ArgumentTypeError(f"{text!r} is no size such as 320x240 (multiples of 16)")
    return width, height


def folder(text: str) -> Path:
    """Read the name of a folder that is there."""
    path = Path(text)
    if not path.is_dir():
        raise argparse.ArgumentTypeError(f"there is no folder {text}")
    return path
