"""Motor, sensors and the thin world between them, through real pins in a real file."""

import os
import signal

import pytest

from actors.drivers import ports
from actors.drivers.simulated import SimulatedPins, World
from actors.motor import Motor
from actors.sensors import Sensors
from models.world.catalogue import load_catalogue
from protocol.machine import (
    InletCleared,
    Inputs,
    ItemArrived,
    ItemDropped,
    MakeSafe,
    ReadInputs,
    Transport,
    Transported,
    TransportFailed,
)
from protocol.simulation import Inserted, InsertItem
from supervisors import ChildSpec, RequestFailed
from supervisors.testing import eventually
from tests.actors.runtime import PINS, listener, sim, tree

PICTURE = str(load_catalogue().find("007_0036")[0].picture)
Heard = listener(ItemArrived, ItemDropped, InletCleared, Transported, TransportFailed)


def motor(tmp_path, **more):
    args = {"pins": PINS, "where": sim(tmp_path), "run_s_max": 2.0}
    return ChildSpec("motor", Motor, args=args, fail_safe="actors.motor:make_safe", **more)


def sensors(tmp_path, debounce_s=0.03):
    args = {"pins": PINS, "where": sim(tmp_path), "poll_s": 0.01, "tell": "/heard"}
    return ChildSpec("sensors", Sensors, args={**args, "debounce_s": debounce_s})


@pytest.fixture
def pins(tmp_path):
    pins = SimulatedPins(sim(tmp_path))
    yield pins
    pins.close()


def outputs(pins):
    return tuple(pins.read(line) for line in ports.OUTPUTS)


@pytest.mark.parametrize("host", ["thread", "process"])
def test_a_run_ends_by_itself_and_says_so(tmp_path, pins, host):
    pins.write(ports.MOTOR_OUT, True)  # left high by whoever was there before
    heard = []
    with tree(ChildSpec("heard", Heard, args={"heard": heard}), motor(tmp_path, host=host)) as (
        sup,
        _,
    ):
        assert outputs(pins) == (False, False)
        order = sup.system.envelope(0, "/motor", Transport("m-1-1", "inward", 0.1))
        order.source = "/heard"
        sup.system.route(order)
        eventually(lambda: outputs(pins) == (True, False))
        eventually(lambda: heard)
        assert outputs(pins) == (False, False)
        assert isinstance(heard[0], Transported)
        assert (heard[0].deposit, heard[0].direction) == ("m-1-1", "inward")


def test_a_second_order_is_refused_and_make_safe_ends_the_first(tmp_path, pins):
    heard = []
    with tree(ChildSpec("heard", Heard, args={"heard": heard}), motor(tmp_path)) as (sup, _):
        for deposit in ("first", "second"):
            order = sup.system.envelope(0, "/motor", Transport(deposit, "outward", 2.0))
            order.source = "/heard"
            sup.system.route(order)
        eventually(lambda: heard)
        assert heard == [TransportFailed("second", "busy")]
        assert outputs(pins) == (False, True)
        sup.request("motor", MakeSafe("door"))
        assert outputs(pins) == (False, False)
        eventually(lambda: heard[1:] == [TransportFailed("first", "door")])


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
def test_a_motor_process_killed_in_mid_run_leaves_the_pins_low(tmp_path, pins, number):
    with tree(motor(tmp_path, host="process")) as (sup, events):
        sup.tell("motor", Transport("m-1-1", "inward", 2.0))
        eventually(lambda: outputs(pins) == (True, False))
        os.kill(sup.rows["motor"].running.pid, number)
        eventually(lambda: (ref := sup.ref("motor")) is not None and ref.incarnation == 2)
        assert outputs(pins) == (False, False)
        ended = [name for _, name, _ in events.kept]
        assert ended.index("child_terminated") < ended.index("started", 1)


def test_without_a_driver_the_body_waits_and_costs_no_budget(tmp_path):
    args = {"pins": "", "where": "", "run_s_max": 1.0}
    with tree(ChildSpec("motor", Motor, args=args)) as (sup, _):
        row = sup.rows["motor"]
        assert row.state.value == "waiting"
        assert "driver" in row.waiting_for
        assert row.restarts == 0


