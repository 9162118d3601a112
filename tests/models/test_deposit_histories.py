"""Whatever happens in whatever order: nobody is paid without proof, nor twice, nor by force."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.deposit import Cycle, decisions, facts, learn, next_look_ns
from models.deposit.state import RESTING
from tests.models.deposit_bench import BOTTLE, CLEAR, MS, Bench, S

BEAMS = ("entry", "inside", "exit", "drop")
FAULTS = (None, "stopped", "jam", "obstacle", "overrun", "lease", "door", "latched")
GATES = ("open", "closed", "between", "unknown")
FINAL = {"credited", "review", "void", "rejected"}


def right(bench: Bench) -> facts.Fact:
    """What happens next to a good item."""
    cycle, body, now_ns = bench.cycle, bench.cycle.body, bench.now_ns
    id_ = cycle.item.record.id if cycle.item else "m-1-1"
    if cycle.phase == "idle":
        return facts.Crossed("entry", not body.entry, now_ns)
    if cycle.phase == "infeed" or (cycle.phase == "transporting" and not cycle.passage.exit.times):
        beam = "inside" if cycle.phase == "infeed" else "exit"
        if body.entry:
            return facts.Crossed("entry", False, now_ns)
        return facts.Crossed(beam, not getattr(body, beam), now_ns)
    if cycle.phase == "transporting" and body.exit:
        return facts.Crossed("exit", False, now_ns)
    if cycle.phase == "confirming":
        return facts.Crossed("drop", not body.drop, now_ns)
    if cycle.weighing:
        return facts.Weighed(cycle.weighing, 20.0)
    if cycle.stage in ("picture", "probe"):
        return facts.Pictured(id_ if cycle.item else "probe", now_ns)
    if cycle.stage == "verdict":
        return facts.Judged(id_, "accept", "accepted", BOTTLE)
    if cycle.stage == "taring":
        return facts.Tared(True)
    return facts.Stood(cycle.motion.name) if cycle.motion else facts.Late()


def likely(bench: Bench) -> tuple[facts.Fact, ...]:
    """What the cycle hears every day, if not always at this moment."""
    cycle, now_ns = bench.cycle, bench.now_ns
    id_ = cycle.item.record.id if cycle.item else "m-1-1"
    name = cycle.motion.name if cycle.motion else "m-1-move-1"
    return (
        *(facts.Crossed(beam, not getattr(cycle.body, beam), now_ns) for beam in BEAMS),
        *(facts.Stood(name, fault) for fault in FAULTS),
        facts.Late(),
        facts.Weighed(cycle.weighing, 20.0),
        facts.Weighed(cycle.weighing, 35.0),
        facts.Weighed(cycle.weighing, None),
        facts.Tared(True),
        facts.Pictured(id_, now_ns),
        facts.Pictured(id_, 0),
        facts.Judged(id_, "accept", "accepted", BOTTLE),
        facts.Judged(id_, "reject", "refused_soda", BOTTLE),
    )


ODD = (
    *(facts.Lost(neighbour) for neighbour in sorted(facts.NEIGHBOURS)),
    *(facts.Back(neighbour) for neighbour in sorted(facts.NEIGHBOURS)),
    *(facts.Mistrusted(beam) for beam in BEAMS),
    *(facts.Mended(beam) for beam in BEAMS),
    *(facts.Guarded(True, True, gate, False) for gate in GATES),
    *(facts.Guarded(True, True, "closed", hand) for hand in (True, None)),
    *(facts.Guarded(door, True, "closed", False) for door in (False, None)),
    *(facts.Guarded(True, estop, "closed", False) for estop in (False, None)),
    *(facts.Guarded(True, True, "closed", False, latch) for latch in ("door", "uncommanded")),
    *(facts.Served(session) for session in ("", "s-1", "s-2")),
    *(facts.Levelled(percent) for percent in (None, 50.0, 99.0)),
    *(facts.NotSeen("m-1-1", of) for of in ("camera", "inference")),
    facts.Sensed(CLEAR),
    facts.Tared(False),
    facts.Reset(),
    facts.ServiceEntered(),
    facts.ServiceLeft(),
    facts.Emptied(),
)


class Watch(Bench):
    """A bench that holds every single decision against what must always be true."""

    def __init__(self):
        super().__init__()
        self.by_id: dict[str, list[str]] = {}
        self.seen: list[tuple[str, bool, int]] = []  # beams since the belt began to carry it away
        self.is_safe = True  # since then, gate closed, and door and emergency stop well

    def tell(self, *told):
        said = []
        waiting = list(told)
        while waiting:
            fact, before = waiting.pop(0), self.cycle
            self._witness(fact)
            self.cycle, decided = learn(before, fact, self.now_ns, self.rules)
            for decision in decided:
                self._check(decision, before)
                if isinstance(decision, decisions.Write):
                    waiting.insert(0, self._written(decision))
            said += decided
        self.said += said
        return said

    def _witness(self, fact):
        if isinstance(fact, facts.Crossed) and fact.covered is not None:
            self.seen.append((fact.beam, fact.covered, fact.at_ns))
        if isinstance(fact, facts.Guarded):
            is_shut = fact.gate == "closed" and fact.door_closed and fact.estop_released
            self.is_safe = self.is_safe and bool(is_shut)

    def _check(self, decision, before: Cycle):
        body = self.cycle.body
        if isinstance(decision, decisions.Move):
            assert before.motion is None or self.cycle.motion is not before.motion
            assert body.door_closed is True
            assert body.estop_released is True
            assert body.is_known
            assert not body.latch
            if decision.motor == "belt" and decision.direction == "inward":
                assert self.cycle.phase in ("infeed", "transporting", "recovering")
            if self.cycle.phase == "transporting":
                id_ = self.cycle.item.record.id
                assert self.by_id[id_][-1] == "transporting"
                self.seen, self.is_safe = [], body.gate == "closed"
        if isinstance(decision, decisions.Write):
            self._check_write(decision.record)

    def _check_write(self, record):
        assert self.cycle.motion is None
        states = self.by_id.setdefault(record.id, [])
        if states and states[-1] == record.state:
            return  # the same once more changes nothing
        before = states[-1] if states else ""
        assert record.state in {
            "": {"reserved", "rejected", "void", "review"},
            "reserved": {"transporting", "void", "review"},
            "transporting": {"confirmed", "review", "void"},
            "confirmed": {"credited"},
        }.get(before, set()), (before, record.state)
        if record.state == "reserved":
            assert self.cycle.phase == "reserving"
        if record.state == "confirmed":
            self._check_proof(record)
        states.append(record.state)

    def _check_proof(self, record):
        assert self.is_safe
        assert not any(beam == "inside" and covered for beam, covered, _ in self.seen)
        rose = next(at for beam, covered, at in self.seen if beam == "exit" and covered)
        fell = max(at for beam, covered, at in self.seen if beam == "exit" and not covered)
        drops = [at for beam, covered, at in self.seen if beam == "drop" and covered and at > rose]
        clear = [at for beam, covered, at in self.seen if beam == "drop" and not covered]
        assert drops
        assert max(clear) >= drops[0]
        assert drops[0] <= fell + self.rules.deposit.drop_timeout_s * S
        length_m = (fell - rose) / S * self.rules.deposit.belt_m_per_s
        tolerance_m = self.rules.deposit.length_tolerance_m + 1e-6
        assert abs(length_m - record.length_m) <= tolerance_m


STARTS = (
    *("boot", "idle", "infeed", "closing", "identifying"),
    *("reserving", "transporting", "confirming", "return_wait"),
)


STEPS = st.lists(
    st.tuples(
        st.sampled_from("rrrrrrrrllo"),  # which table: right, likely, odd
        st.integers(0, 999),  # which of it
        st.sampled_from([1, 60, 60, 300, 300, 300, 2000]),  # ms later
        st.sampled_from([False] * 9 + [True]),  # whether the ledger fails
    ),
    max_size=50,
)


@st.composite
def histories(draw):
    """A bench on which much has happened."""
    bench = Watch()
    getattr(bench, draw(st.sampled_from(STARTS)))()
    for table, which, later_ms, ledger_fails in draw(STEPS):
        bench.now_ns += later_ms * MS
        bench.ledger_fails = "store_failed" if ledger_fails else ""
        if table == "r":
            bench.tell(right(bench))
        else:
            facts_ = likely(bench) if table == "l" else ODD
            bench.tell(facts_[which % len(facts_)])
    bench.ledger_fails = ""
    return bench


MANY = settings(
    max_examples=300,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@MANY
@given(histories())
def test_no_history_moves_what_must_not_move_or_pays_without_proof(bench):
    for states in bench.by_id.values():
        assert states.count("confirmed") <= 1
        assert states.count("credited") <= 1
    assert len({order.deposit for order in bench.all_said(decisions.Credited)}) == len(
        bench.all_said(decisions.Credited)
    )


@MANY
@given(histories())
def test_time_alone_leads_out_of_every_phase(bench):
    """Nobody answers any more; the cycle comes to rest by itself, within minutes."""
    for _ in range(400):
        if bench.cycle.phase in RESTING and bench.cycle.motion is None:
            break
        at_ns = next_look_ns(bench.cycle)
        assert at_ns > 0, f"{bench.cycle.phase} {bench.cycle.stage} waits for ever"
        bench.now_ns = max(bench.now_ns, at_ns)
        bench.tell(facts.Late())
    assert bench.cycle.phase in RESTING


def nurse(bench: Watch) -> None:
    """Everything works again and somebody resets what was stopped: until the machine is idle."""
    bench.beam("entry", False)
    for _ in range(400):
        cycle = bench.cycle
        bench.now_ns += S // 10
        if cycle.phase == "idle" and not cycle.owed and not cycle.lost:
            return
        mend(bench)
        answer = answer_of(bench)
        if answer is not None:
            bench.tell(answer)
        else:
            bench.now_ns = max(bench.now_ns, next_look_ns(bench.cycle))
            bench.tell(facts.Late())


def mend(bench: Watch) -> None:
    """Contacts and beams are well, the gate is where its movement leads, neighbours are back."""
    cycle = bench.cycle
    known = "closed" if cycle.body.gate == "unknown" else cycle.body.gate
    direction = cycle.motion.direction if cycle.motion is not None else ""
    gate = {"open": "open", "close": "closed"}.get(direction, known)
    bench.tell(facts.Guarded(True, True, gate, False), facts.Sensed(CLEAR))
    bench.tell(*(facts.Back(neighbour) for neighbour in sorted(cycle.lost)))


def answer_of(bench: Watch) -> facts.Fact | None:
    """What the cycle waits for, of whomever."""
    cycle = bench.cycle
    if cycle.motion is not None:
        return facts.Stood(cycle.motion.name, "stopped" if cycle.motion.is_stopping else None)
    if cycle.phase in ("service", "estop", "fault"):
        return facts.Reset()
    by_stage = {
        "taring": facts.Tared(True),
        "picture": facts.Pictured("probe", bench.now_ns),
        "probe": facts.Judged("probe", "empty", "nothing_seen"),
    }
    if cycle.phase == "bin_full":
        return facts.Emptied()
    if cycle.weighing:
        return facts.Weighed(cycle.weighing, 0.0)
    return by_stage.get(cycle.stage)


@MANY
@given(histories())
def test_every_item_that_was_reserved_comes_to_an_end_and_the_machine_to_its_work(bench):
    nurse(bench)
    assert bench.cycle.phase == "idle", (bench.cycle.phase, bench.cycle.reason)
    for states in bench.by_id.values():
        assert states[-1] in FINAL
