"""The machine's memory of what went wrong lately: lockout, pace, and items that come back.

    voided    an item was void: what it looked like, and when
    credited  an item was paid for
    closed    why nothing is taken for a while, if so
    is_known  whether an item looks like one that was void a moment ago

A pull on a string costs the cheat the item's credit and the machine a note; three of them close the
inlet for a while, and the item itself goes back if it is tried again. All times are seconds of one
monotonic clock; the memory holds a bounded number of entries, whatever is done to the machine.
"""

from __future__ import annotations

import msgspec

from config.settings import FraudSettings
from models.reasons import Reason

MINUTE_S = 60.0
VOIDS_KEPT = 100
"""As many as `FraudSettings.voids_max` may ask for."""


class Seen(msgspec.Struct, frozen=True):
    """What two items are told apart by; None where it could not be measured.

    Attributes:
        session: whose it was. Bottles of one make are alike, and the next customer's is another.
    """

    length_m: float | None
    mass_g: float | None
    session: str = ""


class Void(msgspec.Struct, frozen=True):
    """An item that was void, and when."""

    seen: Seen
    at_s: float


class Suspicion(msgspec.Struct, frozen=True):
    """What is remembered, oldest first.

    Attributes:
        voids: items that were void and may still matter.
        credits_s: when items were paid for, within the last minute.
    """

    voids: tuple[Void, ...] = ()
    credits_s: tuple[float, ...] = ()


def voided(suspicion: Suspicion, seen: Seen, now_s: float, limits: FraudSettings) -> Suspicion:
    """Remember an item that was void."""
    oldest_s = now_s - max(limits.memory_s, limits.voids_window_s)
    kept = tuple(void for void in suspicion.voids if void.at_s >= oldest_s)
    return Suspicion((*kept, Void(seen, now_s))[-VOIDS_KEPT:], suspicion.credits_s)


def credited(suspicion: Suspicion, now_s: float, limits: FraudSettings) -> Suspicion:
    """Remember that an item was paid for."""
    kept = tuple(at_s for at_s in suspicion.credits_s if now_s - at_s < MINUTE_S)
    return Suspicion(suspicion.voids, (*kept, now_s)[-limits.items_per_minute_max :])


def closed(suspicion: Suspicion, now_s: float, limits: FraudSettings) -> Reason | None:
    """Why nothing is taken now, if so.

    The lockout begins anew with every void that is one too many within the window; the pace is
    such that no sixty seconds see more credits than the limit.
    """
    if _is_locked_out(suspicion.voids, now_s, limits):
        return Reason.LOCKED_OUT
    in_minute = sum(now_s - at_s < MINUTE_S for at_s in suspicion.credits_s)
    return Reason.TOO_FAST if in_minute >= limits.items_per_minute_max else None


def _is_locked_out(voids: tuple[Void, ...], now_s: float, limits: FraudSettings) -> bool:
    if len(voids) < limits.voids_max:
        return False
    first, last = voids[-limits.voids_max], voids[-1]
    is_too_many = last.at_s - first.at_s <= limits.voids_window_s
    return is_too_many and now_s - last.at_s < limits.lockout_s


def is_known(suspicion: Suspicion, seen: Seen, now_s: float, limits: FraudSettings) -> bool:
    """Whether this looks like an item of the same session that was void a moment ago.

    A measure that is missing tells nothing apart: the other one decides. Without any, nothing is
    known.
    """
    return any(
        now_s - void.at_s <= limits.memory_s
        and void.seen.session == seen.session
        and _is_alike(void.seen, seen, limits)
        for void in suspicion.voids
    )


def _is_alike(one: Seen, other: Seen, limits: FraudSettings) -> bool:
    answers = (
        _agree(one.length_m, other.length_m, limits.same_length_m),
        _agree(one.mass_g, other.mass_g, limits.same_mass_g),
    )
    known = [answer for answer in answers if answer is not None]
    return bool(known) and all(known)


def _agree(one: float | None, other: float | None, tolerance: float) -> bool | None:
    return None if one is None or other is None else abs(one - other) <= tolerance
