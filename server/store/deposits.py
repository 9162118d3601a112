"""Deposits: each once, credited once, to whoever the session belongs to."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Literal

import msgspec
import sqlalchemy as sa

from protocol.platform.reports import Deposit, DepositKnown
from server.rules.deposits import Known, judge, known_of
from server.rules.rewards import Table
from server.store import rewards, sessions
from server.store.database import Connection, for_each, row, rows
from server.tables import deposits, users

_deposit = deposits.c

_ADD = for_each(
    lambda insert: (
        insert(deposits)
        .on_conflict_do_nothing(index_elements=["rvm_id", "key"])
        .returning(_deposit.id, _deposit.key)
    )
)
_HERE = (
    sa.select(deposits)
    .where(_deposit.rvm_id == sa.bindparam("of_rvm"), _deposit.key == sa.bindparam("of_key"))
    .with_for_update()
)
_CHANGE = sa.update(deposits).where(_deposit.id == sa.bindparam("of_id"))
_GIVE = (
    sa.update(deposits)
    .where(_deposit.id.in_(sa.bindparam("of_ids", expanding=True)))
    .values(user_id=sa.bindparam("to_user"))
)
_REFERENCE = sa.select(users.c.reference).where(users.c.id == sa.bindparam("of_id"))

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


class _Stored(msgspec.Struct, frozen=True):
    """A row that has just been written; `amount`: what it is worth, None: it is not credited."""

    id: int
    session_token: str
    amount: int | None


async def take(
    connection: Connection, rvm_id: int, items: Sequence[Deposit], now_s: float
) -> list[Taken]:
    """Store them, or find out that they are here; each for itself, in their order."""
    if not items:
        return []
    table = await rewards.rates(connection)
    marks = [known_of(item) for item in items]
    first: dict[str, int] = {}  # of a key that stands twice in a batch, the first is the new one
    for index, item in enumerate(items):
        first.setdefault(item.key, index)
    values = {
        index: _values(items[index], marks[index], table, now_s) | {"received_at": now_s}
        for index in first.values()
    }
    added = await rows(
        connection,
        _ADD[connection.dialect.name],
        [{**one, "rvm_id": rvm_id} for one in values.values()],
    )
    ids = {first[one.key]: int(one.id) for one in added}
    new = [
        _Stored(ids[index], items[index].session_token, values[index]["reward"])
        for index in sorted(ids)
    ]
    owners = await _settle(connection, rvm_id, new, now_s)
    told = {one.id: one for one in new}
    return [
        _taken("created", item, told[ids[index]], owners)
        if index in ids
        else await _again(connection, rvm_id, item, marks[index], table, now_s)
        for index, item in enumerate(items)
    ]


async def find(connection: Connection, key: str, *where: Any) -> DepositKnown | None:
    """The deposit of this key, if the asker may know."""
    found = await row(connection, sa.select(deposits).where(_deposit.key == key, *where))
    return None if found is None else _known(found)


async def _again(
    connection: Connection,
    rvm_id: int,
    said: Deposit,
    marks: Known,
    table: Table,
    now_s: float,
) -> Taken:
    """The key is here: the same once more, a step of it, or another item."""
    here = await row(connection, _HERE, {"of_rvm": rvm_id, "of_key": said.key})
    verdict = judge(Known(here.state, here.item_hash, here.body_hash), marks)
    if verdict != "moved":
        return Taken(verdict, _known(here) if verdict == "duplicate" else None)
    values = _values(said, marks, table, now_s)
    await connection.execute(_CHANGE, {**values, "of_id": here.id})
    stored = _Stored(here.id, said.session_token, values["reward"])
    owners = await _settle(connection, rvm_id, [stored], now_s)
    return _taken("moved", said, stored, owners)


async def _settle(
    connection: Connection, rvm_id: int, stored: list[_Stored], now_s: float
) -> dict[int, str]:
    """Give them to the users of their sessions; returns whose each is, by a user's reference.

    Sessions are locked in one order by everybody, so that no two wait for each other.
    """
    by_session: defaultdict[str, list[_Stored]] = defaultdict(list)
    for one in stored:
        if one.session_token:
            by_session[one.session_token].append(one)
    owners: dict[int, str] = {}
    for token in sorted(by_session):
        session = await sessions.locked(connection, rvm_id, token)
        if session.user_id is None:
            continue
        mine = by_session[token]
        ids = [one.id for one in mine]
        await connection.execute(_GIVE, {"of_ids": ids, "to_user": session.user_id})
        worth = [(one.id, one.amount) for one in mine if one.amount is not None]
        await rewards.book_deposits(connection, session, worth, now_s)
        user = await row(connection, _REFERENCE, {"of_id": session.user_id})
        owners |= dict.fromkeys(ids, str(user.reference))
    return owners


def _taken(status: Status, said: Deposit, stored: _Stored, owners: dict[int, str]) -> Taken:
    owner = owners.get(stored.id)
    reward = None if owner is None else stored.amount
    known = DepositKnown(said.key, stored.id, said.state, reward)
    is_paid = owner is not None and stored.amount is not None
    return Taken(status, known, owner if is_paid and owner else "")


def _known(here: Any) -> DepositKnown:
    """A row as it is told."""
    reward = here.reward if here.user_id is not None else None
    return DepositKnown(here.key, here.id, here.state, reward)


def _values(said: Deposit, marks: Known, table: Table, now_s: float) -> dict[str, Any]:
    is_credited = said.state == "credited"
    return {
        **msgspec.structs.asdict(said),
        "image_path": said.image_path or "",
        "item_hash": marks.item_hash,
        "body_hash": marks.body_hash,
        "reward": table.worth(said.waste_type, said.quantity) if is_credited else None,
        "reward_version": table.version if is_credited else None,
        "updated_at": now_s,
    }
