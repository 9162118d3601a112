"""The rows of the transition table, each with its timeout and what happens then."""

import pytest
from msgspec.structs import replace

from config.settings import DepositSettings
from models.deposit import Rules, decisions, facts, trouble, why_closed, why_not_go_on
from models.reasons import Reason
from protocol.machine import Beam
from protocol.vision import Detection
from tests.models.deposit_bench import CLEAR, MS, WELL, Bench, S


def closed(bench: Bench):
    return why_closed(bench.cycle, bench.now_ns / 1e9, bench.rules)


def test_a_good_bottle_is_paid_once_and_each_state_comes_before_what_it_allows():
    bench = Bench().confirming()
    assert bench.states == ["reserved", "transporting"]
    bench.drop()
    assert bench.states == ["reserved", "transporting", "confirmed", "credited"]
    bench.at("idle")
    (credited,) = bench.all_said(decisions.Credited)
    assert credited == decisions.Credited("m-1-1", "s-1")
    record = bench.records[-1]
    assert (record.mass_g, record.proof, record.item) == (20.0, "drop_beam", "mineral")
    assert record.length_m == pytest.approx(0.23, abs=0.005)
    assert len(record.evidence) == 64
    assert bench.cycle.done == 1


def test_row_1_without_guard_or_sensors_the_boot_ends_in_a_fault_that_passes():
    bench = Bench()
    bench.tell(facts.Opened("m-1"))
    bench.wait(0.1)
    bench.tell(facts.Back("camera"))
    bench.at("boot")
    bench.tell(facts.Sensed(CLEAR))
    bench.at("boot")
    bench.tell(WELL)
    bench.at("selftest")


def test_row_2_the_self_test_homes_the_gate_and_tares_before_anything_is_taken():
    bench = Bench()
    bench.tell(facts.Opened("m-1"), facts.Guarded(True, True, "between", False))
    said = bench.tell(facts.Sensed(CLEAR))
    (move,) = [order for order in said if isinstance(order, decisions.Move)]
    assert (move.motor, move.direction, move.until) == ("gate", "close", "limit")
    assert closed(bench) == Reason.SELFTEST
    bench.guard(gate="closed")
    bench.stand()
    bench.weigh(5.0)
    assert decisions.Tare() in bench.said
    bench.tell(facts.Tared(True))
    bench.at("idle")


def test_row_2_a_beam_that_stays_covered_fails_the_self_test_after_one_try_to_bring_it_out():
    bench = Bench()
    bench.tell(facts.Opened("m-1"), WELL, facts.Sensed({**CLEAR, "exit": True}))
    bench.at("rejecting")
    bench.opened()
    bench.wait(2.5)
    bench.stand()
    bench.at("leaving").shut().at("selftest")
    bench.wait(10.1)
    bench.at("fault")
    assert bench.cycle.fault == Reason.SENSOR_FAILED
    assert "(covered or unreadable: beam_exit)" in trouble(bench.cycle)
    assert bench.written == []  # nothing came out: there was no item
    moves = len(bench.all_said(decisions.Move))
    bench.wait(120.0)
    assert len(bench.all_said(decisions.Move)) == moves


def test_row_3_and_4_an_item_without_a_session_is_announced_once_and_taken_with_one():
    bench = Bench().idle()
    bench.tell(facts.Served(""))
    bench.beam("entry", True)
    bench.wait(1.0)
    (greeting,) = bench.all_said(decisions.Greet)
    assert greeting.at_ns == bench.cycle.arrived_ns
    bench.tell(facts.Served("s-2"))
    bench.at("opening")
    assert bench.cycle.item.record.session == "s-2"


def test_row_5_a_hand_that_hesitates_at_the_entry_does_not_make_a_second_deposit():
    bench = Bench().opening()
    bench.beam("entry", False)
    bench.beam("entry", True)
    assert bench.cycle.count == 1


def test_row_6_a_gate_that_sticks_is_tried_again_and_then_out_of_order():
    bench = Bench().opening()
    for _ in range(bench.rules.deposit.retries_max):
        bench.stand("overrun")
        bench.at("recovering")
        assert bench.all_said(decisions.Move)[-1].direction == "close"
        bench.stand()
        bench.at("opening")
    bench.stand("overrun")
    bench.at("fault")
    assert bench.cycle.fault == Reason.GATE_STUCK
    assert bench.written == [("void", "gate_stuck")]


