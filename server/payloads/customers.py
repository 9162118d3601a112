"""What a user's telephone and the platform say to each other.

telephone ── POST /sessions  Scan      ▶ SessionAsked   201 begun, 202 the machine has not said yet,
                                                        409 with the machine's refusal as the code
telephone ── GET  /sessions/{request_id} ▶ SessionAsked
telephone ── POST /claims    Redeem    ▶ Redeemed       201 new, 200 the same again, 409 another's
telephone ── GET  /me                  ▶ Account
telephone ── GET  /me/deposits         ▶ OwnDeposits    newest first
anybody   ── POST /broadcasting/auth   form: ``socket_id``, ``channel_name``  ▶ Signed

With a user's bearer token; live on the channel ``private-user.<reference>``, event ``deposit``.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from protocol.platform.identity import HardwareId
from protocol.storage import DepositState


class Scan(Struct, frozen=True):
    """Telephone: serve me there; I have scanned this code from the screen."""

    hardware_id: HardwareId
    code: Annotated[str, Meta(min_length=1, max_length=64)]


class SessionAsked(Struct, frozen=True):
    """Platform: this became of it.

    Attributes:
        session: the machine's id of the session, once it has begun.
        code: why not, in the machine's word: ``code_expired``, ``busy`` …
    """

    request_id: int
    state: Literal["waiting", "started", "refused"]
    session: str = ""
    code: str = ""


class Redeem(Struct, frozen=True):
    """Telephone: this claim token is mine."""

    token: Annotated[str, Meta(min_length=1, max_length=1100)]


class Redeemed(Struct, frozen=True):
    """Platform: it is paid.

    Attributes:
        items: what the claim promises.
        in_review: what may be added, once somebody has decided about it.
        total: what the user now has, in the smallest unit.
    """

    session: str
    items: int
    in_review: int
    total: int


class Account(Struct, frozen=True):
    """Platform: this is you, and this is what you have."""

    reference: str
    name: str
    total: int
    deposits: int


class OwnDeposit(Struct, frozen=True):
    """One of a user's deposits; `reward` is None until it is credited."""

    key: str
    state: DepositState
    waste_type: str
    received_at: float
    reward: int | None = None


class OwnDeposits(Struct, frozen=True):
    """Newest first."""

    items: tuple[OwnDeposit, ...]


class Signed(Struct, frozen=True):
    """Platform: show this to the WebSocket server. Not wrapped: the protocol has it so."""

    auth: str
