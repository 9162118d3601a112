"""Who has been given what: entries that are only ever added; their sum is what he has.

A claim may come before the deposits that it promises, because the machine was offline. It is paid
at once, as an *advance*, so many items at the default rate. Each deposit of that session that comes
later settles one item of the advance and books its own worth instead: whatever comes first, and
whatever never comes, the sum is right.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from server.rules import rewards
from server.store.database import insert, row
from server.tables import deposits, reward_entries, reward_tables, user_sessions


async def rates(connection: AsyncConnection) -> tuple[int, Mapping[str, int]]:
    """The newest table and its version."""
    newest = sa.select(reward_tables).order_by(reward_tables.c.id.desc()).limit(1)
    found = await row(connection, newest)
    return found.id, found.rates


async def total(connection: AsyncConnection, user_id: int) -> int:
    """What the user has."""
    amount = sa.func.coalesce(sa.func.sum(reward_entries.c.amount), 0)
    statement = sa.select(amount).where(reward_entries.c.user_id == user_id)
    return int((await connection.execute(statement)).scalar_one())


async def book_deposit(
    connection: AsyncConnection, session: Any, deposit_id: int, amount: int, now_s: float
) -> None:
    """A credited deposit of a session whose user is known; twice is once."""
    booked = await _enter(connection, session, "deposit", amount, now_s, deposit_id=deposit_id)
    if not booked:
        return
    settled = await row(
        connection,
        sa.update(user_sessions)
        .where(user_sessions.c.id == session.id, user_sessions.c.advanced_items > 0)
        .values(advanced_items=user_sessions.c.advanced_items - 1)
        .returning(user_sessions.c.advance_rate),
    )
    if settled is not None:
        await _enter(
            connection, session, "settled", -settled.advance_rate, now_s, deposit_id=deposit_id
        )


async def book_claim(
    connection: AsyncConnection, session: Any, promised_items: int, now_s: float
) -> None:
    """Pay what a claim promises and the deposits that are here do not cover."""
    here = await row(
        connection,
        sa.select(sa.func.count(deposits.c.id).label("items")).where(
            deposits.c.rvm_id == session.rvm_id,
            deposits.c.session_token == session.session_token,
            deposits.c.state == "credited",
        ),
    )
    missing = max(0, promised_items - here.items)
    _, table = await rates(connection)
    rate = rewards.item_rate(table)
    await connection.execute(
        sa.update(user_sessions)
        .where(user_sessions.c.id == session.id)
        .values(claimed_items=promised_items, advanced_items=missing, advance_rate=rate)
    )
    if missing:
        await _enter(connection, session, "advance", missing * rate, now_s)


async def _enter(
    connection: AsyncConnection,
    session: Any,
    kind: str,
    amount: int,
    now_s: float,
    *,
    deposit_id: int | None = None,
) -> bool:
    """Whether it was not there yet."""
    statement = insert(connection, reward_entries).values(
        user_id=session.user_id,
        session_id=session.id,
        kind=kind,
        deposit_id=deposit_id,
        amount=amount,
        created_at=now_s,
    )
    statement = statement.on_conflict_do_nothing(index_elements=["deposit_id", "kind"])
    return await row(connection, statement.returning(reward_entries.c.id)) is not None
