"""Commands: numbered per machine without a gap that a cursor could miss, reported append only."""

from __future__ import annotations

import uuid
from typing import Any

import msgspec
import sqlalchemy as sa

from protocol.platform.remote import FINAL, Command, CommandReport, Commands
from server.http.problems import Refused
from server.rules.commands import state_after
from server.store.database import Connection, insert, row, rows
from server.tables import command_reports, commands, reverse_vending_machines

PAGE = 50
"""Commands in one answer: at 16 KiB of arguments each it stays below a megabyte."""

_command = commands.c


class Issued(msgspec.Struct, frozen=True):
    """A command that is on its way.

    Attributes:
        row_id: of the table.
    """

    row_id: int
    seq: int
    id: str


async def issue(
    connection: Connection,
    rvm_id: int,
    type_: str,
    args: dict[str, Any],
    *,
    ttl_s: float,
    issuer: str,
    now_s: float,
) -> Issued:
    """Write one down.

    The machine's row is locked until the transaction ends, so that numbers become visible in
    their order: a cursor that has passed a number has seen all before it.
    """
    machine = reverse_vending_machines.c
    numbered = await row(
        connection,
        sa.update(reverse_vending_machines)
        .where(machine.id == rvm_id)
        .values(command_seq=machine.command_seq + 1)
        .returning(machine.command_seq),
    )
    if numbered is None:
        raise Refused(404, message="There is no such machine.")
    command_id = uuid.uuid4().hex
    statement = sa.insert(commands).values(
        rvm_id=rvm_id,
        seq=numbered.command_seq,
        command_id=command_id,
        type=type_,
        args=args,
        ttl_s=ttl_s,
        issuer=issuer,
        issued_at=now_s,
        is_final=False,
    )
    made = await row(connection, statement.returning(_command.id))
    return Issued(made.id, numbered.command_seq, command_id)


async def after(
    connection: Connection, rvm_id: int, cursor: int, now_s: float, *, everything: bool = False
) -> Commands:
    """What is behind the cursor and still open; a machine that has lost its cursor repeats nothing.

    Args:
        everything: also what is finished: a fault of `server.faults`.
    """
    wanted = [_command.rvm_id == rvm_id]
    if not everything:
        wanted += [_command.seq > cursor, _command.is_final.is_(False)]
    found = await rows(
        connection, sa.select(commands).where(*wanted).order_by(_command.seq).limit(PAGE)
    )
    last = sa.select(reverse_vending_machines.c.command_seq).where(
        reverse_vending_machines.c.id == rvm_id
    )
    newest = (await connection.execute(last)).scalar_one()
    return Commands(tuple(_told(one, now_s) for one in found), newest)


async def report(
    connection: Connection, rvm_id: int, command_id: str, said: CommandReport, now_s: float
) -> Any:
    """What became of it; returns the command's row, None if the machine has no such command."""
    command = await row(
        connection,
        sa.select(commands)
        .where(_command.rvm_id == rvm_id, _command.command_id == command_id)
        .with_for_update(),
    )
    if command is None:
        return None
    statement = insert(connection, command_reports).values(
        command=command.id, received_at=now_s, **msgspec.structs.asdict(said)
    )
    await connection.execute(statement.on_conflict_do_nothing())
    state = state_after(command.state, said)
    await connection.execute(
        sa.update(commands)
        .where(_command.id == command.id)
        .values(state=state, is_final=state in FINAL)
    )
    return command


async def last_report(connection: Connection, row_id: int) -> Any:
    """The one that settled it; None while it is open."""
    return await row(
        connection,
        sa.select(command_reports)
        .join(commands, command_reports.c.command == _command.id)
        .where(_command.id == row_id, command_reports.c.state == _command.state)
        .where(_command.is_final.is_(True))
        .order_by(command_reports.c.id)
        .limit(1),
    )


def _told(one: Any, now_s: float) -> Command:
    return Command(
        seq=one.seq,
        id=one.command_id,
        type=one.type,
        ttl_s=one.ttl_s,
        args=one.args,
        issued_at=one.issued_at,
        age_s=max(0.0, now_s - one.issued_at),
        issuer=one.issuer,
    )
