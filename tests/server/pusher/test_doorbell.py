"""The whole way on the platform as it runs: an operator sends a command, the machine is rung."""

import asyncio

import pytest

from protocol.platform.pusher import app_url
from supervisors.clock import SystemClock
from tests.server.pages.machine import Machine, Operator
from tests.server.pages.platform import TOKEN, platform
from tests.server.pusher.running import Client

pytestmark = pytest.mark.timeout(120)


def test_a_machine_that_is_told_of_the_doorbell_is_rung_by_an_operator(tmp_path):
    with platform(tmp_path) as url:
        operator = Operator(url, TOKEN)
        now_s = SystemClock().wall()
        machine = Machine(operator, "rvm-1", "Gambir", now_s)
        other = Machine(operator, "rvm-2", "Senen", now_s)
        asyncio.run(conversation(url, operator, machine, other))


async def conversation(url, operator, machine, other):
    door = machine.welcome["doorbell"]
    async with Client(app_url(door["url"], door["key"], "test", "1")) as client:
        await client.meet()
        # Only the machine itself may listen at its door.
        assert auth(url, other, client, door).status_code == 403
        signed = auth(url, machine, client, door)
        await client.say("pusher:subscribe", {"channel": door["channel"], **signed.json()})
        await client.hear("pusher_internal:subscription_succeeded")
        sent = operator.ask("POST", f"/machines/{machine.rvm_id}/commands", type="ping")
        assert (await client.hear("command"))["data"] == {"last": sent["seq"]}
        wanted = {"motor.lease_s": 2.5}
        operator.ask("PATCH", f"/machines/{machine.rvm_id}/settings", settings=wanted)
        assert (await client.hear("settings"))["data"] == {"version": 1}


def auth(url, machine, client, door):
    asked = {"socket_id": client.socket_id, "channel_name": door["channel"]}
    return machine.http.post(url + door["auth_path"], data=asked)
