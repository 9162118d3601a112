"""Remote commands on the real storage: fetched, written down, carried out once, always answered."""

import json

import msgspec
import pytest

from actors.store.audit import audit
from actors.store.reading import opened
from actors.uplink.commands.telling import BELIEVED_AFTER
from models.ledger.audit import Finding
from protocol.daemon import CollectDiagnostics, DescribeMachine, EndRun, RestartActor, RotateLogs
from protocol.machine import Move, MoveDone, Renew, StopMotors
from protocol.message import Failed
from protocol.platform.media import FileMetadata
from protocol.service import DescribeCycle, DescribeSession, LeaveMaintenance, StartSession
from protocol.storage import Outbox, PeekOutbox
from protocol.system import Ping, Pong
from protocol.uplink import Called, Rung
from supervisors.testing import eventually
from tests.actors.uplink.commanded import (
    CUSTOMER,
    MAINTAINED,
    SOMEBODY,
    Platform,
    World,
    commanded,
    made,
)

STEPS = ["received", "accepted", "running", "succeeded"]


def findings(directory) -> list[Finding]:
    with opened(directory) as (env, tables):
        return [found for found in audit(env, tables) if isinstance(found, Finding)]


def test_a_command_is_answered_step_by_step_with_its_result(tmp_path):
    with commanded(tmp_path) as place:
        id_ = place.platform.wish("start_session", args=CUSTOMER)
        place.ring()
        end = place.ended(id_)
        assert place.platform.states(id_) == STEPS
        assert end["result"] == {"session": "m-s-1-1", "kind": "user"}
        assert place.world.heard == [StartSession("user", "u-1", "C0DE")]
        place.settled()
        record = place.records[id_]
        assert (record.state, record.issuer, record.seq) == ("succeeded", "ops", 1)
    assert findings(tmp_path) == []


@pytest.mark.parametrize(
    ("type_", "message"),
    [
        ("status", DescribeMachine),
        ("rotate_logs", RotateLogs),
        ("sync_config", Rung),
        ("restart_actor", RestartActor),
        ("describe_cycle", DescribeCycle),
    ],
)
def test_each_command_reaches_its_actor(tmp_path, type_, message):
    args = {"address": "/vision/camera"} if type_ == "restart_actor" else {}
    with commanded(tmp_path) as place:
        assert place.asked(type_, args=args)["state"] == "succeeded"
        eventually(lambda: place.world.times(message) >= 1)


def test_a_ping_asks_whom_it_names(tmp_path):
    with commanded(tmp_path) as place:
        end = place.asked("ping", args={"address": "/storage"})
        assert end["result"] == {"path": "/storage", "incarnation": 1}
        gone = place.asked("ping", args={"address": "/nobody"})
        assert (gone["state"], gone["code"]) == ("failed", "no_actor")


def test_an_actor_that_refuses_is_answered_with_its_own_code(tmp_path):
    world = World()
    world.answers[StartSession] = Failed("code_used", "this code has started a session already")
    with commanded(tmp_path, world=world) as place:
        end = place.asked("start_session", args=CUSTOMER)
    assert (end["state"], end["code"]) == ("failed", "code_used")


def test_an_actor_that_does_not_answer_ends_by_the_deadline(tmp_path, monkeypatch):
    from models.remote import catalogue

    quick = catalogue.CATALOGUE["status"]._replace(deadline_s=0.1)
    monkeypatch.setitem(catalogue.CATALOGUE, "status", quick)
    world = World()
    world.answers[DescribeMachine] = None
    with commanded(tmp_path, world=world) as place:
        assert place.asked("status")["state"] == "timed_out"
        assert place.asked("rotate_logs")["state"] == "succeeded"


# ----- Once -----------------------------------------------------------------------------------


def test_a_command_that_is_delivered_a_hundred_times_runs_once_and_is_answered_each_time(tmp_path):
    platform = Platform()
    id_ = "the-one-and-only"
    for _ in range(50):
        platform.wish("start_session", id_, args=CUSTOMER)
    world = World()
    with commanded(tmp_path, platform, world) as place:
        place.ended(id_)
        eventually(lambda: len(platform.states(id_)) >= 49 + 4)
        place.settled()
    for _ in range(50):
        platform.wish("start_session", id_, args=CUSTOMER)
    with commanded(tmp_path, platform, world) as place:
        eventually(lambda: len(platform.states(id_)) >= 99 + 4)
        place.settled()
    answers = [report for _, report in platform.told if report["repeated"]]
    assert len(answers) == 99
    assert {answer["state"] for answer in answers} == {"succeeded"}
    assert len({json.dumps(answer) for answer in answers}) == 1
    assert world.times(StartSession) == 1
    assert findings(tmp_path) == []