def test_a_gate_that_stays_stuck_is_tried_again_after_longer_pauses_and_then_left_alone():
    bench = Bench().opening()
    pauses_s = []
    for _ in range(10):
        while bench.cycle.phase != "fault":
            if bench.cycle.motion is None:
                bench.wait(0.1)
            elif bench.cycle.motion.direction == "open":
                bench.stand("overrun")
            else:
                bench.stand()
        assert bench.cycle.fault == Reason.GATE_STUCK
        if not bench.cycle.deadline_ns:
            break
        pauses_s.append((bench.cycle.deadline_ns - bench.now_ns) / S)
        bench.wait(pauses_s[-1])
        bench.at("rejecting")  # an empty machine proves nothing: the gate has to open
    assert pauses_s == [30.0, 60.0, 120.0, 240.0]
    assert "technician" in trouble(bench.cycle)
    moves = len(bench.all_said(decisions.Move))
    bench.wait(3600.0)
    bench.at("fault")
    assert len(bench.all_said(decisions.Move)) == moves
    bench.tell(facts.Reset())
    assert bench.cycle.retries == 0


def jammed() -> Bench:
    bench = Bench().transporting()
    for _ in range(2):
        bench.stand("jam")
        bench.stand()
    bench.beam("exit", True)
    bench.stand("jam")
    return bench.at("fault")


def test_a_jam_that_has_healed_is_over_once_gate_and_belt_have_run():
    bench = jammed()
    bench.beam("exit", False)
    bench.wait(30.0)
    bench.at("rejecting").opened()
    bench.wait(2.5)
    bench.stand()
    bench.weigh(0.0)
    bench.at("leaving").shut().at("selftest")
    assert closed(bench) == Reason.JAM
    bench.weigh(0.0)
    bench.tell(facts.Tared(True))
    bench.at("idle")
    assert closed(bench) is None
    assert bench.cycle.retries == 1  # until an item has gone all the way


def test_while_the_guard_is_latched_a_jam_is_not_tried_again():
    bench = jammed()
    bench.guard(latch="jam")
    moves = len(bench.all_said(decisions.Move))
    bench.wait(3600.0)
    bench.at("fault")
    assert len(bench.all_said(decisions.Move)) == moves
    assert "technician" in trouble(bench.cycle)
    bench.guard(latch="")
    bench.wait(30.0)
    bench.at("rejecting")


def stopped_in_the_gate() -> Bench:
    """The door was opened while the item came in; it stands in the gate, and somebody resets."""
    bench = Bench().infeed()
    bench.guard(beam_gate=True)
    bench.guard(door_closed=False)
    bench.at("service")
    bench.stand("door")
    bench.guard(door_closed=True)
    bench.tell(facts.Reset())
    return bench


def test_what_stands_in_the_gate_at_a_reset_is_brought_out_and_taken():
    bench = stopped_in_the_gate().at("return_wait")
    move = bench.all_said(decisions.Move)[-1]
    assert (move.motor, move.direction) == ("belt", "outward")
    assert move.run_s <= bench.rules.motor.transport_s
    assert bench.written == [("void", "door_open")]
    assert bench.cycle.motion is not None  # it is carried until the gate is free of it
    assert not bench.cycle.motion.is_stopping
    bench.wait(0.5)
    bench.guard(beam_gate=False)
    assert bench.cycle.motion.is_stopping
    bench.stand("stopped")
    bench.wait(1.0)
    bench.beam("entry", False)
    bench.weigh(0.0)
    bench.at("leaving").shut().at("selftest")
    bench.weigh(0.0)
    bench.tell(facts.Tared(True))
    bench.at("idle")
    assert bench.written == [("void", "door_open")]


def test_what_stands_in_an_open_gate_at_boot_is_brought_out_and_recorded():
    bench = Bench()
    bench.tell(facts.Opened("m-1"), facts.Guarded(True, True, "between", True))
    bench.tell(facts.Sensed({**CLEAR, "entry": True}))
    bench.at("rejecting")
    assert bench.all_said(decisions.Move)[-1].direction == "open"
    bench.opened()
    bench.guard(beam_gate=False)
    bench.stand("stopped")
    bench.beam("entry", False)
    bench.at("leaving").shut().at("selftest")
    assert bench.written == [("rejected", "restarted")]
    assert bench.records[-1].id == "m-1-1"


