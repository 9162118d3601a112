"""Users: a reference that machines are told, and what they have brought."""

from __future__ import annotations

import secrets
from typing import Any

import sqlalchemy as sa

from server.payloads.customers import Account, OwnDeposit
from server.store import rewards
from server.store.database import Connection, row, rows
from server.tables import deposits, users

HISTORY = 100
"""Deposits that a telephone is shown."""


async def make(connection: Connection, name: str, now_s: float) -> tuple[int, str]:
    """A new user's number and reference."""
    reference = f"u-{secrets.token_hex(8)}"
    statement = sa.insert(users).values(reference=reference, name=name, created_at=now_s)
    made = await row(connection, statement.returning(users.c.id))
    return made.id, reference


async def account(connection: Connection, user: Any) -> Account:
    """What a user (a row) is told of himself."""
    counted = sa.select(sa.func.count(deposits.c.id)).where(
        deposits.c.user_id == user.id, deposits.c.state == "credited"
    )
    return Account(
        reference=user.reference,
        name=user.name,
        total=await rewards.total(connection, user.id),
        deposits=int((await connection.execute(counted)).scalar_one()),
    )


async def history(connection: Connection, user_id: int) -> tuple[OwnDeposit, ...]:
    """His deposits, newest first."""
    found = await rows(
        connection,
        sa.select(deposits)
        .where(deposits.c.user_id == user_id)
        .order_by(deposits.c.id.desc())
        .limit(HISTORY),
    )
    return tuple(
        OwnDeposit(one.key, one.state, one.waste_type, one.received_at, one.reward) for one in found
    )
