"""How fast a backlog goes out, so that what is new never waits long behind it.

What has just happened shares the way and the platform with the batches of the backlog that are
there already. So these begin small and one at a time, grow while they are answered quickly, and
shrink when they are not: over a slow network or to a slow platform, by themselves.
"""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import replace

BATCH = 100
"""Records to a batch, of some 500 bytes: a fifth of what the platform takes at once."""
BATCH_FIRST = 10
"""To begin with, and never less: below that the request costs more than what is in it."""
FLIGHTS_MAX = 3
"""Batches of the backlog on their way: more than two fill any connection."""
TARGET_S = 0.4
"""A batch may take so long, or twice as long as the quickest: what is new waits behind it."""


class Pace(Struct, frozen=True):
    """How fast it goes now.

    Attributes:
        batch: records in one.
        flights: batches on their way at a time.
        quickest_s: that any batch has taken; no batch is quicker than the way there and back.
    """

    batch: int = BATCH_FIRST
    flights: int = 1
    quickest_s: float = float("inf")


def landed(pace: Pace, records: int, took_s: float) -> Pace:
    """A batch of the backlog has been answered.

    Args:
        records: in it.
        took_s: from its departure on.
    """
    quickest_s = min(pace.quickest_s, took_s)
    limit_s = max(TARGET_S, 2.0 * quickest_s)
    if took_s > limit_s:
        fewer = max(int(records * limit_s / took_s), BATCH_FIRST)
        return Pace(min(fewer, pace.batch), 1, quickest_s)
    pace = replace(pace, quickest_s=quickest_s)
    if records < pace.batch:
        return pace  # it was quick because it was small
    if pace.batch < BATCH:
        return replace(pace, batch=min(2 * pace.batch, BATCH))
    return replace(pace, flights=min(pace.flights + 1, FLIGHTS_MAX))