@pytest.mark.parametrize(
    ("entry", "fault", "runs"),
    [(False, Reason.GATE_OBSTACLE, 1), (True, Reason.ABANDONED, 2)],
)
def test_a_hand_that_stays_in_the_gate_is_never_closed_upon(entry, fault, runs):
    bench = Bench()
    bench.tell(facts.Opened("m-1"), facts.Guarded(True, True, "open", True))
    bench.tell(facts.Sensed({**CLEAR, "entry": entry}))
    for _ in range(600):
        bench.wait(1.0)
        if bench.cycle.motion is not None:
            bench.stand()
    bench.at("fault")
    assert bench.cycle.fault == fault
    moves = [(move.motor, move.direction) for move in bench.all_said(decisions.Move)]
    assert ("gate", "close") not in moves
    assert moves.count(("belt", "outward")) == runs
    bench.guard(beam_gate=False)
    bench.beam("entry", False)
    assert bench.all_said(decisions.Move)[-1].direction == "close"


def swept(bench: Bench) -> Bench:
    """It has run outward, and nothing has come."""
    bench.opened()
    bench.wait(2.5)
    bench.stand()
    return bench


def test_a_weight_that_nobody_put_on_the_idle_scale_is_swept_out_and_tared_away():
    bench = Bench().idle()
    bench.tell(facts.Mistrusted("scale"))
    bench.at("selftest")
    assert closed(bench) is not None
    bench.weigh(21.0)
    bench.at("rejecting")
    swept(bench).weigh(21.0)
    bench.at("leaving").shut().at("selftest")
    bench.weigh(21.0)
    assert bench.all_said(decisions.Tare)[-1:] == [decisions.Tare()]
    bench.tell(facts.Tared(True))
    bench.at("selftest")  # the sensors have the last word
    bench.tell(facts.Mended("scale"))
    bench.at("idle")
    assert closed(bench) is None
    assert bench.written == []  # nothing came out
    assert bench.cycle.count == 0  # and no id is used up


def test_a_zero_that_is_too_far_is_swept_once_and_then_a_fault_that_names_the_cure():
    bench = Bench().idle()
    bench.tell(facts.Mistrusted("scale"))
    bench.weigh(None)
    bench.tell(facts.Tared(False, is_far=True))
    bench.at("rejecting")
    swept(bench)
    bench.at("leaving").shut().at("selftest")
    for _ in range(bench.rules.deposit.retries_max + 1):
        bench.weigh(None)
        bench.tell(facts.Tared(False, is_far=True))
    bench.at("fault")
    assert bench.cycle.fault == Reason.SENSOR_FAILED
    assert "clear belt and scale" in trouble(bench.cycle)
    bench.wait(30.0)
    bench.at("selftest")  # it may have healed
    bench.weigh(None)
    bench.tell(facts.Tared(True), facts.Mended("scale"))
    bench.at("idle")


def test_a_reset_sweeps_and_tares_although_the_scale_is_out_of_trust():
    bench = Bench().idle()
    bench.guard(door_closed=False)
    bench.tell(facts.Mistrusted("scale"))
    bench.guard(door_closed=True)
    bench.tell(facts.Reset())
    bench.at("selftest")
    bench.weigh(30.0)
    bench.at("rejecting")


def test_a_scale_that_is_dead_moves_nothing():
    bench = Bench().idle()
    bench.tell(facts.Mistrusted("scale"))
    for _ in range(bench.rules.deposit.retries_max + 1):
        bench.weigh(None)
        bench.tell(facts.Tared(False))
    bench.at("fault")
    assert bench.all_said(decisions.Move) == []


def test_row_7_nothing_that_came_in_is_no_item():
    bench = Bench().infeed()
    bench.beam("entry", False)
    bench.wait(5.1)
    assert bench.written == []  # not while the belt runs
    bench.stand("stopped")
    assert bench.written == [("rejected", "no_item")]
    bench.at("leaving").shut().at("idle")


def test_row_7_what_a_hand_pushed_in_before_the_belt_ran_is_measured_from_its_start():
    bench = Bench().opening()
    bench.wait(0.4)
    bench.beam("inside", True)
    bench.wait(0.1)
    bench.guard(gate="open")
    bench.stand()
    bench.wait(0.2)
    bench.beam("entry", False)
    bench.wait(0.25)
    bench.beam("inside", False)
    bench.at("closing")
    assert bench.cycle.item.record.length_m == pytest.approx(0.45 * 0.51)


