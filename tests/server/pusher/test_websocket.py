import asyncio
import contextlib

import pytest

from server.pusher.limits import Limits
from tests.server.pusher.running import APP, Client, ManualClock, post, running, until

EVENTS = f"/apps/{APP.id}/events"


def test_a_machine_subscribes_to_its_channel_and_is_rung():
    async def conversation():
        async with running() as server, Client(server.ws_url()) as machine:
            welcome = await machine.hear("pusher:connection_established")
            assert welcome["data"]["activity_timeout"] == 30
            machine.socket_id = welcome["data"]["socket_id"]
            assert (await machine.join("private-rvm.1"))["channel"] == "private-rvm.1"
            ring = {"name": "command", "channels": ["private-rvm.1"], "data": '{"seq":7}'}
            assert await post(server, EVENTS, ring) == (200, {})
            assert await machine.hear() == {
                "event": "command",
                "data": {"seq": 7},
                "channel": "private-rvm.1",
            }

    asyncio.run(conversation())


def test_an_unknown_key_is_told_so_and_closed():
    async def conversation():
        async with running() as server, Client(server.ws_url("another")) as client:
            assert await client.hear_error() == 4001
            assert await client.hear_close() == 4001
            assert server.hub.socket_count == 0

    asyncio.run(conversation())


@pytest.mark.parametrize(
    "auth",
    [None, "", "rvm-key:", f"rvm-key:{'0' * 64}", "other:" + "0" * 64, "ключ:ä", "\x00"],
)
def test_a_bad_signature_is_refused_and_the_connection_stays(auth):
    async def conversation():
        async with running() as server, Client(server.ws_url()) as client:
            await client.meet()
            asked = {"channel": "private-rvm.1", "auth": auth}
            await client.say("pusher:subscribe", asked)
            assert await client.hear_error() == 4009
            assert not list(server.hub.rooms())
            await client.join("private-rvm.1")

    asyncio.run(conversation())


def test_a_signature_is_good_for_one_connection_and_one_channel():
    async def conversation():
        async with (
            running() as server,
            Client(server.ws_url()) as mine,
            Client(server.ws_url()) as other,
        ):
            await mine.meet()
            socket_id, mine.socket_id = mine.socket_id, (await other.meet()).socket_id
            await mine.ask_to_join("private-rvm.1")  # signed for the other's connection
            assert await mine.hear_error() == 4009
            mine.socket_id = socket_id
            await mine.join("private-rvm.1")

    asyncio.run(conversation())


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no JSON",
        "[]",
        "7",
        "{}",
        '{"event":7}',
        '{"event":"pusher:signin","data":{}}',
        '{"event":"news","channel":"news","data":{}}',
        '{"event":"pusher:subscribe"}',
        '{"event":"pusher:subscribe","data":"x"}',
        '{"event":"pusher:subscribe","data":{"channel":7}}',
        '{"event":"pusher:subscribe","data":{"channel":"no name"}}',
        '{"event":"pusher:subscribe","data":{"channel":""}}',
        '{"event":"pusher:unsubscribe"}',
        '{"event":"\\ud800"}',
    ],
)
def test_what_is_no_frame_of_the_protocol_is_answered_and_the_connection_stays(text):
    async def conversation():
        async with running() as server, Client(server.ws_url()) as client:
            await client.meet()
            await client.ws.send_str(text)
            assert await client.hear_error() == 4200
            await client.is_served()

    asyncio.run(conversation())


def test_binary_messages_are_none_of_the_protocol():
    async def conversation():
        async with running() as server, Client(server.ws_url()) as client:
            await client.meet()
            await client.ws.send_bytes(b'{"event":"pusher:ping"}')
            assert await client.hear_error() == 4200
            await client.is_served()

    asyncio.run(conversation())


@pytest.mark.parametrize("depth", [10, 300, 900, 1000, 4000])
def test_nesting_is_no_danger_at_any_depth(depth):
    async def conversation():
        async with (
            running() as server,
            Client(server.ws_url()) as client,
            Client(server.ws_url()) as other,
        ):
            await (await client.meet()).join("private-a")
            await (await other.meet()).join("private-a")
            deep = "[" * depth + "]" * depth
            await client.ws.send_str(
                '{"event":"client-x","channel":"private-a","data":' + deep + "}"
            )
            await client.say("pusher:ping")
            assert (await client.hear())["event"] in ("pusher:pong", "pusher:error")
            await other.say("pusher:ping")
            while (await other.hear())["event"] != "pusher:pong":
                pass  # what could be passed on

    asyncio.run(conversation())


