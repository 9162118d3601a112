"""Settings: desired by version, fetched by ETag, reported by key."""

from __future__ import annotations

import pytest

from server.bell import machine_channel
from tests.server.platform import START_S, Machine, Platform


@pytest.fixture
def machine(either: Platform) -> Machine:
    return either.machine()


def desire(platform: Platform, machine: Machine, settings: dict, **more):
    path = f"/fleet/machines/{machine.rvm_id}/settings"
    return platform.operator.ask("PATCH", path, {"settings": settings, **more})


def test_nothing_has_been_desired_at_first(either: Platform, machine: Machine):
    assert machine.get("/edge/settings").json()["data"] == {"version": 0, "settings": {}}


def test_a_change_is_a_version_and_none_takes_a_key_away(either: Platform, machine: Machine):
    desire(either, machine, {"session.guests": "button", "motor.lease_s": 0.2})
    answer = desire(either, machine, {"motor.lease_s": None, "session.idle_timeout_s": 45})
    assert answer.json()["data"]["version"] == 2
    desired = machine.get("/edge/settings").json()["data"]
    assert desired == {
        "version": 2,
        "settings": {"session.guests": "button", "session.idle_timeout_s": 45},
    }
    assert either.bell.heard[-1] == (
        machine_channel(machine.rvm_id),
        "settings",
        {"version": 2},
    )


def test_what_is_known_is_not_sent_again(platform: Platform):
    machine = platform.machine()
    desire(platform, machine, {"session.guests": "off"})
    etag = machine.get("/edge/settings").headers["etag"]
    for known in (etag, f"W/{etag}", f'"another", {etag}'):
        again = machine.get("/edge/settings", headers={"If-None-Match": known})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", etag)
    desire(platform, machine, {"session.guests": "button"})
    fresh = machine.get("/edge/settings", headers={"If-None-Match": etag})
    assert fresh.status_code == 200
    assert fresh.headers["etag"] != etag


def test_of_two_operators_the_slower_one_is_told(either: Platform, machine: Machine):
    desire(either, machine, {"a.b": 1})
    assert desire(either, machine, {"a.b": 2}, version=1).status_code == 200
    late = desire(either, machine, {"a.b": 3}, version=1)
    assert (late.status_code, late.json()["code"]) == (409, "version")
    assert machine.get("/edge/settings").json()["data"]["settings"] == {"a.b": 2}


def test_versions_made_at_once_are_all_kept(either: Platform, machine: Machine):
    path = f"/fleet/machines/{machine.rvm_id}/settings"
    either.together(
        *(
            either.operator.sending("PATCH", path, {"settings": {f"a.k{number}": number}})
            for number in range(5)
        )
    )
    desired = machine.get("/edge/settings").json()["data"]
    assert desired["version"] == 5
    assert len(desired["settings"]) == 5


def test_operators_see_what_became_of_it(platform: Platform):
    machine = platform.machine()
    desire(platform, machine, {"session.guests": "off"})
    report = {
        "version": 1,
        "state": "refused",
        "in_force": 0,
        "at": START_S,
        "reason": "session.guests: no such value",
        "keys": {"session.guests": {"value": "off", "version": 1, "code": 400, "reason": "no"}},
    }
    for _ in range(2):
        assert machine.post("/edge/settings/reports", report).status_code == 204
    twin = platform.operator.get(f"/fleet/machines/{machine.rvm_id}/settings").json()["data"]
    assert (twin["version"], twin["reported_version"], twin["state"]) == (1, 1, "refused")
    assert twin["keys"]["session.guests"]["code"] == 400
    (shown,) = platform.operator.get("/fleet/machines").json()["data"]["machines"]
    assert (shown["settings_version"], shown["settings_in_force"]) == (1, 0)


@pytest.mark.parametrize("key", ["nodots", "Upper.case", "a..b", ".a.b", "a.b c", "__proto__.x"])
def test_a_key_is_dotted_words(platform: Platform, key: str):
    machine = platform.machine()
    assert desire(platform, machine, {key: 1}).status_code == 422


def test_a_heartbeat_tells_what_is_worth_asking_for(platform: Platform):
    machine = platform.machine()
    machine.post("/edge/births", {"boot_id": "b", "epoch": 1, "at": 1.0})
    desire(platform, machine, {"a.b": 1})
    platform.operator.post(f"/fleet/machines/{machine.rvm_id}/commands", {"type": "ping"})
    said = {"epoch": 1, "seq": 1, "at": 1.0, "uptime_s": 1.0}
    pulse = machine.post("/edge/heartbeats", said).json()["data"]
    assert (pulse["settings_version"], pulse["commands_last"]) == (1, 1)