def test_row_8_what_is_too_long_goes_back():
    bench = Bench(length_m=0.48).infeed()
    bench.wait(0.1)
    bench.beam("inside", True)
    bench.wait(0.41 / 0.51 - 0.01)
    bench.at("infeed")
    bench.wait(0.02)
    bench.at("rejecting")
    bench.stand("stopped")
    assert bench.written == [("rejected", "too_long")]


def test_row_8_a_second_item_behind_the_first_sends_both_back():
    bench = Bench().infeed()
    bench.beam("inside", True)
    bench.beam("entry", False)
    bench.wait(0.05)
    bench.beam("entry", True)
    bench.stand("stopped")
    assert bench.written == [("rejected", "several_items")]


def test_row_9_a_hand_in_the_gate_is_waited_for():
    bench = Bench().infeed()
    bench.guard(beam_gate=True)
    bench._pass("inside", before=lambda: bench.beam("entry", False))
    bench.stand("stopped")
    bench.at("closing")
    assert bench.cycle.motion is None
    bench.guard(beam_gate=False)
    assert bench.cycle.motion.direction == "close"


def test_row_9_an_obstacle_opens_the_gate_again_twice_and_then_the_item_goes_back():
    bench = Bench().closing()
    for _ in range(2):
        bench.guard(beam_gate=True)
        bench.stand("obstacle")
        assert bench.cycle.motion.direction == "open"
        bench.guard(gate="open", beam_gate=False)
        bench.stand()
    bench.guard(beam_gate=True)
    bench.stand("obstacle")
    bench.at("return_wait")  # the gate is open already
    assert bench.written == [("rejected", "gate_obstacle")]


@pytest.mark.parametrize(
    ("mass_g", "reason"),
    [(None, "weight_unknown"), (300.0, "not_empty"), (5.0, "too_light")],
)
def test_row_10_and_11_the_scale_has_a_veto(mass_g, reason):
    bench = Bench().identifying()
    bench.weigh(mass_g)
    bench.see()
    assert bench.written == [("rejected", reason)]
    bench.opened().taken().shut().at("idle")


def test_row_10_what_is_too_short_goes_back():
    bench = Bench(length_m=0.06).identifying()
    bench.weigh(20.0)
    bench.see()
    assert bench.written == [("rejected", "too_short")]


def test_row_11_the_picture_s_refusal_is_recorded_and_told():
    bench = Bench().return_wait("refused_milk")
    assert bench.written == [("rejected", "refused_milk")]
    (refused,) = bench.all_said(decisions.Refused)
    assert refused == decisions.Refused("m-1-1", "s-1", "refused_milk")


def test_what_was_not_recognised_is_looked_at_once_more():
    bench = Bench().identifying()
    bench.weigh(20.0)
    bench.see("reject", "not_recognised")
    bench.at("identifying")
    bench.see()
    bench.at("reserving")


def test_a_code_that_nobody_knows_refuses():
    bench = Bench().identifying()
    bench.weigh(20.0)
    bench.see("reject", "refused_by_a_newer_model")
    assert bench.written == [("rejected", "refused_other")]


def test_a_picture_from_before_the_item_lay_there_decides_nothing():
    bench = Bench().identifying()
    bench.tell(facts.Pictured("m-1-1", bench.now_ns - 1))
    assert bench.written == [("rejected", "stale_picture")]
    assert bench.all_said(decisions.Judge) == []


def test_a_picture_that_took_too_long_shows_the_past():
    bench = Bench().identifying()
    exposed_ns = bench.now_ns
    bench.wait(0.31)
    bench.tell(facts.Pictured("m-1-1", exposed_ns))
    assert bench.written == [("rejected", "stale_picture")]


def test_the_answer_to_an_earlier_weighing_is_not_this_item_s_weight():
    bench = Bench().identifying()
    earlier = bench.cycle.weighing.replace(str(bench.cycle.weighings), "0")
    bench.tell(facts.Weighed(earlier, 300.0))
    bench.see()
    bench.at("identifying")
    bench.weigh(20.0)
    bench.at("reserving")


def test_row_10_without_a_weight_the_time_ends_it():
    bench = Bench().identifying()
    bench.see()
    bench.at("identifying")
    bench.wait(1.1)
    assert bench.written == [("rejected", "weight_unknown")]


def test_it_is_weighed_again_before_the_belt_takes_it_and_another_weight_is_another_item():
    bench = Bench().reserving()
    assert bench.states == ["reserved"]
    bench.weigh(30.0)
    assert bench.written[-1] == ("void", "swapped")
    assert "transporting" not in bench.states
    assert bench.cycle.suspicion.voids
    bench.at("rejecting")


