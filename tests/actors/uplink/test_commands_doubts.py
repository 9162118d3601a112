"""Remote commands where the store's answer is lost or late, and where the platform is strange."""

import json
import threading

import pytest
from msgspec import structs

from models.remote import catalogue
from protocol.daemon import EndRun, RestartActor
from protocol.machine import GuardChanged, Move, MoveDone, ReadGuard, Renew, StopMotors
from protocol.platform.remote import FINAL
from protocol.service import DescribeCycle, DescribeSession, SessionEnded, StartSession
from supervisors.testing import eventually
from tests.actors.uplink.commanded import (
    CUSTOMER,
    IDLE,
    MAINTAINED,
    NOBODY,
    SOMEBODY,
    Doubts,
    Platform,
    World,
    commanded,
)
from tests.actors.uplink.test_commands import findings

OPEN_DOOR = GuardChanged(2, door_closed=False, estop_released=True, gate="closed", beam_gate=False)


class Once:
    """Loses the answer to the first write of a command in one of these states."""

    def __init__(self, id_, *states):
        self.id, self.states = id_, states
        self.lost = threading.Event()

    def __call__(self, write):
        is_it = write.record.id == self.id and write.record.state in self.states
        if is_it and not self.lost.is_set():
            self.lost.set()
            return True
        return False


def maintained():
    world = World()
    world.answers[DescribeCycle] = MAINTAINED
    world.answers[Move] = MoveDone("", "gate", "open", reached=True, ran_s=0.1)
    return world


# ----- The store's answer is lost ---------------------------------------------------------------


@pytest.mark.parametrize("state", ["received", "running", "succeeded"])
def test_a_step_whose_answer_was_lost_is_looked_up_and_the_command_runs_once(tmp_path, state):
    doubts, platform = Doubts(), Platform()
    id_ = platform.wish("start_session", args=CUSTOMER)
    doubts.loses = Once(id_, state)
    with commanded(tmp_path, platform, doubts=doubts) as place:
        place.ring()
        eventually(doubts.loses.lost.is_set)
        place.ring()  # what was lost in the fetch is fetched again
        assert place.ended(id_)["state"] == "succeeded"
        place.settled()
        assert place.world.times(StartSession) == 1
        assert next(one for one in platform.states(id_) if one in FINAL) == "succeeded"
    assert findings(tmp_path) == []


def test_a_rejection_whose_answer_was_lost_stays_one_and_keeps_no_other_waiting(tmp_path):
    doubts, platform, world = Doubts(), Platform(), World()
    id_ = platform.wish("gate_open")
    doubts.loses = Once(id_, "rejected")
    # By the next look the machine is in maintenance, and the gate could be moved.
    doubts.on_write = lambda write: world.answers.update(
        {DescribeCycle: MAINTAINED} if write.record.state == "rejected" else {}
    )
    with commanded(tmp_path, platform, world, doubts) as place:
        place.ring()
        assert place.ended(id_)["state"] == "rejected"
        assert place.asked("rotate_logs")["state"] == "succeeded"
        place.settled()
        assert world.times(Move) == 0
    assert findings(tmp_path) == []


def test_one_whose_row_is_damaged_keeps_no_other_waiting(tmp_path):
    doubts, platform, world = Doubts(), Platform(), World()
    world.answers[DescribeSession] = SOMEBODY
    first = platform.wish("restart_actor", args={"address": "/vision/camera"})
    refused = threading.Event()

    def refuse(write):
        if write.record.id == first and write.record.state != "received":
            refused.set()
            return True
        return False

    doubts.refuses = refuse
    with commanded(tmp_path, platform, world, doubts) as place:
        place.ring()
        eventually(refused.is_set)
        assert place.asked("rotate_logs")["state"] == "succeeded"


# ----- The store is slow ------------------------------------------------------------------------


def test_a_door_that_is_opened_while_the_journal_is_written_keeps_the_gate_still(tmp_path):
    doubts, world = Doubts(), maintained()
    doubts.on_write = lambda write: world.answers.update(
        {ReadGuard: OPEN_DOOR} if write.record.state == "running" else {}
    )
    with commanded(tmp_path, world=world, doubts=doubts) as place:
        end = place.asked("gate_open")
        assert (end["state"], end["code"]) == ("failed", "precondition")
        assert "door" in end["detail"]
        assert world.times(Move) == world.times(StopMotors) == 0


