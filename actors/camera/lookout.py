"""Keeps the source of frames open while it is needed, and notices when it gives none.

    asleep ── wake ─▶ awake ── it is gone, or gives nothing ─▶ stalled ── found again ─▶ awake

Everything is told the time, and nothing here ever waits for a driver.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.camera.eye import Eye, Look
from actors.drivers.pictures import PicturesError
from models.vision.liveness import is_tearing, words_of

if TYPE_CHECKING:
    from actors.drivers.source import FrameSource
    from config.settings import CameraSettings


class CameraBroken(Exception):
    """Only a new process may help; the message says why."""


class Lookout:
    """See the module.

    Attributes:
        source: of the frames.
        eye: what is known about them.
        is_awake: whether the source is to be open.
        stalled: why no frames come; empty: they do, as far as we know.
        hiccup: what went wrong in the last look; empty: nothing.
    """

    def __init__(self, source: FrameSource, limits: CameraSettings) -> None:
        """Args: source: not yet open. limits: how patient to be."""
        self.eye = Eye(source, limits)
        self.is_awake = False
        self.stalled = ""
        self.hiccup = ""
        self.source = source
        self._limits = limits
        self._is_open = False
        self._open_due_ns = 0
        self._frame_due_ns = 0
        self._looked_ns = 0

    # -- waking and sleeping --------------------------------------------------------------------

    def wake(self, now_ns: int) -> None:
        """Somebody wants frames: open it, unless it is."""
        if not self.is_awake:
            self.is_awake = True
            self._open_due_ns = 0
        if not self._is_open and now_ns >= self._open_due_ns:
            self._open(now_ns)
        patience_ns = _ns(self._limits.stall_timeout_s)
        if not self.source.is_live and now_ns - self._looked_ns > patience_ns:
            self._frame_due_ns = now_ns + patience_ns  # nobody looked, so none could come

    def sleep(self) -> None:
        """Nobody wants frames: let go of the device."""
        self.is_awake = self._is_open = False
        self.source.close()

    def _open(self, now_ns: int) -> None:
        try:
            self.source.open()
        except PicturesError as error:
            self._lost(str(error), now_ns)
            return
        self._is_open = True
        patience_s = self._limits.stall_timeout_s
        if self.source.is_live:
            patience_s += self._limits.open_timeout_s
            self.eye.reopened()
        self._frame_due_ns = now_ns + _ns(patience_s)

    # -- looking --------------------------------------------------------------------------------

    def look(self, now_ns: int) -> Look | None:
        """Look at the newest frame, if there is one and the source is awake.

        Raises:
            CameraBroken: so many frames are torn that the camera has to be started anew.
        """
        self.hiccup = ""
        self._looked_ns = now_ns
        if not self.is_awake:
            return None
        if not self._is_open:
            if now_ns >= self._open_due_ns:
                self._open(now_ns)
            if not self._is_open:
                return None
        try:
            look = self.eye.look(now_ns)
        except PicturesError as error:
            self._lost(str(error), now_ns)
            return None
        if look is None:
            self._miss(now_ns)
            return None
        self.stalled = ""
        self._frame_due_ns = now_ns + _ns(self._limits.stall_timeout_s)
        if is_tearing(self.eye.sight, self._limits):
            raise CameraBroken(f"{self.source.name}: {words_of('torn')}")
        return look

    def _miss(self, now_ns: int) -> None:
        late_ns = now_ns - self._frame_due_ns
        if late_ns < 0:
            return
        late_s = late_ns / 1e9 + self._limits.stall_timeout_s
        self.stalled = f"no frame from {self.source.name} for {late_s:.1f} s: check its cable"
        if self.source.is_live and late_ns > _ns(self._limits.stuck_timeout_s):
            self._lost(self.stalled, now_ns)

    def _lost(self, why: str, now_ns: int) -> None:
        """Let go of it, and try again; soon where that costs nothing."""
        self.source.close()
        self._is_open = False
        self.stalled = self.hiccup = why
        pause_s = self._limits.reopen_s if self.source.is_live else 0.0
        self._open_due_ns = now_ns + _ns(pause_s)

    def check_driver(self, now_ns: int) -> None:
        """Is it in a call that does not return?

        Raises:
            CameraBroken: it is.
        """
        if self.source.is_stuck(now_ns):
            raise CameraBroken(f"{self.source.name} does not come back from its driver")

    def find(self) -> bool:
        """Whether the sleeping source is still where it can be found, and gave frames lately."""
        if not self.source.is_there():
            self.stalled = f"{self.source.name} is gone: is it plugged in?"
            return False
        return True

    # -- for people -----------------------------------------------------------------------------

    @property
    def trouble(self) -> tuple[str, str]:
        """The gravest that is wrong, and what to do about it; two empty words: nothing is."""
        return ("stalled", self.stalled) if self.stalled else self.eye.trouble

    def why_nothing(self, now_ns: int) -> str:
        """Why somebody who waited got nothing, where no bad frame says it."""
        if self.stalled:
            return f"stalled: {self.stalled}"
        if not self.eye.newest_ns:
            return f"stalled: {self.source.name} has not given a frame yet"
        age_s = (now_ns - self.eye.newest_ns) / 1e9
        return f"stalled: the newest frame was exposed {age_s:.2f} s ago"


def _ns(seconds: float) -> int:
    return round(seconds * 1e9)
