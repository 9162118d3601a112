"""What an operator decides about the platform itself."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Response

from server.http.answers import answer, nothing
from server.http.bodies import says
from server.http.callers import AsOperator, OperatorsOnly
from server.http.described import talk
from server.http.numbers import Before, Limit, Number, OfMachine
from server.http.problems import Refused
from server.payloads.fleet import (
    Audit,
    EnrolmentToken,
    EnrolmentTokens,
    FleetSessions,
    Maintenance,
    MakeEnrolment,
    MakeUser,
    Rates,
    RewardTable,
    UserMade,
)
from server.routes.fleet.machines import RECENT
from server.services import Here
from server.store import audit, enrolments, operators, served, tokens, users, values

router = APIRouter(tags=["fleet"], dependencies=[OperatorsOnly])


@router.get("/enrolment-tokens", **talk(None, EnrolmentTokens))
async def enrolment_tokens(here: Here) -> Response:
    """Which there are; never what they say."""
    async with here.database.read() as connection:
        found = await operators.enrolments(connection, here.clock.wall_s())
    return answer(EnrolmentTokens(found))


@router.post("/enrolment-tokens", **talk(MakeEnrolment, EnrolmentToken, status=201))
async def make_enrolment_token(
    here: Here, operator: AsOperator, said: Annotated[MakeEnrolment, says(MakeEnrolment)]
) -> Response:
    """Let one machine in."""
    now_s = here.clock.wall_s()
    async with here.database.write() as connection:
        number, token = await enrolments.make_token(
            connection,
            hardware_id=said.hardware_id,
            issuer=operator.name,
            now_s=now_s,
            good_for_s=said.good_for_s,
        )
    made = EnrolmentToken(
        id=number,
        hardware_id=said.hardware_id,
        state="open",
        created_at=now_s,
        expires_at=now_s + said.good_for_s,
        issuer=operator.name,
        token=token,
    )
    return answer(made, 201)


@router.delete("/enrolment-tokens/{token_id}", **talk(None, None, s404="No such token."))
async def revoke_enrolment_token(here: Here, operator: AsOperator, token_id: Number) -> Response:
    """Let nobody in with it any more."""
    async with here.database.write() as connection:
        now_s = here.clock.wall_s()
        if not await operators.revoke_enrolment(connection, token_id, operator.name, now_s):
            raise Refused(404)
    return nothing()


@router.post("/users", **talk(MakeUser, UserMade, status=201))
async def make_user(
    here: Here, operator: AsOperator, said: Annotated[MakeUser, says(MakeUser)]
) -> Response:
    """A user, and a token for his telephone."""
    now_s = here.clock.wall_s()
    async with here.database.write() as connection:
        user_id, reference = await users.make(connection, said.name, now_s)
        token = await tokens.issue(connection, "user", user_id, now_s)
        await audit.note(connection, now_s, operator.name, "user.made", user=reference)
    return answer(UserMade(reference, token), 201)


@router.get("/rewards", **talk(None, RewardTable))
async def rewards(here: Here) -> Response:
    """What an item is worth."""
    async with here.database.read() as connection:
        return answer(await operators.rewards(connection))


@router.put("/rewards", **talk(Rates, RewardTable, s409="`version` is not the newest any more."))
async def change_rewards(
    here: Here, operator: AsOperator, said: Annotated[Rates, says(Rates)]
) -> Response:
    """Another table from now on; deposits keep the version by which they were counted."""
    async with here.database.write() as connection:
        now_s = here.clock.wall_s()
        if said.version is not None:
            await operators.check_rewards(connection, said.version)
        await operators.add_rewards(connection, said.rates, operator.name, now_s)
        return answer(await operators.rewards(connection))


@router.get("/sessions", **talk(None, FleetSessions))
async def newest_sessions(
    here: Here,
    rvm_id: OfMachine = None,
    owner: served.Owner | None = None,
    before: Before = None,
    limit: Limit = RECENT,
) -> Response:
    """Who was served, and what he was given; `before` a session's number, to turn the page."""
    async with here.database.read() as connection:
        found = await served.newest_sessions(
            connection, limit, rvm_id=rvm_id, owner=owner, before=before
        )
    return answer(FleetSessions(found))


@router.put("/maintenance", **talk(Maintenance))
async def maintain(
    here: Here, operator: AsOperator, said: Annotated[Maintenance, says(Maintenance)]
) -> Response:
    """Close for everybody but operators, or open again."""
    now_s = here.clock.wall_s()
    async with here.database.write() as connection:
        await values.write(connection, values.MAINTENANCE, str(said.wait_s or ""))
        await audit.note(connection, now_s, operator.name, "maintenance", wait_s=said.wait_s)
    here.maintenance_s = said.wait_s
    return nothing()


@router.get("/audit", **talk(None, Audit))
async def audit_log(
    here: Here, rvm_id: OfMachine = None, before: Before = None, limit: Limit = RECENT
) -> Response:
    """Who has changed what, anywhere or at one machine; `before` an entry's number."""
    async with here.database.read() as connection:
        return answer(Audit(await operators.log(connection, limit, before, rvm_id)))
