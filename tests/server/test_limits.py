"""Too often, in maintenance, and who may still come in."""

from __future__ import annotations

import pytest

from server.rules.buckets import take
from server.rules.spread import spread_s
from server.settings import Limits
from tests.server.platform import Start


def test_a_machine_that_asks_too_often_waits_and_no_other_with_it(start: Start):
    platform = start(limits=Limits(machine_per_s=0.5, machine_burst=3))
    machine, other = platform.machine("rvm-1"), platform.machine("rvm-2")
    statuses = [machine.get("/edge/commands").status_code for _ in range(4)]
    assert statuses == [200, 200, 200, 429]
    refused = machine.get("/edge/commands")
    assert refused.headers["retry-after"] == "2"
    assert refused.json()["code"] == "too_many"
    assert other.get("/edge/commands").status_code == 200
    platform.time.now_s += 2
    assert machine.get("/edge/commands").status_code == 200
    assert machine.get("/edge/commands").status_code == 429


def test_nobody_finds_a_code_by_trying(start: Start):
    platform = start(session_wait_s=0.0)
    machine, user, other = platform.machine(), platform.user(), platform.user()
    said = {"hardware_id": machine.hardware_id, "code": "7QK3M9T2XW4B8HZD"}
    for number in range(platform.settings.limits.user_burst):
        code = f"{said['code']}{number}"
        assert user.post("/sessions", {**said, "code": code}).status_code == 202
    refused = user.post("/sessions", said)
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")
    assert other.post("/sessions", said).status_code == 202


def test_strangers_share_one_bucket(start: Start):
    platform = start(limits=Limits(door_per_s=1, door_burst=5))
    machine = platform.machine()
    for number in range(10):
        last = machine.post("/edge/challenges", {"hardware_id": f"rvm-{number}"})
    assert last.status_code == 429
    assert machine.get("/edge/commands").status_code == 200


def test_in_maintenance_only_operators_come_in_also_after_a_restart(start: Start):
    platform = start()
    machine = platform.machine()
    assert platform.operator.put("/fleet/maintenance", {"wait_s": 300}).status_code == 204
    for platform_now in (platform, start()):
        machine.platform = platform_now
        answers = [
            machine.get("/edge/commands"),
            machine.post("/edge/challenges", {"hardware_id": "rvm-1"}),
            machine.get("//up"),
        ]
        assert {one.status_code for one in answers} == {503}
        assert {one.headers["retry-after"] for one in answers} == {"300"}
    platform.operator.put("/fleet/maintenance", {"wait_s": None})
    machine.platform = platform
    assert machine.get("/edge/commands").status_code == 200
    assert machine.get("//up").status_code == 200
    assert machine.get("/up").json()["success"]


@pytest.mark.parametrize(("count", "seconds"), [(0, 0), (1000, 20), (10_000, 60)])
def test_a_fleet_spreads_its_return(count: int, seconds: float):
    assert spread_s(count, 50.0) == seconds


def test_a_bucket_never_holds_more_than_its_burst():
    bucket, wait_s = take(None, 0.0, per_s=1.0, burst=2)
    assert wait_s is None
    bucket, _ = take(bucket, 1000.0, per_s=1.0, burst=2)
    bucket, wait_s = take(bucket, 1000.0, per_s=1.0, burst=2)
    assert wait_s is None
    bucket, wait_s = take(bucket, 1000.25, per_s=1.0, burst=2)
    assert wait_s == pytest.approx(0.75)


def test_a_clock_that_goes_back_gives_nothing():
    bucket, _ = take(None, 100.0, per_s=1.0, burst=1)
    _, wait_s = take(bucket, 0.0, per_s=1.0, burst=1)
    assert wait_s == 1.0
