"""Every fault can be seen at its pin or channel, and is gone when it is healed."""

from itertools import pairwise
from statistics import pstdev
from typing import get_args

import pytest

from actors.drivers import ports
from models.world import pins
from models.world.faults import FAULTS, check_fault
from models.world.people import Impossible
from protocol.simulation import Act, Afflict, FaultName
from tests.models.world.bench import Bench, bottle


def broken(fault: str, of: str = "", value: float = 0.0, **more) -> Bench:
    bench = Bench(gate=more.pop("gate", 0.0))
    bench.world.afflict(Afflict(fault, of, value, **more))
    return bench


def covered() -> Bench:
    bench = Bench()
    bench.world.insert(bottle(patience_s=-1))
    bench.wait(0.5)
    return bench


def readings(bench: Bench, channel: str, count: int = 200, every_s: float = 0.0125):
    found = []
    for _ in range(count):
        bench.tick(every_s)
        found.append(bench.channel(channel))
    return found


def test_the_world_and_the_drivers_call_lines_and_channels_the_same():
    assert set(pins.LINES) == set(ports.LINES)
    assert set(pins.CHANNELS) == set(ports.CHANNELS)
    assert set(pins.OUTPUTS) == set(ports.GUARD_OUTPUTS)


def test_belt_jam():
    bench = broken("belt_jam")
    bench.drive("belt_in", True)
    bench.wait(0.3)
    level = bench.reads("encoder")
    bench.wait(0.3)
    assert bench.channel("belt_current_a") > 3.5
    assert bench.reads("encoder") == level


def test_belt_jam_that_begins_with_the_motion():
    bench = broken("belt_jam", at_motion="belt")
    assert bench.world.truth().faults == ()
    bench.drive("gate_open", True)
    bench.wait(0.2)
    assert bench.world.truth().faults == ()
    bench.drive("gate_open", False)
    bench.drive("belt_in", True)
    bench.wait(0.1)
    assert bench.world.truth().faults == ("belt_jam",)


def test_gate_jam():
    bench = broken("gate_jam")
    bench.drive("gate_open", True)
    bench.wait(1.0)
    assert bench.reads("gate_is_closed")
    assert bench.channel("gate_current_a") > 1.4


def test_gate_slow():
    assert broken("gate_slow", value=2.0).gate("gate_open", "gate_is_open") == pytest.approx(
        0.9, abs=0.1
    )


def test_encoder_dead():
    bench = broken("encoder_dead")
    level = bench.reads("encoder")
    bench.drive("belt_in", True)
    for _ in range(100):
        bench.tick()
        assert bench.reads("encoder") == level
    bench.world.heal("encoder_dead")
    bench.until(lambda: bench.reads("encoder") != level)


@pytest.mark.parametrize("beam", pins.BEAMS)
@pytest.mark.parametrize("level", [0, 1])
def test_beam_stuck(beam, level):
    bench = broken("beam_stuck", beam, level)
    bench.world.insert(bottle())
    bench.wait(0.2)
    assert bench.reads(beam) == bool(level)
    bench.world.heal("beam_stuck")
    assert bench.reads(beam) == (beam == "beam_entry")


def test_beam_bounce():
    bench = broken("beam_bounce", "beam_entry", 20.0)
    bench.world.insert(bottle())
    levels = []
    for _ in range(200):
        bench.tick(0.001)
        levels.append(bench.reads("beam_entry"))
    first, changes = (
        levels.index(True),
        sum(a != b for a, b in pairwise(levels)),
    )
    assert changes > 4
    assert all(levels[first + 21 :])


def test_beam_dropout():
    bench = covered()
    bench.world.afflict(Afflict("beam_dropout", "beam_entry", 0.1))
    levels = []
    for _ in range(2000):
        bench.tick(0.001)
        levels.append(bench.reads("beam_entry"))
    assert levels.count(False) / 2000 == pytest.approx(0.1, abs=0.03)
    assert not bench.reads("beam_exit")  # a free beam stays free


def test_noise():
    quiet, loud = Bench(), broken("noise", value=20.0)
    assert pstdev(readings(loud, "weight_g")) > 10 * pstdev(readings(quiet, "weight_g"))


@pytest.mark.parametrize("limit", pins.LIMITS)
@pytest.mark.parametrize("level", [0, 1])
def test_limit_stuck(limit, level):
    bench = broken("limit_stuck", limit, level)
    assert bench.reads(limit) == bool(level)
    bench.drive("gate_open", True)
    bench.wait(1.0)
    assert bench.reads(limit) == bool(level)


def test_limit_both():
    bench = broken("limit_both")
    assert bench.reads("gate_is_open")
    assert bench.reads("gate_is_closed")


@pytest.mark.parametrize("contact", pins.CONTACTS)
def test_contact_broken_reads_as_tripped_and_leaves_the_supply_alone(contact):
    bench = Bench()
    assert bench.reads(contact)
    bench.world.afflict(Afflict("contact_broken", contact))
    assert not bench.reads(contact)
    bench.drive("belt_in", True)
    bench.wait(0.5)
    assert bench.world.truth().belt_m_per_s > 0.4  # only the guard can stop it now


def test_supply_sag():
    bench = broken("supply_sag", value=7.0)
    bench.wait(0.1)
    assert bench.channel("supply_v") == pytest.approx(7, abs=0.1)