def test_a_platform_that_forgets_the_cursor_gets_the_same_answers(tmp_path):
    platform = Platform()
    platform.ignores_cursor = True
    with commanded(tmp_path, platform) as place:
        place.asked("start_session", args=CUSTOMER)
        for _ in range(3):
            place.ring()
        eventually(lambda: len(platform.told) >= 5)
        assert place.world.times(StartSession) == 1


def test_the_next_run_goes_on_behind_what_has_been_taken_down(tmp_path):
    platform = Platform()
    with commanded(tmp_path, platform) as place:
        place.asked("rotate_logs")
        place.settled()
    told = len(platform.told)
    with commanded(tmp_path, platform) as place:
        assert place.asked("rotate_logs")["state"] == "succeeded"
        assert place.world.times(RotateLogs) == 1
    assert {id_ for id_, _ in platform.told[told:]} == {"cmd-00002"}


def test_another_command_under_a_known_id_does_not_run(tmp_path):
    with commanded(tmp_path) as place:
        place.asked("rotate_logs", "some-id-1")
        place.platform.wish("start_session", "some-id-1", args=CUSTOMER)
        place.ring()
        eventually(lambda: place.platform.last("some-id-1")["code"] == "id_reused")
        assert place.world.times(StartSession) == 0


# ----- What is not taken ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wish", "code"),
    [
        ({"type_": "shell", "args": {"command": "id"}}, "unknown"),
        ({"type_": "reset"}, "unknown"),
        ({"type_": "jog"}, "unknown"),
        ({"type_": "rotate_logs", "args": {"x": 1}}, "invalid"),
        ({"type_": "rotate_logs", "ttl_s": -1}, "malformed"),
        ({"type_": "rotate_logs", "args": {"x": "y" * 20_000}}, "too_large"),
        ({"type_": "rotate_logs", "args": {"x": [[[[[[[[[1]]]]]]]]]}}, "too_deep"),
    ],
)
def test_what_is_wrong_is_rejected_with_a_code_and_disturbs_nobody(tmp_path, wish, code):
    with commanded(tmp_path) as place:
        end = place.asked(**wish)
        assert (end["state"], end["code"]) == ("rejected", code)
        assert place.asked("rotate_logs")["state"] == "succeeded"
        assert place.sup.ref("commands").incarnation == 1


@pytest.mark.parametrize("raw", [b"", b"<html>", b"[]", b'{"commands":7,"last":1}', b"\xff"])
def test_an_answer_that_is_none_is_said_and_asked_for_again(tmp_path, raw):
    with commanded(tmp_path) as place:
        place.platform.raw = raw
        place.ring()
        place.platform.raw = None
        assert place.asked("rotate_logs")["state"] == "succeeded"


def test_one_that_is_too_old_on_arrival_never_runs(tmp_path):
    with commanded(tmp_path) as place:
        end = place.asked("start_session", args=CUSTOMER, ttl_s=60.0, age_s=61.0)
        assert end["state"] == "expired"
        assert place.world.heard == []


def test_a_storm_is_told_that_the_machine_is_busy_and_the_rest_goes_on(tmp_path):
    platform = Platform()
    ids = [platform.wish("rotate_logs") for _ in range(200)]
    with commanded(tmp_path, platform, commands_at_once_max=5, commands_per_s=0.01) as place:
        for id_ in ids:
            place.ended(id_)
        ends = [platform.last(id_) for id_ in ids]
        assert sum(end["state"] == "succeeded" for end in ends) == 5
        assert {end["code"] for end in ends if end["state"] == "rejected"} == {"busy"}
        assert place.world.times(RotateLogs) == 5
        place.settled()
    assert findings(tmp_path) == []


def test_what_is_written_on_the_socket_is_never_executed(tmp_path):
    with commanded(tmp_path) as place:
        place.sup.tell("commands", Rung('{"type":"reboot","id":"cmd-forged"}'))
        assert place.asked("rotate_logs")["state"] == "succeeded"
        assert place.world.times(EndRun) == 0


