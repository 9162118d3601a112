"""Remote commands: `protocol.platform.remote`."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response

from protocol.platform.remote import CommandReport, Commands
from server.http.answers import answer, nothing
from server.http.bodies import INTEGER_MAX, says
from server.http.callers import AsMachine
from server.http.described import talk
from server.http.problems import Refused
from server.services import Here
from server.store import commands, requests
from server.store.database import Connection

router = APIRouter(tags=["commands"])


@router.get("/edge/commands", **talk(None, Commands))
async def open_commands(
    here: Here,
    machine: AsMachine,
    after: Annotated[int, Query(ge=0, le=INTEGER_MAX)] = 0,
) -> Response:
    """What there is to do behind the cursor, in order."""
    now_s = here.clock.wall_s()
    async with here.database.read() as connection:
        found = await commands.after(
            connection, machine.id, after, now_s, everything=here.redelivers
        )
    return answer(found)


@router.post("/edge/commands/{command_id}/reports", **talk(CommandReport, s404="No such command."))
async def report_command(
    here: Here,
    machine: AsMachine,
    command_id: str,
    said: Annotated[CommandReport, says(CommandReport)],
) -> Response:
    """What became of it; the same report again is one report."""
    now_s = here.clock.wall_s()

    async def write(connection: Connection) -> bool:
        command = await commands.report(connection, machine.id, command_id, said, now_s)
        if command is None:
            return False
        await requests.follow(connection, command, said, now_s)
        return True

    if not await here.gathered.write(write):
        raise Refused(404)
    here.signals.say(("command", command_id))
    return nothing()
