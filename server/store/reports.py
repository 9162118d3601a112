"""What is reported and counts nothing: kept once, under its key."""

from __future__ import annotations

from typing import Any

import msgspec
import sqlalchemy as sa

from protocol.platform.reports import Detection, Event, TelemetryBatch
from server.store.database import Connection, for_each, row, rows
from server.tables import detections, edge_events, edge_telemetry


def _once(table: sa.Table) -> Any:
    return for_each(
        lambda insert: (
            insert(table)
            .on_conflict_do_nothing(index_elements=["rvm_id", "key"])
            .returning(table.c.key)
        )
    )


_KEEP = {table.name: _once(table) for table in (edge_events, detections, edge_telemetry)}


async def take_events(
    connection: Connection, rvm_id: int, items: list[Event], now_s: float
) -> set[str]:
    """Returns the keys that are new."""
    return await _keep(connection, edge_events, rvm_id, items, now_s)


async def take_detections(
    connection: Connection, rvm_id: int, items: list[Detection], now_s: float
) -> set[str]:
    """Returns the keys that are new."""
    return await _keep(connection, detections, rvm_id, items, now_s)


async def take_telemetry(
    connection: Connection, rvm_id: int, said: TelemetryBatch, now_s: float
) -> int:
    """Returns how many samples are new: all of them or none."""
    values = {"rvm_id": rvm_id, "key": said.key, "samples": said.samples, "received_at": now_s}
    new = await row(connection, _KEEP[edge_telemetry.name][connection.dialect.name], values)
    return 0 if new is None else len(said.samples)


async def _keep(
    connection: Connection,
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
    new = await rows(connection, _KEEP[table.name][connection.dialect.name], values)
    return {one.key for one in new}
