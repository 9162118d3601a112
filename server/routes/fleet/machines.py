"""Machines and what they have told."""

from __future__ import annotations

import sqlalchemy as sa
from fastapi import APIRouter, Response
from fastapi.responses import FileResponse

from server.http.answers import answer
from server.http.callers import OperatorsOnly
from server.http.described import file, talk
from server.http.numbers import Before, Hours, Limit, Number, OfMachine
from server.http.problems import Refused
from server.payloads.fleet import (
    Fleet,
    FleetDeposits,
    History,
    Machine,
    MachineDetail,
    Telemetry,
)
from server.services import Here, Services
from server.store import fleet
from server.store.database import Connection, row
from server.store.history import history
from server.tables import images

router = APIRouter(tags=["fleet"], dependencies=[OperatorsOnly])

RECENT = 20
"""Events and deposits that one look at a machine shows."""


@router.get("/machines", **talk(None, Fleet))
async def all_machines(here: Here) -> Response:
    """The fleet, with health and when each was seen last."""
    async with here.database.read() as connection:
        return answer(await snapshot(here, connection))


@router.get("/machines/{rvm_id}", **talk(None, MachineDetail, s404="No such machine."))
async def one_machine(here: Here, rvm_id: Number) -> Response:
    """One of them, closely."""
    async with here.database.read() as connection:
        machine = await _machine(here, connection, rvm_id)
        samples = await fleet.samples(connection, rvm_id, 1)
        detail = MachineDetail(
            machine=machine,
            device=await fleet.device(connection, rvm_id),
            engine=await fleet.engine(connection, rvm_id),
            measured=samples[-1] if samples else None,
            events=await fleet.events(connection, rvm_id, RECENT),
            deposits=await fleet.newest_deposits(connection, RECENT, rvm_id),
        )
    return answer(detail)


@router.get("/machines/{rvm_id}/telemetry", **talk(None, Telemetry, s404="No such machine."))
async def measured(here: Here, rvm_id: Number, batches: Limit = RECENT) -> Response:
    """What it has measured."""
    async with here.database.read() as connection:
        await _machine(here, connection, rvm_id)
        return answer(Telemetry(await fleet.samples(connection, rvm_id, batches)))


@router.get("/machines/{rvm_id}/history", **talk(None, History, s404="No such machine."))
async def measured_lately(here: Here, rvm_id: Number, hours: Hours = 1) -> Response:
    """The same over some hours, folded into slots: for a plot."""
    async with here.database.read() as connection:
        await _machine(here, connection, rvm_id)
        now_s, window_s = here.clock.wall_s(), hours * 3600.0
        return answer(await history(connection, rvm_id, now_s, window_s, here.settings.telemetry_s))


@router.get("/deposits", **talk(None, FleetDeposits))
async def newest_deposits(
    here: Here,
    rvm_id: OfMachine = None,
    before: Before = None,
    limit: Limit = RECENT,
) -> Response:
    """Of all machines or of one; `before` a deposit's number, to turn the page."""
    async with here.database.read() as connection:
        found = await fleet.newest_deposits(connection, limit, rvm_id, before)
    return answer(FleetDeposits(found))


@router.get(
    "/files/{file_id}",
    response_class=FileResponse,
    **file(s404="There is no such file."),
)
async def one_file(here: Here, file_id: Number) -> Response:
    """A file, as it was sent; a browser must not take a machine's file for a page of ours."""
    async with here.database.read() as connection:
        image = await row(connection, sa.select(images).where(images.c.id == file_id))
    if image is None or not here.blobs.path_of(image.sha256).exists():
        raise Refused(404)
    headers = {"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "sandbox"}
    return FileResponse(
        here.blobs.path_of(image.sha256),
        media_type=image.content_type if image.content_type.startswith("image/") else None,
        filename=f"{image.sha256[:16]}",
        headers=headers,
    )


async def snapshot(here: Services, connection: Connection) -> Fleet:
    """The fleet now; what a live page shows."""
    now_s = here.clock.wall_s()
    return Fleet(now_s, await fleet.machines(connection, now_s, here.settings.heartbeat_s))


async def _machine(here: Services, connection: Connection, rvm_id: int) -> Machine:
    now_s = here.clock.wall_s()
    found = await fleet.machines(connection, now_s, here.settings.heartbeat_s, rvm_id)
    if not found:
        raise Refused(404, message="There is no such machine.")
    return found[0]
