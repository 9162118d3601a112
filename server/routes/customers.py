"""Users and their telephones: `server.payloads.customers`."""

from __future__ import annotations

from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import APIRouter, Response

from server import claims
from server.bell import machine_channel
from server.http.answers import answer
from server.http.bodies import says
from server.http.callers import AsUser
from server.http.described import talk
from server.http.numbers import Number
from server.http.problems import Refused, invalid
from server.payloads.customers import Account, OwnDeposits, Redeem, Redeemed, Scan, SessionAsked
from server.services import Here, Services
from server.store import commands, machines, requests, rewards, sessions, users
from server.store.database import Connection, row
from server.tables import users as users_table

router = APIRouter(tags=["customers"])

LOOK_AGAIN_S = 1.0
"""The word may have come to another process of the platform, which cannot wake this one."""

_MESSAGES: dict[claims.Fault, str] = {
    "malformed": "This is no whole claim: scan it once more.",
    "unknown_version": "This claim is of a later program.",
    "bad_signature": "No machine of ours has signed this claim.",
    "expired": "The time to redeem this claim is over.",
}


@router.post(
    "/sessions",
    **talk(
        Scan,
        SessionAsked,
        status=201,
        s202="The machine has not said yet: ask again.",
        s404="There is no such machine.",
        s409="The machine refuses; `code` is its word.",
    ),
)
async def scan(here: Here, user: AsUser, said: Annotated[Scan, says(Scan)]) -> Response:
    """A scanned code: the machine is asked to serve this user, and its word is waited for."""
    now_s = here.clock.wall_s()
    async with here.database.write() as connection:
        rvm_id = await machines.by_hardware_id(connection, said.hardware_id)
        if rvm_id is None:
            raise Refused(404)
        request_id, issued = await requests.make(
            connection,
            user_id=user.id,
            user=user.name,
            rvm_id=rvm_id,
            code=said.code,
            now_s=now_s,
        )
    await here.bell.ring(machine_channel(rvm_id), "command", {"last": issued.seq})
    return _said(await _word(here, request_id, issued))


@router.get(
    "/sessions/{request_id}", **talk(None, SessionAsked, s404="No such request of this user.")
)
async def session_asked(here: Here, user: AsUser, request_id: Number) -> Response:
    """What became of a scanned code."""
    async with here.database.read() as connection:
        asked = await requests.find(connection, request_id, user.id)
        if asked is None:
            raise Refused(404)
        state = await _state(connection, request_id, asked.command)
    is_over = here.clock.wall_s() - asked.created_at >= requests.GIVE_UP_S
    if state.state == "waiting" and is_over:
        state = SessionAsked(request_id, "refused", "", "no_answer")
    return answer(state)


@router.post(
    "/claims",
    **talk(Redeem, Redeemed, status=201, s200="Yours already.", s409="Somebody else's already."),
)
async def redeem(here: Here, user: AsUser, said: Annotated[Redeem, says(Redeem)]) -> Response:
    """A guest's claim token: paid once, to whoever comes first."""
    now_s = here.clock.wall_s()
    try:
        claim = claims.read(said.token)
        async with here.database.read() as connection:
            known = await machines.public_keys(
                connection, claim.hardware_id, now_s - claims.CLAIM_S
            )
        claims.check(claim, [key for _, key in known], now_s)
    except claims.BadClaim as error:
        raise invalid("token", _MESSAGES[error.code], error.code) from None
    rvm_id = known[0][0]
    async with here.database.write() as connection:
        session, is_new = await sessions.bind(
            connection, rvm_id, claim.session, user.id, bound_by="claim", now_s=now_s
        )
        if session.user_id != user.id:
            raise Refused(409, "claim_used", "This claim has been redeemed by somebody else.")
        if is_new:
            await rewards.book_claim(connection, session, claim.credited, now_s)
        total = await rewards.total(connection, user.id)
    redeemed = Redeemed(claim.session, claim.credited, claim.in_review, total)
    return answer(redeemed, 201 if is_new else 200)


@router.get("/me", **talk(None, Account))
async def account(here: Here, user: AsUser) -> Response:
    """Who I am and what I have."""
    async with here.database.read() as connection:
        found = await row(connection, sa.select(users_table).where(users_table.c.id == user.id))
        return answer(await users.account(connection, found))


@router.get("/me/deposits", **talk(None, OwnDeposits))
async def own_deposits(here: Here, user: AsUser) -> Response:
    """What I have brought, newest first."""
    async with here.database.read() as connection:
        return answer(OwnDeposits(await users.history(connection, user.id)))


async def _word(here: Services, request_id: int, issued: commands.Issued) -> SessionAsked:
    """The machine's word, or that it has not said any while we waited."""
    deadline_s = here.clock.monotonic_s() + here.settings.session_wait_s
    while True:
        async with here.database.read() as connection:
            state = await _state(connection, request_id, issued.row_id)
        left_s = deadline_s - here.clock.monotonic_s()
        if state.state != "waiting" or left_s <= 0:
            return state
        await here.signals.wait(("command", issued.id), min(left_s, LOOK_AGAIN_S))


async def _state(connection: Connection, request_id: int, command: int) -> SessionAsked:
    report: Any = await commands.last_report(connection, command)
    if report is None:
        return SessionAsked(request_id, "waiting")
    if report.state == "succeeded":
        return SessionAsked(request_id, "started", str(report.result.get("session", "")))
    return SessionAsked(request_id, "refused", "", report.code or report.state)


def _said(asked: SessionAsked) -> Response:
    if asked.state == "refused":
        raise Refused(409, asked.code, "The machine does not begin this session.")
    return answer(asked, 201 if asked.state == "started" else 202)