def test_row_12_an_item_that_does_not_come_is_tried_again_and_goes_back():
    bench = Bench().transporting()
    for _ in range(2):
        bench.wait(2.5)
        bench.stand()
        bench.at("recovering")
        bench.stand()
        bench.at("transporting")
    bench.wait(2.5)
    bench.stand()
    assert bench.written[-1] == ("void", "transport_timeout")
    bench.at("rejecting")


def test_row_12_the_belt_runs_on_after_the_exit_is_free():
    bench = Bench().transporting().exit()
    assert bench.all_said(decisions.Stop)[-1].why != "it has left"
    bench.wait(0.14)
    assert bench.all_said(decisions.Stop)[-1].why != "it has left"
    bench.wait(0.02)
    assert bench.all_said(decisions.Stop)[-1].why == "it has left"


@pytest.mark.parametrize("start", ["transporting", "confirming"])
def test_row_13_what_comes_back_past_the_inside_beam_is_void(start):
    bench = getattr(Bench(), start)()
    bench.beam("inside", True)
    bench.at("rejecting")
    if bench.cycle.motion is not None and bench.cycle.motion.motor == "belt":
        assert bench.states[-1] == "transporting"  # not while the belt runs
        bench.stand("stopped")
    assert bench.written[-1] == ("void", "pulled_back")
    assert decisions.Record in {type(said) for said in bench.said}


def test_row_13_a_gate_that_is_not_closed_any_more_voids():
    bench = Bench().transporting()
    bench.guard(gate="between")
    bench.stand("stopped")
    assert bench.written[-1] == ("void", "gate_stuck")


def test_the_next_customer_at_the_entry_is_no_fraud():
    bench = Bench().confirming()
    bench.beam("entry", True)
    bench.drop()
    assert bench.states[-1] == "credited"
    bench.at("opening")
    assert bench.cycle.item.record.id == "m-1-2"


def test_row_14_a_drop_that_nobody_saw_is_for_review_and_three_are_a_fault():
    bench = Bench().confirming()
    bench.wait(0.71)
    assert bench.written[-1] == ("review", "drop_not_seen")
    bench.at("selftest")
    assert bench.all_said(decisions.Credited) == []
    bench.cycle = replace(bench.cycle, unproven=bench.rules.deposit.unproven_max)
    bench.weigh(0.0)
    bench.tell(facts.Tared(True))
    bench.at("fault")
    assert bench.cycle.fault == Reason.DROP_NOT_SEEN


@pytest.mark.parametrize("early", ["before the exit", "too late"])
def test_a_drop_at_the_wrong_time_proves_nothing(early):
    bench = Bench().transporting()
    if early == "before the exit":
        bench.drop()
        bench.stand("stopped")
        assert bench.written[-1] == ("review", "sensor_failed")
    else:
        bench.exit()
        bench.wait(0.16)
        bench.stand("stopped")
        bench.wait(0.8)
        bench.drop()
    assert "confirmed" not in bench.states


def test_an_item_of_another_length_at_the_exit_is_another_item():
    bench = Bench().transporting()
    bench.length_m = 0.12
    bench.exit()
    bench.wait(0.16)
    bench.stand("stopped")
    bench.drop()
    assert bench.written[-1] == ("review", "swapped")


def test_row_15_and_16_it_goes_back_and_the_gate_closes_behind_it():
    bench = Bench().return_wait()
    belt = bench.all_said(decisions.Move)[-1]
    assert (belt.motor, belt.direction) == ("belt", "outward")
    bench.taken().shut().at("idle")


def test_row_16_what_nobody_takes_is_offered_twice_and_then_abandoned():
    bench = Bench().return_wait()
    bench.beam("inside", True)
    bench.beam("entry", True)
    bench.wait(0.4)
    bench.beam("inside", False)
    bench.stand("stopped")
    bench.wait(15.1)
    bench.at("return_wait")
    assert bench.cycle.item.offers == 1
    if bench.cycle.motion is not None:
        bench.stand()
    bench.wait(15.1)
    bench.at("fault")
    assert bench.cycle.fault == Reason.ABANDONED
    bench.wait(60.0)
    bench.at("fault")
    bench.beam("entry", False)
    bench.at("selftest")


