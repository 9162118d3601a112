"""Inference: says what is on a picture in the ring, and what the acceptance rule makes of it.

Owns the detector and the reading side of the frame ring.
Hears `Classify`, `DescribeModel`.
Says `Classified` or `ClassifyFailed` to whoever asked.
"""

from __future__ import annotations

import mmap
from pathlib import Path
from typing import TYPE_CHECKING

from actors.camera import FRAMES
from models.acceptance import judge
from models.vision import default_detector_directory, open_detector
from models.vision.errors import ModelError, VisionError
from protocol.vision import Classified, Classify, ClassifyFailed
from supervisors import Actor, Waiting, handles
from supervisors.exits import ExitReason

if TYPE_CHECKING:
    from models.vision import Detector
    from models.vision.ring import RingReader


class Inference(Actor):
    """See the module."""

    def __init__(self, model: str | None, threads: int) -> None:
        """Args: model: a model directory, None for the one that ships; threads: per picture."""
        self._model = Path(model) if model else default_detector_directory()
        self._threads = threads
        self._detector: Detector
        self._ring: RingReader

    # -- lifecycle ------------------------------------------------------------------------------

    def on_start(self) -> None:
        """Verify and load the model; a missing or broken one is waited for, not crashed on."""
        from models.vision.ring import RingReader

        self._limit_threads()
        try:
            self._detector = open_detector(self._model, threads=self._threads)
        except ModelError as error:
            raise Waiting(str(error)) from error
        self._ring = RingReader(mmap.mmap(self.ctx.shares[FRAMES], 0, prot=mmap.PROT_READ))
        info = self._detector.info
        self.ctx.note(model=info.name, backend=info.backend, sha256=info.sha256[:12])

    def on_stop(self, reason: ExitReason) -> None:
        """Close the detector."""
        detector = getattr(self, "_detector", None)
        if detector is not None:
            detector.close()

    # -- handlers -------------------------------------------------------------------------------

    @handles(Classify, deadline_s=2.5)
    def classify(self, message: Classify) -> None:
        """Look at one picture."""
        self.ctx.tell(self.ctx.sender, self._answer(message))

    # -- private --------------------------------------------------------------------------------

    def _answer(self, message: Classify) -> Classified | ClassifyFailed:
        began_ns = self.ctx.clock.monotonic_ns()
        try:
            detections = self._detector.detect(self._ring.read(message.frame))
        except VisionError as error:
            return ClassifyFailed(message.deposit, str(error))
        info = self._detector.info
        verdict = judge(detections, info.thresholds)
        return Classified(
            deposit=message.deposit,
            decision=verdict.decision.value,
            reason=verdict.reason.value,
            detections=detections,
            model=info.name,
            model_sha256=info.sha256,
            elapsed_ms=(self.ctx.clock.monotonic_ns() - began_ns) / 1e6,
        )

    def _limit_threads(self) -> None:
        """OpenCV takes all cores by default; the guard of the motors needs one."""
        import cv2

        cv2.setNumThreads(self._threads)
