"""Rows C7 to C10 of the fault table: settings that are wrong, harmful, untimely, or cut short."""

import os
import random
import shutil
from functools import partial
from pathlib import Path

import pytest

from config.generations import Generations
from supervisors.clock import SystemClock
from tests.faults.settings_machine import (
    Desires,
    await_version,
    enrolled,
    kill_when,
    platform,
    start,
    version_of,
)
from tests.rvm_edge.machine import Machine

pytestmark = pytest.mark.timeout(240)  # whole machines, several of them one after the other

# Where in the life of a version the daemon is killed: after the n-th of these events.
_MOMENTS = (
    "settings_updated",
    "settings_validated",
    "stopped",
    "started",
    "settings_applied",
    "announced",
    "settings_notified",
)


@pytest.fixture
def desires():
    with platform() as one:
        yield one


def until_open(machine: Machine) -> Machine:
    machine.ready()
    machine.until(lambda: machine.actors()["/uplink/link"]["facts"].get("path"))
    return machine


def incarnations(machine: Machine) -> dict[str, int]:
    return {path: one["incarnation"] for path, one in machine.actors().items()}


def touched(machine: Machine, before: dict[str, int]) -> set[str]:
    now = incarnations(machine)
    return {path for path in {*now, *before} if now.get(path) != before.get(path)}


# -- what should happen -----------------------------------------------------------------------


def test_a_push_reaches_whom_it_concerns_and_nobody_else(tmp_path: Path, desires: Desires):
    with start(enrolled(tmp_path / "data", desires), desires) as machine:
        until_open(machine).until_well()
        before = incarnations(machine)
        desires.desire(1, health__period_s=3.0, detail__barcode=True)
        await_version(machine, 1, "kept")
        eyes = {"/vision/inference", "/vision/detail", "/vision/detail/look"}
        # The link is born with what the machine can do, and barcodes are news.
        assert touched(machine, before) == {"/health", *eyes, "/uplink/link"}
        machine.until(lambda: desires.states(1)[-1:] == ["kept"])
        assert {one["code"] for one in desires.reports(1)[-1]["keys"].values()} == {200}
        told = machine.json("config", "explain", "health.period_s")["keys"][0]
        assert (told["winner"], told["value"]) == ("server", 3.0)
        desires.desire(2)  # nothing is desired any more: the layer below speaks
        await_version(machine, 2)
        assert "/vision/detail" not in machine.actors()
        steps = [one["event"] for one in machine.events() if one["path"] == "/settings"]
        assert steps[:4] == [
            f"settings_{one}" for one in ("updated", "validated", "applied", "kept")
        ]
        assert machine.stop() == 0


def test_c7_a_wrong_version_changes_nothing_and_says_what_is_wrong(
    tmp_path: Path, desires: Desires
):
    with start(enrolled(tmp_path / "data", desires), desires) as machine:
        until_open(machine)
        before = incarnations(machine)
        desires.desire(1, health__perod_s=3.0, motor__lease_s=0.4, session__claim_days=9)
        machine.until(lambda: desires.states(1) == ["refused"])
        keys = desires.reports(1)[0]["keys"]
        assert {name: one["code"] for name, one in keys.items()} == {
            "health.perod_s": 400,
            "motor.lease_s": 409,
            "session.claim_days": 424,
        }
        assert version_of(machine) == 0
        assert touched(machine, before) == set()
        assert machine.stop() == 0


def test_a_start_without_a_platform_runs_with_the_cached_version(tmp_path: Path, desires: Desires):
    data = enrolled(tmp_path / "data", desires)
    with start(data, desires) as machine:
        until_open(machine)
        desires.desire(1, health__period_s=3.0)
        await_version(machine, 1, "kept")
        assert machine.stop() == 0
    with start(data, None, RVM_SERVER_URL="http://127.0.0.1:9") as machine:
        machine.ready()
        assert await_version(machine, 1, "kept")["troubles"] == []
        assert machine.json("config", "explain", "health.period_s")["keys"][0]["value"] == 3.0
        assert machine.stop() == 0


