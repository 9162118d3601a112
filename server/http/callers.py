"""Who is asking: a bearer token in the header, and nowhere else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from fastapi import Depends, Request

from server.http.problems import Refused, ask_later
from server.services import Here, Services
from server.store import tokens

Kind = Literal["machine", "user", "operator"]


@dataclass(frozen=True)
class Caller:
    """Somebody with a token that is good.

    Attributes:
        id: of the machine, the user or the operator.
        name: hardware id, reference, or the operator's name: what an audit says.
    """

    kind: Kind
    id: int
    name: str


async def caller(request: Request, here: Here) -> Caller:
    """Whoever it is.

    Raises:
        Refused: 401 nobody we know; 429 who asks too often; 503 in maintenance.
    """
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise Refused(401)
    async with here.database.read() as connection:
        owner = await tokens.owner_of(connection, token.strip(), here.clock.wall_s())
    if owner is None:
        raise Refused(401)
    found = Caller(*owner)
    if found.kind != "operator":
        check_open(here)
        _check_rate(here, found)
    return found


def check_open(here: Services) -> None:
    """Raises: Refused: 503, the platform is in maintenance."""
    if here.maintenance_s is not None:
        raise ask_later(503, here.maintenance_s)


async def knock(here: Here) -> None:
    """For those who cannot say yet who they are: one bucket for all of them.

    Raises:
        Refused: 429, 503.
    """
    check_open(here)
    limits = here.settings.limits
    wait_s = here.limiter.wait_s("door", per_s=limits.door_per_s, burst=limits.door_burst)
    if wait_s is not None:
        raise ask_later(429, wait_s)


def _check_rate(here: Services, who: Caller) -> None:
    limits = here.settings.limits
    per_s, burst = limits.machine_per_s, limits.machine_burst
    if who.kind == "user":
        per_s, burst = limits.user_per_s, limits.user_burst
    wait_s = here.limiter.wait_s((who.kind, who.id), per_s=per_s, burst=burst)
    if wait_s is not None:
        raise ask_later(429, wait_s)


Anybody = Annotated[Caller, Depends(caller)]


async def _machine(who: Anybody) -> Caller:
    return _only(who, "machine")


async def _user(who: Anybody) -> Caller:
    return _only(who, "user")


async def _operator(who: Anybody) -> Caller:
    return _only(who, "operator")


def _only(who: Caller, kind: Kind) -> Caller:
    if who.kind != kind:
        raise Refused(403)
    return who


AsMachine = Annotated[Caller, Depends(_machine)]
AsUser = Annotated[Caller, Depends(_user)]
AsOperator = Annotated[Caller, Depends(_operator)]
AtTheDoor = Depends(knock)
OperatorsOnly = Depends(_operator)
"""For a whole router; a route that wants to know who it is says `AsOperator` as well."""
