"""Whether a frame is one that can be trusted: what is measured on it, and what is made of that.

    measure(frame, frames before)  ─▶ Measures      numpy and OpenCV, a millisecond
    see(sight, measures, …)        ─▶ Sight, fault  numbers only

A sensor always adds noise of its own. That is what tells a living picture from a repeated one: two
exposures of the same still scene are never the same to the bit, in no part of the picture.

    frozen         nearly all of it is the frame before, timestamps or not
    torn           a band of it is an earlier frame, or of one colour, and the rest is alive
    black          nothing is bright
    over_exposed   most of it is at its brightest
    stalled        no frame came at all: nothing to measure; the camera says so with its clock

What is learned slowly, about the window, stands in `window.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

import msgspec

from config.settings import CameraSettings

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Frame = NDArray[np.uint8]

State: TypeAlias = Literal[
    "ok", "stalled", "frozen", "black", "over_exposed", "torn", "dirty", "blurred"
]
"""The graver first: of several it is the one that is named."""

Fault: TypeAlias = Literal["", "frozen", "black", "over_exposed", "torn"]
"""What makes one frame unfit for a decision."""

WIDTH_PX = 448
"""Frames are measured at about this width: pixels are left out, so that their noise stays."""
FULL_SCALE = 255
_BRIGHTEST = 250
_BLOCKS = 16
_QUIET_PERCENT = 25
_WORD_PX = 8
_ODD = 0x9E3779B97F4A7C15
"""2^64 over the golden ratio: makes every word of a row count, wherever it stands."""
BUFFERS = 4
"""So many frames a driver has room for: an old half comes from one of the last."""
_EASIER = 1.25
"""A fault is over when a frame is better than the limit by so much: it must not flutter."""
_SIGMA_OF_MEAN = 0.886
"""σ of normal noise from the mean distance of two values: √π / 2."""


class Measures(msgspec.Struct, frozen=True):
    """What was measured on one frame.

    Attributes:
        luma_percent: mean brightness, of full scale.
        bright_level_percent: one pixel in a hundred is brighter than this, of full scale.
        saturated_percent: share of pixels at their brightest.
        same_percent: share of the picture that is, to the bit, the frame before; 0 without one.
        band_percent: height of the largest band that repeats, or is of one colour.
        noise_levels: σ of the sensor's noise in its quietest parts, of 255 levels.
    """

    luma_percent: float
    bright_level_percent: float
    saturated_percent: float
    same_percent: float
    band_percent: float
    noise_levels: float


class Thin(NamedTuple):
    """What of a frame is measured.

    Attributes:
        pixels: uint8 (H, W, 3) BGR, some of the frame's own, contiguous.
        rows: uint64 (H,), a sum over each row of it: equal rows have equal sums.
    """

    pixels: Frame
    rows: NDArray[np.uint64]


def thinned(frame: Frame) -> Thin:
    """Leave pixels out until about `WIDTH_PX` are left in a row."""
    import numpy as np

    step = max(1, frame.shape[1] // WIDTH_PX)
    width = frame.shape[1] // step // _WORD_PX * _WORD_PX  # rows of whole words
    pixels = np.ascontiguousarray(frame[::step, ::step][:, : width or None])
    row_bytes = pixels.shape[1] * pixels.shape[2]
    words = pixels.reshape(len(pixels), row_bytes)[:, : row_bytes // 8 * 8].view(np.uint64)
    weights = np.arange(1, 2 * words.shape[1], 2, dtype=np.uint64) * np.uint64(_ODD)
    return Thin(pixels, (words * weights).sum(axis=1, dtype=np.uint64))


def measure(frame: Thin, before: Sequence[Thin], *, is_coded: bool = False) -> Measures:
    """Measure a frame.

    Args:
        frame: thinned.
        before: those before it, the newest last; one of another shape is no help.
        is_coded: parts of it may repeat for good reason: a codec sends only what has changed.
    """
    import cv2
    import numpy as np

    luma = cv2.cvtColor(frame.pixels, cv2.COLOR_BGR2GRAY)
    counts = cv2.calcHist([luma], [0], None, [256], [0, 256]).ravel().cumsum()
    total = float(counts[-1])
    lowest, highest = luma.min(axis=1), luma.max(axis=1)
    lifeless = np.asarray(lowest == highest)
    same_percent = noise_levels = 0.0
    alike = [one for one in before if one.pixels.shape == frame.pixels.shape]
    if alike:
        same_percent, noise_levels = _compare(frame.pixels, alike[-1].pixels)
    for one in () if is_coded else alike:
        lifeless |= one.rows == frame.rows
    return Measures(
        luma_percent=float(luma.mean()) * 100 / FULL_SCALE,
        bright_level_percent=int((counts < 0.99 * total).sum()) * 100 / FULL_SCALE,
        saturated_percent=100.0 - float(counts[_BRIGHTEST - 1]) * 100 / total,
        same_percent=same_percent,
        # Where everything is at its brightest, a sensor has no noise to show.
        band_percent=_longest(lifeless & (lowest < _BRIGHTEST)),
        noise_levels=noise_levels,
    )


def _compare(frame: Frame, before: Frame) -> tuple[float, float]:
    """Share of blocks that repeat, and the noise of the others."""
    import cv2
    import numpy as np

    apart = cv2.absdiff(frame, before)
    height, width = apart.shape[:2]
    tall, wide = max(1, height // _BLOCKS), max(1, width // _BLOCKS)
    rows, columns = height // tall, width // wide
    apart = apart[: rows * tall, : columns * wide].reshape(rows, tall, columns, -1)
    most = apart.max(axis=3).max(axis=1)
    means = apart.sum(axis=3, dtype=np.uint32).sum(axis=1) / (tall * apart.shape[3])
    noise = float(np.percentile(means, _QUIET_PERCENT)) * _SIGMA_OF_MEAN
    return float((most == 0).mean()) * 100, noise


def _longest(rows: NDArray[np.bool_]) -> float:
    """Length of the longest run, in per cent of all."""
    import numpy as np

    ends = np.flatnonzero(~rows)
    edges = np.concatenate(([-1], ends, [len(rows)]))
    return float(np.diff(edges).max() - 1) * 100 / len(rows)


# ----- What is made of it ----------------------------------------------------------------------


class Sight(msgspec.Struct, frozen=True):
    """What the last frames said.

    Attributes:
        fault: what is told; a frame's own fault is told after `CameraSettings.alarm_frames`.
        next_fault: what the newest frames say instead, and how many of them in a row.
        still_frames: so many frames in a row were the one before.
        moved_at_s: when the last one came that was not.
        torn_at_s: when frames were torn or of a wrong size, within the window.
    """

    fault: Fault = ""
    next_fault: Fault = ""
    agreeing_frames: int = 0
    still_frames: int = 0
    moved_at_s: float = 0.0
    torn_at_s: tuple[float, ...] = ()


def see(
    sight: Sight,
    measures: Measures | None,
    now_s: float,
    limits: CameraSettings,
    *,
    is_coded: bool = False,
) -> tuple[Sight, Fault]:
    """Add a frame to what is known.

    Args:
        sight: what the frames before it said.
        measures: None for a frame that could not even be measured: of a wrong size or type.
        now_s: the time (monotonic).
        limits: what is believed.
        is_coded: see `measure`; such a picture has to stand still for longer.

    Returns:
        The new knowledge, and why this frame is no ground for a decision; empty: it is one.
    """
    still, moved_at_s = sight.still_frames, sight.moved_at_s
    if measures is None:
        fault: Fault = "torn"
    else:
        is_still = _repeats_percent(measures) >= limits.frozen_percent
        still, moved_at_s = (still + 1, moved_at_s) if is_still else (0, now_s)
        patience_s = limits.frozen_coded_s if is_coded else 0.0
        is_frozen = still >= limits.frozen_frames and now_s - moved_at_s >= patience_s
        fault = _fault_of(measures, sight.fault, limits, is_still=is_still, is_frozen=is_frozen)
    since_s = now_s - limits.torn_window_s
    torn = tuple(at_s for at_s in sight.torn_at_s if at_s > since_s)
    if fault == "torn":
        torn = (*torn, now_s)
    told, following, agreeing = sight.fault, sight.next_fault, 0
    if fault != told:
        agreeing = sight.agreeing_frames + 1 if fault == following else 1
        following = fault
        if agreeing >= limits.alarm_frames:
            told, agreeing = fault, 0
    return Sight(told, following, agreeing, still, moved_at_s, torn), fault


def is_tearing(sight: Sight, limits: CameraSettings) -> bool:
    """Whether more frames are torn than chance explains: the camera has to be started anew."""
    return len(sight.torn_at_s) > limits.torn_frames_max


def _repeats_percent(measures: Measures) -> float:
    """How much of a frame was there before; drivers repeat one buffer, or all of them in turn."""
    return max(measures.same_percent, measures.band_percent)


def _fault_of(
    measures: Measures, told: Fault, limits: CameraSettings, *, is_still: bool, is_frozen: bool
) -> Fault:
    """A fault that is told already has to be clearly over."""
    dark = limits.black_level_percent * (_EASIER if told == "black" else 1.0)
    glaring = limits.over_exposed_percent / (_EASIER if told == "over_exposed" else 1.0)
    if measures.bright_level_percent < dark:
        return "black"
    if measures.saturated_percent > glaring:
        return "over_exposed"
    if is_frozen:
        return "frozen"
    return "torn" if measures.band_percent >= limits.torn_percent and not is_still else ""


_WORDS: dict[Fault, str] = {
    "": "",
    "frozen": "it repeats one picture: the camera or its driver has stopped",
    "black": "the picture is black: is the lamp on, the lens free?",
    "over_exposed": "the picture is over-exposed: what shines into the lens?",
    "torn": "frames are torn or of a wrong size: check the camera's cable",
}


def words_of(fault: Fault) -> str:
    """A fault for people, with what to do about it."""
    return _WORDS[fault]
