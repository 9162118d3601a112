"""The same seed and the same deeds make the same world, however its time is cut."""

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.world import pins
from models.world.world import World
from protocol.simulation import Act, Afflict, InsertItem
from tests.models.world.bench import bottle

END_MS = 2100
LINES = st.sampled_from(pins.OUTPUTS)
WRITES = st.lists(st.tuples(st.integers(0, END_MS), LINES, st.booleans()), max_size=40)
DEEDS = st.sampled_from(
    [
        Act("hand_in"), Act("hand_out"), Act("door_open"), Act("door_close"), Act("empty_bin"),
        Act("estop_press", at_motion="gate"), Act("estop_release", after_s=0.2),
        Act("take", at_x_m=0.3, after_s=0.1), Act("pull_string", at_x_m=0.5),
        Act("swap", at_x_m=0.4, mass_g=90.0),
        Afflict("belt_jam", at_motion="belt", for_s=0.3), Afflict("noise"), Afflict("bus_error"),
        Afflict("beam_bounce", "beam_entry"), Afflict("beam_dropout", "beam_inside"),
        Afflict("sensor_freeze", "weight_g", for_s=0.5), Afflict("motor_weld", "gate"),
        Afflict("bin_full", after_s=0.1), Afflict("gate_slow"), Afflict("encoder_dead"),
        Afflict("climate_heat"), Afflict("loadcell_drift"), Afflict("supply_sag", for_s=0.4),
        bottle(string=True), bottle(behind_m=0.02, patience_s=0.1),
    ]
)  # fmt: skip
PLANS = st.lists(st.tuples(st.integers(0, END_MS), DEEDS), max_size=6)
CUTS = st.lists(st.integers(0, END_MS), max_size=30)


def play(world: World, deed) -> None:
    try:
        if isinstance(deed, InsertItem):
            world.insert(deed)
        elif isinstance(deed, Act):
            world.act(deed)
        else:
            world.afflict(deed)
    except Exception as error:
        if type(error).__name__ != "Impossible":
            raise


def history(seed, writes, plan, cuts):
    """What the pins say every 7 ms, with time cut at more places."""
    world = World(Random(seed), gate=1.0)
    for beat in range(0, END_MS, 50):
        world.drive("heartbeat", beat % 100 == 0, beat / 1000)
    for at, line, level in sorted(writes, key=lambda write: write[0]):
        world.drive(line, level, at / 1000)
    looks = set(range(0, END_MS + 1, 7))
    deeds = sorted(plan, key=lambda entry: entry[0])
    seen = []
    for at in sorted(looks | set(cuts) | {at for at, _ in deeds}):
        world.advance(at / 1000)
        for due, deed in deeds:
            if due == at:
                play(world, deed)
        if at in cuts:
            world.channels()
            world.inputs()
        if at in looks:
            seen.append((world.inputs(), world.channels(), world.picture))
    return seen, world.truth(), world.take_happenings()


@given(st.integers(0, 1000), WRITES, PLANS, CUTS)
@settings(max_examples=40, deadline=None)
def test_how_time_is_cut_changes_nothing(seed, writes, plan, cuts):
    whole = history(seed, writes, plan, [])
    assert history(seed, writes, plan, cuts) == whole
    assert history(seed, writes, plan, range(END_MS)) == whole


@given(WRITES, PLANS)
@settings(max_examples=40, deadline=None)
def test_whatever_happens_items_are_somewhere_and_nothing_runs_while_it_is_unsafe(writes, plan):
    _, truth, happenings = history(1, writes, plan, [])
    assert truth.motion_while_unsafe_s == 0
    assert 0 <= truth.gate <= 1
    events = [happening.event for happening in happenings]
    assert events.count("item_fell") == truth.fallen
    assert sum(item.fate == "in_bin" for item in truth.items) == truth.fallen
    assert sum(item.fate == "taken" for item in truth.items) == events.count("item_taken")
    out = sum(item.fate == "pulled_out" for item in truth.items)
    assert out == events.count("item_pulled_out")
    numbers = [item.item for item in truth.items]
    assert numbers == list(range(1, len(numbers) + 1))


def test_another_seed_makes_other_noise():
    first, second = World(Random(1)), World(Random(2))
    assert first.channels() != second.channels()
    assert first.channels() == World(Random(1)).channels()


def test_time_does_not_run_backwards():
    world = World(Random(1))
    world.advance(2.0)
    world.advance(1.0)
    assert world.now_s == 2.0
    world.drive("belt_in", True, 1.5)  # late: it counts from now on
    world.advance(2.001)
    assert world._machine.bridges.levels["belt_in"]


def test_a_line_that_is_no_output_cannot_be_driven():
    with pytest.raises(KeyError):
        World(Random(1)).drive("beam_exit", True)


def test_what_is_planned_is_known():
    world = World(Random(1))
    assert world.next_event_s is None
    world.act(Act("door_open", after_s=3.0))
    assert world.next_event_s == 3.0
    assert not world.is_active
