import asyncio

import pytest

from server.pusher.signed import md5
from tests.server.pusher.running import APP, Client, get, post, running

APPS = f"/apps/{APP.id}"
EVENT = {"name": "command", "channels": ["news"], "data": "{}"}


def test_one_event_goes_to_every_channel_that_is_named_but_not_to_who_knows():
    async def conversation():
        async with (
            running() as server,
            Client(server.ws_url()) as one,
            Client(server.ws_url()) as two,
        ):
            await (await one.meet()).join("a")
            await (await two.meet()).join("b")
            event = {**EVENT, "channels": ["a", "b"], "data": "text"}
            assert await post(server, f"{APPS}/events", event) == (200, {})
            assert (await one.hear("command"))["data"] == "text"
            assert (await two.hear("command"))["channel"] == "b"
            but_one = {**event, "socket_id": one.socket_id}
            await post(server, f"{APPS}/events", but_one)
            await two.hear("command")
            await one.is_served()

    asyncio.run(conversation())


def test_a_batch_is_published_in_order():
    async def conversation():
        async with running() as server, Client(server.ws_url()) as client:
            await (await client.meet()).join("news")
            batch = [{"name": f"e{n}", "channel": "news", "data": "1"} for n in range(10)]
            assert await post(server, f"{APPS}/batch_events", {"batch": batch}) == (200, {})
            assert [(await client.hear())["event"] for _ in range(10)] == [
                f"e{n}" for n in range(10)
            ]

    asyncio.run(conversation())


def test_who_publishes_can_ask_about_the_channels():
    async def conversation():
        async with running() as server, Client(server.ws_url()) as client:
            await (await client.meet()).join("news")
            await client.join("presence-x", '{"user_id":"1"}')
            info = "subscription_count,user_count"
            channels = {"news": {"subscription_count": 1}}
            channels["presence-x"] = {"subscription_count": 1, "user_count": 1}
            event = {**EVENT, "channels": ["news", "presence-x"], "info": info}
            assert await post(server, f"{APPS}/events", event) == (200, {"channels": channels})
            batch = [{"name": "e", "channel": "presence-x", "data": "1", "info": info}]
            answer = {"batch": [channels["presence-x"]]}
            assert await post(server, f"{APPS}/batch_events", {"batch": batch}) == (200, answer)
            everything = await get(server, f"{APPS}/channels", info="subscription_count")
            assert everything[1]["channels"]["news"] == {"subscription_count": 1}
            asked = {"filter_by_prefix": "presence-", "info": "user_count"}
            only = await get(server, f"{APPS}/channels", **asked)
            assert only == (200, {"channels": {"presence-x": {"user_count": 1}}})
            assert (await get(server, f"{APPS}/channels", info="user_count"))[0] == 400
            nobody = await get(server, f"{APPS}/channels/other")
            assert nobody == (200, {"occupied": False})
            users = await get(server, f"{APPS}/channels/presence-x/users")
            assert users == (200, {"users": [{"id": "1"}]})
            assert (await get(server, f"{APPS}/channels/news/users"))[0] == 400
            assert await get(server, f"{APPS}/connections") == (200, {"connections": 1})

    asyncio.run(conversation())


@pytest.mark.parametrize(
    "changed",
    [
        {"auth_key": "other"},
        {"auth_signature": "0" * 64},
        {"auth_signature": "ä"},
        {"auth_signature": ""},
        {"auth_timestamp": "0"},
        {"auth_version": "2.0"},
        {"body_md5": md5(b"another body")},
        {"more": "unsigned"},
    ],
)
def test_what_has_been_changed_after_signing_is_refused(changed):
    async def conversation():
        async with running() as server, Client(server.ws_url()) as client:
            await (await client.meet()).join("news")
            assert (await post(server, f"{APPS}/events", EVENT, **changed))[0] == 401
            await client.is_served()  # and has heard nothing

    asyncio.run(conversation())


@pytest.mark.parametrize("off_s", [-601, 601])
def test_a_request_signed_at_another_time_is_refused(off_s):
    async def conversation():
        async with running() as server:
            assert (await post(server, f"{APPS}/events", EVENT, off_s=off_s))[0] == 401
            near = await post(server, f"{APPS}/events", EVENT, off_s=off_s // 2)
            assert near[0] == 200

    asyncio.run(conversation())


def test_another_app_is_not_here():
    async def conversation():
        async with running() as server:
            assert (await post(server, "/apps/7/events", EVENT))[0] == 404

    asyncio.run(conversation())


@pytest.mark.parametrize(
    ("status", "path", "body"),
    [
        (422, "events", {}),
        (422, "events", []),
        (422, "events", {**EVENT, "channels": []}),
        (422, "events", {**EVENT, "channels": ["no name"]}),
        (422, "events", {**EVENT, "channels": [f"c{n}" for n in range(101)]}),
        (422, "events", {**EVENT, "name": ""}),
        (422, "events", {**EVENT, "name": "n" * 201}),
        (422, "events", {**EVENT, "data": {}}),
        (413, "events", {**EVENT, "data": "x" * 10_001}),
        (413, "events", {**EVENT, "data": "x" * 200_000}),
        (422, "batch_events", {"batch": [{"name": "e", "channel": "c", "data": "1"}] * 11}),
        (413, "batch_events", {"batch": [{"name": "e", "channel": "c", "data": "x" * 10_001}]}),
    ],
)
def test_events_that_cannot_be_published_are_refused_whole(status, path, body):
    async def conversation():
        async with running() as server:
            assert (await post(server, f"{APPS}/{path}", body))[0] == status

    asyncio.run(conversation())


def test_the_largest_event_goes_through():
    async def conversation():
        async with running() as server, Client(server.ws_url()) as client:
            await (await client.meet()).join("news")
            event = {**EVENT, "data": "é" * 5_000}
            assert (await post(server, f"{APPS}/events", event))[0] == 200
            assert (await client.hear("command"))["data"] == "é" * 5_000

    asyncio.run(conversation())
