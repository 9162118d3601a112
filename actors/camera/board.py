"""What the camera shows of itself: facts in status, events in the record."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from actors.camera.lookout import Lookout
    from supervisors.context import Context

CLEAN_WINDOW = "clean_window"
"""The alarm that asks somebody to clean the window."""


class Board:
    """Shows what has changed, and nothing twice.

    Attributes:
        picture: size of the last frame that went into the ring.
    """

    def __init__(self, ctx: Context, lookout: Lookout) -> None:
        """Args: ctx: where to show it. lookout: of what."""
        self.picture = ""
        self._ctx = ctx
        self._lookout = lookout
        self._state = ""
        self._is_alarmed = False
        self._facts: dict[str, str | None] = {}

    def show(self) -> None:
        """Tell operators and the record how things stand now."""
        lookout, source = self._lookout, self._lookout.source
        state, why = lookout.trouble
        self._record(state, why)
        self._ring_for_cleaning()
        facts = {
            "camera": "awake" if lookout.is_awake else "asleep",
            "picture": self.picture or None,
            "source": source.name,
            "node": source.node or None,
            "trouble": f"{state}: {why}" if state else None,
        }
        if facts != self._facts:
            self._facts = facts
            self._ctx.note(**facts)

    def _record(self, state: str, why: str) -> None:
        if state == self._state:
            return
        if self._state:
            self._ctx.emit("camera_healed", state=self._state)
        if state:
            self._ctx.emit("camera_trouble", state=state, why=why)
        self._state = state

    def _ring_for_cleaning(self) -> None:
        window = self._lookout.eye.window
        if bool(window.trouble) == self._is_alarmed:
            return
        self._is_alarmed = bool(window.trouble)
        sharp = window.sharpness_percent
        self._ctx.emit(
            "alarm" if self._is_alarmed else "alarm_cleared",
            name=CLEAN_WINDOW,
            value=round(window.spots_percent, 1),
            sharpness=None if sharp is None else round(sharp),
        )
