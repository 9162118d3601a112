"""A bench for the item cycle: tells it facts, answers its questions to the ledger, keeps the rest.

No machine and no time but what a test says.
"""

from __future__ import annotations

from models.deposit import Cycle, Rules, decisions, facts, learn, next_look_ns
from models.deposit.decisions import Decision
from models.deposit.facts import Fact
from protocol.storage import DepositRecord
from protocol.vision import Detection

MS = 1_000_000
S = 1_000_000_000
BOTTLE = (Detection("mineral", 0.9, (0.0, 0.0, 1.0, 1.0)),)
WELL = facts.Guarded(True, True, "closed", False)
CLEAR = {"entry": False, "inside": False, "exit": False, "drop": False}


class Bench:
    """One cycle on the bench; `length_m` and `mass_g` are those of the item that is put in."""

    def __init__(self, rules: Rules | None = None, *, length_m=0.23, mass_g=20.0):
        self.rules = rules or Rules()
        self.cycle = Cycle()
        self.now_ns = 1000 * S
        self.length_m = length_m
        self.mass_g = mass_g
        self.said: list[Decision] = []
        self.written: list[tuple[str, str]] = []
        self.records: list[DepositRecord] = []
        self.ledger_fails = ""

    # -- telling --------------------------------------------------------------------------------

    def tell(self, *told: Fact) -> list[Decision]:
        """Tell facts one after the other; the ledger answers at once. Returns the decisions."""
        said: list[Decision] = []
        waiting = list(told)
        while waiting:
            self.cycle, decided = learn(self.cycle, waiting.pop(0), self.now_ns, self.rules)
            said += decided
            waiting[:0] = [
                self._written(order) for order in decided if isinstance(order, decisions.Write)
            ]
        self.said += said
        return said

    def _written(self, order: decisions.Write) -> Fact:
        record = order.record
        if self.ledger_fails:
            return facts.NotWritten(record.id, record.state, self.ledger_fails)
        self.written.append((record.state, record.reason))
        self.records.append(record)
        return facts.Written(record.id, record.state)

    def wait(self, seconds: float) -> list[Decision]:
        """Let time pass, and wake the cycle whenever it wanted to be woken."""
        until_ns = self.now_ns + round(seconds * S)
        said: list[Decision] = []
        while 0 < (at_ns := next_look_ns(self.cycle)) <= until_ns:
            self.now_ns = max(self.now_ns, at_ns)
            said += self.tell(facts.Late())
        self.now_ns = until_ns
        return said

    def beam(self, beam: str, covered: bool | None) -> list[Decision]:
        return self.tell(facts.Crossed(beam, covered, self.now_ns))

    def guard(self, **changes) -> list[Decision]:
        body = self.cycle.body
        known = {
            "door_closed": body.door_closed,
            "estop_released": body.estop_released,
            "gate": body.gate,
            "beam_gate": body.beam_gate,
            "latch": body.latch,
        }
        return self.tell(facts.Guarded(**{**known, **changes}))

    def stand(self, fault=None) -> list[Decision]:
        """The movement that is on ends."""
        assert self.cycle.motion is not None, f"nothing moves in {self.cycle.phase}"
        return self.tell(facts.Stood(self.cycle.motion.name, fault))

    def weigh(self, mass_g: float | None) -> list[Decision]:
        return self.tell(facts.Weighed(self.cycle.weighing, mass_g))

    # -- an item's way, step by step --------------------------------------------------------------

    def boot(self, *open_records: DepositRecord) -> Bench:
        self.tell(facts.Opened("m-1", open_records))
        for neighbour in sorted(facts.NEIGHBOURS):
            self.tell(facts.Back(neighbour))
        self.tell(WELL, facts.Sensed(CLEAR))
        return self

    def idle(self) -> Bench:
        self.boot()
        assert self.cycle.phase == "selftest"
        self.weigh(5.0)
        self.tell(facts.Tared(True))
        assert self.cycle.phase == "idle"
        self.tell(facts.Served("s-1"))
        return self

    def opening(self) -> Bench:
        self.idle()
        self.beam("entry", True)
        return self.at("opening")

    def infeed(self) -> Bench:
        self.opening()
        self.wait(0.5)
        self.guard(gate="open")
        self.stand()
        return self.at("infeed")

    def closing(self) -> Bench:
        self.infeed()
        self._pass("inside", before=lambda: self.beam("entry", False))
        self.at("closing")
        self.stand("stopped")
        return self.at("closing")

    def _pass(self, beam, before=lambda: None) -> None:
        self.wait(0.2)
        self.beam(beam, True)
        self.wait(self.length_m / self.rules.deposit.belt_m_per_s / 2)
        before()
        self.wait(self.length_m / self.rules.deposit.belt_m_per_s / 2)
        self.beam(beam, False)

    def identifying(self) -> Bench:
        self.closing()
        self.wait(0.5)
        self.guard(gate="closed")
        self.stand()
        return self.at("identifying")

    def see(self, decision="accept", reason="accepted", seen=BOTTLE) -> Bench:
        """Picture and verdict."""
        id_ = self.cycle.item.record.id
        self.wait(0.05)
        self.tell(facts.Pictured(id_, self.now_ns))
        self.tell(facts.Judged(id_, decision, reason, seen, "model", "sha"))
        return self

    def reserving(self) -> Bench:
        self.identifying()
        self.weigh(self.mass_g)
        self.see()
        return self.at("reserving")

    def transporting(self) -> Bench:
        self.reserving()
        self.weigh(self.mass_g)
        return self.at("transporting")

    def exit(self) -> Bench:
        self._pass("exit")
        return self

    def confirming(self) -> Bench:
        self.transporting()
        self.exit()
        self.wait(0.16)
        self.stand("stopped")
        return self.at("confirming")

    def drop(self) -> Bench:
        self.wait(0.1)
        self.beam("drop", True)
        self.wait(0.1)
        self.beam("drop", False)
        return self

    def return_wait(self, refusal="refused_soda") -> Bench:
        self.identifying()
        self.weigh(self.mass_g)
        self.see("reject", refusal)
        return self.opened()

    def opened(self) -> Bench:
        """The gate has opened for an item that goes back, and the belt has begun."""
        if self.cycle.motion is not None and self.cycle.motion.motor == "belt":
            self.stand("stopped")
        if self.cycle.body.gate != "open":
            self.wait(0.5)
            self.guard(gate="open")
            self.stand()
        return self.at("return_wait")

    def taken(self) -> Bench:
        """It comes out, and its owner takes it."""
        self.wait(0.3)
        self.beam("inside", True)
        self.wait(0.1)
        self.beam("entry", True)
        self.wait(0.3)
        self.beam("inside", False)
        self.stand("stopped")
        self.wait(1.0)
        self.beam("entry", False)
        self.weigh(0.2)
        return self.at("leaving")

    def shut(self) -> Bench:
        self.wait(0.5)
        self.guard(gate="closed")
        self.stand()
        return self

    # -- looking ----------------------------------------------------------------------------------

    def at(self, phase: str) -> Bench:
        assert self.cycle.phase == phase, f"{self.cycle.phase} ({self.cycle.reason}), not {phase}"
        return self

    @property
    def states(self) -> list[str]:
        return [state for state, _ in self.written]

    def all_said(self, kind: type) -> list:
        return [said for said in self.said if isinstance(said, kind)]
