"""The guard's rules one by one; what holds in every order is in test_guard_properties."""

import math

import pytest

from models.guard.senses import Contact, Current, Encoder
from models.guard.terms import Seen
from protocol.machine import MoveDone, MoveFailed
from tests.models.guard_plant import LIMITS, Plant, failure


@pytest.fixture
def plant():
    plant = Plant()
    plant.run(0.1)
    return plant


def open_gate(plant: Plant) -> None:
    plant.order("g", "gate", "open", 1.2, "limit")
    assert isinstance(plant.until_answered(renew="g"), MoveDone)


@pytest.mark.parametrize(
    ("motor", "direction", "run_s", "until", "move"),
    [
        ("belt", "open", 1.0, "time", "m"),
        ("gate", "inward", 1.0, "time", "m"),
        ("belt", "inward", 0.0, "time", "m"),
        ("belt", "inward", -1.0, "time", "m"),
        ("belt", "inward", math.nan, "time", "m"),
        ("belt", "inward", math.inf, "time", "m"),
        ("belt", "inward", 1.0, "limit", "m"),
        ("belt", "inward", 1.0, "time", ""),
    ],
)
def test_an_order_that_makes_no_sense_is_refused(plant, motor, direction, run_s, until, move):
    (answer,) = plant.order(move, motor, direction, run_s, until)
    assert failure(answer.said) == "invalid"
    assert answer.said.ran_s == 0


def test_an_order_said_twice_has_one_end(plant):
    plant.order("m", run_s=0.3)
    plant.tick()
    assert plant.order("m", run_s=0.3) == []
    plant.until_answered()
    plant.run(1.0)
    assert [answer.said.move for answer in plant.answers] == ["m"]


def test_a_renewal_that_comes_too_late_renews_nothing(plant):
    """As after a freeze: it is handled before anybody has looked at the lease."""
    plant.order("m", run_s=3.0)
    plant.run(0.1)
    plant.now_s += LIMITS.lease_s
    assert not plant.guard.renew("m", plant.now_s, plant.now_s)
    plant.look()
    assert failure(plant.answers[-1].said) == "lease"


def test_a_renewal_counts_from_when_it_was_said_and_only_for_its_move(plant):
    plant.order("m", run_s=3.0)
    plant.run(0.2)
    assert not plant.guard.renew("another", plant.now_s, plant.now_s)
    assert plant.guard.renew("m", plant.now_s, plant.now_s - 0.1)
    plant.run(0.155)
    assert failure(plant.answers[-1].said) == "lease"


def test_the_other_motor_waits_until_the_first_one_stands(plant):
    open_gate(plant)
    plant.order("m", run_s=3.0)
    plant.run(0.5, renew="m")
    plant.stop()
    began_s = plant.now_s
    plant.order("c", "gate", "close", 1.2, "limit")
    while not plant.guard.outputs().gate_close:
        plant.tick(renew="c")
    assert plant.belt_speed == 0
    assert plant.now_s - began_s >= LIMITS.still_s


def test_braking_has_no_heartbeat_once_a_contact_has_opened(plant):
    plant.order("m", run_s=3.0)
    plant.run(0.3, renew="m")
    plant.stop()
    plant.tick()
    plant.tick()
    beats = [outputs.heartbeat for _, outputs in plant.trace[-2:]]
    assert sorted(beats) == [False, True]  # a controlled stop keeps the brake on
    plant.door = False
    for _ in range(20):
        plant.tick()
        assert not plant.guard.outputs().heartbeat


@pytest.mark.parametrize("beam", [True, None])
def test_the_gate_does_not_close_on_what_stands_in_it(plant, beam):
    open_gate(plant)
    plant.beam = beam
    plant.tick()
    (answer,) = plant.order("c", "gate", "close", 1.2, "limit")
    assert failure(answer.said) == "obstacle"
    plant.beam = False
    plant.tick()
    plant.order("c", "gate", "close", 1.2, "limit")
    plant.run(0.4, renew="c")
    plant.beam = beam
    plant.tick()
    assert not plant.guard.outputs().gate_close
    assert failure(plant.answers[-1].said) == "obstacle"
    plant.order("o", "gate", "open", 1.2, "limit")  # back it may go
    assert isinstance(plant.until_answered(renew="o"), MoveDone)


