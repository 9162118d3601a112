"""The platform, put together from its settings."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from fastapi import APIRouter, FastAPI, Response

from protocol.platform import ROOT
from server.bell import Bell
from server.clock import Clock, SystemClock
from server.faults import Faulty
from server.housekeeping import keep_house
from server.http.answers import answer
from server.http.callers import check_open
from server.http.described import describe, talk
from server.http.problems import add_handlers
from server.migrations import migrate
from server.pages.live import Live, live_routes
from server.pages.routes import page_routes
from server.payloads.anybody import Up
from server.pusher.api import publish_routes
from server.pusher.bells import ExternalBell, LocalBell
from server.pusher.hub import Hub
from server.pusher.websocket import websocket_routes
from server.routes import (
    broadcasting,
    commands,
    customers,
    deposits,
    files,
    identity,
    reports,
    twin,
    uploads,
)
from server.routes.fleet import machines, office, orders
from server.services import Here, Limiter, Services
from server.settings import Settings
from server.store import operators, tokens, values
from server.store.blobs import Blobs
from server.store.database import Database
from server.store.gathered import Gathered

_CONVERSATIONS = (identity, reports, deposits, commands, twin, files, uploads, customers)
_FLEET = (machines, orders, office)

up = APIRouter(tags=["up"])


@up.get("/up", **talk(None, Up))
async def is_up(here: Here) -> Response:
    """Whether anybody answers; needs no token, and touches no database."""
    check_open(here)
    return answer(Up(here.clock.wall_s()))


def create_app(
    settings: Settings,
    *,
    clock: Clock | None = None,
    bell: Bell | None = None,
    on_operator_token: Callable[[str], None] = lambda _: None,
) -> FastAPI:
    """The app; it opens its database when it starts, and closes it when it ends.

    Args:
        clock: of the system, unless a test has another.
        bell: instead of the one that the settings ask for.
        on_operator_token: told the operator's token at the first start, and never again.
    """
    clock = clock or SystemClock()
    hub, live = Hub(clock), Live(clock)
    kind = Faulty if settings.faults else FastAPI
    app = kind(
        title="RVM platform",
        version=_version(),
        description="What reverse vending machines report to: docs/platform-contract.md.",
        lifespan=_lifespan(settings, clock, bell or hub, on_operator_token),
        docs_url=None,  # its page would fetch scripts from elsewhere
        redoc_url=None,
    )
    add_handlers(app)
    for conversation in _CONVERSATIONS:
        app.include_router(conversation.router, prefix=ROOT)
    for conversation in _FLEET:
        app.include_router(conversation.router, prefix=f"{ROOT}/fleet")
    # Laravel has these two at the root; machines behind a prefix find them there as well.
    for prefix in ("", ROOT):
        app.include_router(broadcasting.router, prefix=prefix)
        app.include_router(up, prefix=prefix)
    app.include_router(live_routes(live), prefix=f"{ROOT}/fleet")
    app.include_router(page_routes())
    if not settings.pusher.publish_url:
        app.include_router(websocket_routes(hub))
        app.include_router(publish_routes(hub, clock))
    app.state.say_goodbye = lambda: _say_goodbye(hub, live)
    app.openapi = lambda: describe(app)  # type: ignore[method-assign]
    return app


def _lifespan(
    settings: Settings,
    clock: Clock,
    bell: Bell | Hub,
    on_operator_token: Callable[[str], None],
) -> Any:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            here = await _open(stack, settings, clock)
            app.state.services = here
            token = await _settle(here)
            here.bell = await _bell(stack, here, bell)
            if token:
                on_operator_token(token)
            here.gathered.start()
            stack.push_async_callback(here.gathered.stop)
            house = asyncio.create_task(keep_house(here))
            stack.push_async_callback(_end, house)
            yield

    return lifespan


async def _open(stack: AsyncExitStack, settings: Settings, clock: Clock) -> Services:
    settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    database = Database(settings.database_url)
    stack.push_async_callback(database.close)
    await migrate(database)
    return Services(
        settings=settings,
        database=database,
        clock=clock,
        gathered=Gathered(database),
        limiter=Limiter(clock),
        blobs=Blobs(settings.files_dir),
    )


async def _settle(here: Services) -> str:
    """What every start finds or makes; returns the operator's token if it was made now."""
    now_s = here.clock.wall_s()
    async with here.database.write() as connection:
        key = await values.kept(connection, values.SIGNING_KEY, tokens.new_secret())
        here.signing_key = key.encode()
        here.pusher = await values.pusher_app(connection, here.settings.pusher)
        here.doorbell_url = here.settings.pusher.public_url
        wait_s = await values.read(connection, values.MAINTENANCE)
        here.maintenance_s = float(wait_s) if wait_s else None
        await operators.settle_rewards(connection, now_s)
        return await operators.settle_operator(connection, here.settings.operator_token, now_s)


async def _bell(stack: AsyncExitStack, here: Services, bell: Bell | Hub) -> Bell:
    """The one that was handed in, or the one that the settings ask for: here or elsewhere."""
    if not isinstance(bell, Hub):
        return bell
    wanted = here.settings.pusher
    if not wanted.publish_url:
        await stack.enter_async_context(bell.running(here.pusher))
        return LocalBell(bell)
    here.doorbell_url = wanted.public_url or f"ws{wanted.publish_url.removeprefix('http')}"
    external = ExternalBell(wanted.publish_url, here.pusher, here.clock)
    await stack.enter_async_context(external.running())
    return external


async def _say_goodbye(hub: Hub, live: Live) -> None:
    """Let go of everybody who would stay for ever; before the web server closes connections."""
    live.end()
    await hub.close()


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def _version() -> str:
    try:
        return version("rvm-edge")
    except PackageNotFoundError:  # from a checkout that is not installed
        return "0"
