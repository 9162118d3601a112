"""Sessions: what machines tell of them, and whose they are.

A session is locked before its deposits or its user are touched. So a deposit and the claim for it
may come at the same moment: whoever is second sees what the first has written.
"""

from __future__ import annotations

from typing import Any, Literal

import sqlalchemy as sa

from protocol.platform.reports import ClosedSession
from server.store import rewards
from server.store.database import Connection, for_each, row, rows
from server.tables import deposits, user_sessions

_session = user_sessions.c

_LOCK = (
    sa.select(user_sessions)
    .where(
        _session.rvm_id == sa.bindparam("of_rvm"),
        _session.session_token == sa.bindparam("of_token"),
    )
    .with_for_update()
)
_MAKE = for_each(lambda insert: insert(user_sessions).on_conflict_do_nothing())


async def locked(connection: Connection, rvm_id: int, session_token: str) -> Any:
    """The session's row, made if need be, held until the transaction ends."""
    which = {"of_rvm": rvm_id, "of_token": session_token}
    found = await row(connection, _LOCK, which)
    if found is not None:
        return found
    new = {"rvm_id": rvm_id, "session_token": session_token}
    await connection.execute(_MAKE[connection.dialect.name], new)
    return await row(connection, _LOCK, which)


async def close(connection: Connection, rvm_id: int, said: ClosedSession) -> bool:
    """It is over; whether that is new. Whose it was we know better than the machine."""
    session = await locked(connection, rvm_id, said.key)
    if session.ended_at is not None:
        return False
    await connection.execute(
        sa.update(user_sessions)
        .where(_session.id == session.id)
        .values(
            started_at=said.started_at,
            ended_at=said.ended_at,
            reason=said.reason,
            credited=said.credited,
            refused=said.refused,
        )
    )
    return True


async def bind(
    connection: Connection,
    rvm_id: int,
    session_token: str,
    user_id: int,
    *,
    bound_by: Literal["code", "claim"],
    now_s: float,
) -> tuple[Any, bool]:
    """The session is this user's, with all its deposits.

    Returns:
        Its row, and whether that is new; the row names another user if it was his before.
    """
    session = await locked(connection, rvm_id, session_token)
    if session.user_id is not None:
        return session, False
    await connection.execute(
        sa.update(user_sessions)
        .where(_session.id == session.id)
        .values(user_id=user_id, bound_by=bound_by, bound_at=now_s)
    )
    mine = sa.and_(deposits.c.rvm_id == rvm_id, deposits.c.session_token == session_token)
    await connection.execute(sa.update(deposits).where(mine).values(user_id=user_id))
    session = await locked(connection, rvm_id, session_token)
    credited = sa.select(deposits.c.id, deposits.c.reward).where(
        mine, deposits.c.state == "credited"
    )
    worth = [(one.id, one.reward) for one in await rows(connection, credited)]
    await rewards.book_deposits(connection, session, worth, now_s)
    return session, True
