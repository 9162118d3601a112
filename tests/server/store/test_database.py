"""A database that is away is told as such, and comes back by itself."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import OperationalError

from server.migrations import migrate
from server.settings import database_url
from server.store import database as store
from server.store.database import Database
from server.tables import users
from tests.server.platform import Start


def test_a_database_that_has_gone_is_503_and_not_a_fault_of_the_asker(
    start: Start, postgres, caplog: pytest.LogCaptureFixture
):
    platform = start(postgres.new_database())
    machine = platform.machine()
    postgres.stop()
    try:
        answers = [
            machine.get("/edge/commands"),
            machine.post("/edge/challenges", {"hardware_id": "rvm-1"}),
            machine.get("//up"),
        ]
    finally:
        postgres.restart()
    assert [answer.status_code for answer in answers] == [503, 200, 200]
    assert int(answers[0].headers["retry-after"]) > 0
    assert "the database does not answer" in caplog.text
    assert machine.token not in caplog.text
    assert machine.post("/deposits", machine.deposit()).status_code == 201


def on_sqlite(tmp_path: Path, scenario):
    """Run the scenario with a database and its file."""

    async def everything():
        database = Database(database_url("", tmp_path))
        await migrate(database)
        try:
            with contextlib.closing(
                sqlite3.connect(tmp_path / "platform.sqlite3", isolation_level=None)
            ) as file:
                return await scenario(database, file)
        finally:
            await database.close()

    return asyncio.run(everything())


async def add(database: Database, reference: str) -> None:
    async with database.write() as connection:
        values = {"reference": reference, "name": "", "created_at": 1.0}
        await connection.execute(sa.insert(users).values(values))


async def references(database: Database) -> set[str]:
    async with database.read() as connection:
        return set((await connection.execute(sa.select(users.c.reference))).scalars())


def test_another_process_that_writes_is_waited_for_and_nobody_who_reads_waits(tmp_path: Path):
    async def scenario(database: Database, file: sqlite3.Connection):
        file.execute("BEGIN IMMEDIATE")
        waiting = asyncio.create_task(add(database, "u-1"))
        await asyncio.sleep(3 * store.BUSY_AGAIN_S)
        before = await references(database)
        is_waiting = not waiting.done()
        file.execute("COMMIT")
        await waiting
        return is_waiting, before, await references(database)

    assert on_sqlite(tmp_path, scenario) == (True, set(), {"u-1"})


def test_another_process_that_never_ends_is_not_waited_for_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(store, "BUSY_TIMEOUT_S", 0.1)

    async def scenario(database: Database, file: sqlite3.Connection):
        file.execute("BEGIN IMMEDIATE")
        with pytest.raises(OperationalError):
            await add(database, "u-1")
        file.execute("ROLLBACK")
        await add(database, "u-2")
        return await references(database)

    assert on_sqlite(tmp_path, scenario) == {"u-2"}


def test_who_is_told_to_stop_while_it_commits_leaves_nothing_half_done(tmp_path: Path):
    async def scenario(database: Database, _file: sqlite3.Connection):
        for number in range(20):
            stopped = asyncio.create_task(add(database, f"u-{number}"))
            await asyncio.sleep(0)  # it has said what it wants, and the commit is under way
            stopped.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await stopped
            await add(database, f"v-{number}")
        return await references(database)

    found = on_sqlite(tmp_path, scenario)
    assert {f"v-{number}" for number in range(20)} <= found
    assert {f"u-{number}" for number in range(20)} <= found


def test_what_fails_is_undone(tmp_path: Path):
    async def scenario(database: Database, _file: sqlite3.Connection):
        with contextlib.suppress(ZeroDivisionError):
            async with database.write() as connection:
                values = {"reference": "u", "name": "", "created_at": 1.0}
                await connection.execute(sa.insert(users).values(values))
                raise ZeroDivisionError
        return await references(database)

    assert on_sqlite(tmp_path, scenario) == set()
