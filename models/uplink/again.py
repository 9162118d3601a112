"""When something is tried again, and whether it may be."""

from __future__ import annotations

import hashlib

WORTH_AGAIN = frozenset((408, 425, 429, 500, 502, 503, 504))
"""Statuses that speak of now, not of what was asked."""

_REPEATABLE = frozenset(("GET", "HEAD", "PUT"))
_DOUBLINGS_MAX = 32


def full_jitter_s(tries: int, chance: float, base_s: float, max_s: float) -> float:
    """How long to wait after so many tries: anything up to a bound that doubles.

    Source: https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/

    Args:
        tries: how often it has failed, from 1 on.
        chance: 0 to 1.
    """
    doublings = min(max(tries - 1, 0), _DOUBLINGS_MAX)
    return chance * min(max_s, base_s * float(2**doublings))


def is_repeatable(method: str, key: str) -> bool:
    """Whether sending it twice does what sending it once does."""
    return bool(key) or method in _REPEATABLE


def spread_s(hardware_id: str, within_s: float) -> float:
    """This machine's own moment when everybody comes back: always the same, and evenly spread."""
    digest = hashlib.sha256(hardware_id.encode()).digest()
    return max(within_s, 0.0) * int.from_bytes(digest[:8], "big") / 2**64
