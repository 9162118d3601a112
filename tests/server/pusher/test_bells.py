import asyncio
import contextlib
import logging

import pytest
from aiohttp import web

from protocol.platform.pusher import app_url, channel_signature
from server.bell import PusherApp
from server.clock import SystemClock
from server.pusher import bells
from server.pusher.bells import ExternalBell, LocalBell
from server.pusher.hub import Hub
from tests.peers.soketi import soketi
from tests.server.pusher.running import APP, Client, ManualClock, running, until


def test_the_bell_on_board_is_heard_by_the_machine():
    async def conversation():
        async with running() as server, Client(server.ws_url()) as machine:
            await (await machine.meet()).join("private-rvm.1")
            await LocalBell(server.hub).ring("private-rvm.1", "command", {"seq": 1})
            assert (await machine.hear("command"))["data"] == {"seq": 1}

    asyncio.run(conversation())


def test_a_bell_without_anybody_near_does_no_harm():
    asyncio.run(LocalBell(Hub(SystemClock())).ring("private-rvm.1", "command", {}))


def test_an_external_bell_is_heard_at_a_server_like_ours():
    async def conversation():
        bell = None
        async with running() as server, Client(server.ws_url()) as machine:
            await (await machine.meet()).join("private-rvm.1")
            bell = ExternalBell(server.http_url, APP, SystemClock())
            async with bell.running():
                await bell.ring("private-rvm.1", "command", {"name": "Kedai «Ä»"})
                assert (await machine.hear("command"))["data"] == {"name": "Kedai «Ä»"}

    asyncio.run(conversation())


def test_an_external_bell_is_heard_at_soketi(tmp_path):
    async def conversation(server):
        app = PusherApp(server.app_id, server.key, server.secret)
        bell = ExternalBell(server.http_url, app, SystemClock())
        async with Client(app_url(server.ws_url, server.key, "test", "1")) as machine:
            await machine.meet()
            signature = channel_signature(server.secret, machine.socket_id, "private-rvm.1")
            asked = {"channel": "private-rvm.1", "auth": f"{server.key}:{signature}"}
            await machine.say("pusher:subscribe", asked)
            await machine.hear("pusher_internal:subscription_succeeded")
            async with bell.running():
                await bell.ring("private-rvm.1", "command", {"seq": 1})
                assert (await machine.hear("command"))["data"] == {"seq": 1}

    with soketi(tmp_path) as server:
        asyncio.run(conversation(server))


def test_who_rings_does_not_wait_for_a_server_that_is_away_and_it_rings_when_it_is_back(caplog):
    async def conversation():
        async with running() as server:
            port = server.port
        bell = ExternalBell(f"http://127.0.0.1:{port}", APP, SystemClock())
        async with bell.running():
            for n in range(3):
                await bell.ring("private-cache-rvm.1", "command", {"n": n % 2})
            await until(lambda: "does not take" in caplog.text)
            async with running(port=port) as server, Client(server.ws_url()) as machine:
                await machine.meet()
                await until(lambda: "again" in caplog.text)
                await machine.join("private-cache-rvm.1")
                assert (await machine.hear("command"))["data"] in ({"n": 0}, {"n": 1})
        assert caplog.text.count("does not take") == 1
        assert APP.secret not in caplog.text

    caplog.set_level(logging.INFO)
    asyncio.run(conversation())


def test_a_ring_that_is_too_old_is_not_sent_and_the_same_ring_waits_once():
    async def conversation():
        clock = ManualClock()
        async with running() as server, Client(server.ws_url()) as machine:
            await (await machine.meet()).join("private-rvm.1")
            bell = ExternalBell(server.http_url, APP, clock)
            await bell.ring("private-rvm.1", "command", {"n": "old"})
            clock.now_s += bells.GOOD_S
            await bell.ring("private-rvm.1", "command", {"n": "new"})
            await bell.ring("private-rvm.1", "command", {"n": "new"})
            await bell.ring("private-rvm.1", "command", {"n": "last"})
            async with bell.running():
                assert (await machine.hear("command"))["data"] == {"n": "new"}
                assert (await machine.hear("command"))["data"] == {"n": "last"}

    asyncio.run(conversation())


def test_a_ring_that_the_server_refuses_is_not_sent_again(caplog):
    async def conversation():
        async with running() as server, Client(server.ws_url()) as machine:
            await (await machine.meet()).join("private-rvm.1")
            stranger = ExternalBell(server.http_url, APP._replace(secret="no"), SystemClock())
            async with stranger.running():
                await stranger.ring("private-rvm.1", "command", {"n": 1})
                await until(lambda: "status 401" in caplog.text)
                await machine.is_served()

    asyncio.run(conversation())


def test_the_line_of_rings_is_bounded_and_its_oldest_goes_first(monkeypatch):
    async def conversation():
        async with running() as server, Client(server.ws_url()) as machine:
            await (await machine.meet()).join("private-rvm.1")
            bell = ExternalBell(server.http_url, APP, SystemClock())
            for n in range(5):
                await bell.ring("private-rvm.1", "command", {"n": n})
            await bell.ring("private-rvm.1", "command", {"too": "x" * 10_000})
            async with bell.running():
                heard = [(await machine.hear("command"))["data"]["n"] for _ in range(2)]
            assert heard == [3, 4]

    monkeypatch.setattr(bells, "WAITING_MAX", 2)
    asyncio.run(conversation())


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (301, ""),
        (307, "{}"),
        (200, '{"error":"The secret authentication failed","code":401}'),
    ],
)
def test_an_answer_that_takes_nothing_is_noticed_whatever_its_status(caplog, status, body):
    async def conversation():
        async def refuse(_: web.Request) -> web.Response:
            return web.Response(status=status, text=body, headers={"Location": "/elsewhere"})

        async with serving(refuse) as url:
            bell = ExternalBell(url, APP, SystemClock())
            async with bell.running():
                await bell.ring("private-rvm.1", "command", {"n": 1})
                await until(lambda: f"status {status}" in caplog.text)

    asyncio.run(conversation())


@pytest.mark.parametrize("body", ["", "{}", "ok", '{"ok":true}', '{"channels":{}}', "\xff" * 9000])
def test_an_answer_of_success_may_have_any_words(caplog, body):
    async def conversation():
        asked = []

        async def take(request: web.Request) -> web.Response:
            asked.append(request)
            return web.Response(text=body)

        async with serving(take) as url:
            bell = ExternalBell(url, APP, SystemClock())
            async with bell.running():
                for n in range(2):
                    await bell.ring("private-rvm.1", "command", {"n": n})
                await until(lambda: len(asked) == 2)
        assert "does not take" not in caplog.text

    asyncio.run(conversation())


def test_a_wrong_secret_is_noticed_at_soketi(tmp_path, caplog):
    async def conversation(server):
        app = PusherApp(server.app_id, server.key, "another secret")
        bell = ExternalBell(server.http_url, app, SystemClock())
        async with bell.running():
            await bell.ring("private-rvm.1", "command", {"n": 1})
            await until(lambda: "does not take" in caplog.text)

    with soketi(tmp_path) as server:
        asyncio.run(conversation(server))


@contextlib.asynccontextmanager
async def serving(handler):
    """Another server, which answers every publication with this."""
    app = web.Application()
    app.router.add_post("/apps/{id}/events", handler)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()
