"""Who a machine is: `protocol.platform.identity`."""

from __future__ import annotations

import secrets
from typing import Annotated

from fastapi import APIRouter, Request, Response
from sqlalchemy.exc import IntegrityError

from protocol.platform.identity import (
    AskToken,
    Birth,
    Challenge,
    Death,
    Doorbell,
    Enrol,
    Enrolled,
    ProveKey,
    Token,
    Welcome,
    enrolment_bytes,
    token_bytes,
)
from server.bell import machine_channel
from server.http.answers import answer, nothing
from server.http.bodies import says
from server.http.callers import AsMachine, AtTheDoor
from server.http.described import talk
from server.http.problems import Refused, invalid
from server.rules import proofs
from server.rules.spread import spread_s
from server.services import Here, Services
from server.store import enrolments, machines, tokens
from server.store.database import Connection

router = APIRouter(tags=["identity"])


@router.post(
    "/edge/enrolments",
    dependencies=[AtTheDoor],
    **talk(Enrol, Enrolled, status=201, s200="The same machine, the same key: the same answer."),
)
async def enrol(here: Here, said: Annotated[Enrol, says(Enrol)]) -> Response:
    """A machine with a one-time token becomes one of the fleet."""
    message = enrolment_bytes(said.hardware_id, said.public_key, said.token)
    if not proofs.is_signed(said.public_key, said.signature, message):
        raise invalid("signature", "The signature is not of this key over this enrolment.")
    async with here.database.write() as connection:
        enrolled, is_new = await enrolments.enrol(connection, said, here.clock.wall_s())
    return answer(enrolled, 201 if is_new else 200)


@router.post("/edge/challenges", dependencies=[AtTheDoor], **talk(AskToken, Challenge))
async def ask_token(here: Here, said: Annotated[AskToken, says(AskToken)]) -> Response:
    """Something to sign; also for those whom nobody knows."""
    text = proofs.challenge(
        here.signing_key, said.hardware_id, here.clock.wall_s(), secrets.token_hex(16)
    )
    return answer(Challenge(text, float(proofs.CHALLENGE_S)))


@router.post("/edge/tokens", dependencies=[AtTheDoor], **talk(ProveKey, Token, status=201))
async def prove_key(here: Here, said: Annotated[ProveKey, says(ProveKey)]) -> Response:
    """A bearer token for whoever has the machine's key.

    401 with code ``challenge``: ask for another one; with ``key``: it is not the key we know.
    """
    now_s = here.clock.wall_s()
    if not proofs.is_challenge(here.signing_key, said.hardware_id, said.challenge, now_s):
        raise Refused(401, "challenge", "This challenge is not good (any more).")
    async with here.database.read() as connection:
        known = await machines.public_key(connection, said.hardware_id)
    message = token_bytes(said.hardware_id, said.challenge)
    if known is None or not proofs.is_signed(known[1], said.signature, message):
        raise Refused(401, "key", "The signature is not of this machine's key.")
    try:
        token = await here.gathered.write(
            lambda connection: tokens.issue(
                connection,
                "machine",
                known[0],
                now_s,
                expires_at=now_s + here.settings.token_s,
                challenge_hash=tokens.hash_of(said.challenge),
            )
        )
    except IntegrityError:
        raise Refused(401, "challenge", "This challenge has been met already.") from None
    return answer(Token(token, here.settings.token_s), 201)


@router.post("/edge/births", **talk(Birth, Welcome))
async def be_born(
    request: Request, here: Here, machine: AsMachine, said: Annotated[Birth, says(Birth)]
) -> Response:
    """A machine has started."""
    now_s = here.clock.wall_s()

    async def write(connection: Connection) -> tuple[int, int]:
        await machines.born(connection, machine.id, said, now_s)
        settings_version, _ = await machines.newest(connection, machine.id)
        return settings_version, await machines.count(connection)

    settings_version, machine_count = await here.gathered.write(write)
    return answer(
        Welcome(
            rvm_id=machine.id,
            server_time=now_s,
            heartbeat_s=here.settings.heartbeat_s,
            telemetry_s=here.settings.telemetry_s,
            uploads=("multipart", "resumable"),
            doorbell=_doorbell(request, here, machine.id),
            spread_s=spread_s(machine_count, here.settings.limits.births_per_s),
            settings_version=settings_version,
        )
    )


@router.post("/edge/deaths", **talk(Death))
async def die(here: Here, machine: AsMachine, said: Annotated[Death, says(Death)]) -> Response:
    """A machine ends in order."""
    now_s = here.clock.wall_s()
    await here.gathered.write(lambda connection: machines.died(connection, machine.id, said, now_s))
    return nothing()


def _doorbell(request: Request, here: Services, rvm_id: int) -> Doorbell | None:
    if not here.pusher.key:
        return None
    base = here.settings.public_url or str(request.base_url).rstrip("/")
    url = here.doorbell_url or f"ws{base.removeprefix('http')}"
    return Doorbell(url=url, key=here.pusher.key, channel=machine_channel(rvm_id))
