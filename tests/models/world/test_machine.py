"""The mechanics against the figures of the prototype (hardware page, sections 5.1 and 6)."""

from itertools import pairwise
from random import Random
from statistics import mean, median, pstdev

import pytest

from models.world.parameters import Parameters
from models.world.world import World
from protocol.simulation import Act, Afflict
from tests.models.world.bench import Bench

MS = 0.001


def running(line: str, seconds: float, **more) -> Bench:
    bench = Bench(**more)
    bench.drive(line, True)
    bench.wait(seconds)
    return bench


def test_the_belt_runs_at_half_a_metre_a_second_with_a_quarter_of_an_ampere():
    bench = running("belt_in", 1.0)
    assert bench.world.truth().belt_m_per_s == pytest.approx(0.51, abs=0.005)
    assert bench.motors[0].current_a == pytest.approx(0.27, abs=0.005)
    assert bench.channel("belt_current_a") == pytest.approx(0.27, abs=0.05)
    assert bench.channel("supply_v") == pytest.approx(12 - 0.15 * 0.27, abs=0.1)


def test_outward_is_the_same_the_other_way():
    assert running("belt_out", 1.0).world.truth().belt_m_per_s == pytest.approx(-0.51, abs=0.005)


def test_a_belt_that_cannot_turn_draws_its_stall_current():
    bench = Bench()
    bench.world.afflict(Afflict("belt_jam"))
    bench.drive("belt_in", True)
    bench.tick(MS)
    bench.tick(MS)
    assert bench.motors[0].current_a == pytest.approx(3.9, abs=0.2)
    bench.wait(0.3)
    # The supply sags under its own current.
    assert bench.motors[0].current_a == pytest.approx(3.7, abs=0.05)
    assert bench.channel("belt_current_a") == pytest.approx(3.7, abs=0.1)
    assert bench.world.truth().belt_m_per_s == 0


def test_the_gate_takes_half_a_second_and_pushes_against_its_end():
    bench = Bench()
    bench.drive("gate_open", True)
    took_s = bench.until(lambda: bench.reads("gate_is_open"), tick_s=MS)
    assert took_s == pytest.approx(0.504, abs=0.003)
    assert not bench.reads("gate_is_closed")
    bench.wait(0.2)
    assert bench.world.gate == 1.0
    assert bench.channel("gate_current_a") == pytest.approx(1.54, abs=0.05)


def test_the_gate_draws_seven_tenths_of_an_ampere_on_its_way():
    bench = running("gate_open", 0.49)
    assert bench.motors[1].current_a == pytest.approx(0.72, abs=0.02)


def test_nothing_drives_the_gate_back():
    bench = running("gate_open", 0.3)
    bench.drive("gate_open", False)
    bench.wait(0.3)
    left = bench.world.gate
    assert 0.3 < left < 0.9
    bench.wait(5.0)
    assert bench.world.gate == left
    assert not bench.reads("gate_is_open")
    assert not bench.reads("gate_is_closed")


def test_a_brake_stops_the_belt_in_a_fifth_of_a_second_and_three_centimetres():
    bench = running("belt_in", 1.0)
    belt = bench.world._machine.belt
    before_m = belt.position_m
    bench.drive("belt_in", False)
    took_s = bench.until(lambda: bench.now_s > 1.01 and belt.speed_m_s == 0, tick_s=MS)
    assert took_s == pytest.approx(0.211, abs=0.005)
    assert belt.position_m - before_m == pytest.approx(0.030, abs=0.001)


@pytest.mark.parametrize("deed", ["door_open", "estop_press"])
def test_a_belt_without_supply_coasts_for_a_second_and_28_centimetres(deed):
    bench = running("belt_in", 1.0)
    belt = bench.world._machine.belt
    before_m = belt.position_m
    bench.world.act(Act(deed))
    took_s = bench.until(lambda: belt.speed_m_s == 0, tick_s=MS)
    assert took_s == pytest.approx(1.15, abs=0.01)
    assert belt.position_m - before_m == pytest.approx(0.281, abs=0.002)
    assert bench.channel("supply_v") == pytest.approx(0, abs=0.1)
    truth = bench.world.truth()
    assert truth.motion_while_unsafe_s == 0
    assert truth.asked_while_unsafe_s == pytest.approx(took_s, abs=0.01)


@pytest.mark.parametrize(
    ("brake_s", "peak_a"), [(0.0, 7.6), (0.1, 4.7), (0.2, 4.0)], ids=["at once", "100 ms", "200 ms"]
)
def test_reversing_draws_twice_the_stall_current_unless_the_belt_was_braked(brake_s, peak_a):
    bench = running("belt_in", 1.0)
    bench.drive("belt_in", False)
    bench.wait(brake_s, MS)
    bench.drive("belt_out", True)
    peak = 0.0
    for _ in range(20):
        bench.tick(MS)
        peak = max(peak, abs(bench.motors[0].current_a))
    assert peak == pytest.approx(peak_a, abs=0.1)


