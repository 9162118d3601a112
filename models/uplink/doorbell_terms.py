"""What the doorbell's rule is told, what it decides, and what it knows; see `doorbell`."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple, TypeAlias

import msgspec

from protocol.platform.identity import Doorbell
from protocol.platform.pusher import Frame

Phase: TypeAlias = Literal[
    "idle", "waiting", "connecting", "greeting", "signing", "subscribing", "subscribed"
]


class Limits(msgspec.Struct, frozen=True):
    """The numbers; seconds.

    Attributes:
        answer_s: for opening the socket, for the greeting, for a signature, for a subscription.
        silence_s: at most so long nothing is heard before we ask; a server may wish for less.
        pong_s: then an answer has to come.
        pause_s, pause_s_max: of the random pause before the next try.
        hold_s: a subscription that has held so long makes the next pause short again.
        full_s: range of the pause before a server that is full.
        refused_s: range of the pause before a server that does not want us.
        rings_max, rings_per_s: a flood of events becomes so many rings.
    """

    answer_s: float = 10.0
    silence_s: float = 30.0
    silence_s_min: float = 5.0
    pong_s: float = 10.0
    pause_s: float = 1.0
    pause_s_max: float = 60.0
    hold_s: float = 60.0
    full_s: tuple[float, float] = (30.0, 300.0)
    refused_s: tuple[float, float] = (300.0, 900.0)
    rings_max: int = 20
    rings_per_s: float = 5.0


# -- facts --------------------------------------------------------------------------------------


class Wanted(NamedTuple):
    """The platform has this doorbell, or none."""

    doorbell: Doorbell | None


class Opened(NamedTuple):
    """The socket is open."""

    socket: int


class Heard(NamedTuple):
    """A frame."""

    socket: int
    frame: Frame


class Garbled(NamedTuple):
    """Something that is no frame."""

    socket: int
    why: str


class Signed(NamedTuple):
    """The platform allows the subscription."""

    socket: int
    auth: str
    channel_data: str = ""


class NotSigned(NamedTuple):
    """It does not, or could not be asked."""

    socket: int
    why: str


class Closed(NamedTuple):
    """The socket is gone, or was never there."""

    socket: int
    code: int
    why: str = ""


class Passed(NamedTuple):
    """Time has passed."""


Fact: TypeAlias = Wanted | Opened | Heard | Garbled | Signed | NotSigned | Closed | Passed


# -- decisions ----------------------------------------------------------------------------------


class Connect(NamedTuple):
    """Open a socket under this number."""

    socket: int
    url: str


class Sign(NamedTuple):
    """Ask the platform to sign the subscription."""

    socket: int
    path: str
    socket_id: str
    channel: str


class Send(NamedTuple):
    """Send a frame."""

    text: str


class HangUp(NamedTuple):
    """Close the socket; nothing more of it will be heard."""

    why: str


class Ring(NamedTuple):
    """Tell who listens; ``event`` empty: something may have been missed."""

    event: str = ""


class Say(NamedTuple):
    """Something for the record."""

    event: str
    fields: dict[str, Any]


Decision: TypeAlias = Connect | Sign | Send | HangUp | Ring | Say


# -- state --------------------------------------------------------------------------------------


class Bell(msgspec.Struct, frozen=True):
    """See the module. Times are monotonic seconds.

    Attributes:
        by_s: until when this phase has time; in ``waiting``: when to try.
        tries: in a row without a subscription that held; the pause doubles with each.
        signs: of this socket.
        pong_by_s: a ping is out, and answered by then; 0: none is.
        why: the last end, or what the server has against us.
        owes_ring: a flood was cut off; listeners are told once more when there is room.
        garbage: what was no frame, or none for us, since the start.
    """

    phase: Phase = "idle"
    doorbell: Doorbell | None = None
    socket: int = 0
    socket_id: str = ""
    by_s: float = 0.0
    tries: int = 0
    signs: int = 0
    silence_s: float = 0.0
    heard_s: float = 0.0
    pong_by_s: float = 0.0
    since_s: float = 0.0
    why: str = ""
    is_refused: bool = False
    rings: float = 0.0
    rings_s: float = 0.0
    owes_ring: bool = False
    garbage: int = 0

    @property
    def is_subscribed(self) -> bool:
        """Whether it would ring."""
        return self.phase == "subscribed"
