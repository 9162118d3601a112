"""The camera above the simulated belt: a scene, a window, a sensor, a cable; each may be broken.

What is broken says the scene's file (`sim break camera_…`). The faults act where they would in a
real camera, so that what finds them is what ships:

    window    dirt, blur            driver   stall, frozen, torn, delay
    lamp      black, white          plug     vanish, renamed
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import TYPE_CHECKING

import cv2
import numpy as np

from actors.drivers.noise import SensorNoise
from actors.drivers.pictures import SourceMissing
from actors.drivers.simulated.scene import SceneSource
from actors.drivers.source import Shot

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from actors.drivers.pictures import Frame
    from actors.drivers.simulated.scene import Scene
    from config.settings import CameraSettings

_LAMP_OFF = 0.015
_DIRT_TAKES = 0.7
"""Share of the light that a spot keeps away."""
_SPOTS = (16, 12)
_BUFFERS = 2
_PERCENT = 100.0


class SimulatedCamera:
    """See the module. It is a `FrameSource`."""

    is_live = False
    is_coded = False
    is_fixed = True

    def __init__(self, directory: str, _limits: CameraSettings | None = None) -> None:
        """Args: directory: of the simulated machine."""
        self.name = f"SimulatedCamera {directory}"
        self.node = ""
        self._scene = SceneSource(directory)
        self._noise = SensorNoise()
        self._chance = np.random.default_rng(0)
        self._given: deque[Frame] = deque(maxlen=_BUFFERS)
        self._dirt: tuple[tuple[int, ...], float, NDArray[np.float32]] | None = None

    def open(self) -> None:
        """See `FrameSource`."""
        self.node = self._find(self._scene.scene())

    def read(self, now_ns: int) -> Shot | None:
        """See `FrameSource`."""
        scene = self._scene.scene()
        faults = scene.faults
        if self._find(scene) != self.node:
            raise SourceMissing(f"{self.node or 'the camera'} is gone; looking for it")
        if "stall" in faults:
            return None
        t_mono_ns = now_ns - round(faults.get("delay", 0.0) * 1e9)
        if "frozen" in faults and self._given:
            return Shot(self._given[-1].copy(), t_mono_ns)
        seen = self._scene.show(scene.picture_at(t_mono_ns))
        frame = self._noise.add(self._through_window(seen, faults))
        if self._chance.random() < faults.get("torn", 0.0):
            frame = self._half_of(frame)
        self._given.append(frame)
        return Shot(frame.copy(), t_mono_ns)

    def _half_of(self, frame: Frame) -> Frame:
        """A frame that came only half way into a buffer in which an older one still lay."""
        old = self._given[0] if self._given else np.zeros_like(frame)
        if old.shape != frame.shape:
            return frame
        half = frame.shape[0] // 2
        return np.concatenate((frame[:half], old[half:]))

    def is_there(self) -> bool:
        """See `FrameSource`."""
        try:
            self._find(self._scene.scene())
        except SourceMissing:
            return False
        return True

    def is_stuck(self, now_ns: int) -> bool:
        """See `FrameSource`."""
        return False

    def close(self) -> None:
        """See `FrameSource`. What was decoded is kept: there is no device to let go of."""

    def _find(self, scene: Scene) -> str:
        """Under which node it is, as the kernel would say."""
        if "vanish" in scene.faults:
            raise SourceMissing("the simulated camera is unplugged: sim heal camera_vanish")
        return "video1" if "renamed" in scene.faults else "video0"

    def _through_window(self, seen: Frame, faults: Mapping[str, float]) -> Frame:
        frame: NDArray[np.uint8] = seen
        if "dirt" in faults:
            frame = (frame * self._light(frame.shape, faults["dirt"])).astype(np.uint8)
        if "blur" in faults:
            frame = cv2.GaussianBlur(frame, (0, 0), faults["blur"]).astype(np.uint8)
        if "black" in faults:
            frame = (frame * _LAMP_OFF).astype(np.uint8)
        if "white" in faults:
            frame = np.full_like(frame, 255)
        return frame

    def _light(self, shape: tuple[int, ...], percent: float) -> NDArray[np.float32]:
        """What spots on so much of the window let through; always the same spots."""
        known = self._dirt
        if known is None or known[:2] != (shape, percent):
            rough = np.random.default_rng(0).random(_SPOTS[::-1], dtype=np.float32)
            smooth = cv2.resize(rough, (shape[1], shape[0]), interpolation=cv2.INTER_CUBIC)
            spots = (smooth > np.quantile(smooth, 1 - percent / _PERCENT)).astype(np.float32)
            soft = cv2.GaussianBlur(spots, (0, 0), shape[1] / 150)
            light = (1 - _DIRT_TAKES * soft)[:, :, np.newaxis].astype(np.float32)
            known = self._dirt = (shape, percent, light)
        return known[2]
