"""What the platform is told of actors that fail: everything that counts, and never a flood.

An actor that fails is told of at once. What else happens to the same actor in the next quarter of
an hour is only counted, and told as one number at its end; and so on, while it goes on. All of it
together is bounded too: a machine in which everything fails tells of some of it now, and of the
rest with the next counts. So a crash loop can push nothing else out of the outbox.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from msgspec import Struct, field
from msgspec.structs import replace

from models.remote.turn import Bucket

WINDOW_S = 900.0
AT_ONCE_MAX = 20
PER_S = 30 / 3600
"""Of all actors together; twenty at once is every actor of the machine."""
KEYS_MAX = 256
"""Actors times kinds; more than a tree has, whatever names somebody makes up."""
REASON_MAX = 300

KINDS: Mapping[str, str] = {
    "child_terminated": "actor_failed",
    "start_error": "actor_failed",
    "shutdown_error": "actor_failed",
    "parked": "message_parked",
    "exhausted": "actor_exhausted",
    "quarantined": "actor_quarantined",
    "recovered": "actor_recovered",
    "fail_safe_failed": "fail_safe_failed",
    "stalled": "stalled",
    "too_many_leaks": "too_many_leaks",
}
"""Of what supervisors say, that which is told, and under which name (docs/uplink.md)."""


class Incident(NamedTuple):
    """Something happened.

    Attributes:
        path: to whom.
        at: wall clock.
    """

    kind: str
    path: str
    reason: str
    at: float


class Told(NamedTuple):
    """What the platform is told: this happened last, and so many times since the last word."""

    incident: Incident
    times: int


class _Window(Struct, frozen=True):
    """Since when nothing has been told of one kind of one actor, and what happened meanwhile."""

    since_s: float
    times: int
    last: Incident


class Incidents(Struct, frozen=True):
    """What is known. Times are monotonic seconds."""

    bucket: Bucket
    windows: Mapping[tuple[str, str], _Window] = field(default_factory=dict)


def nothing(now_s: float) -> Incidents:
    """Before anything has happened."""
    return Incidents(Bucket(AT_ONCE_MAX, PER_S, AT_ONCE_MAX, now_s))


def heard(known: Incidents, incident: Incident, now_s: float) -> tuple[Incidents, Told | None]:
    """Something happened: what is to be told of it at once, if anything."""
    key = (incident.kind, incident.path)
    window = known.windows.get(key)
    if window is None and len(known.windows) >= KEYS_MAX:
        return known, None
    if window is not None:
        counted = _Window(window.since_s, window.times + 1, incident)
        return _with(known, key, counted), None
    left = known.bucket.taken(now_s)
    if left is None:
        return _with(known, key, _Window(now_s, 1, incident)), None
    known = replace(known, bucket=left)
    return _with(known, key, _Window(now_s, 0, incident)), Told(incident, 1)


def passed(known: Incidents, now_s: float) -> tuple[Incidents, tuple[Told, ...]]:
    """Time has passed: what has been counted is told, what is quiet is forgotten."""
    told: list[Told] = []
    windows = dict(known.windows)
    bucket = known.bucket
    for key, window in known.windows.items():
        if now_s - window.since_s < WINDOW_S:
            continue
        if not window.times:
            del windows[key]
            continue
        left = bucket.taken(now_s)
        if left is None:
            break  # the others are told of as soon as there is room
        bucket = left
        told.append(Told(window.last, window.times))
        windows[key] = _Window(now_s, 0, window.last)
    if not told and len(windows) == len(known.windows):
        return known, ()
    return Incidents(bucket, windows), tuple(told)


def _with(known: Incidents, key: tuple[str, str], window: _Window) -> Incidents:
    return replace(known, windows={**known.windows, key: window})