def test_motor_weld_keeps_a_motor_on_that_was_told_off_until_the_relay_opens():
    bench = broken("motor_weld", "belt", at_motion="belt")
    bench.drive("belt_out", True)
    bench.wait(0.5)
    bench.drive("belt_out", False)
    bench.beats = False
    bench.wait(1.0)
    assert bench.world.truth().belt_m_per_s < -0.4
    assert bench.channel("belt_current_a") > 0.15
    bench.world.act(Act("estop_press"))
    bench.wait(1.5)
    assert bench.world.truth().belt_m_per_s == 0


def test_loadcell_drift():
    bench = Bench()
    bench.wait(0.1)
    bench.world.afflict(Afflict("loadcell_drift", value=60.0))
    bench.world.advance(bench.world.now_s + 30)
    assert bench.channel("weight_g") == pytest.approx(5.6 + 30, abs=2.5)


def test_loadcell_dead():
    bench = covered()
    bench.world.afflict(Afflict("loadcell_dead"))
    assert set(readings(bench, "weight_g")) == {0.0}


def test_bin_echo_lost():
    assert set(readings(broken("bin_echo_lost"), "bin_distance_m", every_s=0.06)) == {None}


def test_bin_full():
    bench = broken("bin_full")
    bench.wait(0.5)
    near = [value for value in readings(bench, "bin_distance_m", every_s=0.06) if value is not None]
    assert max(near) < 0.04
    bench.world.heal("bin_full")
    bench.wait(0.2)
    assert bench.world.truth().bin_percent == 0


@pytest.mark.parametrize("channel", pins.CHANNELS)
def test_bus_error(channel):
    values = readings(broken("bus_error", value=0.3), channel, 300, 1.0)
    assert values.count(None) / 300 == pytest.approx(0.3, abs=0.1)


@pytest.mark.parametrize("channel", pins.CHANNELS)
def test_sensor_freeze(channel):
    bench = Bench()
    bench.wait(0.1)
    frozen = bench.channel(channel)
    bench.world.afflict(Afflict("sensor_freeze", channel))
    assert set(readings(bench, channel, every_s=1.0)) == {frozen}
    bench.world.heal("sensor_freeze")
    assert len(set(readings(bench, channel, every_s=1.0))) > 100


@pytest.mark.parametrize("line", pins.LINES)
def test_line_lost(line):
    bench = broken("line_lost", line)
    assert bench.world.lost_lines == {line}
    bench.world.heal()
    assert bench.world.lost_lines == set()


def test_climate_heat():
    bench = broken("climate_heat")
    bench.world.advance(3600)
    assert bench.channel("temperature_c") > 45


def test_a_fault_begins_and_heals_at_its_time():
    bench = broken("limit_both", after_s=1.0, for_s=0.5)
    bench.world.advance(0.999)
    assert not bench.reads("gate_is_open")
    bench.world.advance(1.0)
    assert bench.reads("gate_is_open")
    bench.world.advance(1.5)
    assert not bench.reads("gate_is_open")
    assert bench.happened() == ["world_fault", "world_healed"]


def test_a_fault_begins_when_an_item_gets_somewhere():
    bench = Bench()
    bench.world.afflict(Afflict("belt_jam", at_x_m=0.5))
    bench.world.insert(bottle())
    bench.take_in()
    assert bench.world.truth().faults == ()
    bench.drive("belt_in", True)
    bench.until(lambda: bench.world.truth().faults != ())
    assert bench.world.truth().items[0].x_m + 0.23 == pytest.approx(0.5, abs=0.01)


def test_breaking_something_anew_outlives_the_healing_of_the_first_time():
    bench = broken("noise", value=2.0, for_s=1.0)
    bench.world.advance(0.5)
    bench.world.afflict(Afflict("noise", value=3.0))
    bench.world.advance(2.0)
    assert bench.world.truth().faults == ("noise 3",)


@pytest.mark.parametrize(
    ("fault", "of", "value", "says"),
    [
        ("beam_stuck", "", 1.0, "wants one of"),
        ("beam_stuck", "belt", 1.0, "not 'belt'"),
        ("belt_jam", "belt", 0.0, "leave 'belt' out"),
        ("belt_jam", "", 3.0, "no value"),
        ("bus_error", "", 1.5, "0 to 1"),
        ("supply_sag", "", float("nan"), "V, not nan"),
        ("sensor_freeze", "beam_exit", 0.0, "weight_g"),
    ],
)
def test_nonsense_is_refused_with_what_there_is(fault, of, value, says):
    with pytest.raises(Impossible, match=says) as refused:
        Bench().world.afflict(Afflict(fault, of, value))
    assert refused.value.code == "invalid"


def test_healing_what_is_unknown_is_refused():
    with pytest.raises(Impossible, match="belt_jam"):
        Bench().world.heal("belt_jan")


def test_every_fault_has_a_kind_that_takes_its_own_usual_value():
    assert set(FAULTS) == set(get_args(FaultName))
    for name, kind in FAULTS.items():
        assert check_fault(name, kind.of[0] if kind.of else "", kind.usual) == ""


def test_the_cameras_faults_are_for_the_camera_alone():
    world = Bench().world
    world.afflict(Afflict("camera_blur", value=2.5))
    world.afflict(Afflict("camera_vanish", for_s=1.0))
    world.afflict(Afflict("noise"))
    assert world.camera_faults == {"blur": 2.5, "vanish": 0.0}
    world.advance(world.now_s + 1.5)
    assert world.camera_faults == {"blur": 2.5}
    world.heal()
    assert world.camera_faults == {}
