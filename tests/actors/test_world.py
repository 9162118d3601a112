"""The world as an actor: behind its pins, in real and in virtual time."""

import os
import signal

import pytest

from actors.drivers.pictures import empty_belt_picture, read_picture
from actors.drivers.simulated import (
    PinFile,
    SceneSource,
    SimulatedAnalog,
    SimulatedBoard,
    SimulatedGpio,
    World,
)
from actors.drivers.simulated.scene import SceneGone, draw_scene
from models.world.catalogue import load_catalogue
from protocol.simulation import (
    Act,
    Acted,
    Afflict,
    DescribeWorld,
    Heal,
    Inserted,
    InsertItem,
    WorldDescribed,
)
from supervisors import ChildSpec, Host, RequestFailed, SupervisorSpec
from supervisors.testing import Stage, VirtualClock, eventually
from tests.actors.runtime import sim, tree

ITEM = load_catalogue().find("007_0036")[0]
INSERT = InsertItem(ITEM.name, str(ITEM.picture))
OUTPUTS = ("belt_in", "belt_out", "gate_open", "gate_close", "heartbeat")
INPUTS = ("beam_entry", "beam_gate", "beam_inside", "beam_exit", "gate_is_open", "gate_is_closed")


def spec(tmp_path, **more):
    return ChildSpec("world", World, args={"directory": sim(tmp_path)}, **more)


class Hands:
    """A machine's hands on its pins, in virtual time."""

    def __init__(self, tmp_path, *, seed=0):
        self.home = sim(tmp_path)
        self.clock = VirtualClock()
        args = {"directory": self.home, "seed": seed}
        world = ChildSpec("world", World, host=Host.PROCESS, args=args)
        self.stage = Stage(SupervisorSpec((world,)), clock=self.clock)
        self.stage.start()
        self.gpio = SimulatedGpio(self.home)
        for line in OUTPUTS:
            self.gpio.claim_output(line)
        for line in INPUTS:
            self.gpio.claim_input(line)
        self.beat = False

    def ask(self, message, reply=Acted):
        return self.stage.request("/world", message, reply=reply)

    def until(self, done, limit_s=5.0):
        spent = 0
        while not done():
            spent += 1
            assert spent * 0.005 < limit_s, "it never came"
            self.tick()

    def tick(self):
        self.beat = not self.beat
        self.gpio.write("heartbeat", self.beat)
        self.stage.advance(0.005)

    def pulse(self, line, until):
        self.gpio.write(line, True)
        self.until(until)
        self.gpio.write(line, False)

    def events(self):
        return [entry[2] for entry in self.stage.events if entry[1] == "/world"]

    def close(self):
        self.gpio.close()
        self.stage.stop()


@pytest.fixture
def hands(tmp_path):
    hands = Hands(tmp_path)
    yield hands
    hands.close()


def take_in(hands):
    read = hands.gpio.read
    assert hands.ask(INSERT, Inserted).item == 1
    hands.until(lambda: read("beam_entry"))
    hands.pulse("gate_open", lambda: read("gate_is_open"))
    hands.gpio.write("belt_in", True)
    hands.until(lambda: read("beam_inside"))
    hands.pulse("belt_in", lambda: not read("beam_inside"))
    hands.until(lambda: read("gate_is_open"))
    hands.pulse("gate_close", lambda: read("gate_is_closed"))


def test_an_item_goes_in_is_seen_weighed_and_falls(hands):
    source, analog = SceneSource(hands.home), SimulatedAnalog(hands.home)
    empty = source.read().copy()
    take_in(hands)
    hands.stage.advance(1.0)
    assert (source.read() == read_picture(ITEM.picture)).all()
    weight = analog.read("weight_g")
    truth = hands.ask(DescribeWorld(), WorldDescribed)
    assert weight.value == pytest.approx(5.6 + truth.items[0].mass_g, abs=2)
    assert 0 <= hands.clock.monotonic_ns() - weight.t_mono_ns < 40_000_000
    hands.gpio.write("belt_in", True)
    hands.until(lambda: hands.ask(DescribeWorld(), WorldDescribed).fallen == 1)
    assert (source.read() == empty).all()
    assert hands.events().count("item_fell") == 1
    analog.close()


def test_the_same_seed_gives_the_same_run(tmp_path):
    runs = []
    for number in range(2):
        hands = Hands(tmp_path / str(number), seed=7)
        take_in(hands)
        analog = SimulatedAnalog(hands.home)
        truth = hands.ask(DescribeWorld(), WorldDescribed)
        runs.append((truth, analog.read("weight_g"), hands.clock.monotonic_ns()))
        analog.close()
        hands.close()
    assert runs[0] == runs[1]


def test_a_pulse_between_two_looks_is_not_missed(hands):
    hands.stage.advance(1.0)
    hands.gpio.write("heartbeat", True)
    hands.clock.advance(0.001)
    hands.gpio.write("belt_in", True)
    hands.clock.advance(0.004)
    hands.gpio.write("belt_in", False)
    hands.stage.advance(0.5)
    board = SimulatedBoard(hands.home)
    times = [write.t_mono_ns for write in board.trace() if write.line == "belt_in"][-2:]
    assert times[1] - times[0] == 4_000_000
    board.close()


