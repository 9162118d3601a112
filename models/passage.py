"""What the beams say of an item's way, in the times at which they changed.

    entry ── gate ── inside ── [ scale ] ── exit ── edge ── drop

A passage begins when the belt starts: a beam that is covered already has not been crossed in it.
An item is as long as the time for which it covered a beam, times the speed of the belt.
"""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

from config.settings import DepositSettings
from models.reasons import Reason
from protocol.machine import Beam

NS = 1_000_000_000


class Crossing(msgspec.Struct, frozen=True):
    """How one beam was crossed.

    Attributes:
        times: how often it was covered.
        began_ns: when it was covered for the first time; None: never, or before it was looked at.
        ended_ns: when it became free for the last time, for a clear bottle makes a beam flicker in
            between; None while it is covered.
    """

    times: int = 0
    began_ns: int | None = None
    ended_ns: int | None = None


class Passage(msgspec.Struct, frozen=True):
    """The way of one item since the belt started.

    Attributes:
        since_ns: what changed before that is no part of it.
        belt_ns: when the belt started; what covered a beam before that stood still until then.
        is_partial: the exit was covered when it began: nobody knows how long the item is.
    """

    since_ns: int = 0
    belt_ns: int = 0
    is_partial: bool = False
    entry: Crossing = Crossing()
    inside: Crossing = Crossing()
    exit: Crossing = Crossing()
    drop: Crossing = Crossing()


def crossed(passage: Passage, beam: Beam, covered: bool, at_ns: int) -> Passage:
    """Add one change of a beam."""
    if at_ns < passage.since_ns:
        return passage
    if beam == "drop" and not _may_drop(passage, at_ns):
        return passage  # whatever that was, it was not this item
    crossing: Crossing = getattr(passage, beam)
    return replace(
        passage, **{beam: _covered(crossing, at_ns) if covered else _free(crossing, at_ns)}
    )


def _may_drop(passage: Passage, at_ns: int) -> bool:
    exit_ = passage.exit
    return exit_.times > 0 and (exit_.began_ns is None or at_ns > exit_.began_ns)


def _covered(crossing: Crossing, at_ns: int) -> Crossing:
    began_ns = at_ns if crossing.began_ns is None else crossing.began_ns
    return Crossing(crossing.times + 1, began_ns, None)


def _free(crossing: Crossing, at_ns: int) -> Crossing:
    return replace(crossing, ended_ns=at_ns) if crossing.times else crossing


def length_m(passage: Passage, beam: Beam, belt_m_per_s: float) -> float | None:
    """Length of what crossed a beam; None while it covers it, or if it never did."""
    crossing: Crossing = getattr(passage, beam)
    if crossing.began_ns is None or crossing.ended_ns is None:
        return None
    began_ns = max(crossing.began_ns, passage.belt_ns)
    return max(crossing.ended_ns - began_ns, 0) / NS * belt_m_per_s


def is_whole(passage: Passage) -> bool:
    """Whether the item has left the exit and something has fallen past the drop beam since."""
    return passage.exit.ended_ns is not None and passage.drop.ended_ns is not None


def doubt(passage: Passage, entered_m: float | None, limits: DepositSettings) -> Reason | None:
    """Why this passage proves no drop of the item that came in; None: it does.

    Args:
        passage: since the belt started to carry it away.
        entered_m: its length when it came in.
        limits: of time and length.
    """
    if passage.inside.times:
        return Reason.PULLED_BACK
    if passage.is_partial:
        return Reason.JAM
    exit_, drop = passage.exit, passage.drop
    if exit_.began_ns is None or exit_.ended_ns is None:
        return Reason.TRANSPORT_TIMEOUT
    if drop.began_ns is None or drop.ended_ns is None:
        return Reason.DROP_NOT_SEEN
    if drop.began_ns <= exit_.began_ns:
        return Reason.WRONG_ORDER
    if drop.began_ns > exit_.ended_ns + limits.drop_timeout_s * NS:
        return Reason.DROP_NOT_SEEN
    left_m = length_m(passage, "exit", limits.belt_m_per_s)
    if entered_m is None or left_m is None:
        return Reason.SENSOR_FAILED
    return Reason.SWAPPED if abs(left_m - entered_m) > limits.length_tolerance_m else None


def beams_ms(passage: Passage) -> dict[str, float]:
    """When each beam was first covered and last freed, from the beginning of the passage."""
    found: dict[str, float] = {}
    for beam in ("entry", "inside", "exit", "drop"):
        crossing: Crossing = getattr(passage, beam)
        for word, at_ns in (("covered", crossing.began_ns), ("freed", crossing.ended_ns)):
            if at_ns is not None:
                found[f"{beam}_{word}"] = (at_ns - passage.since_ns) / 1e6
    return found
