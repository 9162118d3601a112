"""Token buckets: so many at once, so many a second, and how long to wait for the next."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Bucket:
    """What somebody has left.

    Attributes:
        left: tokens, may be a fraction.
        at_s: when that was, by a monotonic clock.
    """

    left: float
    at_s: float


def take(
    bucket: Bucket | None, now_s: float, *, per_s: float, burst: int
) -> tuple[Bucket, float | None]:
    """Take one; a bucket that was never seen is full.

    Returns:
        What is left, and None; or how many seconds until there is one.
    """
    left = float(burst)
    if bucket is not None:
        left = min(left, bucket.left + max(0.0, now_s - bucket.at_s) * per_s)
    if left >= 1.0:
        return Bucket(left - 1.0, now_s), None
    return Bucket(left, now_s), (1.0 - left) / per_s