def test_a_message_that_is_too_large_closes_the_connection():
    async def conversation():
        async with running() as server, Client(server.ws_url()) as client:
            await (await client.meet()).join("private-a")
            await client.say("client-x", "x" * 9_900, "private-a")
            await client.is_served()
            await client.say("client-x", "x" * 10_001, "private-a")
            assert await client.hear_close() == 1009

    asyncio.run(conversation())


def test_clients_tell_each_other_only_in_channels_that_they_share():
    async def conversation():
        async with (
            running() as server,
            Client(server.ws_url()) as one,
            Client(server.ws_url()) as two,
            Client(server.ws_url()) as outside,
        ):
            await (await one.meet()).join("private-a")
            await (await two.meet()).join("private-a")
            await outside.meet()
            await outside.say("client-x", {"n": 0}, "private-a")
            assert await outside.hear_error() == 4009
            await one.say("client-x", {"n": 1}, "private-a")
            heard = await two.hear("client-x")
            assert heard == {"event": "client-x", "data": {"n": 1}, "channel": "private-a"}
            await one.is_served()  # and has not heard itself

    asyncio.run(conversation())


def test_public_channels_carry_no_events_of_clients():
    async def conversation():
        async with running() as server, Client(server.ws_url()) as client:
            await (await client.meet()).join("news")
            await client.say("client-x", {}, "news")
            assert await client.hear_error() == 4009

    asyncio.run(conversation())


def test_who_has_left_a_channel_hears_nothing_of_it():
    async def conversation():
        async with running() as server, Client(server.ws_url()) as client:
            await (await client.meet()).join("news")
            await client.say("pusher:unsubscribe", {"channel": "news"})
            await client.say("pusher:unsubscribe", {"channel": "news"})
            await client.is_served()
            assert not list(server.hub.rooms())
            await post(server, EVENTS, {"name": "x", "channels": ["news"], "data": "1"})
            await client.is_served()

    asyncio.run(conversation())


def test_members_of_a_presence_channel_know_of_each_other():
    async def conversation():
        async with (
            running() as server,
            Client(server.ws_url()) as ani,
            Client(server.ws_url()) as budi,
            Client(server.ws_url()) as budi_again,
        ):
            await ani.meet()
            await ani.join("presence-x", '{"user_id":"ani","user_info":{"n":1}}')
            await budi.meet()
            joined = await budi.join("presence-x", '{"user_id":2}')
            assert joined["data"]["presence"] == {
                "ids": ["ani", "2"],
                "hash": {"ani": {"n": 1}, "2": None},
                "count": 2,
            }
            added = await ani.hear("pusher_internal:member_added")
            assert added["data"] == {"user_id": "2", "user_info": None}
            await budi_again.meet()
            await budi_again.join("presence-x", '{"user_id":"2"}')
            await budi.say("client-hello", {}, "presence-x")
            assert (await ani.hear("client-hello"))["user_id"] == "2"
            await budi.ws.close()
            await budi_again.say("pusher:unsubscribe", {"channel": "presence-x"})
            removed = await ani.hear("pusher_internal:member_removed")
            assert removed["data"] == {"user_id": "2"}

    asyncio.run(conversation())


@pytest.mark.parametrize("data", ["", "{}", "7", "no JSON", '{"user_id":{}}'])
def test_a_presence_channel_wants_to_know_who_comes(data):
    async def conversation():
        async with running() as server, Client(server.ws_url()) as client:
            await client.meet()
            await client.ask_to_join("presence-x", data)
            assert await client.hear_error() == 4200
            assert not list(server.hub.rooms())

    asyncio.run(conversation())


def test_a_cache_channel_tells_its_last_event_to_who_comes_later():
    async def conversation():
        async with running() as server, Client(server.ws_url()) as client:
            await client.meet()
            await client.join("private-cache-rvm.1")
            await client.hear("pusher:cache_miss")
            ring = {"name": "settings", "channels": ["private-cache-rvm.1"], "data": '{"v":3}'}
            await post(server, EVENTS, ring)
            await client.hear("settings")
            await client.say("pusher:unsubscribe", {"channel": "private-cache-rvm.1"})
            await client.join("private-cache-rvm.1")
            assert (await client.hear("settings"))["data"] == {"v": 3}

    asyncio.run(conversation())