def test_row_19_and_20_a_jam_is_reversed_and_tried_again():
    bench = Bench().transporting()
    bench.wait(0.3)
    bench.stand("jam")
    bench.at("recovering")
    back = bench.all_said(decisions.Move)[-1]
    assert (back.direction, back.run_s) == ("outward", 0.3)
    bench.stand()
    bench.at("transporting").exit()
    bench.wait(0.16)
    bench.stand("stopped")
    bench.drop()
    assert bench.states[-1] == "credited"


def test_row_20_a_third_jam_in_the_exit_is_a_fault_and_for_review():
    bench = Bench().transporting()
    bench.wait(0.2)
    bench.beam("exit", True)
    for _ in range(2):
        bench.stand("jam")
        bench.stand()
    bench.stand("jam")
    assert bench.written[-1] == ("review", "jam")
    bench.at("fault")
    assert why_not_go_on(bench.cycle, facts.Reset()) is None
    bench.tell(facts.Reset())
    assert decisions.ResetGuard() in bench.said


def test_row_21_a_full_bin_closes_after_the_current_item():
    bench = Bench().confirming()
    for _ in range(3):
        bench.tell(facts.Levelled(97.0))
    bench.at("confirming").drop().at("bin_full")
    assert bench.states[-1] == "credited"
    assert closed(bench) == Reason.BIN_FULL
    bench.tell(facts.Emptied())
    bench.at("idle")


PHASES = {
    "opening": ("void", "door_open"),
    "infeed": ("void", "door_open"),
    "closing": ("void", "door_open"),
    "identifying": ("void", "door_open"),
    "reserving": ("void", "door_open"),
    "transporting": ("void", "door_open"),
    "confirming": ("review", "door_open"),
}


@pytest.mark.parametrize(("phase", "end"), PHASES.items())
def test_row_22_the_door_ends_every_item_and_only_a_reset_goes_on(phase, end):
    bench = getattr(Bench(), phase)()
    bench.guard(door_closed=False, latch="door")
    bench.at("service")
    if bench.cycle.motion is not None:
        bench.stand("door")
    assert bench.written[-1] == end
    assert "confirmed" not in bench.states
    assert closed(bench) == Reason.DOOR_OPEN
    assert why_not_go_on(bench.cycle, facts.Reset())[0] == "door_open"
    bench.guard(door_closed=True)
    bench.wait(60.0)
    bench.at("service")
    assert why_not_go_on(bench.cycle, facts.ServiceLeft()) is not None
    bench.tell(facts.Reset())
    bench.at("selftest")
    assert decisions.ResetGuard() in bench.said


def test_row_22_a_proof_that_is_complete_is_paid_though_the_door_opens():
    bench = Bench().confirming()
    bench.ledger_fails = "store_failed"
    bench.drop()
    bench.at("crediting")
    bench.guard(door_closed=False, latch="door")
    bench.at("service")
    bench.ledger_fails = ""
    bench.wait(1.1)
    assert bench.states[-2:] == ["confirmed", "credited"]
    assert len(bench.all_said(decisions.Credited)) == 1


@pytest.mark.parametrize("unknown", ["door_closed", "estop_released"])
def test_a_contact_that_cannot_be_read_is_as_bad_as_a_tripped_one(unknown):
    bench = Bench().identifying()
    bench.guard(**{unknown: None})
    assert bench.written[-1] == ("void", "sensor_failed")
    assert closed(bench) == Reason.SENSOR_FAILED


def test_row_23_the_emergency_stop_outlasts_its_release():
    bench = Bench().idle()
    bench.guard(estop_released=False, latch="estop")
    bench.at("estop")
    bench.guard(estop_released=True)
    bench.at("estop")
    bench.tell(facts.Reset())
    bench.at("selftest")
    assert bench.cycle.motion is None
    bench.guard(latch="")
    assert bench.cycle.weighing


def test_row_25_a_dead_camera_gives_the_item_back_and_has_to_prove_itself():
    bench = Bench().identifying()
    bench.tell(facts.NotSeen("m-1-1", "camera"))
    assert bench.written == [("rejected", "camera_failed")]
    bench.opened().taken().shut().at("selftest")
    assert closed(bench) == Reason.CAMERA_FAILED
    bench.weigh(0.0)
    bench.tell(facts.Tared(True))
    assert bench.all_said(decisions.TakePicture)[-1].deposit == "probe"
    bench.tell(facts.NotSeen("probe", "camera"))
    bench.at("fault")
    bench.wait(30.1)
    bench.at("selftest")
    bench.weigh(0.0)
    bench.tell(facts.Tared(True), facts.Pictured("probe", bench.now_ns))
    bench.tell(facts.Judged("probe", "empty", "nothing_seen"))
    bench.at("idle")
    assert closed(bench) is None


