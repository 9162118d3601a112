"""The reference platform, on SQLite and on PostgreSQL; skipped as a whole without its extra."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import os
import secrets
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

NEEDED = ("fastapi", "uvicorn", "sqlalchemy", "asyncpg", "alembic", "httpx")
MISSING = [name for name in NEEDED if importlib.util.find_spec(name) is None]
POSTGRES = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))


class _Skipped(pytest.Module):
    def collect(self):
        pytest.skip(f"bin/setup server test: not here: {', '.join(MISSING)}")


def pytest_pycollect_makemodule(module_path: Path, parent: pytest.Collector):
    """Modules that cannot be imported without the extra are skipped, and say why."""
    return _Skipped.from_parent(parent, path=module_path) if MISSING else None


class Cluster:
    """A PostgreSQL of our own; durable enough for tests, and fast."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._bin = POSTGRES[-1].parent
        # It refuses to run as root.
        self._user = "postgres" if os.getuid() == 0 else None
        with socket.create_server(("127.0.0.1", 0)) as free:
            self._port = free.getsockname()[1]

    def start(self) -> None:
        data = str(self._folder / "data")
        self._run("initdb", "-D", data, "-A", "trust", "-U", "rvm", "-N")
        self.restart()

    def restart(self) -> None:
        data = str(self._folder / "data")
        options = f"-p {self._port} -h 127.0.0.1 -k {self._folder} -F"
        self._run("pg_ctl", "-D", data, "-o", options, "-l", f"{data}.log", "-w", "start")

    def stop(self) -> None:
        self._run("pg_ctl", "-D", str(self._folder / "data"), "-m", "immediate", "-w", "stop")

    def new_database(self) -> str:
        name = f"t{secrets.token_hex(6)}"
        where = ["-h", "127.0.0.1", "-p", str(self._port), "-U", "rvm"]
        self._run("createdb", *where, name)
        return f"postgresql+asyncpg://rvm@127.0.0.1:{self._port}/{name}"

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [str(self._bin / program), *arguments],
            user=self._user,
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,  # the server inherits it, and would keep a pipe open
            stderr=subprocess.DEVNULL,
            env={**os.environ, "LC_ALL": "C"},  # that of the asker may not be there for initdb
            check=False,
        )
        assert done.returncode == 0, (program, arguments)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Cluster]:
    if not POSTGRES:
        pytest.skip("there is no PostgreSQL here: apt install postgresql")
    # Not below a folder of the asker's own: the user postgres could not reach it.
    folder = Path(tempfile.mkdtemp(prefix="rvm-postgres-", dir="/tmp"))
    try:
        if os.getuid() == 0:
            try:
                shutil.chown(folder, "postgres")
            except LookupError:
                pytest.skip("PostgreSQL does not run as root, and there is no user postgres")
        cluster = Cluster(folder)
        cluster.start()
        try:
            yield cluster
        finally:
            cluster.stop()
    finally:
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with its tables: to copy one is quicker than to make one."""
    from server.migrations import migrate
    from server.settings import database_url
    from server.store.database import Database

    folder = tmp_path_factory.mktemp("migrated")

    async def make() -> None:
        database = Database(database_url("", folder))
        await migrate(database)
        await database.close()

    asyncio.run(make())
    return folder / "platform.sqlite3"


@pytest.fixture
def start(tmp_path: Path, migrated: Path):
    """Start a platform; ended with the test."""
    from tests.server.platform import Platform, settings_for

    shutil.copy(migrated, tmp_path)
    with contextlib.ExitStack() as stack:

        def start(url: str = "", **changes) -> Platform:
            settings = settings_for(tmp_path, url, **changes)
            return stack.enter_context(contextlib.closing(Platform(settings)))

        yield start


@pytest.fixture
def platform(start: Callable):
    """On SQLite."""
    return start()


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest) -> str:
    """Of an empty database, once of each kind; empty: the file in the data folder."""
    if request.param == "sqlite":
        return ""
    return request.getfixturevalue("postgres").new_database()


@pytest.fixture
def either(start: Callable, url: str):
    """On SQLite, and once more on PostgreSQL."""
    return start(url)
