"""What is reported and counts nothing: kept once, under its key."""

from __future__ import annotations

from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from protocol.platform.reports import Detection, Event, TelemetryBatch
from server.store.database import insert, row
from server.tables import detections, edge_events, edge_telemetry

FORGET_AT_ONCE = 2000


async def take_events(
    connection: AsyncConnection, rvm_id: int, items: list[Event], now_s: float
) -> set[str]:
    """Returns the keys that are new."""
    return await _keep(connection, edge_events, rvm_id, items, now_s)


async def take_detections(
    connection: AsyncConnection, rvm_id: int, items: list[Detection], now_s: float
) -> set[str]:
    """Returns the keys that are new."""
    return await _keep(connection, detections, rvm_id, items, now_s)


async def take_telemetry(
    connection: AsyncConnection, rvm_id: int, said: TelemetryBatch, now_s: float
) -> int:
    """Returns how many samples are new: all of them or none."""
    statement = insert(connection, edge_telemetry).values(
        rvm_id=rvm_id, key=said.key, samples=msgspec.to_builtins(said.samples), received_at=now_s
    )
    statement = statement.on_conflict_do_nothing(index_elements=["rvm_id", "key"])
    new = await row(connection, statement.returning(edge_telemetry.c.id))
    return 0 if new is None else len(said.samples)


async def forget_telemetry(connection: AsyncConnection, before_s: float) -> bool:
    """Some of what came before that; whether there may be more. Who writes waits only so long."""
    telemetry = edge_telemetry.c
    some = (
        sa.select(telemetry.id)
        .where(telemetry.received_at < before_s)
        .order_by(telemetry.received_at)
        .limit(FORGET_AT_ONCE)
    )
    gone = await connection.execute(sa.delete(edge_telemetry).where(telemetry.id.in_(some)))
    return gone.rowcount == FORGET_AT_ONCE


async def _keep(
    connection: AsyncConnection,
    table: sa.Table,
    rvm_id: int,
    items: list[Any],
    now_s: float,
) -> set[str]:
    if not items:
        return set()
    columns = set(table.c.keys())
    values = [
        {name: value for name, value in msgspec.to_builtins(item).items() if name in columns}
        | {"rvm_id": rvm_id, "received_at": now_s}
        for item in items
    ]
    statement = insert(connection, table).values(values)
    statement = statement.on_conflict_do_nothing(index_elements=["rvm_id", "key"])
    return set((await connection.execute(statement.returning(table.c.key))).scalars())
