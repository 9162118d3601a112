"""Machines: births, deaths, heartbeats, status, engines."""

from __future__ import annotations

from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from protocol.platform.identity import Birth, Death
from protocol.platform.reports import Engine, Heartbeat, MachineStatus, Pulse
from server.store.database import insert, row
from server.tables import (
    ai_model_versions,
    edge_devices,
    processing_engines,
    reverse_vending_machines,
)

_device = edge_devices.c
_machine = reverse_vending_machines.c


def _current(rvm_id: int) -> Any:
    return sa.and_(_device.rvm_id == rvm_id, _device.replaced_at.is_(None))


async def public_key(connection: AsyncConnection, hardware_id: str) -> tuple[int, str] | None:
    """The machine's number and the key that it now has."""
    found = await row(
        connection,
        sa.select(_machine.id, _device.public_key)
        .join(edge_devices, _device.rvm_id == _machine.id)
        .where(_machine.hardware_id == hardware_id, _device.replaced_at.is_(None)),
    )
    return None if found is None else (found.id, found.public_key)


async def public_keys(connection: AsyncConnection, hardware_id: str) -> list[tuple[int, str]]:
    """The same with every key that it has ever had: old claims are good."""
    found = await connection.execute(
        sa.select(_machine.id, _device.public_key)
        .join(edge_devices, _device.rvm_id == _machine.id)
        .where(_machine.hardware_id == hardware_id)
        .order_by(_device.enrolled_at.desc())
    )
    return [(one.id, one.public_key) for one in found]


async def by_hardware_id(connection: AsyncConnection, hardware_id: str) -> int | None:
    """The machine's number."""
    statement = sa.select(_machine.id).where(_machine.hardware_id == hardware_id)
    found = await row(connection, statement)
    return None if found is None else int(found.id)


async def count(connection: AsyncConnection) -> int:
    """How many there are."""
    return int((await connection.execute(sa.select(sa.func.count(_machine.id)))).scalar_one())


async def newest(connection: AsyncConnection, rvm_id: int) -> tuple[int, int]:
    """The newest version of its settings, and the newest of its commands."""
    found = await row(
        connection,
        sa.select(_machine.settings_version, _machine.command_seq).where(_machine.id == rvm_id),
    )
    return found.settings_version, found.command_seq


async def born(connection: AsyncConnection, rvm_id: int, said: Birth, now_s: float) -> None:
    """It has started; twice is once."""
    await connection.execute(
        sa.update(edge_devices)
        .where(_current(rvm_id))
        .values(
            born_at=now_s,
            died_at=None,
            death_reason="",
            last_seen_at=now_s,
            boot_id=said.boot_id,
            epoch=said.epoch,
            heartbeat_seq=0,
            clock_quality=said.clock_quality,
            settings_version=said.settings_version,
            commands_after=said.commands_after,
            versions=said.versions,
            capabilities=said.capabilities,
            actors=said.actors,
        )
    )
    model = said.versions.get("model")
    if model:
        statement = insert(connection, ai_model_versions).values(
            name=model, first_seen_at=now_s, first_seen_on=rvm_id
        )
        await connection.execute(statement.on_conflict_do_nothing())


async def died(connection: AsyncConnection, rvm_id: int, said: Death, now_s: float) -> None:
    """It has ended; a death of an earlier run than the one we know says nothing."""
    await connection.execute(
        sa.update(edge_devices)
        .where(_current(rvm_id), _device.boot_id == said.boot_id, _device.epoch == said.epoch)
        .values(died_at=now_s, last_seen_at=now_s, death_reason=said.reason)
    )


async def heard(connection: AsyncConnection, rvm_id: int, said: Heartbeat, now_s: float) -> Pulse:
    """A heartbeat, and what the machine may want to ask for."""
    updated = await connection.execute(
        sa.update(edge_devices)
        .where(_current(rvm_id), _device.epoch == said.epoch, _device.died_at.is_(None))
        .where(_device.born_at.is_not(None))
        .values(
            last_seen_at=now_s,
            heartbeat_seq=said.seq,
            uptime_s=said.uptime_s,
            clock_quality=said.clock_quality,
            settings_version=said.settings_version,
            commands_after=said.commands_after,
            waiting=said.waiting,
            summary=said.status,
        )
    )
    settings_version, commands_last = await newest(connection, rvm_id)
    return Pulse(
        server_time=now_s,
        settings_version=settings_version,
        commands_last=commands_last,
        rebirth=updated.rowcount == 0,
    )


async def stands(
    connection: AsyncConnection, rvm_id: int, said: MachineStatus, now_s: float
) -> None:
    """Its status; what comes last counts, whatever the machine's clock says."""
    values = msgspec.structs.asdict(said)
    reason = values.pop("reason")
    del values["at"], values["clock_quality"]
    values["last_maintenance"] = said.last_maintenance or ""
    await connection.execute(
        sa.update(reverse_vending_machines)
        .where(_machine.id == rvm_id)
        .values(status_reason=reason, status_at=now_s, **values)
    )


async def computes(connection: AsyncConnection, rvm_id: int, said: Engine, now_s: float) -> int:
    """Its engine; returns the engine's number."""
    values = {**msgspec.structs.asdict(said), "updated_at": now_s}
    statement = insert(connection, processing_engines).values(rvm_id=rvm_id, **values)
    statement = statement.on_conflict_do_update(index_elements=["rvm_id"], set_=values)
    found = await row(connection, statement.returning(processing_engines.c.id))
    return int(found.id)


async def exists(connection: AsyncConnection, rvm_id: int) -> bool:
    """Whether there is one with this number."""
    statement = sa.select(_machine.id).where(_machine.id == rvm_id)
    return await row(connection, statement) is not None
