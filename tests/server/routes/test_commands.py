"""Commands: in order, never lost, never given again once they are done."""

from __future__ import annotations

import pytest

from server.bell import machine_channel
from tests.server.platform import START_S, Machine, Platform


@pytest.fixture
def machine(either: Platform) -> Machine:
    return either.machine()


def send(platform: Platform, machine: Machine, **order) -> dict:
    said = {"type": "ping", **order}
    return platform.operator.post(f"/fleet/machines/{machine.rvm_id}/commands", said).json()["data"]


def fetch(machine: Machine, after: int = 0) -> dict:
    return machine.get(f"/edge/commands?after={after}").json()["data"]


def test_a_command_is_rung_for_and_fetched_behind_the_cursor(either: Platform, machine: Machine):
    sent = [send(either, machine, type="ping", args={"n": number}) for number in range(3)]
    either.time.now_s += 5
    found = fetch(machine, after=1)
    assert [one["seq"] for one in found["commands"]] == [2, 3]
    assert [one["id"] for one in found["commands"]] == [one["id"] for one in sent[1:]]
    assert found["commands"][0]["age_s"] == 5
    assert found["commands"][0]["args"] == {"n": 1}
    assert found["last"] == 3
    channel = machine_channel(machine.rvm_id)
    assert either.bell.heard == [(channel, "command", {"last": number}) for number in (1, 2, 3)]


def test_numbers_of_commands_sent_at_once_are_each_given_once(either: Platform, machine: Machine):
    path = f"/fleet/machines/{machine.rvm_id}/commands"
    either.together(*(either.operator.sending("POST", path, {"type": "ping"}) for _ in range(8)))
    assert [one["seq"] for one in fetch(machine)["commands"]] == list(range(1, 9))


def test_what_is_done_is_not_given_again_whatever_the_cursor(platform: Platform):
    machine = platform.machine()
    first, second = send(platform, machine), send(platform, machine)
    machine.sends_report(first["id"], "received")
    assert len(fetch(machine)["commands"]) == 2
    machine.sends_report(first["id"], "succeeded", result={"took_s": 0.1})
    found = fetch(machine)
    assert [one["id"] for one in found["commands"]] == [second["id"]]
    assert found["last"] == 2


def test_every_step_is_on_the_record_and_a_repetition_once(either: Platform, machine: Machine):
    sent = send(either, machine)
    for state in ("received", "accepted", "running", "running", "succeeded"):
        assert machine.sends_report(sent["id"], state).status_code == 204
    machine.sends_report(sent["id"], "succeeded", repeated=True)
    history = either.operator.get(f"/fleet/commands/{sent['id']}").json()["data"]
    steps = [(one["state"], one["repeated"]) for one in history["reports"]]
    assert steps == [
        ("received", False),
        ("accepted", False),
        ("running", False),
        ("succeeded", False),
        ("succeeded", True),
    ]
    assert (history["command"]["state"], history["command"]["is_final"]) == ("succeeded", True)


def test_a_final_state_stays_whatever_comes_late(platform: Platform):
    machine = platform.machine()
    sent = send(platform, machine)
    for state in ("rejected", "running", "succeeded", "duplicate"):
        machine.sends_report(sent["id"], state)
    command = platform.operator.get(f"/fleet/commands/{sent['id']}").json()["data"]["command"]
    assert command["state"] == "rejected"


def test_another_s_command_is_neither_shown_nor_reported(platform: Platform):
    machine, other = platform.machine("rvm-1"), platform.machine("rvm-2")
    sent = send(platform, machine)
    assert fetch(other) == {"commands": [], "last": 0}
    assert other.sends_report(sent["id"], "succeeded").status_code == 404
    assert machine.sends_report("no-such-id", "succeeded").status_code == 404


@pytest.mark.parametrize(
    ("order", "field"),
    [
        ({"type": "rm -rf /"}, "type"),
        ({"ttl_s": 0}, "ttl_s"),
        ({"args": {"text": "x" * 17_000}}, "args"),
        ({"args": [1]}, "args"),
    ],
)
def test_an_order_that_cannot_be_is_refused_by_field(platform: Platform, order: dict, field: str):
    machine = platform.machine()
    said = {"type": "ping", **order}
    answer = platform.operator.post(f"/fleet/machines/{machine.rvm_id}/commands", said)
    assert (answer.status_code, list(answer.json()["errors"])) == (422, [field])


def test_a_machine_that_does_not_exist_gets_no_orders(platform: Platform):
    assert platform.operator.post("/fleet/machines/9/commands", {"type": "ping"}).status_code == 404
    answer = platform.operator.ask("PATCH", "/fleet/machines/9/settings", {"settings": {"a.b": 1}})
    assert answer.status_code == 404


def test_a_report_says_when_in_the_machine_s_time(platform: Platform):
    machine = platform.machine()
    sent = send(platform, machine)
    machine.sends_report(sent["id"], "received", at=12.5)
    history = platform.operator.get(f"/fleet/commands/{sent['id']}").json()["data"]
    assert history["reports"][0]["at"] == 12.5
    assert history["reports"][0]["received_at"] == START_S