def test_the_one_shot_ends_120_ms_after_the_last_beat(hands):
    analog = SimulatedAnalog(hands.home)
    read = analog.read
    hands.gpio.write("heartbeat", True)
    hands.gpio.write("belt_in", True)
    hands.stage.advance(0.1)
    assert read("belt_current_a").value > 0.2
    hands.stage.advance(0.05)
    assert abs(read("belt_current_a").value) < 0.06
    analog.close()


def test_doors_are_seen_at_once(hands):
    hands.gpio.claim_input("door_closed")
    assert hands.gpio.read("door_closed")
    hands.ask(Act("door_open"))
    assert not hands.gpio.read("door_closed")
    hands.ask(Act("door_close", after_s=1.0))
    hands.stage.advance(1.01)
    assert hands.gpio.read("door_closed")


def test_faults_go_to_the_pins_and_into_the_record(hands):
    hands.ask(Afflict("line_lost", "beam_gate", for_s=0.5))
    with pytest.raises(OSError, match="beam_gate"):
        hands.gpio.read("beam_gate")
    hands.stage.advance(0.6)
    assert not hands.gpio.read("beam_gate")
    hands.ask(Afflict("beam_stuck", "beam_exit", 1.0))
    assert hands.gpio.read("beam_exit")
    assert "beam_stuck beam_exit 1: repaired" in hands.ask(Heal()).what
    assert not hands.gpio.read("beam_exit")
    assert hands.events().count("world_fault") == 2
    assert hands.events().count("world_healed") == 2


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (InsertItem("x", "/no/such.jpg"), "invalid"),
        (InsertItem("x", str(ITEM.picture), mass_g=-3.0), "invalid"),
        (Act("take"), "impossible"),
        (Act("swap", picture="/no/such.jpg"), "invalid"),
        (Afflict("beam_stuck", "belt"), "invalid"),
        (Heal("nothing"), "invalid"),
    ],
)
def test_nonsense_is_refused(hands, message, code):
    with pytest.raises(RequestFailed) as refused:
        hands.ask(message)
    assert refused.value.code == code


def test_a_second_item_waits_until_the_inlet_is_free(hands):
    hands.ask(INSERT, Inserted)
    with pytest.raises(RequestFailed) as refused:
        hands.ask(INSERT, Inserted)
    assert refused.value.code == "occupied"


def test_a_world_that_was_killed_begins_empty_with_the_gate_where_it_was(hands):
    take_in(hands)
    hands.pulse("gate_open", lambda: hands.gpio.read("gate_is_open"))
    source = SceneSource(hands.home)
    assert (source.read() == read_picture(ITEM.picture)).all()
    hands.stage.kill("/world")
    hands.stage.advance(5.0)
    truth = hands.ask(DescribeWorld(), WorldDescribed)
    assert truth.items == ()
    assert truth.gate == pytest.approx(1.0, abs=0.001)
    assert (source.read() == read_picture(empty_belt_picture())).all()


def test_it_runs_in_a_process_in_real_time_and_comes_back_when_killed(tmp_path):
    gpio = SimulatedGpio(sim(tmp_path))
    gpio.claim_input("beam_entry")
    with tree(spec(tmp_path, host=Host.PROCESS)) as (sup, _):
        sup.request("world", INSERT, reply=Inserted)
        eventually(lambda: gpio.read("beam_entry"))
        with pytest.raises(RequestFailed, match="inlet"):
            sup.request("world", INSERT, reply=Inserted)
        os.kill(sup.rows["world"].running.pid, signal.SIGKILL)
        eventually(lambda: (ref := sup.ref("world")) is not None and ref.incarnation == 2)
        eventually(lambda: not gpio.read("beam_entry"))
    gpio.close()


def test_two_worlds_do_not_share_pins(tmp_path):
    with tree(spec(tmp_path)) as (sup, _):
        assert sup.ref("world") is not None
        with tree(spec(tmp_path)) as (other, _):
            assert "another world" in other.rows["world"].waiting_for


def test_a_world_that_was_stopped_makes_up_for_half_a_second_only(tmp_path):
    clock = VirtualClock()
    with tree(spec(tmp_path), clock=clock) as (sup, _):
        before = sup.request("world", DescribeWorld(), reply=WorldDescribed).now_s
        clock.advance(100.0)
        after = sup.request("world", DescribeWorld(), reply=WorldDescribed).now_s
        assert after - before == pytest.approx(0.5, abs=0.01)


def test_a_picture_that_nobody_answers_for_is_not_shown(tmp_path):
    home = sim(tmp_path)
    PinFile(home).close()
    source = SceneSource(home)
    assert (source.read() == read_picture(empty_belt_picture())).all()
    draw_scene(home, str(ITEM.picture))
    with pytest.raises(SceneGone, match="gone"):
        source.read()
    draw_scene(home, "")
    assert source.read().shape[2] == 3
    with pytest.raises(ValueError, match="read-only"):
        source.read()[0] = 0
    source.close()