def test_a_technician_gets_his_camera_restarted_and_the_motors_stay_as_he_left_them(tmp_path):
    world = World()
    world.answers[DescribeCycle] = structs.replace(MAINTAINED, remote=False)
    with commanded(tmp_path, world=world) as place:
        args = {"address": "/machine/motor", "force_because": "why not"}
        motor = place.platform.wish("restart_actor", args=args, ttl_s=0.5)
        reboot = place.platform.wish("reboot", args={"force_because": "now"}, ttl_s=0.5)
        camera = place.asked("restart_actor", args={"address": "/vision/camera"})
        assert camera["state"] == "succeeded"
        assert place.ended(motor)["state"] == place.ended(reboot)["state"] == "expired"
        assert world.times(RestartActor) == 1
        assert world.times(EndRun) == 0


def test_a_customer_who_comes_while_the_journal_is_written_is_not_interrupted(tmp_path):
    doubts, world = Doubts(), World()
    doubts.on_write = lambda write: world.answers.update(
        {DescribeSession: SOMEBODY} if write.record.state == "running" else {}
    )
    with commanded(tmp_path, world=world, doubts=doubts) as place:
        end = place.asked("restart_actor", args={"address": "/vision/camera"})
        assert (end["state"], end["code"]) == ("failed", "precondition")
        assert world.times(RestartActor) == 0


def test_its_time_runs_from_the_platforms_answer_on_however_slow_the_store_is(tmp_path):
    doubts = Doubts()
    doubts.on_find = lambda: threading.Event().wait(0.3)
    with commanded(tmp_path, doubts=doubts) as place:
        assert place.asked("start_session", args=CUSTOMER, ttl_s=0.2)["state"] == "expired"
        assert place.world.times(StartSession) == 0


# ----- A strange platform -----------------------------------------------------------------------


def test_a_platform_that_promises_more_and_gives_the_same_is_not_asked_in_a_circle(tmp_path):
    platform = Platform()
    wish = {"seq": 1, "id": "cmd-again", "type": "rotate_logs", "ttl_s": 60.0}
    platform.raw = json.dumps({"commands": [wish], "last": 1 << 40}).encode()
    with commanded(tmp_path, platform) as place:
        for _ in range(3):
            place.ring()
            place.ended("cmd-again")
            place.settled()
        assert platform.fetches <= 6


def test_a_page_that_is_too_long_is_taken_down_in_parts_and_whole(tmp_path):
    platform = Platform()
    ids = [platform.wish("no_such_thing") for _ in range(150)]
    platform.commands.reverse()  # nobody has promised an order
    with commanded(tmp_path, platform) as place:
        for id_ in ids:
            assert place.ended(id_)["code"] == "unknown"
        place.settled()
        assert len(place.records) == 150


def test_what_was_never_taken_leaves_no_large_arguments_in_the_journal(tmp_path):
    with commanded(tmp_path) as place:
        end = place.asked("no_such_thing", "cmd-large", args={"text": "x" * 8000})
        assert end["code"] == "unknown"
        assert len(place.records["cmd-large"].args) < 100
        place.asked("no_such_thing", "cmd-small", args={"text": "x" * 80})
        assert b"xxx" in place.records["cmd-small"].args
        # It is known all the same for the one it was.
        place.platform.ignores_cursor = True
        place.ring()
        eventually(lambda: place.platform.last("cmd-large").get("repeated"))


def test_nobody_is_asked_more_than_needed(tmp_path):
    world = World()
    world.answers[DescribeCycle], world.answers[DescribeSession] = IDLE, NOBODY
    with commanded(tmp_path, world=world) as place:
        assert place.asked("rotate_logs")["state"] == "succeeded"
        assert world.times(DescribeSession) == world.times(DescribeCycle) == 0


def test_the_longest_run_that_can_be_set_is_not_cut_short_by_a_deadline(tmp_path, monkeypatch):
    quick = catalogue.CATALOGUE["gate_open"]._replace(deadline_s=0.05)
    monkeypatch.setitem(catalogue.CATALOGUE, "gate_open", quick)
    world = maintained()
    world.answers[Move] = None
    with commanded(tmp_path, world=world) as place:
        id_ = place.platform.wish("gate_open")
        place.ring()
        eventually(lambda: world.times(Renew) > 8)  # 20 ms each
        (move,) = [each for each in world.heard if isinstance(each, Move)]
        place.sup.tell("commands", MoveDone(move.move, "gate", "open", reached=True, ran_s=0.2))
        assert place.ended(id_)["state"] == "succeeded"


def test_a_claim_stays_between_the_customer_and_the_screen(tmp_path):
    closed = SessionEnded("m-s-1-1", "guest", 3, 0, "finished", "CLAIM-5d1f7a")
    world = World()
    world.answers[DescribeSession] = structs.replace(NOBODY, last=closed)
    with commanded(tmp_path, world=world) as place:
        result = place.asked("describe_session")["result"]
        assert (result["last"]["credited"], result["last"]["claim"]) == (3, "***")
        place.settled()
        assert "CLAIM" not in str(place.records)
