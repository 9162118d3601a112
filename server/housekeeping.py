"""What is thrown away by itself, once an hour: `server.tables` says what, and what never."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from fastapi.concurrency import run_in_threadpool

from server.rules.proofs import CHALLENGE_S
from server.services import Services
from server.store import retention
from server.store.database import AWAY, Connection

EVERY_S = 3600.0
UPLOAD_S = 7 * 86400.0
"""A machine that was offline for a week begins its upload again."""
_DAY_S = 86400.0
_log = logging.getLogger("rvm-server")


async def keep_house(here: Services) -> None:
    """For ever; what cannot be done now is done an hour later."""
    while True:
        try:
            await sweep(here)
        except (*AWAY, OSError) as error:
            _log.error("nothing was thrown away: %s", type(error).__name__)
        await asyncio.sleep(EVERY_S)


async def sweep(here: Services) -> None:
    """Once. Little by little, in many transactions: nobody waits behind all of it."""
    now_s = here.clock.wall_s()
    # With a token goes what says that its challenge has been met: not while that is good.
    await _all(here, retention.forget_tokens, now_s - CHALLENGE_S)
    await _all(here, retention.forget_telemetry, now_s - here.settings.telemetry_days * _DAY_S)
    before_s = now_s - here.settings.report_days * _DAY_S
    for forget in (
        retention.forget_enrolments,
        retention.forget_events,
        retention.forget_detections,
        retention.forget_commands,
        retention.forget_settings,
    ):
        await _all(here, forget, before_s)
    await _forget_uploads(here, now_s - UPLOAD_S)
    await _forget_files(here, before_s)


async def _all(
    here: Services, forget: Callable[[Connection, float], Awaitable[bool]], before_s: float
) -> None:
    is_more = True
    while is_more:
        async with here.database.write() as connection:
            is_more = await forget(connection, before_s)


async def _forget_uploads(here: Services, before_s: float) -> None:
    forgotten = [""]
    while forgotten:
        async with here.database.write() as connection:
            forgotten = await retention.forget_uploads(connection, before_s)
        for upload_id in forgotten:
            await run_in_threadpool(here.blobs.forget_part, upload_id)


async def _forget_files(here: Services, before_s: float) -> None:
    forgotten = {""}
    while forgotten:
        async with here.database.write() as connection:
            forgotten = set(await retention.forget_images(connection, before_s))
            unknown = await retention.unknown_digests(connection, forgotten)
        for sha256 in unknown:
            await run_in_threadpool(here.blobs.forget, sha256)
