"""What ends: rows that nobody needs any more, a few at a time.

Every function forgets at most `AT_ONCE` rows, oldest first, and says how many it has looked at or
forgotten; whoever writes waits only so long. Tables whose rows nobody looks up by their age are
read from their oldest number on: numbers and ages grow together, and an index would cost every
write. What is not named here is kept: see `server.tables`.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from server.store.database import Connection, rows
from server.tables import (
    api_tokens,
    command_reports,
    commands,
    config_reports,
    configs,
    detections,
    edge_events,
    edge_telemetry,
    enrolment_tokens,
    images,
    reverse_vending_machines,
    session_requests,
    uploads,
)

AT_ONCE = 500


async def forget_tokens(connection: Connection, before_s: float) -> bool:
    """Bearer tokens that were good until then, or less; whether there may be more."""
    some = sa.select(api_tokens.c.id).where(api_tokens.c.expires_at <= before_s).limit(AT_ONCE)
    return await _forget(connection, api_tokens, some)


async def forget_enrolments(connection: Connection, before_s: float) -> bool:
    """Enrolment tokens, used or not, that were good until then, or less."""
    token = enrolment_tokens.c
    some = sa.select(token.id).where(token.expires_at <= before_s).limit(AT_ONCE)
    return await _forget(connection, enrolment_tokens, some)


async def forget_telemetry(connection: Connection, before_s: float) -> bool:
    """Samples that came before that."""
    telemetry = edge_telemetry.c
    some = (
        sa.select(telemetry.id)
        .where(telemetry.received_at < before_s)
        .order_by(telemetry.received_at)
        .limit(AT_ONCE)
    )
    return await _forget(connection, edge_telemetry, some)


async def forget_events(connection: Connection, before_s: float) -> bool:
    """Events that came before that."""
    some = _oldest(edge_events, edge_events.c.received_at, before_s)
    return await _forget(connection, edge_events, some)


async def forget_detections(connection: Connection, before_s: float) -> bool:
    """Detections that came before that."""
    some = _oldest(detections, detections.c.received_at, before_s)
    return await _forget(connection, detections, some)


async def forget_commands(connection: Connection, before_s: float) -> bool:
    """Commands that were sent before that, with what was reported of them, and who has asked."""
    found = await rows(connection, _oldest(commands, commands.c.issued_at, before_s))
    ids = [one.id for one in found]
    for table in (session_requests, command_reports):
        await connection.execute(sa.delete(table).where(table.c.command.in_(ids)))
    await connection.execute(sa.delete(commands).where(commands.c.id.in_(ids)))
    return len(ids) == AT_ONCE


async def forget_settings(connection: Connection, before_s: float) -> bool:
    """Versions and reports of before that; of each machine the newest of either stays."""
    newest_report = sa.select(sa.func.max(config_reports.c.id)).group_by(config_reports.c.rvm_id)
    some = _oldest(config_reports, config_reports.c.received_at, before_s)
    is_more = await _forget(
        connection, config_reports, some, config_reports.c.id.not_in(newest_report)
    )
    newest = (
        sa.select(reverse_vending_machines.c.settings_version)
        .where(reverse_vending_machines.c.id == configs.c.rvm_id)
        .scalar_subquery()
    )
    some = _oldest(configs, configs.c.created_at, before_s)
    return await _forget(connection, configs, some, configs.c.version < newest) or is_more


async def forget_uploads(connection: Connection, before_s: float) -> list[str]:
    """Those that were begun before that; returns the ids of which there may be a part."""
    upload = uploads.c
    old = _oldest(uploads, upload.created_at, before_s)
    gone = sa.delete(uploads).where(upload.id.in_(old)).returning(upload.upload_id)
    return list((await connection.execute(gone)).scalars())


async def forget_images(connection: Connection, before_s: float) -> list[str]:
    """Those that came before that; returns the digests of which there may be no row any more."""
    image = images.c
    old = _oldest(images, image.received_at, before_s)
    is_open = sa.exists().where(uploads.c.image_id == image.id)
    gone = sa.delete(images).where(image.id.in_(old), ~is_open).returning(image.sha256)
    return list((await connection.execute(gone)).scalars())


async def unknown_digests(connection: Connection, digests: set[str]) -> set[str]:
    """Those of which there is no row any more."""
    known = sa.select(images.c.sha256).where(images.c.sha256.in_(digests))
    return digests - set((await connection.execute(known)).scalars())


def _oldest(table: sa.Table, at: sa.Column[float], before_s: float) -> Any:
    """Numbers of the first rows, as far as they are so old."""
    first = sa.select(table.c.id, at.label("at")).order_by(table.c.id).limit(AT_ONCE).subquery()
    return sa.select(first.c.id).where(first.c.at < before_s)


async def _forget(connection: Connection, table: sa.Table, some: Any, *only: Any) -> bool:
    gone = await connection.execute(sa.delete(table).where(table.c.id.in_(some), *only))
    return bool(gone.rowcount == AT_ONCE)
