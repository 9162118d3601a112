"""The fleet as operators see it: machines with how they stand, and what they have told."""

from __future__ import annotations

from typing import Any

import msgspec
import sqlalchemy as sa

from protocol.platform.reports import Sample
from server.payloads.fleet import FleetDeposit, FleetEvent, Machine
from server.rules.liveness import liveness
from server.store.database import Connection, row, rows
from server.tables import (
    commands,
    config_reports,
    deposits,
    edge_devices,
    edge_events,
    edge_telemetry,
    images,
    processing_engines,
    reverse_vending_machines,
    users,
)

_machine, _device = reverse_vending_machines.c, edge_devices.c

_OPEN = (
    sa.select(commands.c.rvm_id, sa.func.count().label("open_commands"))
    .where(commands.c.is_final.is_(False))
    .group_by(commands.c.rvm_id)
    .subquery()
)
# Of each machine the version that runs, by its newest report of settings.
_NEWEST_REPORT = (
    sa.select(sa.func.max(config_reports.c.id).label("id"))
    .group_by(config_reports.c.rvm_id)
    .subquery()
)
_DEVICE_FACTS = (
    "public_key",
    "enrolled_at",
    "born_at",
    "died_at",
    "death_reason",
    "boot_id",
    "epoch",
    "uptime_s",
    "versions",
    "capabilities",
    "actors",
    "commands_after",
)
_ENGINE_FACTS = tuple(name for name in processing_engines.c.keys() if name not in {"id", "rvm_id"})  # noqa: SIM118 - columns


async def machines(
    connection: Connection, now_s: float, heartbeat_s: float, rvm_id: int | None = None
) -> tuple[Machine, ...]:
    """All of them, or one, by number."""
    in_force = (
        sa.select(config_reports.c.rvm_id, config_reports.c.in_force)
        .join(_NEWEST_REPORT, _NEWEST_REPORT.c.id == config_reports.c.id)
        .subquery()
    )
    statement = (
        sa.select(reverse_vending_machines, edge_devices, _OPEN.c.open_commands)
        .add_columns(in_force.c.in_force, _machine.settings_version.label("desired"))
        .add_columns(_machine.id.label("number"))
        .join(edge_devices, sa.and_(_device.rvm_id == _machine.id, _device.replaced_at.is_(None)))
        .outerjoin(_OPEN, _OPEN.c.rvm_id == _machine.id)
        .outerjoin(in_force, in_force.c.rvm_id == _machine.id)
        .order_by(_machine.id)
    )
    if rvm_id is not None:
        statement = statement.where(_machine.id == rvm_id)
    return tuple(_told(one, now_s, heartbeat_s) for one in await rows(connection, statement))


def _told(one: Any, now_s: float, heartbeat_s: float) -> Machine:
    return Machine(
        rvm_id=one.number,
        hardware_id=one.hardware_id,
        name=one.name,
        liveness=liveness(
            last_seen_at=one.last_seen_at,
            died_at=one.died_at,
            now_s=now_s,
            heartbeat_s=heartbeat_s,
        ),
        last_seen_at=one.last_seen_at,
        status=one.status,
        status_reason=one.status_reason,
        health_score=one.health_score,
        current_load=one.current_load,
        max_capacity=one.max_capacity,
        version=str(one.versions.get("rvm-edge", "")),
        clock_quality=one.clock_quality,
        waiting=one.waiting,
        open_commands=one.open_commands or 0,
        settings_version=one.desired,
        settings_in_force=one.in_force or 0,
        summary=one.summary,
    )


async def device(connection: Connection, rvm_id: int) -> dict[str, Any]:
    """The computer in a machine, as it has introduced itself."""
    found = await row(
        connection,
        sa.select(edge_devices).where(_device.rvm_id == rvm_id, _device.replaced_at.is_(None)),
    )
    return {name: getattr(found, name) for name in _DEVICE_FACTS}


async def engine(connection: Connection, rvm_id: int) -> dict[str, Any] | None:
    """Its engine, if it has registered one."""
    found = await row(
        connection, sa.select(processing_engines).where(processing_engines.c.rvm_id == rvm_id)
    )
    return None if found is None else {name: getattr(found, name) for name in _ENGINE_FACTS}


async def samples(connection: Connection, rvm_id: int, batches: int) -> tuple[Sample, ...]:
    """Of the newest batches, the newest batch first, each oldest first."""
    found = await connection.execute(
        sa.select(edge_telemetry.c.samples)
        .where(edge_telemetry.c.rvm_id == rvm_id)
        .order_by(edge_telemetry.c.id.desc())
        .limit(batches)
    )
    return tuple(
        sample for batch in found.scalars() for sample in msgspec.convert(batch, list[Sample])
    )


async def events(connection: Connection, rvm_id: int, limit: int) -> tuple[FleetEvent, ...]:
    """What happened at a machine, newest first."""
    found = await rows(
        connection,
        sa.select(edge_events)
        .where(edge_events.c.rvm_id == rvm_id)
        .order_by(edge_events.c.id.desc())
        .limit(limit),
    )
    return tuple(
        FleetEvent(one.key, one.kind, one.at, one.received_at, one.fields) for one in found
    )


async def newest_deposits(
    connection: Connection, limit: int, rvm_id: int | None = None, before: int | None = None
) -> tuple[FleetDeposit, ...]:
    """Newest first; `before` a number, to turn the page."""
    deposit = deposits.c
    statement = (
        sa.select(deposits, users.c.reference, images.c.id.label("image_id"))
        .outerjoin(users, users.c.id == deposit.user_id)
        .outerjoin(
            images, sa.and_(images.c.rvm_id == deposit.rvm_id, images.c.key == deposit.image_path)
        )
        .order_by(deposit.id.desc())
        .limit(limit)
    )
    if rvm_id is not None:
        statement = statement.where(deposit.rvm_id == rvm_id)
    if before is not None:
        statement = statement.where(deposit.id < before)
    return tuple(_deposit(one) for one in await rows(connection, statement))


def _deposit(one: Any) -> FleetDeposit:
    return FleetDeposit(
        deposit_id=one.id,
        rvm_id=one.rvm_id,
        key=one.key,
        state=one.state,
        waste_type=one.waste_type,
        session_token=one.session_token,
        at=one.at,
        received_at=one.received_at,
        weight=one.weight,
        ai_confidence=one.ai_confidence,
        reason=one.reason,
        image_id=one.image_id,
        user=one.reference or "",
        reward=one.reward,
    )