def test_beams_are_debounced_and_told_once(tmp_path, pins):
    heard = []
    with tree(ChildSpec("heard", Heard, args={"heard": heard}), sensors(tmp_path)) as (sup, _):
        known = dict.fromkeys(ports.INPUTS, False)
        eventually(lambda: sup.request("sensors", ReadInputs(), reply=Inputs).levels == known)
        assert heard == []  # a free inlet at the start is no news
        for _ in range(20):  # a bouncing contact, far faster than the debounce time
            pins.write(ports.BEAM_INLET, True)
            pins.write(ports.BEAM_INLET, False)
        pins.write(ports.BEAM_INLET, True)
        eventually(lambda: len(heard) == 1)
        pins.write(ports.BEAM_DROP, True)
        eventually(lambda: len(heard) == 2)
        pins.write(ports.BEAM_INLET, False)
        eventually(lambda: len(heard) == 3)
        assert [type(each) for each in heard] == [ItemArrived, ItemDropped, InletCleared]


def test_a_drop_beam_that_was_never_seen_free_proves_no_drop(tmp_path, pins):
    """Dirty, or blocked when the sensors came back: a credit needs the beam to be crossed."""
    pins.write(ports.BEAM_DROP, True)
    heard = []
    with tree(ChildSpec("heard", Heard, args={"heard": heard}), sensors(tmp_path)) as (sup, events):
        eventually(lambda: events.named("input_blocked") == [{"line": ports.BEAM_DROP}])
        assert heard == []
        pins.write(ports.BEAM_DROP, False)
        eventually(
            lambda: (
                sup.request("sensors", ReadInputs(), reply=Inputs).levels[ports.BEAM_DROP] is False
            )
        )
        pins.write(ports.BEAM_DROP, True)
        eventually(lambda: [type(each) for each in heard] == [ItemDropped])


@pytest.mark.parametrize("run_s", [0.0, -1.0, float("nan")])
def test_a_run_of_no_time_is_refused(tmp_path, pins, run_s):
    heard = []
    with tree(ChildSpec("heard", Heard, args={"heard": heard}), motor(tmp_path)) as (sup, _):
        order = sup.system.envelope(0, "/motor", Transport("m-1-1", "inward", run_s))
        order.source = "/heard"
        sup.system.route(order)
        eventually(lambda: heard)
        assert isinstance(heard[0], TransportFailed)
        assert outputs(pins) == (False, False)


def test_the_world_carries_an_item_as_the_pins_say(tmp_path, pins):
    world = ChildSpec("world", World, args={"directory": sim(tmp_path)})
    with tree(world) as (sup, _):
        item = InsertItem("bottle", PICTURE)
        assert sup.request("world", item, reply=Inserted) == Inserted("bottle")
        assert pins.read(ports.BEAM_INLET)
        assert (tmp_path / "sim" / "scene").read_text() == PICTURE
        with pytest.raises(RequestFailed, match="still in the machine"):
            sup.request("world", item)
        pins.write(ports.MOTOR_IN, True)
        pins.write(ports.MOTOR_OUT, True)  # both: a belt that goes nowhere
        pins.write(ports.MOTOR_OUT, False)
        eventually(lambda: pins.read(ports.BEAM_DROP))
        assert not pins.read(ports.BEAM_INLET)
        assert (tmp_path / "sim" / "scene").read_text() == ""
        eventually(lambda: not pins.read(ports.BEAM_DROP))
        pins.write(ports.MOTOR_IN, False)


def test_the_world_refuses_a_picture_that_is_not_there(tmp_path):
    world = ChildSpec("world", World, args={"directory": sim(tmp_path)})
    with tree(world) as (sup, _), pytest.raises(RequestFailed, match="no picture"):
        sup.request("world", InsertItem("bottle", str(tmp_path / "none.jpg")))
