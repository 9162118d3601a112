"""Settings in sync: `protocol.platform.twin`."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header, Response

from protocol.platform.twin import Desired, Reported
from server.http.answers import answer, nothing
from server.http.bodies import says
from server.http.callers import AsMachine
from server.http.described import talk
from server.services import Here
from server.store import configs

router = APIRouter(tags=["settings"])


@router.get("/edge/settings", **talk(None, Desired, s304="Still what `If-None-Match` says."))
async def desired_settings(
    here: Here, machine: AsMachine, if_none_match: Annotated[str, Header()] = ""
) -> Response:
    """What the machine shall be set to, whole."""
    async with here.database.read() as connection:
        desired = await configs.desired(connection, machine.id)
    headers = {"ETag": configs.etag(desired), "Cache-Control": "no-cache"}
    known = {tag.strip().removeprefix("W/") for tag in if_none_match.split(",")}
    if headers["ETag"] in known:
        return Response(status_code=304, headers=headers)
    return answer(desired, headers=headers)


@router.post("/edge/settings/reports", **talk(Reported))
async def report_settings(
    here: Here, machine: AsMachine, said: Annotated[Reported, says(Reported)]
) -> Response:
    """What became of it, key by key."""
    now_s = here.clock.wall_s()
    await here.gathered.write(
        lambda connection: configs.report(connection, machine.id, said, now_s)
    )
    return nothing()
