"""A database gets its tables by migrations, and these say what `server.tables` says."""

from __future__ import annotations

import asyncio
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from server.migrations import configuration, migrate
from server.settings import database_url
from server.store.database import Database
from server.tables import metadata


def run(url: str, tmp_path: Path, *steps) -> list:
    """Each step, on an open connection, in a transaction of its own."""

    async def all_steps() -> list:
        database = Database(url or database_url("", tmp_path))
        try:
            results = []
            for step in steps:
                if step is migrate:
                    results.append(await migrate(database))
                    continue
                async with database.write() as connection:
                    results.append(await connection.run_sync(step))
            return results
        finally:
            await database.close()

    return asyncio.run(all_steps())


def differences(connection: sa.Connection) -> list:
    context = MigrationContext.configure(connection, opts={"compare_type": False})
    return compare_metadata(context, metadata)


def tables(connection: sa.Connection) -> set[str]:
    return set(sa.inspect(connection).get_table_names())


def down(connection: sa.Connection) -> None:
    command.downgrade(configuration(connection), "base")


def test_an_empty_database_becomes_what_the_tables_say(url: str, tmp_path: Path):
    _, found, names = run(url, tmp_path, migrate, differences, tables)
    assert found == []
    assert names == set(metadata.tables) | {"alembic_version"}


def test_migrating_again_changes_nothing(url: str, tmp_path: Path):
    def add(connection: sa.Connection) -> None:
        users = metadata.tables["users"]
        connection.execute(sa.insert(users).values(reference="u", name="Sari", created_at=1.0))

    def count(connection: sa.Connection) -> int:
        return connection.scalar(sa.select(sa.func.count()).select_from(metadata.tables["users"]))

    *_, found, kept = run(url, tmp_path, migrate, add, migrate, differences, count)
    assert (found, kept) == ([], 1)


def test_two_servers_that_start_at_once_agree(url: str, tmp_path: Path):
    async def both() -> None:
        databases = [Database(url or database_url("", tmp_path)) for _ in range(2)]
        await asyncio.gather(*(migrate(database) for database in databases))
        await asyncio.gather(*(database.close() for database in databases))

    asyncio.run(both())
    assert run(url, tmp_path, differences) == [[]]


def test_there_is_a_way_back_and_forth(url: str, tmp_path: Path):
    _, _, empty, _, found = run(url, tmp_path, migrate, down, tables, migrate, differences)
    assert empty <= {"alembic_version"}
    assert found == []
