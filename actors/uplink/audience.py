"""Who hears how the way to the platform stands: each once, and again when it has been restarted."""

from __future__ import annotations

from protocol.message import Message
from protocol.uplink import LinkChanged
from supervisors.context import AsyncContext
from supervisors.mailbox import Put

_AGAIN_S = 0.5


class TellAgain(Message, frozen=True, tag="uplink.tell_again"):
    """Link to itself: this listener may not have heard."""

    listener: str


class Audience:
    """See the module."""

    def __init__(self, ctx: AsyncContext, listeners: tuple[str, ...]) -> None:
        """Args: ctx: the link's; it hands `TellAgain` back to `again`."""
        self._ctx = ctx
        self._listeners = listeners
        self._told: dict[str, LinkChanged] = {}
        self._late: set[str] = set()

    def tell(self, changed: LinkChanged) -> None:
        """Tell everybody who has not heard just that; who is not there is told when it is."""
        for listener in self._listeners:
            self._tell(listener, changed)

    def _tell(self, listener: str, changed: LinkChanged) -> None:
        if self._told.get(listener) == changed:
            return
        if listener not in self._told:  # watched first: whoever ends once told is missed
            self._ctx.watch(listener)
        if self._ctx.tell(listener, changed) is Put.OK:
            self._told[listener] = changed
        else:
            self._tell_later(listener)

    def lost(self, listener: str) -> None:
        """It is gone, and has heard nothing when it is back."""
        self._told.pop(listener, None)
        self._tell_later(listener)

    def _tell_later(self, listener: str) -> None:
        """In a moment; once, however often the way changes while nobody is there."""
        if listener not in self._late:
            self._late.add(listener)
            self._ctx.schedule_once(_AGAIN_S, TellAgain(listener))

    def again(self, message: TellAgain, changed: LinkChanged) -> None:
        """The moment has come."""
        self._late.discard(message.listener)
        self._tell(message.listener, changed)
