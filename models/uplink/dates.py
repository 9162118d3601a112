"""Times as HTTP and JSON write them."""

from __future__ import annotations

from datetime import datetime, timezone
from email.utils import parsedate_to_datetime

_SECONDS_MAX = 1e9


def http_date_s(text: str) -> float | None:
    """Seconds since 1970 of a ``Date`` header; None: it is none."""
    try:
        read = parsedate_to_datetime(text)
        aware = read if read.tzinfo is not None else read.replace(tzinfo=timezone.utc)
        return aware.timestamp()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def retry_after_s(text: str, now_s: float, max_s: float) -> float | None:
    """How long ``Retry-After`` asks to wait, up to `max_s`; None: it says nothing.

    Args:
        text: seconds, or a date.
        now_s: what the sender's own clock said, since 1970; the machine's may be years off.
    """
    text = text.strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:10]), max_s)
    at_s = http_date_s(text)
    return None if at_s is None else min(max(at_s - now_s, 0.0), max_s)


def clock_off_s(date: str, asked_s: float, answered_s: float) -> float | None:
    """How far this machine's wall clock is ahead of the platform's; None: the date says nothing.

    Args:
        date: the answer's ``Date``; whole seconds, so half a second later on average.
        asked_s, answered_s: wall clock before and after.
    """
    at_s = http_date_s(date)
    return None if at_s is None else (asked_s + answered_s) / 2 - (at_s + 0.5)


def rfc3339(at_s: float) -> str:
    """UTC, to the millisecond; of a clock that says nothing sensible, its zero."""
    if not 0 <= at_s <= _SECONDS_MAX * 200:
        at_s = 0.0
    moment = datetime.fromtimestamp(at_s, timezone.utc)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
