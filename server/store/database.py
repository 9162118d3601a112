"""The database: one engine, transactions that read, transactions that write.

SQLite has one writer. Whoever wants to write waits here, in order, and takes the lock at once
(``BEGIN IMMEDIATE``); so nobody is refused in the middle of a transaction, and no thread waits.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

BUSY_TIMEOUT_MS = 10_000
"""Another process (bin/rvm-server enrol-token, a copy) may hold the file for a moment."""
POOL_SIZE = 8
"""Readers at once; PostgreSQL's default allows a hundred connections in all."""
POOL_TIMEOUT_S = 15.0
"""Whoever has waited so long is told to come back: machines give up after half a minute."""

_BEGIN = "rvm_begin"


class Database:
    """Where everything is kept."""

    def __init__(self, url: str) -> None:
        """Connects when it is first used."""
        self.is_sqlite = url.startswith("sqlite")
        self.engine: AsyncEngine = create_async_engine(
            url,
            pool_size=POOL_SIZE,
            max_overflow=POOL_SIZE,
            pool_timeout=POOL_TIMEOUT_S,
            pool_pre_ping=not self.is_sqlite,  # PostgreSQL may have been restarted
            hide_parameters=True,  # an error's text goes into a log
        )
        if self.is_sqlite:
            sa.event.listen(self.engine.sync_engine, "connect", _set_up_sqlite)
            sa.event.listen(self.engine.sync_engine, "begin", _begin_sqlite)
        self._writer = self.engine.execution_options(**{_BEGIN: "BEGIN IMMEDIATE"})
        self._turn = asyncio.Lock() if self.is_sqlite else nullcontext()

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """A consistent view, written to by nobody."""
        async with self.engine.connect() as connection:
            yield connection

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncConnection]:
        """All or nothing, on the disk when it ends."""
        async with self._turn, self._writer.begin() as connection:
            yield connection

    async def close(self) -> None:
        await self.engine.dispose()


def insert(connection: AsyncConnection, table: sa.Table) -> Any:
    """An INSERT that knows ON CONFLICT; both databases say it alike."""
    is_sqlite = connection.dialect.name == "sqlite"
    return sqlite.insert(table) if is_sqlite else postgresql.insert(table)


async def row(connection: AsyncConnection, statement: Any) -> Any:
    """The first row, with its columns as attributes; None if there is none."""
    return (await connection.execute(statement)).first()


async def rows(connection: AsyncConnection, statement: Any) -> list[Any]:
    """All of them."""
    return list((await connection.execute(statement)).all())


def _set_up_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # we say BEGIN ourselves
    cursor = connection.cursor()
    for pragma in (
        "journal_mode = WAL",
        # A deposit that was acknowledged is on the disk: the machine throws its own away.
        "synchronous = FULL",
        "foreign_keys = ON",
        f"busy_timeout = {BUSY_TIMEOUT_MS}",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: sa.Connection) -> None:
    connection.exec_driver_sql(connection.get_execution_options().get(_BEGIN, "BEGIN"))