def test_both_limits_at_once_end_the_run_and_latch(plant):
    plant.order("o", "gate", "open", 1.2, "limit")
    plant.run(0.2, renew="o")
    plant.forced = {"gate_is_open": True, "gate_is_closed": True}
    plant.tick()
    assert failure(plant.answers[-1].said) == "limit"
    assert plant.guard.latch == "limit"
    assert "both" in plant.guard.reset(plant.now_s)
    assert "gate limits: both are closed at once" in plant.guard.trouble(plant.now_s)
    plant.forced = {}
    plant.run(0.5)
    assert plant.guard.reset(plant.now_s) == ""


def test_a_limit_that_stays_closed_is_named(plant):
    plant.forced = {"gate_is_closed": True}
    plant.order("o", "gate", "open", 1.2, "limit")
    assert failure(plant.until_answered(renew="o")) == "limit"
    assert plant.guard.latch == "limit"
    name = "gate_is_closed: closed although the gate has left it"
    assert name in plant.guard.trouble(plant.now_s)


def test_a_gate_that_crawls_for_want_of_power_is_no_broken_limit(plant):
    plant.supply_v, plant.forced = 6.0, {"gate_is_closed": True}
    plant.order("o", "gate", "open", 1.2, "limit")
    assert failure(plant.until_answered(renew="o")) == "no_motion"
    assert plant.guard.latch == ""
    assert plant.guard.trouble(plant.now_s) == ("supply_v: too low for the motors",)


def test_a_limit_that_never_closes_is_named_once_the_stroke_is_known(plant):
    open_gate(plant)
    plant.order("c", "gate", "close", 1.2, "limit")
    plant.until_answered(renew="c")
    plant.forced = {"gate_is_open": False}
    plant.order("o", "gate", "open", 1.4, "limit")
    assert failure(plant.until_answered(renew="o")) == "jam"
    assert plant.guard.trouble(plant.now_s) == (
        "gate_is_open: not closed at the end of the gate's way",
    )


def test_without_a_limit_the_gates_time_is_over_before_the_motors(plant):
    plant.has_current = False
    plant.forced = {"gate_is_open": False}
    plant.order("o", "gate", "open", 0.9, "limit")
    said = plant.until_answered(renew="o")
    assert failure(said) == "overrun"
    assert said.ran_s == pytest.approx(0.9, abs=0.01)


def test_a_run_longer_than_the_motors_maximum_is_cut(plant):
    plant.order("m", run_s=30.0)
    said = plant.until_answered()
    assert failure(said) == "overrun"
    assert said.ran_s == pytest.approx(LIMITS.run_s_max, abs=0.01)


def test_a_motor_that_runs_all_the_time_has_to_cool_down(plant):
    refused = None
    for number in range(40):
        plant.order(f"m{number}", run_s=3.9)
        said = plant.until_answered(renew=f"m{number}")
        if isinstance(said, MoveFailed):
            refused = said
            break
    assert refused is not None
    assert refused.reason == "duty"
    ran_s = sum(answer.said.ran_s for answer in plant.answers)
    most_s = LIMITS.duty_window_s * LIMITS.duty_percent_max / 100
    assert most_s - 0.1 <= ran_s <= most_s + 4.0
    plant.run(10.0)
    plant.order("later", run_s=0.3)
    assert isinstance(plant.until_answered(renew="later"), MoveDone)


