"""Deposits: each once, whatever the network does. `protocol.platform.reports`, point 5."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Header, Response

from protocol.platform import IDEMPOTENCY_KEY
from protocol.platform.reports import Deposit, DepositBatch, DepositKnown, Result, Results
from server.bell import user_channel
from server.http.answers import answer
from server.http.batches import says_items
from server.http.bodies import says
from server.http.callers import Anybody, AsMachine
from server.http.described import talk
from server.http.problems import Refused, invalid
from server.services import Here, Services
from server.store import deposits
from server.tables import deposits as table

router = APIRouter(tags=["deposits"])

KEY_REUSED = "Another deposit has this key."


@router.post(
    "/deposits",
    **talk(Deposit, DepositKnown, status=201, s200="It is here: the same again, or a step of it."),
)
async def deposit(
    here: Here,
    machine: AsMachine,
    said: Annotated[Deposit, says(Deposit)],
    key: Annotated[str | None, Header(alias=IDEMPOTENCY_KEY)] = None,
) -> Response:
    """One item for which the machine owes a credit."""
    if key is not None and key != said.key:
        raise invalid("key", f"{IDEMPOTENCY_KEY} says another key than the body.")
    now_s = here.clock.wall_s()
    (taken,) = await here.gathered.write(
        lambda connection: deposits.take(connection, machine.id, (said,), now_s)
    )
    if taken.known is None:
        raise invalid("key", KEY_REUSED, "key_reused")
    await _tell_user(here, taken)
    return answer(taken.known, 201 if taken.status == "created" else 200)


@router.post("/deposits/batch", **talk(DepositBatch, Results))
async def deposit_batch(
    here: Here, machine: AsMachine, items: Annotated[list[Deposit | Result], says_items(Deposit)]
) -> Response:
    """Many of them; each for itself."""
    now_s = here.clock.wall_s()

    good = [item for item in items if isinstance(item, Deposit)]
    taken = await here.gathered.write(
        lambda connection: deposits.take(connection, machine.id, good, now_s)
    )
    for one in taken:
        await _tell_user(here, one)
    told = iter(taken)
    results = (item if isinstance(item, Result) else _result(item, next(told)) for item in items)
    return answer(Results(tuple(results)))


@router.get("/deposits/{key:path}", **talk(None, DepositKnown, s404="There is none."))
async def known_deposit(here: Here, who: Anybody, key: str) -> Response:
    """Is it here? A machine asks for its own, a user for his, an operator for any."""
    own: dict[str, tuple[Any, ...]] = {
        "machine": (table.c.rvm_id == who.id,),
        "user": (table.c.user_id == who.id,),
        "operator": (),
    }
    async with here.database.read() as connection:
        known = await deposits.find(connection, key, *own[who.kind])
    if known is None:
        raise Refused(404)
    return answer(known)


def _result(item: Deposit, taken: deposits.Taken) -> Result:
    if taken.known is None:
        return Result(item.key, "refused", "key_reused", KEY_REUSED)
    return Result(item.key, "duplicate" if taken.status == "duplicate" else "created")


async def _tell_user(here: Services, taken: deposits.Taken) -> None:
    if taken.user and taken.known is not None:
        said = {"key": taken.known.key, "reward": taken.known.reward}
        await here.bell.ring(user_channel(taken.user), "deposit", said)
