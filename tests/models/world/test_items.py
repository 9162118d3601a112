"""Items on their way in, back and down, and what people do to them."""

import pytest

from models.world.people import Impossible
from protocol.simulation import Act, Afflict, InsertItem
from tests.models.world.bench import Bench, bottle


def inside(**more) -> Bench:
    bench = Bench()
    bench.world.insert(bottle(**more))
    bench.take_in()
    return bench


def test_an_item_crosses_the_beams_in_their_order_and_falls():
    bench = Bench()
    assert bench.world.insert(bottle()) == 1
    bench.wait(0.3)
    assert bench.fate() == "waiting"
    bench.take_in()
    assert bench.fate() == "in_machine"
    bench.carry_over()
    changes = [(beam.removeprefix("beam_"), level) for _, beam, level in bench.order]
    assert changes == [
        ("entry", True), ("gate", True), ("inside", True),
        ("entry", False), ("gate", False), ("inside", False),
        ("exit", True), ("exit", False), ("drop", True), ("drop", False),
    ]  # fmt: skip
    assert bench.fate() == "in_bin"
    assert bench.happened() == ["item_brought", "item_fell"]
    truth = bench.world.truth()
    assert truth.fallen == 1
    assert truth.bin_percent == pytest.approx(0.82, abs=0.01)
    # A fall of 15 cm, and then of its own length.
    times = {(beam, level): at for at, beam, level in bench.order}
    falls_s = times["beam_drop", False] - times["beam_drop", True]
    assert falls_s == pytest.approx(0.103, abs=0.01)


def test_a_closed_gate_stops_an_item_and_it_covers_the_entry_beam_only():
    bench = Bench()
    bench.world.insert(bottle())
    bench.wait(3.0)
    levels = bench.world.inputs()
    assert levels["beam_entry"]
    assert not levels["beam_gate"]
    assert not bench.world.is_active


def test_a_closed_gate_stops_an_item_that_is_carried_out():
    bench = inside()
    bench.drive("belt_out", True)
    bench.wait(2.0)
    assert not bench.reads("beam_gate")
    assert bench.reads("beam_inside")
    assert bench.world.truth().items[0].x_m == pytest.approx(0.002)


def test_the_scale_feels_what_lies_on_it():
    bench = inside(mass_g=321.0)
    bench.wait(1.0)
    assert bench.channel("weight_g") == pytest.approx(5.6 + 321, abs=2)
    bench.carry_over()
    bench.wait(1.0)
    assert bench.channel("weight_g") == pytest.approx(5.6, abs=2)


def test_the_longest_item_that_is_taken_weighs_what_it_weighs():
    bench = inside(length_m=0.31, diameter_m=0.09, mass_g=34.0)
    bench.wait(1.0)
    assert bench.channel("weight_g") == pytest.approx(5.6 + 34, abs=2)


def test_the_camera_sees_the_item_while_it_lies_under_it():
    bench = Bench()
    bench.world.insert(bottle())
    bench.wait(0.5)
    assert bench.world.picture == ""
    bench.take_in()
    assert bench.world.picture == "bottle.jpg"
    bench.carry_over()
    assert bench.world.picture == ""


def test_what_is_given_back_lies_at_the_inlet_until_its_owner_takes_it():
    bench = inside(patience_s=2.0)
    bench.give_back()
    assert bench.fate() == "returned"
    assert bench.reads("beam_entry")
    assert not bench.reads("beam_gate")
    assert "item_returned" in bench.happened()
    bench.gate("gate_close", "gate_is_closed")
    bench.wait(2.5)
    assert bench.fate() == "taken"
    assert not bench.reads("beam_entry")
    assert bench.happened() == ["item_taken"]


def test_somebody_may_leave_their_item_behind_and_somebody_else_take_it():
    bench = inside(patience_s=-1)
    bench.give_back()
    bench.wait(100.0, 0.1)
    assert bench.fate() == "returned"
    with pytest.raises(Impossible, match="at the inlet") as refused:
        bench.world.insert(bottle())
    assert refused.value.code == "occupied"
    bench.world.act(Act("take"))
    bench.wait(0.5)
    assert bench.fate() == "taken"


def test_an_item_at_the_gate_can_be_taken_away_again():
    bench = Bench()
    bench.world.insert(bottle())
    bench.wait(1.0)
    bench.world.act(Act("take"))
    bench.wait(0.5)
    assert bench.fate() == "taken"
    bench.world.insert(bottle())


def test_a_string_pulls_an_item_back_against_the_belt():
    bench = Bench()
    bench.world.insert(bottle(string=True))
    bench.wait(0.2)
    bench.gate("gate_open", "gate_is_open")
    bench.drive("belt_in", True)
    bench.world.act(Act("pull_string", at_x_m=0.7))
    bench.until(lambda: bench.reads("beam_exit"))
    bench.until(lambda: not bench.reads("beam_exit"))
    assert bench.fate() == "in_machine"  # the exit beam saw what it sees of a good item
    bench.wait(2.0)
    assert bench.fate() == "pulled_out"
    assert bench.world.truth().fallen == 0
    assert ("beam_drop", True) not in {(beam, level) for _, beam, level in bench.order}


def test_the_closed_gate_holds_an_item_on_a_string():
    bench = inside(string=True)
    bench.world.act(Act("pull_string"))
    bench.wait(2.0)
    assert bench.fate() == "in_machine"
    bench.gate("gate_open", "gate_is_open")
    bench.wait(1.0)
    assert bench.fate() == "pulled_out"


