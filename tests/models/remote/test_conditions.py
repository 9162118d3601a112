"""What the machine must be like: one table, and whatever cannot be read is against it."""

import msgspec
import pytest

from models.remote.catalogue import CATALOGUE, look_up
from models.remote.conditions import Readings, obstacle
from protocol.machine import GuardChanged, Inputs
from protocol.service import CycleDescribed, SessionDescribed

CYCLE = CycleDescribed("service", "", 0, closed="service", remote=True)
IDLE = CycleDescribed("idle", "", 0)
SESSION = SessionDescribed(is_open=False, credited=0, refused=0)
GUARD = GuardChanged(1, door_closed=True, estop_released=True, gate="closed", beam_gate=False)
INPUTS = Inputs({"entry": False, "inside": False, "exit": False, "drop": False})
GOOD = Readings(CYCLE, SESSION, GUARD, INPUTS)
MOTION = [CATALOGUE[name] for name in ("gate_open", "gate_close", "leave_maintenance")]
change = msgspec.structs.replace


@pytest.mark.parametrize("entry", MOTION)
def test_a_machine_in_maintenance_with_everything_known_may_move(entry):
    assert obstacle(entry, GOOD) is None


@pytest.mark.parametrize("entry", MOTION)
@pytest.mark.parametrize(
    "readings",
    [
        Readings(None, SESSION, GUARD, INPUTS),
        Readings(CYCLE, None, GUARD, INPUTS),
        Readings(CYCLE, SESSION, None, INPUTS),
        Readings(CYCLE, SESSION, GUARD, None),
        GOOD._replace(cycle=change(CYCLE, phase="idle")),
        GOOD._replace(cycle=change(CYCLE, phase="estop")),
        GOOD._replace(cycle=change(CYCLE, remote=False)),
        GOOD._replace(guard=change(GUARD, door_closed=False)),
        GOOD._replace(guard=change(GUARD, door_closed=None)),
        GOOD._replace(guard=change(GUARD, estop_released=False)),
        GOOD._replace(guard=change(GUARD, estop_released=None)),
        GOOD._replace(guard=change(GUARD, beam_gate=True)),
        GOOD._replace(guard=change(GUARD, beam_gate=None)),
        GOOD._replace(guard=change(GUARD, gate="unknown")),
        GOOD._replace(guard=change(GUARD, latch="jam")),
        GOOD._replace(guard=change(GUARD, moving="belt")),
        GOOD._replace(guard=change(GUARD, belt_still=False)),
        GOOD._replace(inputs=Inputs({"entry": True, "inside": False})),
        GOOD._replace(inputs=Inputs({"entry": None, "inside": False})),
        GOOD._replace(inputs=Inputs({"inside": False})),
        GOOD._replace(inputs=Inputs({"entry": False, "inside": False}, {}, {"entry": "stuck"})),
    ],
)
def test_nothing_moves_while_anything_is_wrong_or_unknown(entry, readings):
    found = obstacle(entry, readings)
    assert found is not None
    assert not found.passes
    assert obstacle(entry, readings, is_forced=True) is not None


@pytest.mark.parametrize("entry", MOTION)
def test_nothing_moves_while_somebody_is_served(entry):
    served = GOOD._replace(session=change(SESSION, is_open=True))
    assert obstacle(entry, served) is not None


@pytest.mark.parametrize("name", ["reboot", "restart_actor", "enter_maintenance"])
def test_what_disrupts_waits_for_the_customer_unless_it_is_forced(name):
    entry, served = CATALOGUE[name], Readings(IDLE, change(SESSION, is_open=True))
    found = obstacle(entry, served)
    assert found is not None
    assert found.passes
    assert obstacle(entry, served, is_forced=True) is None
    assert obstacle(entry, Readings(IDLE, SESSION)) is None


@pytest.mark.parametrize("name", ["reboot", "restart_actor", "enter_maintenance", "update_model"])
def test_an_item_that_is_known_to_be_in_the_machine_is_waited_for_whatever_the_reason(name):
    busy = Readings(CycleDescribed("transporting", "m-1-1", 0), SESSION)
    found = obstacle(CATALOGUE[name], busy, is_forced=True)
    assert found is not None
    assert found.passes


def test_an_actor_that_does_not_answer_can_be_restarted_with_a_reason():
    entry = CATALOGUE["restart_actor"]
    assert obstacle(entry, Readings()) is not None
    assert obstacle(entry, Readings(), is_forced=True) is None


STOPS = [
    Readings(change(CYCLE, remote=False), SESSION, GUARD),
    Readings(change(CYCLE, phase="estop", remote=False), SESSION, GUARD),
    Readings(IDLE, SESSION, change(GUARD, latch="estop")),
    Readings(IDLE, SESSION, change(GUARD, latch="jam")),
    Readings(None, None, change(GUARD, latch="estop")),
]


@pytest.mark.parametrize("readings", STOPS)
def test_a_stop_at_the_machine_is_not_ended_from_afar_by_a_start_whatever_the_reason(readings):
    """What starts anew has forgotten the stop, and tests its motors."""
    for entry in (CATALOGUE["reboot"], CATALOGUE["restart_actor"]):
        found = obstacle(entry, readings, is_forced=True)
        assert found is not None
        assert found.passes


@pytest.mark.parametrize(
    ("address", "is_body"),
    [
        ("/machine/motor", True),
        ("/machine", True),
        ("/service/deposit", True),
        ("/machinery", False),
        ("/vision/camera", False),
        ("/uplink/link", False),
    ],
)
def test_only_who_knows_of_a_stop_or_moves_is_kept_from_starting_anew(address, is_body):
    args = msgspec.json.encode({"address": address})
    entry, _ = look_up("restart_actor", args)
    for readings in STOPS[:4]:
        assert (obstacle(entry, readings) is not None) == is_body


def test_maintenance_by_a_command_is_ended_by_one():
    assert obstacle(CATALOGUE["reboot"], GOOD) is None


def test_reading_needs_nothing():
    for entry in CATALOGUE.values():
        if entry.safety == "read":
            assert obstacle(entry, Readings()) is None
