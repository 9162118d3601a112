"""Sessions as operators see them: who was served, what it was worth, and what has been paid."""

from __future__ import annotations

from typing import Any, Literal

import sqlalchemy as sa

from server.payloads.fleet import FleetSession
from server.store.database import Connection, rows
from server.tables import deposits, reward_entries, user_sessions, users

Owner = Literal["code", "claim", "nobody"]

_session = user_sessions.c
_WORTH = (
    sa.select(sa.func.coalesce(sa.func.sum(deposits.c.reward), 0))
    .where(
        deposits.c.rvm_id == _session.rvm_id,
        deposits.c.session_token == _session.session_token,
        deposits.c.state == "credited",
    )
    .correlate(user_sessions)
    .scalar_subquery()
)
# By the user, too: that is what the entries have an index for.
_PAID = (
    sa.select(sa.func.coalesce(sa.func.sum(reward_entries.c.amount), 0))
    .where(reward_entries.c.user_id == _session.user_id, reward_entries.c.session_id == _session.id)
    .correlate(user_sessions)
    .scalar_subquery()
)


async def newest_sessions(
    connection: Connection,
    limit: int,
    *,
    rvm_id: int | None = None,
    owner: Owner | None = None,
    before: int | None = None,
) -> tuple[FleetSession, ...]:
    """Newest first.

    Args:
        owner: only those that somebody has begun by a code, or claimed; or that were credited
            something and are nobody's yet.
        before: a session's number, to turn the page.
    """
    statement = (
        sa.select(user_sessions, users.c.reference)
        .add_columns(_WORTH.label("worth"), _PAID.label("paid"))
        .outerjoin(users, users.c.id == _session.user_id)
        .order_by(_session.id.desc())
        .limit(limit)
    )
    if rvm_id is not None:
        statement = statement.where(_session.rvm_id == rvm_id)
    if owner == "nobody":
        statement = statement.where(_session.user_id.is_(None), _session.credited > 0)
    elif owner is not None:
        statement = statement.where(_session.bound_by == owner)
    if before is not None:
        statement = statement.where(_session.id < before)
    return tuple(_told(one) for one in await rows(connection, statement))


def _told(one: Any) -> FleetSession:
    return FleetSession(
        session_id=one.id,
        rvm_id=one.rvm_id,
        session_token=one.session_token,
        user=one.reference or "",
        bound_by=one.bound_by,
        bound_at=one.bound_at,
        started_at=one.started_at,
        ended_at=one.ended_at,
        reason=one.reason,
        credited=one.credited,
        refused=one.refused,
        claimed_items=one.claimed_items,
        advanced_items=one.advanced_items,
        worth=int(one.worth),
        paid=int(one.paid),
    )
