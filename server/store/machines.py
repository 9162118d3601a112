"""Machines: births, deaths, heartbeats, status, engines."""

from __future__ import annotations

from typing import Any

import msgspec
import sqlalchemy as sa

from protocol.platform.identity import Birth, Death
from protocol.platform.reports import Engine, Heartbeat, MachineStatus, Pulse
from server.store.database import Connection, insert, row
from server.tables import (
    ai_model_versions,
    edge_devices,
    processing_engines,
    reverse_vending_machines,
)

MODEL_LETTERS_MAX = 200
MODELS_MAX = 1000
"""Names that one machine was the first to say: an update a day, for years."""

_device = edge_devices.c
_machine = reverse_vending_machines.c

_NEWEST = sa.select(_machine.settings_version, _machine.command_seq).where(
    _machine.id == sa.bindparam("of_rvm")
)
_CATCH_UP = (
    sa.update(reverse_vending_machines)
    .where(_machine.id == sa.bindparam("of_rvm"), _machine.command_seq < sa.bindparam("seen"))
    .values(command_seq=sa.bindparam("seen"))
)
_BEAT = (
    sa.update(edge_devices)
    .where(_device.rvm_id == sa.bindparam("of_rvm"), _device.replaced_at.is_(None))
    .where(_device.epoch == sa.bindparam("of_epoch"), _device.died_at.is_(None))
    .where(_device.born_at.is_not(None))
)


def _current(rvm_id: int) -> Any:
    return sa.and_(_device.rvm_id == rvm_id, _device.replaced_at.is_(None))


async def public_key(connection: Connection, hardware_id: str) -> tuple[int, str] | None:
    """The machine's number and the key that it now has."""
    found = await row(
        connection,
        sa.select(_machine.id, _device.public_key)
        .join(edge_devices, _device.rvm_id == _machine.id)
        .where(_machine.hardware_id == hardware_id, _device.replaced_at.is_(None)),
    )
    return None if found is None else (found.id, found.public_key)


async def public_keys(
    connection: Connection, hardware_id: str, replaced_after_s: float
) -> list[tuple[int, str]]:
    """The same with the keys that it had until then: a key that is gone must not pay for ever."""
    found = await connection.execute(
        sa.select(_machine.id, _device.public_key)
        .join(edge_devices, _device.rvm_id == _machine.id)
        .where(
            _machine.hardware_id == hardware_id,
            sa.or_(_device.replaced_at.is_(None), _device.replaced_at > replaced_after_s),
        )
        .order_by(_device.enrolled_at.desc())
    )
    return [(one.id, one.public_key) for one in found]


async def by_hardware_id(connection: Connection, hardware_id: str) -> int | None:
    """The machine's number."""
    statement = sa.select(_machine.id).where(_machine.hardware_id == hardware_id)
    found = await row(connection, statement)
    return None if found is None else int(found.id)


async def count(connection: Connection) -> int:
    """How many there are."""
    return int((await connection.execute(sa.select(sa.func.count(_machine.id)))).scalar_one())


async def newest(connection: Connection, rvm_id: int) -> tuple[int, int]:
    """The newest version of its settings, and the newest of its commands."""
    found = await row(connection, _NEWEST, {"of_rvm": rvm_id})
    return found.settings_version, found.command_seq


async def catch_up(connection: Connection, rvm_id: int, commands_after: int) -> None:
    """Number commands behind those that the machine has seen.

    It may have seen more than we know of: after a backup was restored its cursor would pass over
    all that come until our numbers are as far.
    """
    await connection.execute(_CATCH_UP, {"of_rvm": rvm_id, "seen": commands_after})


async def born(connection: Connection, rvm_id: int, said: Birth, now_s: float) -> None:
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
    await catch_up(connection, rvm_id, said.commands_after)
    model = said.versions.get("model", "")[:MODEL_LETTERS_MAX]
    mine = sa.select(sa.func.count()).where(ai_model_versions.c.first_seen_on == rvm_id)
    if model and (await connection.execute(mine)).scalar_one() < MODELS_MAX:
        statement = insert(connection, ai_model_versions).values(
            name=model, first_seen_at=now_s, first_seen_on=rvm_id
        )
        await connection.execute(statement.on_conflict_do_nothing())


async def died(connection: Connection, rvm_id: int, said: Death, now_s: float) -> None:
    """It has ended; a death of an earlier run than the one we know says nothing."""
    await connection.execute(
        sa.update(edge_devices)
        .where(_current(rvm_id), _device.boot_id == said.boot_id, _device.epoch == said.epoch)
        .values(died_at=now_s, last_seen_at=now_s, death_reason=said.reason)
    )


async def heard(connection: Connection, rvm_id: int, said: Heartbeat, now_s: float) -> Pulse:
    """A heartbeat, and what the machine may want to ask for."""
    values = {
        "last_seen_at": now_s,
        "heartbeat_seq": said.seq,
        "uptime_s": said.uptime_s,
        "clock_quality": said.clock_quality,
        "settings_version": said.settings_version,
        "commands_after": said.commands_after,
        "waiting": said.waiting,
        "summary": said.status,
    }
    which = {"of_rvm": rvm_id, "of_epoch": said.epoch}
    updated = await connection.execute(_BEAT, {**values, **which})
    settings_version, commands_last = await newest(connection, rvm_id)
    if commands_last < said.commands_after:
        await catch_up(connection, rvm_id, said.commands_after)
        commands_last = said.commands_after
    return Pulse(
        server_time=now_s,
        settings_version=settings_version,
        commands_last=commands_last,
        rebirth=updated.rowcount == 0,
    )


async def stands(connection: Connection, rvm_id: int, said: MachineStatus, now_s: float) -> None:
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


async def computes(connection: Connection, rvm_id: int, said: Engine, now_s: float) -> int:
    """Its engine; returns the engine's number."""
    values = {**msgspec.structs.asdict(said), "updated_at": now_s}
    statement = insert(connection, processing_engines).values(rvm_id=rvm_id, **values)
    statement = statement.on_conflict_do_update(index_elements=["rvm_id"], set_=values)
    found = await row(connection, statement.returning(processing_engines.c.id))
    return int(found.id)


async def exists(connection: Connection, rvm_id: int) -> bool:
    """Whether there is one with this number."""
    statement = sa.select(_machine.id).where(_machine.id == rvm_id)
    return await row(connection, statement) is not None
