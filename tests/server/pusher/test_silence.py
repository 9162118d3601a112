"""Who says nothing, who does not listen, and who says what nobody hears."""

import asyncio
import contextlib
import socket

from server.pusher.limits import Limits
from server.pusher.serving import UNREAD_S, listen
from tests.server.pusher.running import APP, PATIENCE_S, Client, ManualClock, running, until


def test_a_silent_client_is_asked_and_then_closed_though_it_is_subscribed_to_nothing():
    async def conversation():
        clock = ManualClock()
        async with running(clock=clock) as server, Client(server.ws_url()) as client:
            await client.meet()
            clock.now_s += 29.0
            server.hub.sweep()
            clock.now_s += 1.0
            server.hub.sweep()
            server.hub.sweep()
            await client.hear("pusher:ping")
            clock.now_s += 29.0
            server.hub.sweep()
            clock.now_s += 1.0
            server.hub.sweep()
            assert await client.hear_error() == 4201  # and was asked only once
            assert await client.hear_close() == 4201
            await until(lambda: server.hub.socket_count == 0)

    asyncio.run(conversation())


def test_a_client_that_answers_stays():
    async def conversation():
        clock = ManualClock()
        async with running(clock=clock) as server, Client(server.ws_url()) as client:
            await client.meet()
            for _ in range(5):
                clock.now_s += 30.0
                server.hub.sweep()
                await client.hear("pusher:ping")
                await client.say("pusher:pong")
                await client.is_served()

    asyncio.run(conversation())


def test_a_client_that_does_not_read_loses_its_connection_and_nobody_else_waits():
    async def conversation():
        clock = ManualClock()
        limits = Limits(waiting=8)
        async with running(limits, clock=clock) as server, Client(server.ws_url()) as reader:
            await (await reader.meet()).join("news")
            _, writer = await _deaf_client(server.port)
            room = next(server.hub.rooms())
            await until(lambda: len(room.members) == 2)
            sent = 0
            while all(member.ending_s is None for member in room.members):
                server.hub.publish("news", "e", "x" * 10_000)
                await reader.hear("e")  # it has every one, while the other takes none
                sent += 1
                assert sent < 5_000
            clock.now_s += limits.goodbye_s
            server.hub.sweep()
            await until(lambda: len(room.members) == 1)
            await reader.is_served()
            writer.transport.abort()

    asyncio.run(conversation())


def test_a_client_that_does_not_read_does_not_keep_the_server_from_ending():
    async def conversation():
        async with running(Limits(waiting=8, goodbye_s=0.2)) as server:
            _, writer = await _deaf_client(server.port)
            await until(lambda: list(server.hub.rooms()) != [])
            for _ in range(1_000):
                server.hub.publish("news", "e", "x" * 10_000)
                await asyncio.sleep(0)
            assert server.hub.socket_count == 1
        writer.transport.abort()

    asyncio.run(conversation())


def test_the_kernel_ends_connections_whose_client_takes_nothing():
    with (
        listen("127.0.0.1", 0) as listening,
        socket.create_connection(listening.getsockname()),
        listening.accept()[0] as accepted,
    ):
        ends_ms = accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
    assert ends_ms == 1000 * UNREAD_S


def test_pings_whose_answers_are_not_read_do_not_pile_up():
    async def conversation():
        async with running() as server, Client(server.ws_url()) as witness:
            await witness.meet()
            _, writer = await _deaf_client(server.port)
            await until(lambda: list(server.hub.rooms()) != [])
            ping = bytes([0x89, 0x80 | 125, 0, 0, 0, 0]) + b"p" * 125
            sent_bytes = await _flood(writer, ping * 500)
            # What the kernel takes for both sides, and what we keep.
            assert sent_bytes < 40_000_000
            await until(lambda: server.hub.socket_count == 1)
            await witness.is_served()

    asyncio.run(conversation())


def test_a_message_in_endless_pieces_is_not_kept():
    async def conversation():
        async with running() as server, Client(server.ws_url()) as witness:
            await witness.meet()
            _, writer = await _deaf_client(server.port)
            await until(lambda: list(server.hub.rooms()) != [])
            writer.write(bytes([0x01, 0x80, 0, 0, 0, 0]))
            await _flood(writer, bytes([0x00, 0x80, 0, 0, 0, 0]) * 1000)
            await until(lambda: server.hub.socket_count == 1)
            await witness.is_served()

    asyncio.run(conversation())


def test_a_message_in_a_few_pieces_with_pings_between_them_is_heard():
    async def conversation():
        async with running() as server:
            reader, writer = await _deaf_client(server.port)
            text = b'{"event":"pusher:ping"}'
            for _ in range(3):
                pieces = [bytes([byte]) for byte in text]
                for at, piece in enumerate(pieces):
                    opcode = 0x01 if at == 0 else 0x80 if at == len(pieces) - 1 else 0x00
                    writer.write(bytes([opcode, 0x81, 0, 0, 0, 0]) + piece)
                    writer.write(bytes([0x89, 0x80, 0, 0, 0, 0]))
                await asyncio.wait_for(reader.readuntil(b"pusher:pong"), PATIENCE_S)
            writer.close()

    asyncio.run(conversation())


async def _flood(writer, frames):
    """Say it until the connection ends; how many bytes were taken."""
    sent_bytes = 0
    with contextlib.suppress(ConnectionError):
        while sent_bytes < 200_000_000:
            writer.write(frames)
            await asyncio.wait_for(writer.drain(), PATIENCE_S)
            sent_bytes += len(frames)
    return sent_bytes


async def _deaf_client(port: int):
    """A subscribed client that reads nothing after its handshake."""
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    raw.setblocking(False)
    await asyncio.get_running_loop().sock_connect(raw, ("127.0.0.1", port))
    reader, writer = await asyncio.open_connection(sock=raw, limit=1024)
    writer.write(
        f"GET /app/{APP.key} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
    )
    assert b"101" in await reader.readline()
    text = b'{"event":"pusher:subscribe","data":{"channel":"news"}}'
    writer.write(bytes([0x81, 0x80 | len(text), 0, 0, 0, 0]) + text)  # masked with nought
    return reader, writer
