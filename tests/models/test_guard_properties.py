"""What the guard promises whatever it is told, in whatever order."""

from hypothesis import given, settings
from hypothesis import strategies as st

from models.guard.terms import MOTORS, Order
from tests.models.guard_plant import LIMITS, Plant

GOOD = st.builds(
    lambda move, way, run_s, is_jog: Order(
        move, *way, run_s, "limit" if way[0] == "gate" else "time", "/asker", is_jog=is_jog
    ),
    st.sampled_from(["a", "b", "c"]),
    st.sampled_from([("belt", "inward"), ("belt", "outward"), ("gate", "open"), ("gate", "close")]),
    st.sampled_from([0.3, 1.0, 3.0]),
    st.sampled_from([False, False, False, True]),
)
ANY = st.builds(
    Order,
    move=st.sampled_from(["a", "b", ""]),
    motor=st.sampled_from(MOTORS),
    direction=st.sampled_from(["inward", "outward", "open", "close"]),
    run_s=st.sampled_from([0.0, 0.02, 9.0, float("nan"), float("inf")]),
    until=st.sampled_from(["time", "limit"]),
    asker=st.just("/asker"),
)
AGES = st.sampled_from([0.0, 0.0, 0.0, 0.1, 0.5])
LEVELS = st.sampled_from([True, False, None])
DEEDS = st.one_of(
    st.tuples(st.just("order"), GOOD, AGES),
    st.tuples(st.just("order"), GOOD, AGES),
    st.tuples(st.just("heal"), GOOD),
    st.tuples(st.just("heal"), GOOD),
    st.tuples(st.just("order"), ANY, AGES),
    st.tuples(st.just("held"), GOOD),
    st.tuples(st.just("stop")),
    st.tuples(st.just("reset")),
    st.tuples(st.just("cannot_drive")),
    st.tuples(st.just("set"), st.sampled_from(["door", "estop"]), LEVELS),
    st.tuples(st.just("set"), st.just("beam"), LEVELS),
    st.tuples(
        st.just("force"),
        st.sampled_from(["gate_is_open", "gate_is_closed", "encoder"]),
        st.sampled_from([True, False, None, "free"]),
    ),
    st.tuples(st.just("set"), st.just("jammed"), st.sampled_from(["", "belt", "gate"])),
    st.tuples(st.just("set"), st.just("welded"), st.sampled_from(["", "belt", "gate"])),
    st.tuples(st.just("set"), st.just("current_dead"), st.booleans()),
    st.tuples(st.just("set"), st.just("supply_v"), st.sampled_from([0.0, 8.0, 12.0])),
    st.tuples(st.just("gap"), st.floats(0.005, 0.6)),
)
STORIES = st.lists(
    st.tuples(DEEDS, st.sampled_from([0, 1, 3, 10, 30, 80]), st.booleans()), min_size=3, max_size=30
)


class Watcher(Plant):
    """A plant that checks every promise at every step."""

    def __post_init__(self) -> None:
        self.is_held = False
        self.lease_from_s = float("-inf")
        self.accepted: list[str] = []
        super().__post_init__()

    def take(self, answers):
        taken = super().take(answers)
        outputs = self.guard.outputs()
        high = [name for name, level in zip(outputs._fields[:4], outputs[:4], strict=True) if level]
        assert len(high) <= 1
        if high:
            assert self.estop
            assert self.door or self.is_held
            assert self.guard.latch in ("", "door", "jam", "limit")
            assert self.guard.latch == "" or self.is_held
            assert self.beam is False or outputs.gate_close is False
        if outputs.heartbeat:
            assert self.estop
            assert self.door or self.is_held
        return taken

    def obey(self, deed) -> None:
        kind, *rest = deed
        if kind == "order":
            self.ask(rest[0], self.now_s - rest[1])  # it lay in a mailbox for so long
        elif kind == "held":
            self.ask(rest[0]._replace(is_jog=True, is_held=True), self.now_s)
        elif kind == "heal":
            self.heal()
            self.ask(rest[0], self.now_s)
        elif kind == "stop":
            self.stop()
        elif kind == "reset":
            before = self.guard.outputs()
            self.guard.reset(self.now_s)
            assert self.guard.outputs() == before
        elif kind == "cannot_drive":
            self.take(self.guard.cannot_drive(("belt_in",), self.now_s))
        elif kind == "set":
            setattr(self, rest[0], rest[1])
            self.look()
        elif kind == "force":
            self.forced.pop(rest[0], None)
            if rest[1] != "free":
                self.forced[rest[0]] = rest[1]
            self.look()
        else:
            self.now_s += rest[0]  # nobody looked for so long
            self.look()

    def heal(self) -> None:
        """Everything is well again, and somebody has reset the guard."""
        self.door, self.estop, self.beam, self.forced = True, True, False, {}
        self.jammed, self.welded, self.current_dead, self.supply_v = "", "", False, 12.0
        self.run(0.2)
        self.guard.reset(self.now_s)

    def go_on(self, ticks: int, *, renews: bool) -> None:
        """Time passes, with or without somebody who renews what runs."""
        for _ in range(ticks):
            order = self.guard._order
            self.tick(renew=order.move if order is not None and renews else "")

    def ask(self, order: Order, sent_s: float) -> None:
        before, is_held = self.guard.moving, self.is_held
        running = self.guard._order
        if running is None:
            self.is_held = order.is_held
        answers = self.take(self.guard.order(order, self.now_s, sent_s))
        if self.guard._order is not running:
            assert answers == []
            assert before is None or running is None
            self.accepted.append(order.move)
        else:
            self.is_held = is_held if running is not None else self.is_held


