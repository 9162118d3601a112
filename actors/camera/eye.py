"""One look after the other: a frame, what was measured on it, and what is wrong with it."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from models.vision import window as windows
from models.vision.liveness import (
    BUFFERS,
    Fault,
    Measures,
    Sight,
    Thin,
    measure,
    see,
    thinned,
    words_of,
)
from models.vision.window import Reference, Window

if TYPE_CHECKING:
    from actors.drivers.pictures import Frame
    from actors.drivers.source import FrameSource, Shot
    from config.settings import CameraSettings

_DIMENSIONS, _CHANNELS = 3, 3


class Look(NamedTuple):
    """A frame and what is made of it.

    Attributes:
        shot: the frame and its time.
        fault: why it is no ground for a decision; empty: it is one.
        is_proven: it could be compared with the frame before it.
    """

    shot: Shot
    fault: Fault
    is_proven: bool

    @property
    def why(self) -> str:
        """The fault for people."""
        return f"{self.fault}: {words_of(self.fault)}" if self.fault else ""


class Eye:
    """What the camera knows about its frames.

    Attributes:
        sight: what the last frames said.
        window: what the looks at the empty chamber said.
        reference: how that looked when it was clean; None: nobody has shown it yet.
        measures: of the last frame that could be measured.
        newest_ns: when the last frame was exposed.
    """

    def __init__(self, source: FrameSource, limits: CameraSettings) -> None:
        """Args: source: whose frames. limits: what is believed of them."""
        self.sight = Sight()
        self.window = Window()
        self.reference: Reference | None = None
        self.measures: Measures | None = None
        self.newest_ns = 0
        self._source = source
        self._limits = limits
        self._shape: tuple[int, ...] | None = None
        self._before: deque[Thin] = deque(maxlen=BUFFERS)

    def look(self, now_ns: int) -> Look | None:
        """Look at the newest frame; None: there is none that was not looked at already.

        Raises:
            PicturesError: see `FrameSource.read`.
        """
        shot = self._source.read(now_ns)
        if shot is None:
            return None
        is_proven, is_coded = bool(self._before), self._source.is_coded
        measures = None
        if self._is_right(shot.frame):
            thin = thinned(shot.frame)
            measures = self.measures = measure(thin, self._before, is_coded=is_coded)
            self._before.append(thin)
        self.newest_ns = shot.t_mono_ns
        self.sight, fault = see(self.sight, measures, now_ns / 1e9, self._limits, is_coded=is_coded)
        return Look(shot, fault, is_proven)

    def _is_right(self, frame: Frame) -> bool:
        """Whether a frame has the size that this source's frames have, and fits into the ring."""
        limits = self._limits
        if frame.ndim != _DIMENSIONS or frame.shape[2] != _CHANNELS or not frame.size:
            return False
        if frame.nbytes > limits.width_px_max * limits.height_px_max * _CHANNELS:
            return False
        if not self._source.is_fixed:
            return True
        self._shape = self._shape or frame.shape
        return frame.shape == self._shape

    def reopened(self) -> None:
        """The next frame has no frame before it, and may have another size."""
        self._before.clear()
        self._shape = None

    # -- the window -----------------------------------------------------------------------------

    def learn_chamber(self) -> Reference | None:
        """Take the last frame for the clean, empty chamber; None: there was no good one."""
        seen = self._study()
        if seen is not None:
            self.reference, self.window = seen, Window()
        return seen

    def look_through_window(self) -> None:
        """Compare the last frame, one of the empty chamber, with how that was."""
        seen = self._study()
        if seen is not None and self.reference is not None:
            self.window = windows.look(self.window, seen, self.reference, self._limits)

    def _study(self) -> Reference | None:
        if not self._before or self.measures is None or not self._source.is_fixed:
            return None
        return windows.learn(self._source.name, self._before[-1].pixels, self.measures)

    # -- for people -----------------------------------------------------------------------------

    @property
    def trouble(self) -> tuple[str, str]:
        """What is wrong with pictures or window, and what to do about it; empty: nothing."""
        if self.sight.fault:
            return self.sight.fault, words_of(self.sight.fault)
        return self.window.trouble, windows.words_of(self.window)

    def numbers(self, now_ns: int) -> dict[str, float]:
        """All that was measured, by name."""
        found: dict[str, float] = {"torn_frames": float(len(self.sight.torn_at_s))}
        if self.newest_ns:
            found["frame_age_s"] = (now_ns - self.newest_ns) / 1e9
        measures, window = self.measures, self.window
        if measures is not None:
            found["luma_percent"] = measures.luma_percent
            found["bright_level_percent"] = measures.bright_level_percent
            found["saturated_percent"] = measures.saturated_percent
            found["same_percent"] = measures.same_percent
            found["band_percent"] = measures.band_percent
            found["noise_levels"] = measures.noise_levels
        if self.reference is not None:
            found["spots_percent"] = window.spots_percent
            if window.sharpness_percent is not None:
                found["sharpness_percent"] = window.sharpness_percent
        return found
