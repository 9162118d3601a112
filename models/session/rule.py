"""Who is served, and until when: the rule, in seconds of one monotonic clock.

    nobody ─ an item, a button, a scanned code ─▶ open ─ finished, idle, expired … ─▶ ending
       ▲                                                                                │
       └──────────────── closed, once nothing is in the machine ◀───────────────────────┘

A code is shown, is good for a while and starts one session; a new one makes the old one worthless,
so two telephones cannot share it. A session idles from its last sign of life on, and it is
`expiry_s` old at most since its last credited item, however often somebody asks for more time.
Neither runs out while an item is in the machine: that one is finished first, whatever happens.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec
from msgspec.structs import replace

from config.settings import SessionSettings
from models.base32 import canonical
from models.reasons import Reason

Kind = Literal["guest", "user"]
Refusal = Literal[
    "invalid",  # a user without a reference
    "code_unknown",  # never offered, or a newer one has been
    "code_expired",
    "code_used",
    "busy",  # somebody is being served
    "closed",  # the machine takes nothing
    "guests_not_served",
]

REFUSALS: Mapping[Refusal, str] = {
    "invalid": "a user's session needs the platform's reference of the user",
    "code_unknown": "this code is not the one on the screen",
    "code_expired": "this code has been on the screen for too long: a new one is needed",
    "code_used": "this code has started a session already",
    "busy": "somebody is being served",
    "closed": "the machine takes nothing: {closed}",
    "guests_not_served": "this machine serves registered users only",
}
"""For whoever asked; what customers read stands in `models.texts`."""

LASTING = frozenset(
    (
        Reason.ABANDONED,
        Reason.BIN_FULL,
        Reason.DOOR_OPEN,
        Reason.ESTOP,
        Reason.FAULT,
        Reason.JAM,
        Reason.SERVICE,
    )
)
"""A machine that closes for these waits for somebody: whoever is served gets their claim now. The
others pass, or the session idles."""

USED_KEPT = 8
"""Codes remembered for a better answer than "unknown": minutes of a busy machine."""


class Offer(msgspec.Struct, frozen=True):
    """A code on the screen."""

    code: str
    expires_s: float


class Open(msgspec.Struct, frozen=True):
    """The session of whoever is served.

    Attributes:
        id: of the session.
        active_s: the last sign of life.
        earned_s: the last credited item, or the start.
        credited, refused: items, as told; for the screen.
        ending: why it ends once nothing is in the machine; empty: it does not.
    """

    id: str
    kind: Kind
    user: str
    active_s: float
    earned_s: float
    credited: int = 0
    refused: int = 0
    ending: str = ""


class Service(msgspec.Struct, frozen=True):
    """What is known.

    Attributes:
        open: the session, if somebody is served.
        offer: the code that may start one.
        used: codes that have, newest last.
        busy: an item is in the machine.
        closed: why the machine takes none; empty: it does.
    """

    open: Open | None = None
    offer: Offer | None = None
    used: tuple[str, ...] = ()
    busy: bool = False
    closed: str = Reason.BOOTING.value


class Outlook(msgspec.Struct, frozen=True):
    """What time does to the session.

    Attributes:
        ends_s: when it ends unless something happens; None: not by time.
        reason: of that end.
        warns: so soon that the customer is asked.
    """

    ends_s: float | None = None
    reason: str = ""
    warns: bool = False


# -- codes and starts -------------------------------------------------------------------------


def may_open(service: Service) -> Refusal | None:
    """Why nobody can be served now, if so."""
    if service.open is not None:
        return "busy"
    return "closed" if service.closed else None


def offered(service: Service, code: str, now_s: float, limits: SessionSettings) -> Service:
    """Show a code; the one before is void."""
    return replace(service, offer=Offer(canonical(code), now_s + limits.expiry_s))


def refusal(
    service: Service, kind: Kind, user: str, code: str, now_s: float, limits: SessionSettings
) -> Refusal | None:
    """Why this customer is not served, if so."""
    if kind == "guest":
        return "guests_not_served" if limits.guests == "off" else may_open(service)
    if not user:
        return "invalid"
    return _code_refusal(service, canonical(code), now_s) or may_open(service)


def _code_refusal(service: Service, code: str, now_s: float) -> Refusal | None:
    if code in service.used:
        return "code_used"
    if service.offer is None or not code or code != service.offer.code:
        return "code_unknown"
    return "code_expired" if now_s >= service.offer.expires_s else None


def started(service: Service, session: str, kind: Kind, user: str, now_s: float) -> Service:
    """Serve this customer, who was not refused; the code on the screen is used up.

    A guest uses it up, too: nobody shall join them by it.
    """
    used = service.used if service.offer is None else (*service.used, service.offer.code)
    fresh = Open(session, kind, user, now_s, now_s)
    return replace(service, open=fresh, offer=None, used=used[-USED_KEPT:])


# -- what happens meanwhile -------------------------------------------------------------------


def more_time(service: Service, now_s: float) -> Service:
    """The customer is still there. A session that ends is not held up."""
    return _changed(service, active_s=now_s)


def credited(service: Service, session: str, now_s: float) -> Service:
    """An item was credited to this session; one of another session is not ours to count."""
    if service.open is None or service.open.id != session:
        return service
    count = service.open.credited + 1
    return _changed(service, credited=count, active_s=now_s, earned_s=now_s)


def refused(service: Service, session: str, now_s: float) -> Service:
    """An item of this session was given back."""
    if service.open is None or service.open.id != session:
        return service
    return _changed(service, refused=service.open.refused + 1, active_s=now_s)


def cycled(service: Service, now_s: float, *, busy: bool, closed: str) -> Service:
    """The item cycle tells how it stands. An item that comes or goes is a sign of life."""
    # That nobody is served is what a session cures.
    closed = "" if closed == Reason.NO_SESSION.value else closed
    came_or_went = busy or service.busy
    service = replace(service, busy=busy, closed=closed)
    if came_or_went:
        service = _changed(service, active_s=now_s)
    return ended(service, closed) if closed in _LASTING_CODES else service


_LASTING_CODES = frozenset(reason.value for reason in LASTING)


def ended(service: Service, reason: str) -> Service:
    """End it for this reason as soon as nothing is in the machine; the first reason stands."""
    if service.open is None or service.open.ending:
        return service
    return _changed(service, ending=reason)


def closed(service: Service) -> Service:
    """It is on the disk: nobody is served any more."""
    return replace(service, open=None)


def _changed(service: Service, **changes: object) -> Service:
    if service.open is None:
        return service
    return replace(service, open=replace(service.open, **changes))


# -- time -------------------------------------------------------------------------------------


def outlook(service: Service, now_s: float, limits: SessionSettings) -> Outlook:
    """When the session ends by time, why, and whether the customer is to be asked."""
    now_open = service.open
    if now_open is None or now_open.ending or service.busy:
        return Outlook()
    idle_s = now_open.active_s + limits.idle_timeout_s
    expiry_s = now_open.earned_s + limits.expiry_s
    ends_s, reason = min((idle_s, "idle"), (expiry_s, "expired"))
    return Outlook(ends_s, reason, warns=now_s >= ends_s - limits.warn_s)


def timed(service: Service, now_s: float, limits: SessionSettings) -> Service:
    """End it if its time is over."""
    end = outlook(service, now_s, limits)
    return ended(service, end.reason) if end.ends_s is not None and now_s >= end.ends_s else service


def may_close(service: Service) -> bool:
    """Whether it ends, and nothing of it is in the machine any more."""
    return service.open is not None and bool(service.open.ending) and not service.busy


def next_look_s(service: Service, now_s: float, limits: SessionSettings) -> float | None:
    """When time does something again; None: it does nothing."""
    end = outlook(service, now_s, limits)
    if end.ends_s is None:
        return None
    return end.ends_s if end.warns else end.ends_s - limits.warn_s