def test_row_25_a_detector_that_hangs_is_too_slow():
    bench = Bench().identifying()
    bench.weigh(20.0)
    bench.tell(facts.Pictured("m-1-1", bench.now_ns))
    bench.wait(3.1)
    assert bench.written == [("rejected", "too_slow")]


def test_in_service_nothing_is_taken():
    bench = Bench().idle()
    bench.tell(facts.ServiceEntered())
    bench.at("service")
    bench.beam("entry", True)
    bench.wait(10.0)
    bench.at("service")
    assert bench.cycle.count == 0
    bench.beam("entry", False)
    bench.tell(facts.ServiceLeft())
    bench.at("selftest")


@pytest.mark.parametrize(
    ("stopped", "phase"), [("service", "service"), ("maintenance", "service"), ("estop", "estop")]
)
def test_what_the_last_run_was_stopped_by_stands_until_somebody_says_so(stopped, phase):
    bench = Bench()
    bench.tell(facts.Opened("m-2", (), stopped))
    bench.at(phase)
    for neighbour in sorted(facts.NEIGHBOURS):
        bench.tell(facts.Back(neighbour))
    bench.tell(WELL, facts.Sensed(CLEAR))
    bench.wait(3600.0)
    bench.at(phase)
    assert not any(isinstance(one, (decisions.Move, decisions.Tare)) for one in bench.said)
    bench.tell(facts.Reset())
    bench.at("selftest")


def test_an_item_that_lay_in_a_stopped_machine_is_not_moved_by_the_next_run():
    bench = Bench().transporting()
    record = bench.records[-1]
    later = Bench()
    later.tell(facts.Opened("m-2", (record,), "estop"), WELL, facts.Sensed(CLEAR))
    later.at("estop")
    assert later.written == [("review", "interrupted")]
    assert not any(isinstance(one, decisions.Move) for one in later.said)


def test_a_technician_waits_for_the_end_of_an_item():
    bench = Bench().transporting()
    bench.tell(facts.ServiceEntered())
    bench.at("transporting")


def test_what_cannot_be_reserved_goes_back_and_is_void_once_the_ledger_works():
    bench = Bench().identifying()
    bench.weigh(20.0)
    bench.ledger_fails = "store_full"
    bench.see()
    bench.at("rejecting")
    assert closed(bench) == Reason.STORAGE_FAILED
    bench.ledger_fails = ""
    bench.opened().taken().shut()
    bench.wait(1.1)
    assert bench.written == [("void", "storage_failed")]
    assert closed(bench) is None


def test_a_proof_is_never_given_up_however_long_the_ledger_is_away():
    bench = Bench().confirming()
    bench.ledger_fails = "store_failed"
    bench.drop()
    bench.wait(10.1)
    bench.at("fault")
    assert bench.cycle.fault == Reason.STORAGE_FAILED
    bench.wait(600.0)
    assert closed(bench) is not None
    assert bench.all_said(decisions.Credited) == []
    bench.ledger_fails = ""
    bench.wait(1.1)
    assert bench.states[-2:] == ["confirmed", "credited"]


@pytest.mark.parametrize(
    "phase", ["opening", "infeed", "closing", "identifying", "reserving", "transporting"]
)
@pytest.mark.parametrize("lost", ["motor", "sensors"])
def test_a_restart_of_the_body_makes_no_second_deposit(phase, lost):
    bench = getattr(Bench(), phase)()
    bench.tell(facts.Lost(lost))
    if bench.cycle.motion is not None:
        bench.stand("stopped")
    bench.at("boot")
    body = bench.cycle.body
    bench.beam("entry", False)
    gate = "open" if phase in ("infeed", "closing") else "closed"
    bench.tell(facts.Guarded(True, True, gate, False), facts.Back(lost))
    if not body.is_sensed:
        bench.tell(facts.Sensed(CLEAR))
    for _ in range(60):
        if bench.cycle.phase == "idle":
            break
        motion = bench.cycle.motion
        if motion is not None and motion.motor == "gate":
            bench.guard(gate="open" if motion.direction == "open" else "closed")
        if motion is not None:
            bench.stand()
        elif bench.cycle.weighing:
            bench.weigh(0.0)
        elif bench.cycle.stage == "taring":
            bench.tell(facts.Tared(True))
        else:
            bench.wait(1.0)
    bench.at("idle")
    assert {record.id for record in bench.records} == {"m-1-1"}
    assert bench.states[-1] in ("rejected", "void", "review")