# ----- Conditions -----------------------------------------------------------------------------


def test_what_disrupts_waits_for_the_customer(tmp_path):
    world = World()
    world.answers[DescribeSession] = SOMEBODY
    with commanded(tmp_path, world=world) as place:
        id_ = place.platform.wish("restart_actor", args={"address": "/vision/camera"})
        place.ring()
        eventually(lambda: place.platform.states(id_) == ["received", "accepted"])
        assert "served" in place.platform.last(id_)["detail"]
        assert place.asked("rotate_logs")["state"] == "succeeded"  # nobody else waits for it
        assert world.times(RestartActor) == 0
        world.answers[DescribeSession] = World().answers[DescribeSession]
        assert place.ended(id_)["state"] == "succeeded"


def test_what_waits_too_long_expires(tmp_path):
    world = World()
    world.answers[DescribeSession] = SOMEBODY
    with commanded(tmp_path, world=world) as place:
        wish = {"args": {"address": "/vision/camera"}, "ttl_s": 0.5}
        assert place.asked("restart_actor", **wish)["state"] == "expired"
        assert world.times(RestartActor) == 0


def test_with_a_reason_nobodys_session_is_waited_for(tmp_path):
    world = World()
    world.answers[DescribeSession] = SOMEBODY
    with commanded(tmp_path, world=world) as place:
        args = {"address": "/vision/camera", "force_because": "it shows last week"}
        assert place.asked("restart_actor", args=args)["state"] == "succeeded"


def test_whoever_carries_it_out_does_not_restart_itself(tmp_path):
    with commanded(tmp_path) as place:
        end = place.asked("restart_actor", args={"address": "/commands"})
        assert (end["state"], end["code"]) == ("failed", "refused")


def test_nothing_moves_out_of_maintenance(tmp_path):
    with commanded(tmp_path) as place:
        for type_ in ("gate_open", "gate_close", "leave_maintenance"):
            end = place.asked(type_)
            assert (end["state"], end["code"]) == ("rejected", "precondition")
        assert place.world.times(Move) == place.world.times(LeaveMaintenance) == 0


def maintained() -> World:
    world = World()
    world.answers[DescribeCycle] = MAINTAINED
    return world


def test_in_maintenance_the_gate_moves_under_a_lease_and_tells_how_it_ended(tmp_path):
    world = maintained()
    world.answers[Move] = MoveDone("", "gate", "open", reached=True, ran_s=0.1)
    with commanded(tmp_path, world=world) as place:
        end = place.asked("gate_open")
        assert (end["state"], end["result"]["reached"]) == ("succeeded", True)
        (move,) = [each for each in world.heard if isinstance(each, Move)]
        assert (move.motor, move.direction, move.until, move.run_s) == (
            "gate",
            "open",
            "limit",
            0.2,
        )
        assert world.times(StopMotors) == 0


def test_a_movement_that_nobody_answers_for_is_renewed_given_up_and_stopped(tmp_path):
    with commanded(tmp_path, world=maintained()) as place:
        end = place.asked("gate_close")
        assert end["state"] == "timed_out"
        assert place.world.times(Renew) > 3
        eventually(lambda: place.world.times(StopMotors) == 1)


# ----- Files ----------------------------------------------------------------------------------


def test_a_file_goes_to_the_outbox_and_the_result_names_it(tmp_path):
    world = World()
    world.answers[CollectDiagnostics] = made(tmp_path / "diagnostics-cmd-00001.tar.gz")
    with commanded(tmp_path, world=world) as place:
        end = place.asked("diagnostics")
        assert end["result"]["file"] == "diagnostics-cmd-00001.tar.gz"
        waiting = place.sup.request("storage", PeekOutbox("media"), reply=Outbox).records
    (record,) = waiting
    assert (record.kind, record.key) == ("file", "diagnostics-cmd-00001.tar.gz")
    body = msgspec.msgpack.decode(record.body)
    assert msgspec.convert(body["metadata"], FileMetadata).more == {"command": "cmd-00001"}
    assert (tmp_path / "diagnostics-cmd-00001.tar.gz").samefile(body["path"])


# ----- The platform is away -------------------------------------------------------------------


