"""The session: who is being served, and what for.

Owns the totals of the present session. Guests only: a session opens with the first item and closes
after a while without one. QR sessions and claim tokens are not here yet.
Hears `ItemCredited`, `ItemRefused`, `DescribeSession`, `FinishSession`.
Says nothing by itself.
"""

from __future__ import annotations

from protocol.message import Message
from protocol.service import (
    DescribeSession,
    FinishSession,
    ItemCredited,
    ItemRefused,
    SessionDescribed,
)
from supervisors import Actor, handles


class _Idle(Message, frozen=True, tag="session.idle"):
    """Session to itself: nothing has come for a while."""

    items: int


class Session(Actor):
    """See the module."""

    def __init__(self, idle_timeout_s: float) -> None:
        """Args: idle_timeout_s: a session without items ends after that long."""
        self._idle_timeout_s = idle_timeout_s
        self._credited = 0
        self._refused = 0
        self._is_open = False

    @handles(ItemCredited)
    def item_credited(self, message: ItemCredited) -> None:
        """One more item was paid for."""
        self._credited += 1
        self._touch()

    @handles(ItemRefused)
    def item_refused(self, message: ItemRefused) -> None:
        """One more item was given back."""
        self._refused += 1
        self._touch()

    @handles(DescribeSession, command=True)
    def describe(self, message: DescribeSession) -> SessionDescribed:
        """The present session."""
        return SessionDescribed(self._is_open, self._credited, self._refused)

    @handles(FinishSession, command=True)
    def finish(self, message: FinishSession) -> SessionDescribed:
        """The customer is done."""
        described = SessionDescribed(self._is_open, self._credited, self._refused)
        if self._is_open:
            self.ctx.emit("session_closed", credited=self._credited, refused=self._refused)
        self._is_open, self._credited, self._refused = False, 0, 0
        self.ctx.note(session=None)
        return described

    @handles(_Idle)
    def idle(self, message: _Idle) -> None:
        """Close if nothing has come since."""
        if self._is_open and message.items == self._credited + self._refused:
            self.finish(FinishSession())

    def _touch(self) -> None:
        self._is_open = True
        items = self._credited + self._refused
        self.ctx.note(session=f"guest, {self._credited} credited, {self._refused} refused")
        self.ctx.schedule_once(self._idle_timeout_s, _Idle(items))