def test_three_pulls_on_a_string_close_the_inlet_for_a_while():
    bench = Bench()
    bench.idle()
    assert bench.rules.fraud.voids_max == 3
    for _ in range(3):
        bench.beam("entry", True)
        bench.at("opening")
        bench.guard(gate="open")
        bench.stand()
        bench._pass("inside", before=lambda: bench.beam("entry", False))
        bench.stand("stopped")
        bench.guard(gate="closed")
        bench.stand()
        bench.length_m += 0.03
        bench.weigh(20.0)
        bench.see()
        bench.weigh(20.0)
        bench.at("transporting")
        bench.beam("inside", True)
        bench.beam("inside", False)
        bench.stand("stopped")
        bench.opened().taken().shut().at("idle")
    assert closed(bench) == Reason.LOCKED_OUT
    bench.beam("entry", True)
    bench.at("idle")
    bench.wait(bench.rules.fraud.lockout_s)
    bench.at("opening")


def test_an_item_that_was_void_goes_back_when_it_comes_again():
    bench = Bench().transporting()
    bench.beam("inside", True)
    bench.beam("inside", False)
    bench.stand("stopped")
    bench.opened().taken().shut().at("idle")
    bench.beam("entry", True)
    bench.guard(gate="open")
    bench.stand()
    bench._pass("inside", before=lambda: bench.beam("entry", False))
    bench.stand("stopped")
    bench.guard(gate="closed")
    bench.stand()
    bench.weigh(20.0)
    bench.see()
    assert bench.written[-1] == ("void", "reinserted")


@pytest.mark.parametrize("sensor", ["entry", "inside", "exit", "drop", "scale"])
def test_without_a_needed_sensor_nothing_is_taken_and_what_is_there_goes_back(sensor):
    bench = Bench().identifying()
    bench.tell(facts.Mistrusted(sensor))
    assert bench.written == [("rejected", "sensor_failed")]
    assert closed(bench) == Reason.SENSOR_FAILED


@pytest.mark.parametrize("sensor", ["bin", "climate"])
def test_without_the_others_it_goes_on(sensor):
    bench = Bench().idle()
    bench.tell(facts.Mistrusted(sensor))
    assert closed(bench) is None


def test_a_motor_that_never_answers_is_given_up():
    bench = Bench().transporting()
    bench.wait(30.0)
    assert bench.cycle.motion is None or bench.cycle.phase != "transporting"
    bench.wait(600.0)
    assert bench.states[-1] in ("void", "review")


def test_a_machine_without_a_scale_takes_items_by_picture_and_length():
    bench = Bench(Rules(deposit=DepositSettings(needs_scale=False)))
    bench.boot().at("idle")
    assert bench.all_said(decisions.Tare) == []


def test_a_moment_of_the_beams_is_told_by_their_own_clock():
    """A drop that is told late was in time all the same."""
    bench = Bench().confirming()
    fell_ns = bench.now_ns + 100 * MS
    bench.wait(0.65)
    drop: Beam = "drop"
    bench.tell(facts.Crossed(drop, True, fell_ns), facts.Crossed(drop, False, fell_ns + 50 * MS))
    assert bench.states[-1] == "credited"


def test_the_operator_is_told_which_beam_keeps_the_machine_closed():
    bench = Bench()
    bench.tell(facts.Opened("m-1"), WELL, facts.Sensed({**CLEAR, "exit": None}))
    bench.at("selftest").wait(bench.rules.deposit.selftest_timeout_s)
    bench.at("fault")
    assert "(covered or unreadable: beam_exit)" in trouble(bench.cycle)


@pytest.mark.parametrize(
    ("decision", "reason", "item", "confidence"),
    [
        ("accept", "accepted", "mineral", 0.7),
        ("reject", "not_empty", "mineral, not_empty", 0.8),
    ],
)
def test_an_accepted_item_is_called_what_it_was_accepted_as(decision, reason, item, confidence):
    seen = (
        Detection("mineral", 0.7, (0.0, 0.0, 1.0, 1.0)),
        Detection("not_empty", 0.8, (0.0, 0.0, 1.0, 1.0)),
    )
    bench = Bench().identifying().see(decision, reason, seen)
    record = bench.cycle.item.record
    assert (record.item, record.confidence) == (item, confidence)