@pytest.mark.parametrize(
    "away", [Failed("no_way", "no path is open"), Called(503), Called(429, retry_after_s=0.01)]
)
def test_reports_wait_for_the_platform_over_a_restart_and_come_in_order(tmp_path, away):
    platform, world = Platform(), World()
    id_ = platform.wish("rotate_logs")
    platform.refuses_reports = away
    with commanded(tmp_path, platform, world) as place:
        eventually(lambda: place.records.get(id_) and place.records[id_].state == "succeeded")
        assert platform.told == []
    platform.refuses_reports = None
    with commanded(tmp_path, platform, world) as place:
        place.ended(id_)
        place.settled()
    assert platform.states(id_) == STEPS
    assert world.times(RotateLogs) == 1


def test_reports_that_the_platform_will_never_take_are_let_go(tmp_path):
    platform = Platform()
    platform.refuses_reports = Called(404, b'{"message":"No such command."}')
    with commanded(tmp_path, platform) as place:
        platform.wish("rotate_logs")
        place.ring()
        for refusals in range(1, BELIEVED_AFTER + 1):
            eventually(lambda least=refusals: platform.refusals >= least)
            place.open()  # ends the pause before the next try
        place.settled()
    assert platform.refusals == BELIEVED_AFTER + len(STEPS[1:])


def test_a_refusal_that_is_not_repeated_loses_no_report(tmp_path):
    platform = Platform()
    platform.refuses_reports = Called(404, b'{"message":"Not Found"}')
    with commanded(tmp_path, platform) as place:
        id_ = platform.wish("rotate_logs")
        place.ring()
        eventually(lambda: platform.refusals >= 2)
        platform.refuses_reports = None
        assert place.ended(id_)["state"] == "succeeded"
    assert platform.states(id_) == STEPS


def test_reports_that_the_platform_cannot_take_just_now_keep_no_others_waiting(tmp_path):
    platform = Platform()
    stuck = {platform.wish("rotate_logs") for _ in range(8)}
    platform.cannot_take = stuck
    with commanded(tmp_path, platform) as place:
        eventually(lambda: len(place.records) == 8)
        assert place.asked("rotate_logs")["state"] == "succeeded"
        platform.cannot_take = set()
        place.open()
        for id_ in stuck:
            assert place.ended(id_)["state"] == "succeeded"


def test_an_open_way_is_used_at_once(tmp_path):
    platform = Platform()
    platform.refuses_fetches = Failed("no_way", "no path is open")
    platform.wish("rotate_logs", "cmd-away")
    with commanded(tmp_path, platform) as place:
        eventually(lambda: platform.fetches >= 1)
        platform.refuses_fetches = None
        place.open()
        assert place.ended("cmd-away")["state"] == "succeeded"


def test_a_fetch_that_fails_on_the_old_way_is_repeated_on_the_new_one(tmp_path, monkeypatch):
    for limit in ("AGAIN_S", "AGAIN_S_MAX"):
        monkeypatch.setattr(f"actors.uplink.commands.actor.{limit}", 3600.0)
    platform = Platform()
    platform.wish("rotate_logs", "cmd-away")
    platform.is_near.clear()
    platform.refuses_fetches = Failed("no_way", "no path is open")
    with commanded(tmp_path, platform) as place:
        eventually(lambda: platform.fetches == 1)  # refused, and the word is still under way
        platform.refuses_fetches = None
        place.open()
        place.sup.request("commands", Ping(), reply=Pong)
        platform.is_near.set()
        assert place.ended("cmd-away")["state"] == "succeeded"


def test_pages_are_fetched_until_there_are_no_more(tmp_path):
    platform = Platform()
    platform.page_max = 3
    ids = [platform.wish("rotate_logs") for _ in range(10)]
    with commanded(tmp_path, platform) as place:
        for id_ in ids:
            assert place.ended(id_)["state"] == "succeeded"


def test_without_a_journal_nothing_is_taken(tmp_path):
    with commanded(tmp_path) as place:
        place.asked("rotate_logs")
        place.settled()
        place.sup.terminate_child("storage")
        id_ = place.platform.wish("start_session", args=CUSTOMER)
        place.ring()
        eventually(lambda: "storage" in str(place.sup.rows["commands"].running.vitals.facts))
        assert place.platform.states(id_) == []
        assert place.world.times(StartSession) == 0
        place.sup.restart_child("storage")
        place.ring()
        assert place.ended(id_)["state"] == "succeeded"
