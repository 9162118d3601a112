"""Commands and settings: asked for here, fetched by the machine."""

from __future__ import annotations

from typing import Annotated

import msgspec
from fastapi import APIRouter, Response

from protocol.platform.remote import ARGS_BYTES_MAX
from server.bell import machine_channel
from server.http.answers import answer
from server.http.bodies import says
from server.http.callers import AsOperator, OperatorsOnly
from server.http.described import talk
from server.http.numbers import Limit, Number
from server.http.problems import Refused, invalid
from server.payloads.fleet import CommandHistory, CommandState, CommandStates, Desire, Order, Twin
from server.routes.fleet.machines import RECENT
from server.services import Here
from server.store import audit, commands, configs, machines, orders

router = APIRouter(tags=["fleet"], dependencies=[OperatorsOnly])

_NO_MACHINE = "There is no such machine."


@router.post(
    "/machines/{rvm_id}/commands",
    **talk(Order, CommandState, status=201, s404="No such machine."),
)
async def send_command(
    here: Here, operator: AsOperator, rvm_id: Number, said: Annotated[Order, says(Order)]
) -> Response:
    """Send one; the machine decides whether it does it."""
    if len(msgspec.json.encode(said.args)) > ARGS_BYTES_MAX:
        raise invalid("args", f"More than {ARGS_BYTES_MAX} bytes.")
    now_s = here.clock.wall_s()
    async with here.database.write() as connection:
        issued = await commands.issue(
            connection,
            rvm_id,
            said.type,
            said.args,
            ttl_s=said.ttl_s,
            issuer=operator.name,
            now_s=now_s,
        )
        await audit.note(
            connection, now_s, operator.name, "command.sent", rvm_id, id=issued.id, type=said.type
        )
        sent = await orders.history(connection, issued.id)
    await here.bell.ring(machine_channel(rvm_id), "command", {"last": issued.seq})
    assert sent is not None
    return answer(sent.command, 201)


@router.get("/machines/{rvm_id}/commands", **talk(None, CommandStates))
async def sent_commands(here: Here, rvm_id: Number, limit: Limit = RECENT) -> Response:
    """What was sent to it."""
    async with here.database.read() as connection:
        return answer(CommandStates(await orders.newest(connection, rvm_id, limit)))


@router.get("/commands/{command_id}", **talk(None, CommandHistory, s404="No such command."))
async def follow_command(here: Here, command_id: str) -> Response:
    """One command with every report."""
    async with here.database.read() as connection:
        found = await orders.history(connection, command_id)
    if found is None:
        raise Refused(404)
    return answer(found)


@router.get("/machines/{rvm_id}/settings", **talk(None, Twin, s404="No such machine."))
async def twin(here: Here, rvm_id: Number) -> Response:
    """What is desired of a machine, and what it has said of it."""
    async with here.database.read() as connection:
        if not await machines.exists(connection, rvm_id):
            raise Refused(404, message=_NO_MACHINE)
        return answer(await orders.twin(connection, rvm_id))


@router.patch(
    "/machines/{rvm_id}/settings",
    **talk(Desire, Twin, s404="No such machine.", s409="`version` is not the newest any more."),
)
async def desire(
    here: Here, operator: AsOperator, rvm_id: Number, said: Annotated[Desire, says(Desire)]
) -> Response:
    """Desire something else; a version of its own."""
    now_s = here.clock.wall_s()
    async with here.database.write() as connection:
        desired = await configs.desire(
            connection,
            rvm_id,
            said.settings,
            expected=said.version,
            issuer=operator.name,
            now_s=now_s,
        )
        await audit.note(
            connection,
            now_s,
            operator.name,
            "settings.desired",
            rvm_id,
            version=desired.version,
            settings=said.settings,
        )
        wanted = await orders.twin(connection, rvm_id)
    await here.bell.ring(machine_channel(rvm_id), "settings", {"version": desired.version})
    return answer(wanted)