# -- harmful ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param({"inference__backend": "tensorrt"}, id="an actor that cannot start"),
        pytest.param({"deposit__selftest_timeout_s": 1e-3}, id="one that is not well with it"),
        pytest.param(
            {"uplink__connect_timeout_s": 1e-6},
            id="no way to the platform any more",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_c8_what_is_right_and_does_harm_is_taken_back_within_a_minute(
    tmp_path: Path, desires: Desires, settings: dict[str, object]
):
    clock = SystemClock()
    watch = {"RVM_EDGE_UPLINK_SETTINGS_WATCH_S": "30"}
    with start(enrolled(tmp_path / "data", desires), desires, **watch) as machine:
        until_open(machine).until_well()
        desires.desire(1, session__claim_days=9)
        await_version(machine, 1)
        desires.desire(2, session__claim_days=10, **settings)
        began_s = clock.monotonic()
        machine.until_event("settings_rolled_back")
        took_s = clock.monotonic() - began_s
        assert took_s < 60
        # Version 1 was still on trial: what had been kept before it is in force again.
        machine.until(lambda: version_of(machine) != 2)
        machine.until_well()
        machine.until(lambda: desires.states(2)[-1:] == ["rolled_back"])
        assert {one["code"] for one in desires.reports(2)[-1]["keys"].values()} == {500}
        desires.desire(3, session__claim_days=11)
        await_version(machine, 3)
        assert machine.stop() == 0


# -- untimely ---------------------------------------------------------------------------------


def test_c9_a_push_in_mid_deposit_waits_for_its_end(tmp_path: Path, desires: Desires):
    waits = {"RVM_EDGE_SESSION_IDLE_TIMEOUT_S": "10", "RVM_EDGE_SESSION_WARN_S": "1"}
    with start(enrolled(tmp_path / "data", desires), desires, **waits) as machine:
        until_open(machine)
        machine.insert()
        machine.until(lambda: machine.send("/service/deposit", "cycle")["deposit"])
        desires.desire(1, deposit__try_again_s=2.0)
        desires.desire(2, deposit__try_again_s=3.0)  # two at once: the later one, and only that
        machine.until(lambda: "deferred" in desires.states(2))
        assert {one["code"] for one in desires.reports(2)[0]["keys"].values()} == {202}
        machine.until_event("settings_applied")
        await_version(machine, 2)
        assert machine.deposits()[0]["state"] not in ("reserved", "transporting")
        steps = [one["event"] for one in machine.events()]
        assert steps.index("session_closed") < steps.index("settings_applied")
        applied = [one for one in machine.events() if one["event"] == "settings_applied"]
        assert [one["version"] for one in applied] == [2]
        assert machine.stop() == 0


def test_a_change_that_needs_another_daemon_starts_it_anew(tmp_path: Path, desires: Desires):
    data = enrolled(tmp_path / "data", desires)
    # Within its watch the whole daemon has to be up again, on a busy machine too.
    alone = {"INVOCATION_ID": None, "NOTIFY_SOCKET": None, "RVM_EDGE_UPLINK_SETTINGS_WATCH_S": "10"}
    with start(data, desires, **alone) as machine:
        until_open(machine)
        desires.desire(1, camera__ring_slots=12)
        machine.until_event("machine_ready", count=2)
        assert await_version(machine, 1, "kept")["behind"] == []
        assert machine.stop() == 0
    with start(data, desires, INVOCATION_ID="of-a-service-manager") as machine:
        until_open(machine)
        desires.desire(2, camera__ring_slots=10)
        assert machine.ended() == 75
    with start(data, desires) as machine:
        await_version(machine.ready(), 2)
        assert machine.stop() == 0


# -- cut short --------------------------------------------------------------------------------


def is_settled(desires: Desires, version: int) -> bool:
    return desires.states(version)[-1:] in (["kept"], ["rolled_back"])


def kill_at_points(tmp_path: Path, desires: Desires, points: int, seed: int) -> set[int]:
    """Kill a daemon in mid-change again and again; the versions that were in force afterwards."""
    rng = random.Random(seed)
    data = enrolled(tmp_path / "data", desires)
    clock, found = SystemClock(), set()
    for version in range(1, points + 1):
        with start(data, desires) as machine:
            until_open(machine)
            known = len(machine.events())
            desires.desire(
                version,
                health__period_s=float(version),
                session__claim_days=version,
                deposit__try_again_s=1.0 + version / 100,
                camera__idle_sleep_s=30.0 + version,
            )
            event, count = rng.choice(_MOMENTS), rng.randint(1, 4)

            def is_time(machine=machine, known=known, event=event, count=count) -> bool:
                new = machine.events()[known:]
                named = [one for one in new if one["event"] == event]
                is_over = any(one["event"] == "settings_notified" for one in new)
                return len(named) >= count or is_over

            kill_when(machine, is_time, clock, rng.uniform(0.0, 0.1))
        # The one that was pushed, the one before, or, of one that has killed twice, the last kept.
        candidates = Generations(data / "settings").candidates()
        on_disk = {one.version for one in candidates}
        if all(one.state != "kept" for one in candidates):
            on_disk.add(0)
        with start(data, desires, RVM_SERVER_URL="http://127.0.0.1:9") as machine:
            machine.ready()
            told = machine.status()["settings"]
            assert told["version"] in on_disk
            await_version(machine, told["version"])  # and every actor is made of it
            if told["version"]:
                explained = machine.json("config", "explain", "session.claim_days")["keys"][0]
                assert explained["value"] == told["version"]
            assert told["troubles"] == []
            found.add(told["version"])
            machine.kill()
        if rng.random() < 0.3:  # a few are left to prove themselves
            with start(data, desires) as machine:
                until_open(machine)
                settled = partial(is_settled, desires, version)
                machine.until(settled)
                assert machine.stop() == 0
    return found


POINTS = int(os.environ.get("RVM_TEST_KILL_POINTS", "0"))


def test_c10_killed_in_mid_change_all_actors_have_one_version(tmp_path: Path, desires: Desires):
    assert kill_at_points(tmp_path, desires, 8, seed=1)


@pytest.mark.skipif(not POINTS, reason="minutes: RVM_TEST_KILL_POINTS=50 says how many points")
@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_c10_the_same_at_as_many_points_as_are_asked_for(tmp_path: Path, desires: Desires):
    assert len(kill_at_points(tmp_path, desires, POINTS, seed=2)) > POINTS // 5


def test_a_version_that_kills_the_daemon_twice_is_rolled_back_at_the_third_start(
    tmp_path: Path, desires: Desires
):
    data = enrolled(tmp_path / "data", desires)
    watch = {"RVM_EDGE_UPLINK_SETTINGS_WATCH_S": "600"}
    desires.desire(1, session__claim_days=9)
    with start(data, desires, **watch) as machine:
        await_version(until_open(machine), 1)
        machine.kill()
    with start(data, desires, **watch) as machine:
        await_version(machine.ready(), 1)
        machine.kill()
    with start(data, desires, **watch) as machine:
        until_open(machine)
        assert machine.status()["settings"]["rolled_back"] == 1
        machine.until(lambda: desires.states(1)[-1:] == ["rolled_back"])
        assert version_of(machine) == 0
        assert "died 2 times" in desires.reports(1)[-1]["keys"]["session.claim_days"]["reason"]
        assert machine.stop() == 0


def test_damaged_files_are_told_and_heal_from_the_platform(tmp_path: Path, desires: Desires):
    data = enrolled(tmp_path / "data", desires)
    with start(data, desires) as machine:
        until_open(machine)
        for version in (1, 2):
            desires.desire(version, session__claim_days=version)
            await_version(machine, version, "kept")
        assert machine.stop() == 0
    (data / "settings" / "current.json").write_bytes(b"garbage")
    with start(data, None) as machine:
        machine.ready()
        assert version_of(machine) == 1
        status = machine.status()
        assert status["state"] == "degraded"
        assert "current.json" in status["settings"]["troubles"][0]
        assert machine.stop() == 0
    for file in (data / "settings").iterdir():
        file.write_bytes(b"\0" * 100)
    with start(data, desires) as machine:
        machine.ready()
        await_version(machine, 2, "kept")
        assert machine.stop() == 0
    shutil.rmtree(data)