def reversals(plant: Plant) -> None:
    low_since: dict[str, float] = {}
    was: dict[str, bool] = {}
    other = {
        "belt_in": "belt_out",
        "belt_out": "belt_in",
        "gate_open": "gate_close",
        "gate_close": "gate_open",
    }
    for at_s, outputs in plant.trace:
        for name, opposite in other.items():
            level = getattr(outputs, name)
            if level and not was.get(name):
                since_s = low_since.get(opposite)
                assert since_s is None or at_s - since_s >= LIMITS.dead_time_s - 1e-9
            if was.get(name) and not level:
                low_since[name] = at_s
            was[name] = level


@settings(max_examples=150, deadline=None)
@given(STORIES, st.booleans())
def test_whatever_happens(story, has_current):
    plant = Watcher(has_current=has_current)
    for deed, ticks, renews in story:
        plant.obey(deed)
        plant.go_on(ticks, renews=renews)
    for _ in range(1200):  # six seconds later, with nobody renewing anything, it is over
        plant.tick()
    assert plant.guard.outputs()[:4] == (False,) * 4
    assert plant.guard._order is None
    reversals(plant)
    ends = [answer.said.move for answer in plant.answers]
    for move in set(plant.accepted):
        assert ends.count(move) >= plant.accepted.count(move)


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from([("belt", "inward"), ("belt", "outward"), ("gate", "open")]),
    st.lists(st.floats(0.0, 0.2), max_size=8),
    st.floats(0.0, 0.1),
)
def test_outputs_are_low_one_lease_and_a_tick_after_the_last_renewal(which, pauses, age_s):
    plant = Plant()
    plant.run(0.1)
    plant.order("m", *which, 4.0)
    last_s = plant.now_s
    for pause_s in pauses:
        plant.run(pause_s)
        if plant.guard.renew("m", plant.now_s, plant.now_s - age_s):
            last_s = max(last_s, plant.now_s - age_s)
    while plant.now_s < last_s + LIMITS.lease_s:
        plant.tick()
    plant.tick()
    assert plant.guard.outputs()[:4] == (False,) * 4


@settings(max_examples=100, deadline=None)
@given(STORIES)
def test_each_order_that_was_taken_ends_exactly_once(story):
    """Names are made unique, so that every end can be told from every other."""
    plant = Watcher()
    asked = set()
    for number, (deed, ticks, renews) in enumerate(story):
        kind, *rest = deed
        if kind in ("order", "heal", "held"):
            rest[0] = rest[0]._replace(move=f"m{number}")
            asked.add(f"m{number}")
        plant.obey((kind, *rest))
        plant.go_on(ticks, renews=renews)
    for _ in range(1200):
        plant.tick()
    ends = [answer.said.move for answer in plant.answers]
    assert len(ends) == len(set(ends))
    assert set(plant.accepted) <= set(ends)
    assert set(ends) == asked


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(["inward", "outward"]), st.integers(1, 150), st.integers(0, 120))
def test_a_reversal_has_its_dead_time_whenever_it_is_asked_for(first, ticks, wait):
    plant = Plant()
    plant.run(0.1)
    plant.order("a", "belt", first, 2.0)
    for _ in range(ticks):
        plant.tick(renew="a")
    plant.stop()
    for _ in range(wait):
        plant.tick()
    back = "outward" if first == "inward" else "inward"
    plant.order("b", "belt", back, 0.3)
    for _ in range(300):
        plant.tick(renew="b")
    reversals(plant)
    assert plant.answers[-1].said.move == "b"
    assert plant.answers[-1].said.ran_s > 0
