"""Whatever a client sends: it is answered or closed, and nobody else notices."""

import asyncio
import json
import random

import pytest

from server.pusher.limits import Limits
from tests.server.pusher.running import APP, Client, running, until

EVENTS = (
    "pusher:ping",
    "pusher:subscribe",
    "pusher:unsubscribe",
    "pusher:error",
    "pusher_internal:member_added",
    "client-x",
    "client-",
    "",
    "\x00",
)
CHANNELS = ("news", "private-a", "presence-a", "cache-a", "", "a b", "x" * 200, None, 7, {}, [])
ODD = (None, True, -1, 1e308, "", "{", '{"channel":"news"}', "\U0001f600", [], [[]], {"": {}})


@pytest.mark.parametrize("seed", range(5))
def test_frames_of_every_kind_of_nonsense_do_not_stop_the_server(seed):
    async def conversation():
        rng = random.Random(seed)
        async with (
            running(Limits(messages=10_000)) as server,
            Client(server.ws_url()) as witness,
            Client(server.ws_url()) as fuzzer,
        ):
            await (await witness.meet()).join("private-witness")
            await fuzzer.meet()
            for _ in range(300):
                await fuzzer.ws.send_str(_frame(rng))
                await _drain(fuzzer)
            await fuzzer.ask_to_join("the-end")
            while (await fuzzer.hear()).get("channel") != "the-end":
                pass  # answers to what it has said before
            await fuzzer.ws.close()
            await until(lambda: server.hub.socket_count == 1)
            assert [room.name for room in server.hub.rooms()] == ["private-witness"]
            await witness.is_served()

    asyncio.run(conversation())


@pytest.mark.parametrize("seed", range(5))
def test_bytes_that_are_no_websocket_do_not_stop_the_server(seed):
    async def conversation():
        rng = random.Random(seed)
        async with running() as server, Client(server.ws_url()) as witness:
            await witness.meet()
            for _ in range(20):
                await _throw(server.port, rng)
            await witness.is_served()
            await until(lambda: server.hub.socket_count == 1)

    asyncio.run(conversation())


def _frame(rng):
    data = rng.choice((*ODD, {"channel": rng.choice(CHANNELS), "auth": rng.choice(ODD)}))
    frame = {"event": rng.choice(EVENTS), "data": data, "channel": rng.choice(CHANNELS)}
    for name in list(frame):
        if rng.random() < 0.1:
            del frame[name]
    text = json.dumps(frame)
    if rng.random() < 0.2:
        where = rng.randrange(len(text))
        text = text[:where] + rng.choice('{}[]",\\\x00ä') + text[where + 1 :]
    return text


async def _drain(client):
    """Take what has come up to the answer to a ping."""
    await client.say("pusher:ping")
    while (await client.hear())["event"] != "pusher:pong":
        pass


async def _throw(port, rng):
    """A handshake, then bytes by chance, then gone."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(
        f"GET /app/{APP.key} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
    )
    await reader.readline()
    first = rng.choice((0x81, 0x01, 0x80, 0x82, 0x88, 0x8F, 0xFF, rng.randrange(256)))
    writer.write(bytes([first]) + rng.randbytes(rng.randrange(300)))
    writer.transport.abort() if rng.random() < 0.5 else writer.close()
