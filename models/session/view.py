"""What there is to see of a session: for the screen, and for status."""

from __future__ import annotations

from config.settings import SessionSettings
from models.reasons import Reason
from models.session.rule import Service, outlook
from protocol.service import SessionDescribed, SessionEnded


def closed_because(service: Service, *, storage_fails: bool) -> str:
    """Why no session can be opened; empty: one can."""
    return service.closed or (Reason.STORAGE_FAILED.value if storage_fails else "")


def described(
    service: Service,
    now_s: float,
    limits: SessionSettings,
    *,
    closed: str,
    last: SessionEnded | None,
) -> SessionDescribed:
    """The answer to `DescribeSession`."""
    session = service.open
    if session is None:
        return SessionDescribed(is_open=False, credited=0, refused=0, closed=closed, last=last)
    end = outlook(service, now_s, limits)
    return SessionDescribed(
        is_open=True,
        credited=session.credited,
        refused=session.refused,
        session=session.id,
        kind=session.kind,
        ends_in_s=None if end.ends_s is None else max(0.0, end.ends_s - now_s),
        warns=end.warns,
        closed=closed,
        last=last,
    )


def in_a_line(service: Service) -> str | None:
    """The session for status; None: there is none."""
    session = service.open
    if session is None:
        return None
    ending = f", ends: {session.ending}" if session.ending else ""
    counts = f"{session.credited} credited, {session.refused} refused"
    return f"{session.kind} {session.id}, {counts}{ending}"
