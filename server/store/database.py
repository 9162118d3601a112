"""The database: transactions that read, transactions that write; SQLite or PostgreSQL.

SQLite has one writer. Whoever wants to write waits here, in order, and takes the lock at once
(``BEGIN IMMEDIATE``); so nobody is refused in the middle of a transaction. Its statements run in
the thread that asks: they take microseconds, which a way through another thread would multiply.
What waits for the disk, the commit, waits in a thread of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Protocol, TypeVar

import msgspec
import sqlalchemy as sa
from sqlalchemy import exc
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

BUSY_TIMEOUT_S = 10.0
"""Another process (bin/rvm-server enrol-token, a copy) may hold the file for a moment."""
READ_TIMEOUT_MS = 1000
"""A reader waits for nobody, but for one who mends the file after a crash."""
WRITE_TIMEOUT_MS = 0
"""A writer that waited in SQLite would hold up everybody here; `_begin_to_write` waits instead."""
BUSY_AGAIN_S = 0.02
POOL_SIZE = 8
"""Readers at once; PostgreSQL's default allows a hundred connections in all."""
POOL_TIMEOUT_S = 15.0
"""Whoever has waited so long is told to come back: machines give up after half a minute."""
CONNECT_TIMEOUT_S = 10.0
"""A PostgreSQL that does not answer is away."""

AWAY = (exc.OperationalError, exc.InterfaceError, exc.TimeoutError, ConnectionError)
"""Stopped, locked, full, or busy with everybody else: nobody's own fault, and it passes."""

T = TypeVar("T")


class Connection(Protocol):
    """A transaction that is open: `sqlalchemy.ext.asyncio.AsyncConnection`, or ours to SQLite."""

    @property
    def dialect(self) -> sa.Dialect:
        """Which database it is."""

    async def execute(self, statement: Any, parameters: Any = None, /) -> sa.CursorResult[Any]:
        """Its rows are here when it returns."""

    async def run_sync(self, work: Callable[[sa.Connection], T], /) -> T:
        """For what knows no `await`."""


_INSERT: Mapping[str, Any] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}


class _Kind(Protocol):
    """One of the two databases."""

    def read(self) -> AbstractAsyncContextManager[Connection]: ...
    def write(self) -> AbstractAsyncContextManager[Connection]: ...
    async def close(self) -> None: ...


class Database:
    """Where everything is kept."""

    def __init__(self, url: str) -> None:
        """Connects when it is first used."""
        self.is_sqlite = url.startswith("sqlite")
        self._kind: _Kind = _Sqlite(url) if self.is_sqlite else _Postgresql(url)

    def read(self) -> AbstractAsyncContextManager[Connection]:
        """A consistent view, written to by nobody."""
        return self._kind.read()

    def write(self) -> AbstractAsyncContextManager[Connection]:
        """All or nothing, on the disk when it ends."""
        return self._kind.write()

    async def close(self) -> None:
        await self._kind.close()


def insert(connection: Connection, table: sa.Table) -> Any:
    """An INSERT that knows ON CONFLICT; both databases say it alike."""
    return _INSERT[connection.dialect.name](table)


def for_each(build: Callable[[Any], Any]) -> Mapping[str, Any]:
    """A statement for each database, by its dialect's name, made once from that one's `insert`.

    What every request says is made once: to make a statement takes four times as long as to
    have it carried out.
    """
    return {name: build(insert_of) for name, insert_of in _INSERT.items()}


async def row(connection: Connection, statement: Any, parameters: Any = None) -> Any:
    """The first row, with its columns as attributes; None if there is none."""
    return (await connection.execute(statement, parameters)).first()


async def rows(connection: Connection, statement: Any, parameters: Any = None) -> list[Any]:
    """All of them."""
    return list((await connection.execute(statement, parameters)).all())


def _to_json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


_JSON: Mapping[str, Any] = {
    "json_serializer": _to_json,
    "json_deserializer": msgspec.json.decode,
}


