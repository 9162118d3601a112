"""Few values that every process of the platform must agree on, and that survive a restart."""

from __future__ import annotations

import secrets

import sqlalchemy as sa

from server.bell import PusherApp
from server.settings import Pusher
from server.store.database import Connection, insert, row
from server.tables import platform_values

SIGNING_KEY = "signing_key"
MAINTENANCE = "maintenance_s"


async def kept(connection: Connection, name: str, first: str) -> str:
    """The value of this name; `first`, if there was none: two who start at once agree."""
    await connection.execute(
        insert(connection, platform_values).values(name=name, value=first).on_conflict_do_nothing()
    )
    return str(await read(connection, name))


async def read(connection: Connection, name: str) -> str | None:
    """The value of this name, if there is one."""
    found = await row(
        connection, sa.select(platform_values.c.value).where(platform_values.c.name == name)
    )
    return None if found is None else str(found.value)


async def write(connection: Connection, name: str, value: str) -> None:
    """From now on it is this."""
    statement = insert(connection, platform_values).values(name=name, value=value)
    await connection.execute(
        statement.on_conflict_do_update(index_elements=["name"], set_={"value": value})
    )


async def pusher_app(connection: Connection, settings: Pusher) -> PusherApp:
    """The credentials that are set, else those that were made at the first start."""
    if settings.key:
        return PusherApp(settings.app_id, settings.key, settings.secret)
    number = str(secrets.randbelow(900_000) + 100_000)
    return PusherApp(
        await kept(connection, "pusher_app_id", number),
        await kept(connection, "pusher_key", secrets.token_hex(10)),
        await kept(connection, "pusher_secret", secrets.token_hex(20)),
    )