@pytest.mark.parametrize("motor", ["belt", "gate"])
def test_a_jam_is_found_in_time_and_latches_when_somebody_insists(plant, motor):
    plant.jammed = motor
    way = ("belt", "inward") if motor == "belt" else ("gate", "open")
    for number in range(LIMITS.jams_max):
        plant.order(f"m{number}", *way, 1.4)
        said = plant.until_answered(renew=f"m{number}")
        assert failure(said) == "jam"
        assert said.ran_s <= 0.3
        plant.run(0.5)
    assert plant.guard.latch == "jam"
    assert failure(plant.order("more", *way)[0].said) == "latched"
    plant.jammed = ""
    assert plant.order("free", *way, 0.2, is_jog=True, is_held=True) == []
    assert isinstance(plant.until_answered(), MoveDone)


def test_a_jam_in_mid_run_is_found_within_a_fifth_of_a_second(plant):
    plant.order("m", run_s=3.0)
    plant.run(0.8, renew="m")
    plant.jammed = "belt"
    plant.run(0.2, renew="m")
    assert failure(plant.answers[-1].said) == "jam"


def test_a_dead_encoder_is_told_from_a_jam_by_the_current_and_named(plant):
    plant.encoder_dead = True
    plant.order("m", run_s=1.0)
    said = plant.until_answered()
    assert isinstance(said, MoveDone)
    assert plant.guard.trouble(plant.now_s) == ("encoder: silent although the belt's motor runs",)
    plant.jammed = "belt"  # the current still tells
    plant.order("n", run_s=1.0)
    assert failure(plant.until_answered(renew="n")) == "jam"
    plant.jammed, plant.encoder_dead = "", False
    plant.run(0.5)
    plant.order("o", run_s=0.5)
    plant.until_answered(renew="o")
    assert plant.guard.trouble(plant.now_s) == ()


def test_an_encoder_that_cannot_be_read_is_named_and_the_current_is_enough(plant):
    plant.encoder_lost = True
    plant.order("m", run_s=0.5)
    assert isinstance(plant.until_answered(), MoveDone)
    assert "encoder: cannot be read" in plant.guard.trouble(plant.now_s)


@pytest.mark.parametrize("supply_v", [12.0, 6.0])
def test_a_silent_encoder_proves_nothing_without_current(supply_v):
    plant = Plant(has_current=False)
    plant.run(0.1)
    plant.supply_v, plant.encoder_dead = supply_v, True
    plant.order("m", run_s=1.0)
    assert failure(plant.until_answered()) == "no_motion"


def test_with_a_supply_that_is_too_low_silence_is_no_motion(plant):
    plant.supply_v, plant.encoder_dead = 6.0, True
    plant.order("m", run_s=1.0)
    assert failure(plant.until_answered()) == "no_motion"
    assert "supply_v: too low for the motors" in plant.guard.trouble(plant.now_s)


@pytest.mark.parametrize("motor", ["belt", "gate"])
def test_a_welded_contact_latches_and_cannot_be_reset_while_it_holds(plant, motor):
    plant.welded = motor
    plant.run(1.0)
    assert plant.guard.latch == "uncommanded"
    assert f"the {motor}" in plant.guard.reset(plant.now_s)
    assert failure(plant.order("m")[0].said) == "latched"
    plant.welded = ""
    plant.run(1.0)
    assert plant.guard.reset(plant.now_s) == ""


def test_a_belt_that_moves_by_itself_latches_even_without_current_sensors():
    plant = Plant(has_current=False)
    plant.run(3.0)
    plant.order("m", run_s=0.5)
    plant.run(0.4, renew="m")
    plant.welded = "belt"
    said = plant.until_answered()
    assert failure(said) == "uncommanded"
    assert plant.guard.latch == "uncommanded"


def test_coasting_with_the_supply_cut_is_not_uncommanded(plant):
    plant.order("m", run_s=3.0)
    plant.run(0.5, renew="m")
    plant.door = False
    for _ in range(230):  # 1.15 s at a falling speed
        plant.belt_m += 0.002
        plant.tick()
    assert plant.guard.latch == "door"