def test_one_client_too_many_is_told_so_and_closed():
    async def conversation():
        async with running(Limits(sockets=1)) as server, Client(server.ws_url()) as first:
            await first.meet()
            async with Client(server.ws_url()) as second:
                assert await second.hear_error() == 4100
                assert await second.hear_close() == 4100
            await until(lambda: server.hub.socket_count == 1)
            await first.is_served()

    asyncio.run(conversation())


def test_a_client_that_says_too_much_is_refused_and_then_closed():
    async def conversation():
        clock = ManualClock()
        limits = Limits(messages=3, messages_per_s=1.0, excess=2)
        async with running(limits, clock=clock) as server, Client(server.ws_url()) as client:
            await client.meet()
            for _ in range(3):
                await client.is_served()
            await client.say("pusher:ping")
            assert await client.hear_error() == 4301
            clock.now_s += 1.0
            await client.is_served()
            for _ in range(3):
                await client.say("pusher:ping")
            assert await client.hear_close() == 4301

    asyncio.run(conversation())


def test_channels_and_members_are_bounded():
    async def conversation():
        limits = Limits(channels=2, members=1)
        async with (
            running(limits) as server,
            Client(server.ws_url()) as one,
            Client(server.ws_url()) as two,
        ):
            await one.meet()
            await one.join("news")
            await one.join("presence-x", '{"user_id":"1"}')
            await one.ask_to_join("third")
            assert await one.hear_error() == 4100
            await one.join("news")  # the same again is none more
            await two.meet()
            await two.ask_to_join("presence-x", '{"user_id":"2"}')
            assert await two.hear_error() == 4100

    asyncio.run(conversation())


def test_channels_that_anybody_may_make_are_bounded_and_signed_ones_have_their_place():
    async def conversation():
        async with (
            running(Limits(open_channels=2)) as server,
            Client(server.ws_url()) as stranger,
            Client(server.ws_url()) as machine,
        ):
            await stranger.meet()
            await stranger.join("one")
            await stranger.join("cache-two")
            await stranger.hear("pusher:cache_miss")
            await stranger.ask_to_join("three")
            assert await stranger.hear_error() == 4100
            await (await machine.meet()).join("private-rvm.1")
            await machine.join("one")  # there is such a channel already
            await stranger.say("pusher:unsubscribe", {"channel": "one"})
            await stranger.say("pusher:unsubscribe", {"channel": "cache-two"})
            await stranger.join("three")
            await stranger.ask_to_join("four")
            assert await stranger.hear_error() == 4100

    asyncio.run(conversation())


@pytest.mark.parametrize(
    "data",
    [
        '{"user_id":"%s"}' % ("x" * 129),
        '{"user_id":"1","user_info":"%s"}' % ("x" * 1024),
    ],
)
def test_a_presence_channel_does_not_carry_a_story_about_everybody(data):
    async def conversation():
        async with running() as server, Client(server.ws_url()) as client:
            await client.meet()
            await client.ask_to_join("presence-x", data)
            assert await client.hear_error() == 4200
            assert not list(server.hub.rooms())

    asyncio.run(conversation())


def test_when_the_server_ends_everybody_is_asked_to_come_back():
    async def conversation():
        async with contextlib.AsyncExitStack() as still_here, running() as server:
            client = await still_here.enter_async_context(Client(server.ws_url()))
            await (await client.meet()).join("private-rvm.1")
            closing = asyncio.create_task(server.hub.close())
            assert await client.hear_error() == 4200
            assert await client.hear_close() == 4200
            await closing
            async with Client(server.ws_url()) as late:
                assert await late.hear_close() == 4200

    asyncio.run(conversation())


def test_a_server_that_ends_says_goodbye_before_its_connections_are_closed():
    async def conversation():
        async with contextlib.AsyncExitStack() as still_here:
            async with running() as server:
                client = await still_here.enter_async_context(Client(server.ws_url()))
                await client.meet()
                hearing = asyncio.create_task(client.hear_close())
            assert await hearing == 4200

    asyncio.run(conversation())


def test_hundreds_hear_one_event_and_are_all_asked_to_come_back():
    async def conversation():
        async with running() as server, contextlib.AsyncExitStack() as stack:
            clients = [await stack.enter_async_context(Client(server.ws_url())) for _ in range(200)]
            for client in clients:
                await (await client.meet()).join("news")
            server.hub.publish("news", "e", "1")
            for client in clients:
                await client.hear("e")
            closing = asyncio.create_task(server.hub.close())
            assert [await client.hear_close() for client in clients] == [4200] * 200
            await closing
            assert server.hub.socket_count == 0

    asyncio.run(conversation())
