"""Settings: what is desired of a machine, version by version, and what it reports of it."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec
import sqlalchemy as sa

from protocol.platform.twin import Desired, Reported
from server.http.problems import Refused
from server.store.database import Connection, insert, row
from server.tables import config_reports, configs, reverse_vending_machines


async def desired(connection: Connection, rvm_id: int) -> Desired:
    """The newest version, whole."""
    found = await row(
        connection,
        sa.select(configs)
        .where(configs.c.rvm_id == rvm_id)
        .order_by(configs.c.version.desc())
        .limit(1),
    )
    return Desired(0) if found is None else Desired(found.version, found.settings)


def etag(value: Desired) -> str:
    """Of a version: its number alone would come again after a restored backup."""
    digest = hashlib.sha256(msgspec.json.encode(value, order="deterministic")).hexdigest()
    return f'"{value.version}-{digest[:16]}"'


async def desire(
    connection: Connection,
    rvm_id: int,
    changes: dict[str, Any],
    *,
    expected: int | None,
    issuer: str,
    now_s: float,
) -> Desired:
    """A new version: the last one with these changes; None takes a key away.

    Raises:
        Refused: 404 no such machine; 409 somebody else was quicker than `expected`.
    """
    machine = reverse_vending_machines.c
    numbered = await row(
        connection,
        sa.update(reverse_vending_machines)
        .where(machine.id == rvm_id)
        .values(settings_version=machine.settings_version + 1)
        .returning(machine.settings_version),
    )
    if numbered is None:
        raise Refused(404, message="There is no such machine.")
    last = await desired(connection, rvm_id)
    if expected is not None and expected != last.version:
        message = f"The newest version is {last.version}, not {expected}."
        raise Refused(409, "version", message)
    merged = {**last.settings, **changes}
    settings = {key: value for key, value in merged.items() if value is not None}
    version = int(numbered.settings_version)
    await connection.execute(
        sa.insert(configs).values(
            rvm_id=rvm_id, version=version, settings=settings, issuer=issuer, created_at=now_s
        )
    )
    return Desired(version, settings)


async def report(connection: Connection, rvm_id: int, said: Reported, now_s: float) -> None:
    """What became of a version."""
    statement = insert(connection, config_reports).values(
        rvm_id=rvm_id,
        version=said.version,
        state=said.state,
        in_force=said.in_force,
        at=said.at,
        reason=said.reason,
        keys=msgspec.to_builtins(said.keys),
        received_at=now_s,
    )
    await connection.execute(statement.on_conflict_do_nothing())


async def last_report(connection: Connection, rvm_id: int) -> Any:
    """The newest one; None if the machine has never said anything."""
    report_ = config_reports.c
    return await row(
        connection,
        sa.select(config_reports)
        .where(report_.rvm_id == rvm_id)
        .order_by(report_.id.desc())
        .limit(1),
    )
