"""Two processes of the platform on one database: what both are told is there once."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
import sqlalchemy as sa

from protocol.platform.reports import Deposit
from server.migrations import migrate
from server.settings import database_url
from server.store import deposits, operators, rewards, sessions
from server.store.database import Database
from server.tables import deposits as table
from server.tables import reverse_vending_machines, user_sessions, users

ITEMS = 40
RATE = 100
"""Of the first reward table."""


def deposit(number: int, state="credited", **changes) -> Deposit:
    said = {"session_token": f"s-{number % 4}", "waste_type": "mineral", "at": 1.0, **changes}
    return Deposit(key=f"rvm-1-1-{number}", state=state, **said)


async def prepare(database: Database) -> None:
    await migrate(database)
    async with database.write() as connection:
        await operators.settle_rewards(connection, 1.0)
        await connection.execute(
            sa.insert(reverse_vending_machines).values(hardware_id="rvm-1", enrolled_at=1.0)
        )
        await connection.execute(
            sa.insert(users).values(reference="u-1", name="Sari", created_at=1.0)
        )


async def take(database: Database, items: list[Deposit]) -> list[deposits.Taken]:
    async with database.write() as connection:
        return await deposits.take(connection, 1, items, 2.0)


async def bind(database: Database, token: str) -> None:
    async with database.write() as connection:
        await sessions.bind(connection, 1, token, 1, bound_by="code", now_s=2.0)


def run(url: str, tmp_path: Path, scenario, processes: int = 2):
    """Run the scenario with so many databases that are one; returns what it returned."""

    async def everything():
        address = url or database_url("", tmp_path)
        databases = [Database(address) for _ in range(processes)]
        await prepare(databases[0])
        try:
            return await scenario(*databases)
        finally:
            await asyncio.gather(*(database.close() for database in databases))

    return asyncio.run(everything())


async def seen(database: Database) -> tuple[int, int, int]:
    """Deposits, those that are the user's, and what he has."""
    async with database.read() as connection:
        count = sa.select(sa.func.count())
        everything = (await connection.execute(count.select_from(table))).scalar_one()
        his = (await connection.execute(count.where(table.c.user_id == 1))).scalar_one()
        return everything, his, await rewards.total(connection, 1)


def test_a_batch_that_two_processes_take_at_once_is_there_once(url: str, tmp_path: Path):
    items = [deposit(number) for number in range(ITEMS)]

    async def scenario(one: Database, other: Database):
        # The session is his in the same moment, too.
        *taken, _ = await asyncio.gather(take(one, items), take(other, items), bind(other, "s-1"))
        return taken, await seen(one)

    taken, found = run(url, tmp_path, scenario)
    for statuses in zip(*([one.status for one in each] for each in taken), strict=True):
        assert sorted(statuses) == ["created", "duplicate"]
    assert found == (ITEMS, ITEMS // 4, RATE * ITEMS // 4)


@pytest.mark.parametrize("states", [("review", "credited"), ("credited", "review")])
def test_two_steps_of_one_item_in_a_batch_are_taken_in_their_order(
    url: str, tmp_path: Path, states: tuple[str, str]
):
    async def scenario(database: Database):
        await bind(database, "s-1")
        taken = await take(database, [deposit(1, state=state) for state in states])
        return taken, await seen(database)

    taken, found = run(url, tmp_path, scenario, 1)
    second = "moved" if states[1] == "credited" else "duplicate"
    assert [one.status for one in taken] == ["created", second]
    assert taken[1].known is not None
    assert (taken[1].known.state, taken[1].known.reward) == ("credited", RATE)
    assert found == (1, 1, RATE)


def test_a_batch_settles_no_more_than_was_paid_in_advance(url: str, tmp_path: Path):
    async def scenario(database: Database):
        async with database.write() as connection:
            session, _ = await sessions.bind(connection, 1, "s", 1, bound_by="claim", now_s=2.0)
            await rewards.book_claim(connection, session, 3, 2.0)
        first = [deposit(number, session_token="s") for number in range(2)]
        rest = [deposit(number, session_token="s") for number in range(5)]
        await take(database, first)
        halfway = await seen(database)
        await take(database, rest)
        async with database.read() as connection:
            left = await connection.execute(sa.select(user_sessions.c.advanced_items))
            return halfway, await seen(database), left.scalar_one()

    halfway, found, left = run(url, tmp_path, scenario, 1)
    assert halfway == (2, 2, 3 * RATE)
    assert found == (5, 5, 5 * RATE)
    assert left == 0


def test_a_refused_word_makes_no_session(tmp_path: Path):
    async def scenario(database: Database):
        await take(database, [deposit(1)])
        (taken,) = await take(database, [deposit(1, session_token="another")])
        async with database.read() as connection:
            found = await connection.execute(sa.select(user_sessions.c.session_token))
            return taken.status, list(found.scalars())

    assert run("", tmp_path, scenario, 1) == ("key_reused", ["s-1"])
