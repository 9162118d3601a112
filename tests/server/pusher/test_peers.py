"""Other people's clients and publishers against our server."""

import asyncio
import contextlib
import json

import pytest
from fastapi import APIRouter, Request

from protocol.platform.pusher import channel_signature
from server.pusher.serving import listen
from tests.peers.soketi import HERE, needs_node
from tests.server.pusher.running import APP, PATIENCE_S, Client, running, until

pytestmark = pytest.mark.timeout(120)
CHANNEL = "private-rvm.1"


def test_the_official_client_subscribes_receives_and_tells_others():
    needs_node("pusher-js")

    async def conversation():
        async with (
            running(also=signing()) as server,
            pusher_js(server.port) as peer,
            Client(server.ws_url()) as other,
        ):
            await peer.hears("bound", "pusher:subscription_succeeded")
            await (await other.meet()).join(CHANNEL)
            server.hub.publish(CHANNEL, "command", '{"seq":7}')
            assert (await peer.hears("bound", "command"))["data"] == {"seq": 7}
            await other.hear("command")
            await peer.says("client-ack", {"seq": 7})
            assert (await other.hear("client-ack"))["data"] == {"seq": 7}

    asyncio.run(conversation())


def test_the_official_client_comes_back_when_the_server_does():
    needs_node("pusher-js")

    async def conversation(door):
        async with contextlib.AsyncExitStack() as still_here:
            async with running(also=signing(), door=door) as server:
                peer = await still_here.enter_async_context(pusher_js(server.port))
                await peer.hears("bound", "pusher:subscription_succeeded")
            async with running(also=signing(), door=door) as server:
                await peer.hears("bound", "pusher:subscription_succeeded")
                server.hub.publish(CHANNEL, "command", '{"seq":8}')
                assert (await peer.hears("bound", "command"))["data"] == {"seq": 8}

    # Where nobody listens for a moment, this client waits for fifteen seconds.
    with listen("127.0.0.1", 0) as door:
        asyncio.run(conversation(door))


def test_the_official_client_is_told_that_it_may_not_listen():
    needs_node("pusher-js")

    async def conversation():
        async with (
            running(also=signing("another secret")) as server,
            pusher_js(server.port) as peer,
        ):
            told = await peer.hears("error")
            assert told["error"]["code"] == 4009
            assert not list(server.hub.rooms())

    asyncio.run(conversation())


def test_the_official_client_finds_us_alive_by_its_own_pings():
    needs_node("pusher-js")

    async def conversation():
        async with running(also=signing()) as server, pusher_js(server.port) as peer:
            await peer.hears("bound", "pusher:subscription_succeeded")
            (socket,) = next(server.hub.rooms()).members
            heard_s = socket.heard_s
            await until(lambda: socket.heard_s > heard_s)  # after two seconds of silence
            assert server.hub.socket_count == 1

    asyncio.run(conversation())


def test_the_official_publisher_for_node_publishes_and_asks():
    needs_node("pusher")

    async def conversation():
        async with running() as server, Client(server.ws_url()) as machine:
            await (await machine.meet()).join(CHANNEL)
            told = await node("publish.cjs", server.port, APP.id, APP.key, APP.secret, CHANNEL)
            assert told == {
                "published": 200,
                "batch": 200,
                "channels": {CHANNEL: {"subscription_count": 1}},
                "occupied": True,
                "refused": 401,
            }
            assert (await machine.hear("command"))["data"] == {"seq": 1, "text": "Senén «»"}
            assert (await machine.hear("settings"))["data"] == {"version": 2}
            await machine.is_served()

    asyncio.run(conversation())


def test_the_official_publisher_for_python_publishes_signs_and_asks():
    library = pytest.importorskip("pusher", reason="needs pusher")

    async def conversation():
        async with running() as server, Client(server.ws_url()) as machine:
            publisher = library.Pusher(
                APP.id, APP.key, APP.secret, ssl=False, host="127.0.0.1", port=server.port
            )
            await machine.meet()
            signed = publisher.authenticate(channel=CHANNEL, socket_id=machine.socket_id)
            await machine.say("pusher:subscribe", {"channel": CHANNEL, **signed})
            await machine.hear("pusher_internal:subscription_succeeded")
            await asyncio.to_thread(publisher.trigger, CHANNEL, "command", {"seq": 1})
            assert (await machine.hear("command"))["data"] == {"seq": 1}
            batch = [{"channel": CHANNEL, "name": "settings", "data": {"version": 2}}]
            await asyncio.to_thread(publisher.trigger_batch, batch)
            assert (await machine.hear("settings"))["data"] == {"version": 2}
            asked = await asyncio.to_thread(
                publisher.channels_info, attributes=["subscription_count"]
            )
            assert asked == {"channels": {CHANNEL: {"subscription_count": 1}}}
            one = await asyncio.to_thread(publisher.channel_info, CHANNEL)
            assert one["occupied"]
            publisher._pusher_client.http.session.close()

    asyncio.run(conversation())


def signing(secret: str = APP.secret) -> APIRouter:
    """What signs subscriptions, as the platform does for who may listen."""
    routes = APIRouter()

    @routes.post("/auth")
    async def sign(request: Request):
        async with request.form() as form:
            signature = channel_signature(secret, str(form["socket_id"]), str(form["channel_name"]))
        return {"auth": f"{APP.key}:{signature}"}

    return routes


class Peer:
    """A program of node, and what it says."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    async def hears(self, kind: str, what: str | None = None) -> dict:
        """Wait until it says so."""
        while True:
            line = await asyncio.wait_for(self.process.stdout.readline(), PATIENCE_S)
            assert line, "it has ended"
            told = json.loads(line)
            if kind in told and what in (None, told[kind]):
                return told

    async def says(self, event: str, data: dict) -> None:
        self.process.stdin.write(json.dumps({"event": event, "data": data}).encode() + b"\n")
        await self.process.stdin.drain()


@contextlib.asynccontextmanager
async def pusher_js(port: int):
    auth = f"http://127.0.0.1:{port}/auth"
    process = await started("subscribe.cjs", port, APP.key, CHANNEL, auth)
    try:
        yield Peer(process)
    finally:
        process.stdin.close()
        await asyncio.wait_for(process.wait(), PATIENCE_S)


async def node(program: str, port: int, *args: str) -> dict:
    process = await started(program, port, *args)
    said, _ = await asyncio.wait_for(process.communicate(), PATIENCE_S)
    return json.loads(said)


async def started(program: str, port: int, *args: str) -> asyncio.subprocess.Process:
    pipe = asyncio.subprocess.PIPE
    return await asyncio.create_subprocess_exec(
        "node", program, "127.0.0.1", str(port), *args, cwd=HERE, stdin=pipe, stdout=pipe
    )
