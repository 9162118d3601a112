"""How a database got its tables: Alembic, run at every start."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from server.store.database import Database

# Two servers that start at once migrate one after another; any number that nobody else uses.
_LOCK = 7_280_731


async def migrate(database: Database) -> None:
    """Bring the database to the newest version; there already: nothing happens."""
    async with database.write() as connection:
        if not database.is_sqlite:
            await connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
        await connection.run_sync(_upgrade)


def configuration(connection: sa.Connection) -> Config:
    """Alembic's, without a file; migrations run in this connection's transaction."""
    config = Config()
    folder = str(Path(__file__).parent)
    config.set_main_option("script_location", folder.replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def _upgrade(connection: sa.Connection) -> None:
    command.upgrade(configuration(connection), "head")
