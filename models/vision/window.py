"""Whether the window between camera and chamber is clean: learned slowly, from the empty chamber.

A picture of the empty chamber, taken when the machine was installed, is the reference. Later looks
at the empty chamber are compared with it; items never take part.

    dirty      spots that differ from the reference in every one of the last looks
    blurred    fine detail has gone: fog, grease, a lens that has come loose

Lamps grow weaker and are exchanged: brightness as a whole does not count.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

import msgspec

from config.settings import CameraSettings
from models.vision.liveness import FULL_SCALE, Measures

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from models.vision.liveness import Frame

Trouble: TypeAlias = Literal["", "dirty", "blurred"]

COLUMNS, ROWS = 64, 48
_FINE_PX, _COARSE_PX = 1.0, 2.5
_FINE_NOISE, _COARSE_NOISE = 0.113, 0.00061
"""What noise of σ 1 leaves behind each of the two filters, as variance."""
_BGR_NOISE = 0.669
"""σ of the luma of three channels with noise of σ 1: √(0.299² + 0.587² + 0.114²)."""
_LEAST_DETAIL = 0.02
"""Variance below which there is nothing to be sharp: a wall of one colour."""
_GAIN = 2.0
_EASIER = 1.25


class Reference(msgspec.Struct, frozen=True):
    """The empty chamber as it was.

    Attributes:
        source: whose picture it is.
        width, height: of the frame.
        cells: mean brightness of `ROWS` × `COLUMNS` cells, a byte each, row by row.
        acutance: fine over coarse detail; 0 where there was none to speak of.
    """

    source: str
    width: int
    height: int
    cells: bytes
    acutance: float


class Window(msgspec.Struct, frozen=True):
    """What the looks at the empty chamber have said.

    Attributes:
        trouble: what somebody should see to.
        refuses: it is so bad that no decision may rest on a picture.
        spots_percent: share of the picture that has been covered for all of the last looks.
        sharpness_percent: detail, of what the reference had; None while that cannot be said.
        looks: cells of the last looks, oldest first.
    """

    trouble: Trouble = ""
    refuses: bool = False
    spots_percent: float = 0.0
    sharpness_percent: float | None = None
    looks: tuple[bytes, ...] = ()


def learn(source: str, frame: Frame, measures: Measures) -> Reference:
    """Take a thinned picture of the empty chamber for the reference."""
    height, width = frame.shape[:2]
    return Reference(source, width, height, cells(frame), acutance(frame, measures.noise_levels))


def cells(frame: Frame) -> bytes:
    """Mean brightness of each cell."""
    import cv2

    small = cv2.resize(frame, (COLUMNS, ROWS), interpolation=cv2.INTER_AREA)
    return cv2.cvtColor(small, cv2.COLOR_BGR2GRAY).tobytes()


def acutance(frame: Frame, noise_levels: float) -> float:
    """Fine over coarse detail of a thinned frame: falls with blur, whatever the picture shows.

    Args:
        noise_levels: σ of a colour channel's noise; its share is taken off.
    """
    import cv2
    import numpy as np

    luma = cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY).astype(np.float32)
    noise = (noise_levels * _BGR_NOISE) ** 2
    fine = _detail(luma, _FINE_PX) - _FINE_NOISE * noise
    coarse = _detail(luma, _COARSE_PX) - _COARSE_NOISE * noise
    return max(0.0, fine) / coarse if coarse >= _LEAST_DETAIL else 0.0


def _detail(luma: NDArray[np.float32], sigma_px: float) -> float:
    import cv2

    smooth = cv2.GaussianBlur(luma, (0, 0), sigma_px)
    _, deviation = cv2.meanStdDev(cv2.Laplacian(smooth, cv2.CV_32F))
    return float(deviation[0, 0]) ** 2


def sharpness_percent(value: float, reference: Reference) -> float | None:
    """Detail of a frame, of what the reference had; None if that had none."""
    return value * 100 / reference.acutance if reference.acutance > 0 else None


def look(window: Window, seen: Reference, reference: Reference, limits: CameraSettings) -> Window:
    """Add a look at the empty chamber.

    Args:
        seen: the look, as `learn` describes it.
    """
    looks = (*window.looks, seen.cells)[-limits.dirty_looks :]
    spots = 0.0
    if len(looks) >= limits.dirty_looks:
        spots = _spots_percent(looks, reference, limits.spot_level_percent)
    sharp = sharpness_percent(seen.acutance, reference)
    return Window(
        trouble=_trouble(window.trouble, spots, sharp, limits),
        refuses=spots >= limits.dirty_refuse_percent
        or (sharp is not None and sharp < limits.blurred_refuse_percent),
        spots_percent=spots,
        sharpness_percent=sharp,
        looks=looks,
    )


def _trouble(told: Trouble, spots: float, sharp: float | None, limits: CameraSettings) -> Trouble:
    if spots >= limits.dirty_percent / (_EASIER if told == "dirty" else 1.0):
        return "dirty"
    least = limits.blurred_percent * (_EASIER if told == "blurred" else 1.0)
    return "blurred" if sharp is not None and sharp < least else ""


def _spots_percent(looks: tuple[bytes, ...], reference: Reference, level_percent: float) -> float:
    """Cells that no look found as the reference has them."""
    import numpy as np

    was = np.frombuffer(reference.cells, np.uint8).astype(np.float32)
    covered = np.ones(was.shape, np.bool_)
    for each in looks:
        now = np.frombuffer(each, np.uint8).astype(np.float32)
        gain = np.median((was + 1) / (now + 1)).clip(1 / _GAIN, _GAIN)
        covered &= np.abs(now * gain - was) > level_percent / 100 * FULL_SCALE
    return float(covered.mean()) * 100


_WORDS: dict[Trouble, str] = {
    "": "",
    "dirty": "there are spots on the window: clean it",
    "blurred": "the picture is blurred: clean the window, check the lens",
}


def words_of(window: Window) -> str:
    """A trouble for people, with what to do about it."""
    words = _WORDS[window.trouble]
    return f"nothing is taken any more, {words}" if window.refuses else words