def test_both_inputs_high_are_a_brake_and_are_counted():
    bench = running("belt_in", 1.0)
    bench.drive("belt_out", True)
    bench.wait(0.3)
    truth = bench.world.truth()
    assert truth.both_high == 1
    assert truth.belt_m_per_s == 0
    bench.drive("belt_out", False)
    bench.drive("belt_out", True)
    bench.tick()
    assert bench.world.truth().both_high == 2


def test_the_bridges_work_only_while_the_heartbeat_beats():
    bench = Bench()
    bench.beats = False
    bench.drive("belt_in", True)
    bench.wait(0.5)
    assert bench.world.truth().belt_m_per_s == 0  # a static level enables nothing
    bench.beats = True
    bench.wait(0.5)
    assert bench.world.truth().belt_m_per_s > 0.4
    bench.beats = False
    bench.wait(0.11)
    assert bench.motors[0].is_connected
    bench.wait(0.02)
    assert not bench.motors[0].is_connected


def test_a_heartbeat_between_two_looks_counts_to_the_millisecond():
    world = World(Random(1))
    world.drive("belt_in", True, 0.0)
    world.drive("heartbeat", True, 0.05)
    world.advance(2.0)
    motor = world._machine.belt.motor
    world_2 = World(Random(1))
    world_2.drive("belt_in", True, 0.0)
    world_2.drive("heartbeat", True, 0.05)
    world_2.advance(0.169)
    assert world_2._machine.belt.motor.is_connected
    world_2.advance(0.170)
    assert not world_2._machine.belt.motor.is_connected
    assert not motor.is_connected


def test_the_encoder_toggles_65_times_a_second():
    bench = running("belt_in", 1.0)
    toggles, level = 0, bench.reads("encoder")
    for _ in range(1000):
        bench.tick(MS)
        if bench.reads("encoder") != level:
            toggles, level = toggles + 1, not level
    assert toggles == pytest.approx(65, abs=1)


def test_the_scale_rings_down_and_then_only_makes_its_noise():
    bench = Bench()
    scale = bench.world._machine.scale
    swing = []
    for _ in range(100):  # 20 g put down at once
        scale.step(20.0)
        swing.append(scale.shown_g - 20.0)
    zeros = [i for i in range(1, 100) if swing[i - 1] < 0 <= swing[i]]
    assert median(b - a for a, b in pairwise(zeros)) == pytest.approx(40, abs=1)
    # Per period of 40 ms the swing shrinks to exp(-2π·0.08).
    assert max(swing[35:75]) / max(swing[:35]) == pytest.approx(0.605, abs=0.05)
    quiet = Bench()
    readings = []
    for _ in range(400):
        quiet.tick(0.0125)
        readings.append(quiet.channel("weight_g"))
    assert pstdev(readings) == pytest.approx(0.5, abs=0.1)
    assert mean(readings) == pytest.approx(5.0 + 0.6, abs=0.1)  # its zero, 6 °C warmer


def test_97_bottles_fill_the_bin_to_four_fifths():
    bin_ = Bench().world._machine.bin
    for _ in range(97):
        bin_.take(0.23, 0.066, 0.0)
    assert bin_.percent == pytest.approx(80, abs=0.8)
    assert bin_.distance_m == pytest.approx(0.7 * 0.2, abs=0.006)


def test_one_echo_in_fifty_is_lost():
    bench = Bench()
    readings = []
    for _ in range(3000):
        bench.tick(0.06)
        readings.append(bench.channel("bin_distance_m"))
    assert sum(value is None for value in readings) / 3000 == pytest.approx(0.02, abs=0.01)
    assert mean(value for value in readings if value is not None) == pytest.approx(0.7, abs=0.001)


def test_a_hot_shop_warms_the_cabinet_in_half_an_hour():
    bench = Bench()
    cold = bench.channel("temperature_c")
    assert cold == pytest.approx(31, abs=0.3)
    humidity = bench.channel("humidity_percent")
    bench.world.afflict(Afflict("climate_heat", value=45))
    bench.world.advance(1800)
    assert bench.channel("temperature_c") == pytest.approx(31 + 20 * 0.632, abs=0.3)
    assert bench.channel("humidity_percent") < humidity - 20
    bench.world.heal()
    bench.world.advance(10 * 1800)
    assert bench.channel("temperature_c") == pytest.approx(31, abs=0.3)


def test_a_world_at_rest_jumps():
    world = World(Random(1))
    steps = []
    run = world._machine.run
    world._machine.run = lambda n: steps.append(n) or run(n)
    world.advance(86_400)
    assert world.now_s == 86_400
    assert steps == []


def test_the_supply_can_be_weak():
    bench = Bench()
    bench.world.afflict(Afflict("supply_sag", value=8.0))
    bench.drive("belt_in", True)
    bench.wait(1.0)
    assert bench.channel("supply_v") == pytest.approx(8, abs=0.15)
    assert bench.world.truth().belt_m_per_s == pytest.approx(0.27, abs=0.03)


def test_the_numbers_are_one_frozen_value():
    assert Parameters() == Parameters()
    with pytest.raises(AttributeError):
        Parameters().belt.friction = 0.1  # type: ignore[misc]
