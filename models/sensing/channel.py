"""One analogue channel: is it alive, does it say anything new, and can that be true?

Bad readings fill a bucket, good ones drain it at half the speed: a channel is in fault when the
bucket is full and well again when it is empty. So one lost reading is nothing, and a channel of
which more than a third is lost is of no use.
"""

from __future__ import annotations

import math

import msgspec

from models.sensing.fault import Fault, What

_FULL = 5.0
_BRIM = 6.0
_DRAIN = 0.5


class Range(msgspec.Struct, frozen=True):
    """What a channel can possibly read.

    Attributes:
        clips: it may well read its very ends for long.
    """

    low: float
    high: float
    clips: bool = False


# By channel: what is outside is no measurement but a broken sensor, wire or driver.
WEIGHT_G = Range(-1_000.0, 10_000.0)  # a load cell for a few kilograms; hands and cloths lie on it
TEMPERATURE_C = Range(-40.0, 85.0)  # what electronics for the outdoors is made for
HUMIDITY_PERCENT = Range(0.0, 100.0, clips=True)  # fog reads 100, hour after hour


class Channel(msgspec.Struct, frozen=True):
    """What is known of a channel.

    Attributes:
        value: the last good one; None: there is none, or the last reading was bad.
        measured_ns: when the last reading was taken, by the driver's word.
        fresh_s: when a reading with a new ``measured_ns`` last came (monotonic).
        same: how often in a row the very same value has come.
        bad: the bucket.
        what: of the last bad reading.
        is_faulty: the bucket has been full and not yet empty since.
    """

    value: float | None = None
    measured_ns: int = -1
    fresh_s: float = -math.inf
    same: int = 0
    bad: float = 0.0
    what: What = "dead"
    is_faulty: bool = False


def measured(
    channel: Channel,
    value: float | None,
    quality: str,
    measured_ns: int,
    now_s: float,
    possible: Range,
    stale_s: float,
) -> Channel:
    """Take one reading into account.

    Args:
        value, quality, measured_ns: as the driver said: ``ok``, ``stale`` or ``error``.
        now_s: monotonic.
        possible: what the channel can read.
        stale_s: without a new measurement for so long, it counts as none.

    Returns:
        The very same value when the driver had nothing newer than last time.
    """
    is_new = measured_ns != channel.measured_ns
    if not is_new and quality != "stale" and now_s - channel.fresh_s < stale_s:
        return channel
    fresh_s = now_s if is_new else channel.fresh_s
    what = _what(value, quality, is_new, possible)
    if what is not None or value is None:
        bad = min(_BRIM, channel.bad + 1.0)
        return Channel(
            measured_ns=measured_ns,
            fresh_s=fresh_s,
            bad=bad,
            what=what or "dead",
            is_faulty=channel.is_faulty or bad >= _FULL,
        )
    bad = max(0.0, channel.bad - _DRAIN)
    is_end = possible.clips and value in {possible.low, possible.high}
    is_same = value == channel.value and not is_end
    return Channel(
        value=value,
        measured_ns=measured_ns,
        fresh_s=fresh_s,
        same=channel.same + 1 if is_same else 1,
        bad=bad,
        what=channel.what,
        is_faulty=channel.is_faulty and bad > 0,
    )


def _what(value: float | None, quality: str, is_new: bool, possible: Range) -> What | None:
    """What is wrong with this one reading."""
    if quality == "error" or value is None:
        return "dead"
    if quality == "stale" or not is_new:
        return "frozen"
    return None if possible.low <= value <= possible.high else "implausible"  # as NaN is


_SENTENCES: dict[What, str] = {
    "dead": "no reading",
    "frozen": "no new reading, always the old one",
    "implausible": "readings that cannot be",
}


def channel_fault(channel: Channel, frozen_readings: int) -> Fault | None:
    """What is wrong with a channel."""
    if channel.is_faulty:
        return Fault(channel.what, _SENTENCES[channel.what])
    if channel.same >= frozen_readings:
        return Fault("frozen", f"the very same value {frozen_readings} times")
    return None
