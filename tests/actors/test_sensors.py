"""The sensors on simulated pins and a virtual clock: what they tell, and what they find out."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from actors.drivers import ports
from actors.drivers.simulated import SimulatedBoard, SimulatedGpio
from actors.sensors.actor import Sensors
from config.settings import SensorsSettings
from protocol.machine import (
    BeamChanged,
    BinChanged,
    Inputs,
    ReadInputs,
    SensorCleared,
    SensorFault,
    Tare,
    Tared,
    Weigh,
    Weighed,
)
from protocol.service import CycleChanged
from protocol.system import Ping
from supervisors import ChildSpec
from supervisors.testing import VirtualClock, eventually
from tests.actors.runtime import listener, sim, tree

GPIO = "actors.drivers.simulated:SimulatedGpio"
ANALOG = "actors.drivers.simulated:SimulatedAnalog"
Heard = listener(BeamChanged, BinChanged, SensorFault, SensorCleared, Weighed, Tared)


class Rig:
    """The sensors, the pins before them, and time to turn by hand."""

    def __init__(self, sup, events, board, clock, heard, limits):
        self.sup, self.events, self.board = sup, events, board
        self.clock, self.heard, self._limits = clock, heard, limits
        self.readings = {ports.WEIGHT_G: self.noisy(0.0), ports.BIN_DISTANCE_M: self.noisy(0.7)}
        self.readings[ports.TEMPERATURE_C] = self.noisy(24.0)
        self.readings[ports.HUMIDITY_PERCENT] = self.noisy(60.0)

    @staticmethod
    def noisy(value, noise=0.001):
        """A live channel: never quite the same."""
        return lambda number: value + noise * (number % 7 - 3)

    def run(self, seconds):
        """Let the sensors poll for so long, the channels being alive."""
        for number in range(max(1, round(seconds / self._limits.poll_s))):
            at_ns = self.clock.monotonic_ns() + round(self._limits.poll_s * 1e9)
            for channel, reading in self.readings.items():
                self.board.measure(channel, reading(number), t_mono_ns=at_ns)
            self.clock.advance(self._limits.poll_s)
            self.settle()

    def settle(self):
        # Timers run after a message: the second answer says that the first one's are through.
        for _ in range(2):
            self.sup.request("sensors", Ping())
        self.sup.request("heard", Ping())

    def tell(self, message):
        order = self.sup.system.envelope(0, "/sensors", message)
        order.source = "/heard"
        self.sup.system.route(order)
        self.settle()

    def inputs(self):
        return self.sup.request("sensors", ReadInputs(), reply=Inputs)

    def all(self, kind):
        return [one for one in self.heard if isinstance(one, kind)]

    def facts(self):
        return self.sup.rows["sensors"].running.vitals.facts


def arguments(tmp_path, *, analog=ANALOG, limits=None):
    return {
        "gpio": GPIO,
        "gpio_args": {"directory": sim(tmp_path)},
        "analog": analog,
        "analog_args": {"directory": sim(tmp_path)} if analog else {},
        "limits": limits or SensorsSettings(),
        "bin_depth_m": 0.7,
        "tell": "/heard",
    }


@contextmanager
def rig(tmp_path, *, analog=ANALOG, **limits) -> Iterator[Rig]:
    limits, clock, heard = SensorsSettings(**limits), VirtualClock(), []
    board = SimulatedBoard(sim(tmp_path), clock)
    args = arguments(tmp_path, analog=analog, limits=limits)
    children = (
        ChildSpec("heard", Heard, args={"heard": heard}),
        ChildSpec("sensors", Sensors, args=args),
    )
    try:
        with tree(*children, clock=clock) as (sup, events):
            yield Rig(sup, events, board, clock, heard, limits)
    finally:
        board.close()


def test_without_a_driver_the_sensors_wait(tmp_path):
    args = {**arguments(tmp_path), "gpio": ""}
    with tree(ChildSpec("sensors", Sensors, args=args)) as (sup, _):
        row = sup.rows["sensors"]
        assert row.state.value == "waiting"
        assert "driver" in row.waiting_for
        assert row.restarts == 0


def test_a_beam_is_told_once_with_the_time_at_which_it_was_interrupted(tmp_path):
    with rig(tmp_path) as r:
        r.run(0.1)
        assert {one.beam: one.covered for one in r.all(BeamChanged)} == dict.fromkeys(
            ("entry", "inside", "exit", "drop"), False
        )
        r.heard.clear()
        r.board.set(ports.BEAM_ENTRY, True)
        began_ns = r.clock.monotonic_ns()
        r.run(0.3)
        (told,) = r.all(BeamChanged)
        assert (told.beam, told.covered) == ("entry", True)
        assert 0 <= told.at_ns - began_ns <= 10_000_001
        assert r.inputs().beams["entry"] is True
        assert r.facts()["entry"] == "covered"


def test_a_bouncing_beam_is_one_change_and_a_short_blip_none(tmp_path):
    with rig(tmp_path) as r:
        r.run(0.1)
        r.heard.clear()
        for level in (True, False, True, True, True, True, True, True):
            r.board.set(ports.BEAM_ENTRY, level)
            r.run(0.01)
        r.board.set(ports.BEAM_INSIDE, True)
        r.run(0.01)
        r.board.set(ports.BEAM_INSIDE, False)
        r.run(0.2)
        assert [(one.beam, one.covered) for one in r.all(BeamChanged)] == [("entry", True)]


def test_an_item_that_falls_for_two_polls_is_seen(tmp_path):
    with rig(tmp_path) as r:
        r.run(0.1)
        r.heard.clear()
        r.board.set(ports.BEAM_DROP, True)
        r.run(0.02)
        r.board.set(ports.BEAM_DROP, False)
        r.run(0.2)
        assert [one.covered for one in r.all(BeamChanged)] == [True, False]


def test_a_line_that_cannot_be_read_is_told_once_as_unknown_and_recovers_by_itself(tmp_path):
    with rig(tmp_path) as r:
        r.run(0.1)
        r.heard.clear()
        r.board.lose(ports.BEAM_EXIT)
        r.run(1.0)
        assert [(one.beam, one.covered) for one in r.all(BeamChanged)] == [("exit", None)]
        assert [(one.sensor, one.what) for one in r.all(SensorFault)] == [("exit", "dead")]
        assert r.inputs().faults == {"exit": "dead"}
        assert "exit is dead" in r.facts()["trouble"]
        assert r.facts()["exit"] == "cannot be read"
        r.board.lose(ports.BEAM_EXIT, False)
        r.run(0.2)
        assert r.all(BeamChanged)[-1].covered is False
        assert r.all(SensorCleared) == [SensorCleared("exit")]
        assert "trouble" not in r.facts()
        assert r.events.named("sensor_cleared") == [{"sensor": "exit"}]


def test_a_beam_that_stays_covered_is_stuck_unless_an_item_is_dealt_with(tmp_path):
    with rig(tmp_path, beam_stuck_s=2.0) as r:
        r.run(0.1)
        r.tell(CycleChanged(busy=True))
        r.board.set(ports.BEAM_INSIDE, True)
        r.run(3.0)
        assert r.all(SensorFault) == []
        r.tell(CycleChanged(busy=False))
        r.run(1.9)
        assert r.all(SensorFault) == []
        r.run(0.7)
        assert [(one.sensor, one.what) for one in r.all(SensorFault)] == [("inside", "stuck")]
        r.board.set(ports.BEAM_INSIDE, False)
        r.run(0.1)
        assert r.all(SensorCleared) == [SensorCleared("inside")]


def test_a_beam_that_two_items_pass_unseen_is_stuck(tmp_path):
    with rig(tmp_path) as r:
        r.run(0.1)
        for _ in range(2):
            assert r.all(SensorFault) == []
            for line in (ports.BEAM_ENTRY, ports.BEAM_INSIDE, ports.BEAM_DROP):
                r.board.set(line, True)
                r.run(0.1)
                r.board.set(line, False)
                r.run(0.1)
        assert [(one.sensor, one.what) for one in r.all(SensorFault)] == [("exit", "stuck")]


def test_a_weight_is_told_to_whoever_asked_once_the_scale_is_at_rest(tmp_path):
    with rig(tmp_path) as r:
        r.run(0.5)
        r.readings[ports.WEIGHT_G] = r.noisy(31.5, 0.2)
        r.tell(Weigh("m-1-1"))
        r.run(0.2)
        (weighed,) = r.all(Weighed)
        assert weighed.deposit == "m-1-1"
        assert weighed.mass_g == pytest.approx(31.5, abs=0.2)
        assert 0 < weighed.spread_g <= 3.0
        assert weighed.at_ns > 0


def test_only_what_is_measured_after_the_question_counts(tmp_path):
    with rig(tmp_path) as r:
        r.run(0.5)
        live, r.readings = r.readings, {}
        r.run(1.0)  # the channel holds what was measured a second ago
        r.tell(Weigh("m-1-1"))
        r.run(0.01)
        r.readings = live
        r.run(0.1)  # half of a window that began before would do
        assert r.all(Weighed) == []
        r.run(0.02)
        assert [one.mass_g for one in r.all(Weighed)] == [pytest.approx(0.0, abs=0.01)]


@pytest.mark.parametrize(
    "reading",
    [lambda number: None, lambda number: 20.0, lambda number: 20.0 + 9.0 * (number % 2)],
    ids=["dead", "frozen", "swinging"],
)
def test_a_scale_that_cannot_be_trusted_gives_no_weight(tmp_path, reading):
    with rig(tmp_path) as r:
        r.run(0.2)
        r.readings[ports.WEIGHT_G] = reading
        r.tell(Weigh("m-1-1", 0.5))
        r.run(0.4)
        assert r.all(Weighed) == []
        r.run(0.2)
        assert [(one.deposit, one.mass_g) for one in r.all(Weighed)] == [("m-1-1", None)]


@pytest.mark.parametrize("within_s", [0.0, -1.0, float("nan")])
def test_a_question_without_time_is_answered_with_unknown_at_once(tmp_path, within_s):
    with rig(tmp_path) as r:
        r.tell(Weigh("m-1-1", within_s))
        r.run(0.02)
        assert [one.mass_g for one in r.all(Weighed)] == [None]


def test_a_weight_is_over_the_tare(tmp_path):
    with rig(tmp_path) as r:
        r.readings[ports.WEIGHT_G] = r.noisy(7.0, 0.1)
        r.tell(Tare())
        r.run(0.2)
        assert r.all(Tared) == [Tared(pytest.approx(7.0, abs=0.1))]
        r.readings[ports.WEIGHT_G] = r.noisy(27.0, 0.1)
        r.tell(Weigh("m-1-1"))
        r.run(0.2)
        assert r.all(Weighed)[0].mass_g == pytest.approx(20.0, abs=0.2)
        assert r.inputs().values[ports.WEIGHT_G] == pytest.approx(20.0, abs=0.2)


def test_a_zero_that_wandered_too_far_is_refused_and_weights_are_unknown(tmp_path):
    with rig(tmp_path) as r:
        r.readings[ports.WEIGHT_G] = r.noisy(80.0, 0.1)
        r.tell(Tare())
        r.run(1.0)
        (tared,) = r.all(Tared)
        assert tared.zero_g is None
        assert "calibrate" in tared.why
        assert tared.far_g == pytest.approx(80.0, abs=0.2)
        assert [(one.sensor, one.what) for one in r.all(SensorFault)] == [("scale", "implausible")]
        r.tell(Weigh("m-1-1"))
        r.run(0.6)
        assert [one.mass_g for one in r.all(Weighed)] == [None]


def test_a_scale_that_shows_a_weight_is_a_fault_only_while_no_item_is_dealt_with(tmp_path):
    with rig(tmp_path, scale_period_s=0.5) as r:
        r.run(1.0)
        r.tell(CycleChanged(busy=True))
        r.readings[ports.WEIGHT_G] = r.noisy(20.0, 0.1)
        r.run(4.0)
        assert r.all(SensorFault) == []
        r.tell(CycleChanged(busy=False))
        r.run(4.0)
        assert [(one.sensor, one.what) for one in r.all(SensorFault)] == [("scale", "implausible")]
        r.tell(Tare())
        r.run(1.0)
        assert r.all(SensorCleared) == [SensorCleared("scale")]


def test_a_zero_that_wanders_slowly_is_followed(tmp_path):
    with rig(tmp_path, scale_period_s=0.5) as r:
        for step in range(10):
            r.readings[ports.WEIGHT_G] = r.noisy(1.5 * step, 0.05)
            r.run(0.6)
        r.readings[ports.WEIGHT_G] = r.noisy(1.5 * 9 + 20, 0.05)
        r.tell(Weigh("m-1-1"))
        r.run(0.2)
        assert r.all(Weighed)[0].mass_g == pytest.approx(20.0, abs=0.3)


def test_the_bin_is_told_when_it_changes_by_a_percent_or_is_unknown(tmp_path):
    with rig(tmp_path) as r:
        r.run(3.0)
        r.readings[ports.BIN_DISTANCE_M] = r.noisy(0.35)
        r.run(5.0)
        r.readings[ports.BIN_DISTANCE_M] = lambda number: None
        r.run(5.0)
        told = [one.percent for one in r.all(BinChanged)]
        assert told == [pytest.approx(0, abs=1), pytest.approx(50, abs=1), None]
        assert [(one.sensor, one.what) for one in r.all(SensorFault)] == [("bin", "dead")]
        r.readings[ports.BIN_DISTANCE_M] = r.noisy(0.35)
        r.run(8.0)
        assert r.all(BinChanged)[-1].percent == pytest.approx(50, abs=1)
        assert r.all(SensorCleared) == [SensorCleared("bin")]


def test_nobody_asks_and_a_broken_scale_is_found_all_the_same(tmp_path):
    with rig(tmp_path, scale_period_s=1.0) as r:
        r.run(0.5)
        r.readings[ports.WEIGHT_G] = lambda number: None
        r.run(1.5)
        assert [(one.sensor, one.what) for one in r.all(SensorFault)] == [("scale", "dead")]
        r.readings[ports.WEIGHT_G] = r.noisy(0.0)
        r.run(4.0)
        assert r.all(SensorCleared) == [SensorCleared("scale")]


def test_a_frozen_a_noisy_and_an_impossible_channel_are_named(tmp_path):
    with rig(tmp_path, scale_period_s=0.5, climate_period_s=1.0, frozen_readings=20) as r:
        r.run(1.0)
        r.readings[ports.TEMPERATURE_C] = lambda number: 200.0
        r.readings[ports.WEIGHT_G] = lambda number: 40.0 * (number % 3)
        r.readings[ports.BIN_DISTANCE_M] = lambda number: 0.4
        r.run(12.0)
        assert r.inputs().faults == {"scale": "noisy", "bin": "frozen", "climate": "implausible"}
        assert r.inputs().values[ports.TEMPERATURE_C] is None
        for sensor in ("scale", "bin", "climate"):
            assert f"{sensor} is" in r.facts()["trouble"]


def test_channels_that_stand_still_are_frozen_though_they_read_well(tmp_path):
    with rig(tmp_path, scale_period_s=1.0) as r:
        r.run(1.0)
        r.readings = {}  # whoever measures has died; the last values stay where they are
        r.run(8.0)
        faults = {one.sensor: one.what for one in r.all(SensorFault)}
        assert faults == {"scale": "frozen", "bin": "frozen"}


def test_without_a_driver_for_channels_beams_work_and_the_rest_is_a_named_fault(tmp_path):
    with rig(tmp_path, analog="") as r:
        r.run(0.1)
        assert r.inputs().faults == dict.fromkeys(("scale", "bin", "climate"), "dead")
        assert "no driver for analogue channels" in r.facts()["trouble"]
        assert r.inputs().beams["entry"] is False
        r.heard.clear()
        r.tell(Weigh("m-1-1"))
        r.tell(Tare())
        assert r.all(Weighed) == [Weighed("m-1-1", None)]
        (tared,) = r.all(Tared)
        assert tared.zero_g is None
        assert "driver" in tared.why


def test_an_operator_may_ask_and_gets_the_answer_as_a_reply(tmp_path):
    with rig(tmp_path, analog="") as r:
        assert r.sup.request("sensors", Weigh("by hand"), reply=Weighed).mass_g is None
        assert r.sup.request("sensors", Tare(), reply=Tared).zero_g is None


def test_lines_that_somebody_else_has_are_waited_for_by_name(tmp_path):
    other = SimulatedGpio(sim(tmp_path))
    other.claim_input(ports.BEAM_EXIT)
    try:
        with tree(ChildSpec("sensors", Sensors, args=arguments(tmp_path))) as (sup, _):
            row = sup.rows["sensors"]
            assert row.state.value == "waiting"
            assert ports.BEAM_EXIT in row.waiting_for
            assert row.restarts == 0
            other.close()
            eventually(lambda: sup.ref("sensors") is not None, 20.0)
    finally:
        other.close()