class _Postgresql:
    """Through asyncpg."""

    def __init__(self, url: str) -> None:
        self._engine: AsyncEngine = create_async_engine(
            url,
            pool_size=POOL_SIZE,
            max_overflow=POOL_SIZE,
            pool_timeout=POOL_TIMEOUT_S,
            pool_pre_ping=True,  # it may have been restarted
            hide_parameters=True,  # an error's text goes into a log
            connect_args={"timeout": CONNECT_TIMEOUT_S},
            **_JSON,
        )

    @asynccontextmanager
    async def read(self) -> AsyncIterator[Connection]:
        async with self._engine.connect() as connection:
            yield connection

    @asynccontextmanager
    async def write(self) -> AsyncIterator[Connection]:
        async with self._engine.begin() as connection:
            yield connection

    async def close(self) -> None:
        await self._engine.dispose()


class _Here:
    """A connection to SQLite, used where it is called."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection
        self.dialect = connection.dialect

    async def execute(self, statement: Any, parameters: Any = None, /) -> sa.CursorResult[Any]:
        return self._connection.execute(statement, parameters)

    async def run_sync(self, work: Callable[[sa.Connection], T], /) -> T:
        return work(self._connection)


class _Sqlite:
    """Through the standard library."""

    def __init__(self, url: str) -> None:
        self._readers = _sqlite_engine(url, READ_TIMEOUT_MS)
        self._writer = _sqlite_engine(url, WRITE_TIMEOUT_MS)
        self._turn = asyncio.Lock()
        self._disk = ThreadPoolExecutor(1, "sqlite-commit")

    @asynccontextmanager
    async def read(self) -> AsyncIterator[Connection]:
        with self._readers.connect() as connection:
            connection.exec_driver_sql("BEGIN")
            yield _Here(connection)

    @asynccontextmanager
    async def write(self) -> AsyncIterator[Connection]:
        async with self._turn:
            with self._writer.connect() as connection:
                await _begin_to_write(connection)
                yield _Here(connection)
                await self._commit(connection)

    async def close(self) -> None:
        self._readers.dispose()
        self._writer.dispose()
        self._disk.shutdown(wait=False)

    async def _commit(self, connection: sa.Connection) -> None:
        """Nobody who is told to stop leaves a connection that is still at work."""
        done = asyncio.get_running_loop().run_in_executor(self._disk, connection.commit)
        try:
            await asyncio.shield(done)
        except asyncio.CancelledError:
            await asyncio.wait((done,))
            raise


def _sqlite_engine(url: str, busy_timeout_ms: int) -> sa.Engine:
    engine = sa.create_engine(
        url,
        pool_size=POOL_SIZE,
        max_overflow=-1,  # to wait for a connection would be to wait for oneself
        hide_parameters=True,
        # We say BEGIN ourselves. A connection is handed to the thread that commits, and back.
        connect_args={"isolation_level": None, "check_same_thread": False},
        **_JSON,
    )

    def set_up(connection: Any, _record: Any) -> None:
        for pragma in (
            f"busy_timeout = {busy_timeout_ms}",
            "journal_mode = WAL",
            # A deposit that was acknowledged is on the disk: the machine throws its own away.
            "synchronous = FULL",
            "foreign_keys = ON",
        ):
            connection.execute(f"PRAGMA {pragma}").close()

    sa.event.listen(engine, "connect", set_up)
    return engine


async def _begin_to_write(connection: sa.Connection) -> None:
    """Take the lock; whoever else has it is waited for without holding up anybody here.

    Raises:
        OperationalError: he has kept it for too long.
    """
    tries_left = round(BUSY_TIMEOUT_S / BUSY_AGAIN_S)
    while True:
        try:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        except exc.OperationalError as error:
            tries_left -= 1
            if "locked" not in str(error.orig) or not tries_left:
                raise
            await asyncio.sleep(BUSY_AGAIN_S)
        else:
            return
