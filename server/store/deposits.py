"""Deposits: each once, credited once, to whoever the session belongs to."""

from __future__ import annotations

from typing import Any, Literal

import msgspec
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from protocol.platform.reports import Deposit, DepositKnown
from server.rules.deposits import Known, judge, known_of
from server.rules.rewards import worth
from server.store import rewards, sessions
from server.store.database import insert, row
from server.tables import deposits, users

_deposit = deposits.c

Status = Literal["created", "duplicate", "moved", "key_reused"]


class Taken(msgspec.Struct, frozen=True):
    """What became of a deposit.

    Attributes:
        known: None if it was refused.
        user: reference of whoever has just been credited; empty: nobody.
    """

    status: Status
    known: DepositKnown | None = None
    user: str = ""


async def take(connection: AsyncConnection, rvm_id: int, said: Deposit, now_s: float) -> Taken:
    """Store it, or find out that it is here."""
    marks = known_of(said)
    statement = insert(connection, deposits).values(
        rvm_id=rvm_id, received_at=now_s, updated_at=now_s, **_values(said, marks)
    )
    statement = statement.on_conflict_do_nothing(index_elements=["rvm_id", "key"])
    new = await row(connection, statement.returning(_deposit.id))
    if new is not None:
        return await _settle(connection, rvm_id, new.id, said, "created", now_s)
    here = await row(
        connection,
        sa.select(deposits)
        .where(_deposit.rvm_id == rvm_id, _deposit.key == said.key)
        .with_for_update(),
    )
    verdict = judge(Known(here.state, here.item_hash, here.body_hash), marks)
    if verdict == "moved":
        changed = {**_values(said, marks), "updated_at": now_s}
        await connection.execute(sa.update(deposits).where(_deposit.id == here.id).values(changed))
        return await _settle(connection, rvm_id, here.id, said, "moved", now_s)
    return Taken(verdict, as_known(here) if verdict == "duplicate" else None)


async def find(connection: AsyncConnection, key: str, *where: Any) -> DepositKnown | None:
    """The deposit of this key, if the asker may know."""
    found = await row(connection, sa.select(deposits).where(_deposit.key == key, *where))
    return None if found is None else as_known(found)


def as_known(here: Any) -> DepositKnown:
    """A row as it is told."""
    reward = here.reward if here.user_id is not None else None
    return DepositKnown(here.key, here.id, here.state, reward)


async def _settle(
    connection: AsyncConnection,
    rvm_id: int,
    deposit_id: int,
    said: Deposit,
    status: Status,
    now_s: float,
) -> Taken:
    """Find the user, count the reward."""
    session = None
    if said.session_token:
        session = await sessions.locked(connection, rvm_id, said.session_token)
    user_id = None if session is None else session.user_id
    values: dict[str, Any] = {"user_id": user_id}
    amount = None
    if said.state == "credited":
        version, rates = await rewards.rates(connection)
        amount = worth(rates, said.waste_type, said.quantity)
        values |= {"reward": amount, "reward_version": version}
    await connection.execute(sa.update(deposits).where(_deposit.id == deposit_id).values(values))
    user = ""
    if user_id is not None and amount is not None:
        await rewards.book_deposit(connection, session, deposit_id, amount, now_s)
        user = await _reference(connection, user_id)
    reward = amount if user_id is not None else None
    return Taken(status, DepositKnown(said.key, deposit_id, said.state, reward), user)


async def _reference(connection: AsyncConnection, user_id: int) -> str:
    statement = sa.select(users.c.reference).where(users.c.id == user_id)
    return str((await connection.execute(statement)).scalar_one())


def _values(said: Deposit, marks: Known) -> dict[str, Any]:
    values = msgspec.structs.asdict(said)
    values["image_path"] = said.image_path or ""
    return {**values, "item_hash": marks.item_hash, "body_hash": marks.body_hash}