def test_two_items_nose_to_tail_look_like_one_long_one():
    bench = Bench()
    bench.world.insert(bottle(behind_m=0.0))
    bench.wait(0.3)
    bench.gate("gate_open", "gate_is_open")
    bench.drive("belt_in", True)
    bench.until(lambda: bench.reads("beam_inside"))
    entered_s = bench.now_s
    bench.until(lambda: not bench.reads("beam_inside"))
    assert len(bench.world.truth().items) == 2
    assert (bench.now_s - entered_s) * 0.51 == pytest.approx(0.46, abs=0.06)


def test_a_swap_leaves_another_item_in_its_place():
    bench = inside()
    bench.wait(0.5)
    bench.world.act(Act("swap", picture="can.jpg", mass_g=300.0))
    bench.wait(1.0)
    assert bench.world.picture == "can.jpg"
    assert bench.channel("weight_g") == pytest.approx(5.6 + 300, abs=2)
    assert [item.fate for item in bench.world.truth().items] == ["pulled_out", "in_machine"]
    bench.carry_over()
    assert bench.fate(2) == "in_bin"


def test_a_hand_in_the_gate_is_seen_and_stops_the_gate():
    bench = Bench()
    bench.world.act(Act("hand_in"))
    assert bench.reads("beam_entry")
    assert not bench.reads("beam_gate")  # it cannot get in yet
    bench.gate("gate_open", "gate_is_open")
    assert bench.reads("beam_gate")
    assert bench.world.truth().hand == "inside"
    bench.drive("gate_close", True)
    bench.wait(1.0)
    assert bench.world.gate == pytest.approx(0.04 / 0.12)
    assert bench.channel("gate_current_a") == pytest.approx(1.54, abs=0.05)
    bench.world.act(Act("hand_out"))
    bench.wait(1.0)
    assert bench.reads("gate_is_closed")


def test_the_gate_stops_at_an_item_in_its_plane():
    bench = Bench()
    bench.world.insert(bottle(patience_s=-1))
    bench.gate("gate_open", "gate_is_open")
    bench.wait(0.5)  # pushed in as far as a hand does
    bench.drive("gate_close", True)
    bench.wait(1.0)
    assert bench.world.gate == pytest.approx(0.066 / 0.12)
    assert not bench.reads("gate_is_closed")


def test_a_slipping_belt_turns_its_encoder_and_carries_nothing():
    bench = inside()
    x_m = bench.world.truth().items[0].x_m
    bench.world.afflict(Afflict("belt_slip"))
    bench.drive("belt_in", True)
    levels = set()
    for _ in range(100):
        bench.tick()
        levels.add(bench.reads("encoder"))
    assert levels == {True, False}
    assert bench.world.truth().items[0].x_m == x_m


def test_a_heavy_item_is_accelerated_by_friction_and_loads_the_motor():
    light, heavy = inside(mass_g=20.0), inside(mass_g=2000.0)
    peaks = []
    for bench in (light, heavy):
        bench.drive("belt_in", True)
        bench.wait(0.14, 0.001)
        peaks.append(bench.motors[0].current_a)
    assert peaks[1] > peaks[0] + 0.1


@pytest.mark.parametrize("deed", ["pull_string", "take", "swap"])
def test_what_cannot_be_done_is_refused_and_named(deed):
    with pytest.raises(Impossible) as refused:
        Bench().world.act(Act(deed))
    assert refused.value.code == "impossible"


def test_a_planned_deed_that_turns_out_impossible_goes_into_the_record():
    bench = Bench()
    assert "waits" in bench.world.act(Act("take", after_s=0.1))
    bench.wait(0.2)
    (happening,) = bench.world.take_happenings()
    assert happening.event == "deed_impossible"
    assert "hand" in happening.fields["why"]


@pytest.mark.parametrize(
    "more",
    [
        {"length_m": 5.0}, {"length_m": -1.0}, {"diameter_m": 0.5}, {"mass_g": 1e9},
        {"mass_g": float("nan")}, {"behind_m": 3.0}, {"patience_s": 1e9},
        {"behind_m": float("nan")},
    ],
)  # fmt: skip
def test_absurd_items_are_refused(more):
    bench = Bench()
    with pytest.raises(Impossible) as refused:
        bench.world.insert(InsertItem("x", "x.jpg", **more))
    assert refused.value.code == "invalid"
    assert bench.world.truth().items == ()


@pytest.mark.parametrize(
    "act",
    [
        Act("take", after_s=-1.0), Act("take", after_s=float("inf")), Act("take", at_motion="x"),
        Act("take", at_x_m=7.0), Act("swap", length_m=9.0),
    ],
)  # fmt: skip
def test_absurd_moments_are_refused(act):
    with pytest.raises(Impossible) as refused:
        Bench().world.act(act)
    assert refused.value.code == "invalid"


def test_the_newest_thousand_items_are_remembered():
    bench = Bench()
    for _ in range(1010):
        bench.world.insert(bottle())
        bench.world.act(Act("take"))
        bench.world.advance(bench.world.now_s + 1.0)
    items = bench.world.truth().items
    assert [item.item for item in items] == list(range(11, 1011))


def test_exchanging_the_bin_empties_it():
    bench = inside()
    bench.carry_over()
    assert bench.world.truth().bin_percent > 0
    bench.world.act(Act("empty_bin"))
    assert bench.world.truth().bin_percent == 0