def test_a_graver_latch_takes_the_place_of_the_one_before(plant):
    plant.door = False
    plant.tick()
    assert plant.guard.latch == "door"
    plant.estop = False
    plant.tick()
    assert plant.guard.latch == "estop"
    plant.estop = True
    plant.run(0.1)
    assert plant.guard.latch == "estop"
    assert plant.guard.reset(plant.now_s) == "the door is open"


@pytest.mark.parametrize("latch", ["estop", "uncommanded", "outputs"])
def test_against_some_latches_even_a_held_jog_is_refused(plant, latch):
    if latch == "estop":
        plant.estop = False
        plant.tick()
        plant.estop = True
        plant.run(0.1)
    elif latch == "uncommanded":
        plant.welded = "belt"
        plant.run(1.0)
        plant.welded = ""
    else:
        plant.take(plant.guard.cannot_drive(("belt_in",), plant.now_s))
    assert plant.guard.latch == latch
    (answer,) = plant.order("j", run_s=0.3, is_jog=True, is_held=True)
    assert failure(answer.said) == "latched"


def test_a_covered_beam_is_named_after_a_while(plant):
    plant.beam = True
    plant.run(LIMITS.gate_beam_stuck_s - 0.1)
    assert plant.guard.trouble(plant.now_s) == ()
    plant.run(0.2)
    assert plant.guard.trouble(plant.now_s) == (
        "beam_gate: covered for too long: dirty, blind or blocked",
    )


# -- the senses -------------------------------------------------------------------------------


def test_a_contact_trips_at_once_and_is_believed_again_after_its_bouncing():
    contact = Contact()
    contact.look(True, 0.0, 0.05)
    assert contact.believed
    contact.look(False, 0.01, 0.05)
    assert contact.believed is False
    for at_s in (0.02, 0.03, 0.04):
        contact.look(True, at_s, 0.05)
        assert contact.believed is False
    contact.look(False, 0.05, 0.05)
    contact.look(True, 0.06, 0.05)
    contact.look(True, 0.10, 0.05)
    assert contact.believed is False
    contact.look(True, 0.12, 0.05)
    assert contact.believed
    contact.look(None, 0.13, 0.05)
    assert contact.believed is None


def test_what_nobody_watched_is_no_silence_of_the_encoder():
    encoder = Encoder()
    for number in range(10):
        encoder.look(number % 2 == 0, number * 0.015)
    assert encoder.quiet_s(0.135) == pytest.approx(0.0)
    encoder.look(False, 1.0)
    assert encoder.quiet_s(1.0) <= 0.03


def test_an_encoder_that_was_silent_from_the_first_look_on_is_quiet():
    encoder = Encoder()
    for number in range(21):
        encoder.look(False, 100.0 + number * 0.01)
    assert encoder.quiet_s(100.2) == pytest.approx(0.2)


def test_a_current_that_never_changes_is_a_frozen_sensor():
    current = Current(stall_a=2.7, off_a=0.15)
    for number in range(40):
        current.take(0.27, number * 0.01)
    assert current.is_frozen
    assert current.amps(0.4) is None
    current.take(0.26, 0.4)
    assert current.amps(0.4) == pytest.approx(0.265, abs=0.01)


def test_a_single_spike_of_the_current_is_no_stall():
    current = Current(stall_a=2.7, off_a=0.15)
    for number in range(60):
        current.take(3.9 if number % 5 == 0 else 0.27 + number / 1e4, number * 0.01)
        assert not current.stalls(0.0, number * 0.01, LIMITS.stall_s)


@pytest.mark.parametrize(
    ("is_open", "is_closed", "gate"),
    [
        (True, False, "open"),
        (False, True, "closed"),
        (False, False, "between"),
        (True, True, "unknown"),
        (None, False, "unknown"),
        (True, None, "unknown"),
    ],
)
def test_where_the_gate_is(is_open, is_closed, gate):
    assert Seen(True, True, is_open, is_closed, False, False).gate == gate
