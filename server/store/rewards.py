"""Who has been given what: entries that are only ever added; their sum is what he has.

A claim may come before the deposits that it promises, because the machine was offline. It is paid
at once, as an *advance*, so many items at the default rate. Each deposit of that session that comes
later settles one item of the advance and books its own worth instead: whatever comes first, and
whatever never comes, the sum is right.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from server.rules.rewards import Table
from server.store.database import Connection, for_each, row, rows
from server.tables import deposits, reward_entries, reward_tables, user_sessions

_entry, _session = reward_entries.c, user_sessions.c

_NEWEST = sa.select(reward_tables).order_by(reward_tables.c.id.desc()).limit(1)
_ENTER = for_each(
    lambda insert: (
        insert(reward_entries)
        .on_conflict_do_nothing(index_elements=["deposit_id", "kind"])
        .returning(_entry.deposit_id)
    )
)


async def rates(connection: Connection) -> Table:
    """The newest table."""
    found = await row(connection, _NEWEST)
    return Table(found.id, found.rates)


async def total(connection: Connection, user_id: int) -> int:
    """What the user has."""
    amount = sa.func.coalesce(sa.func.sum(_entry.amount), 0)
    statement = sa.select(amount).where(_entry.user_id == user_id)
    return int((await connection.execute(statement)).scalar_one())


async def book_deposits(
    connection: Connection, session: Any, worth: Sequence[tuple[int, int]], now_s: float
) -> None:
    """Credited deposits of a session whose user is known; twice is once.

    Args:
        session: its row, locked.
        worth: number and amount of each deposit.
    """
    booked = await _enter(connection, session, "deposit", worth, now_s)
    settled = [deposit_id for deposit_id, _ in worth if deposit_id in booked]
    settled = settled[: session.advanced_items]
    if not settled:
        return
    await connection.execute(
        sa.update(user_sessions)
        .where(_session.id == session.id)
        .values(advanced_items=session.advanced_items - len(settled))
    )
    back = [(deposit_id, -session.advance_rate) for deposit_id in settled]
    await _enter(connection, session, "settled", back, now_s)


async def book_claim(
    connection: Connection, session: Any, promised_items: int, now_s: float
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
    rate = (await rates(connection)).item_rate
    await connection.execute(
        sa.update(user_sessions)
        .where(_session.id == session.id)
        .values(claimed_items=promised_items, advanced_items=missing, advance_rate=rate)
    )
    if missing:
        await _enter(connection, session, "advance", [(None, missing * rate)], now_s)


async def _enter(
    connection: Connection,
    session: Any,
    kind: str,
    amounts: Sequence[tuple[int | None, int]],
    now_s: float,
) -> set[int | None]:
    """The deposits of those entries that were not there yet."""
    if not amounts:
        return set()
    entries = [
        {
            "user_id": session.user_id,
            "session_id": session.id,
            "kind": kind,
            "deposit_id": deposit_id,
            "amount": amount,
            "created_at": now_s,
        }
        for deposit_id, amount in amounts
    ]
    found = await rows(connection, _ENTER[connection.dialect.name], entries)
    return {one.deposit_id for one in found}
