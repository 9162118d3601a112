"""What is thrown away by itself, once an hour: expired tokens, old samples, forgotten uploads."""

from __future__ import annotations

import asyncio

from fastapi.concurrency import run_in_threadpool

from server.rules.proofs import CHALLENGE_S
from server.services import Services
from server.store import images, reports, tokens

EVERY_S = 3600.0
UPLOAD_S = 7 * 86400.0
"""A machine that was offline for a week begins its upload again."""
_DAY_S = 86400.0


async def keep_house(here: Services) -> None:
    """For ever."""
    while True:
        await sweep(here)
        await asyncio.sleep(EVERY_S)


async def sweep(here: Services) -> None:
    """Once. Each in a transaction of its own: nobody waits behind all of them."""
    now_s = here.clock.wall_s()
    async with here.database.write() as connection:
        # With a token goes what says that its challenge has been met: not while that is good.
        await tokens.forget_expired(connection, now_s - CHALLENGE_S)
    before_s = now_s - here.settings.telemetry_days * _DAY_S
    is_more = True
    while is_more:
        async with here.database.write() as connection:
            is_more = await reports.forget_telemetry(connection, before_s)
    async with here.database.write() as connection:
        forgotten = await images.forget_uploads(connection, now_s - UPLOAD_S)
    for upload_id in forgotten:
        await run_in_threadpool(here.blobs.forget_part, upload_id)
