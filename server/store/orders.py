"""Commands and settings as operators follow them."""

from __future__ import annotations

from typing import Any

import msgspec
import sqlalchemy as sa

from protocol.platform.twin import KeyReport
from server.payloads.fleet import CommandHistory, CommandState, CommandStep, Twin
from server.store import configs
from server.store.database import Connection, row, rows
from server.tables import command_reports, commands

_command = commands.c


async def newest(connection: Connection, rvm_id: int, limit: int) -> tuple[CommandState, ...]:
    """A machine's commands, newest first."""
    found = await rows(
        connection,
        sa.select(commands)
        .where(_command.rvm_id == rvm_id)
        .order_by(_command.seq.desc())
        .limit(limit),
    )
    return tuple(_state(one) for one in found)


async def history(connection: Connection, command_id: str) -> CommandHistory | None:
    """A command and every step of it."""
    command = await row(connection, sa.select(commands).where(_command.command_id == command_id))
    if command is None:
        return None
    steps = await rows(
        connection,
        sa.select(command_reports)
        .where(command_reports.c.command == command.id)
        .order_by(command_reports.c.id),
    )
    return CommandHistory(_state(command), tuple(_step(one) for one in steps))


async def twin(connection: Connection, rvm_id: int) -> Twin:
    """What is desired of a machine, and what has become of it."""
    desired = await configs.desired(connection, rvm_id)
    said = await configs.last_report(connection, rvm_id)
    if said is None:
        return Twin(desired.version, desired.settings)
    return Twin(
        version=desired.version,
        settings=desired.settings,
        reported_version=said.version,
        state=said.state,
        in_force=said.in_force,
        reason=said.reason,
        keys=msgspec.convert(said.keys, dict[str, KeyReport]),
    )


def _state(one: Any) -> CommandState:
    return CommandState(
        id=one.command_id,
        rvm_id=one.rvm_id,
        seq=one.seq,
        type=one.type,
        args=one.args,
        issued_at=one.issued_at,
        ttl_s=one.ttl_s,
        issuer=one.issuer,
        state=one.state,
        is_final=one.is_final,
    )


def _step(one: Any) -> CommandStep:
    return CommandStep(
        state=one.state,
        at=one.at,
        received_at=one.received_at,
        code=one.code,
        detail=one.detail,
        result=one.result,
        repeated=one.repeated,
    )
