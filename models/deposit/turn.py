"""One turn of the item cycle: what is known, the time, and the decisions so far.

The phases are functions over a `Turn`. It lives for one fact only; what goes out of `learn` is the
frozen `Cycle` and the decisions in their order.
"""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from models import fraud
from models.deposit import decisions as say
from models.deposit.decisions import Decision
from models.deposit.evidence import evidence
from models.deposit.state import Body, Cycle, Item, Motion, Phase, Rules, timeout_s
from models.passage import NS, Passage
from models.reasons import Reason
from protocol.machine import Direction, MotorName, Until
from protocol.storage import DepositRecord, DepositState

FRAUD = frozenset((Reason.WRONG_ORDER, Reason.PULLED_BACK, Reason.SWAPPED))
"""Reasons that count against whoever stands at the machine."""

OPPOSITE: dict[Direction, Direction] = {
    "inward": "outward",
    "outward": "inward",
    "open": "close",
    "close": "open",
}


class Turn:
    """See the module.

    Attributes:
        has_entered: a phase was entered and has not been looked at yet.
        ended: the movement that this fact has ended.
    """

    def __init__(self, cycle: Cycle, now_ns: int, rules: Rules) -> None:
        """Args: cycle: as it was. now_ns: monotonic. rules: the settings."""
        self.cycle = cycle
        self.now_ns = now_ns
        self.rules = rules
        self.limits = rules.deposit
        self.decisions: list[Decision] = []
        self.has_entered = False
        self.ended: Motion | None = None

    # -- knowledge -----------------------------------------------------------------------------

    @property
    def body(self) -> Body:
        return self.cycle.body

    @property
    def item(self) -> Item:
        """The item that a phase deals with; only phases that have one ask."""
        item = self.cycle.item
        assert item is not None, f"{self.cycle.phase} has no item"
        return item

    @property
    def now_s(self) -> float:
        return self.now_ns / NS

    @property
    def is_late(self) -> bool:
        """Whether the phase has had its time."""
        return 0 < self.cycle.deadline_ns <= self.now_ns

    @property
    def is_free(self) -> bool:
        """Whether the next movement may be asked for: nothing runs, and the ledger was asked first.

        What the ledger could not hold just now is tried again later, and is not waited for.
        """
        cycle = self.cycle
        has_tried = not cycle.owed or cycle.write_at_ns > self.now_ns
        return cycle.motion is None and not cycle.is_writing and has_tried

    def know(self, **changes: Any) -> None:
        """Replace fields of the cycle."""
        self.cycle = replace(self.cycle, **changes)

    def know_item(self, **changes: Any) -> None:
        """Replace fields of the item."""
        self.know(item=replace(self.item, **changes))

    def know_record(self, **changes: Any) -> None:
        """Replace fields of the item's record."""
        self.know_item(record=replace(self.item.record, **changes))

    def decide(self, decision: Decision) -> None:
        self.decisions.append(decision)

    # -- phases --------------------------------------------------------------------------------

    def enter(self, phase: Phase, *, again: bool = False) -> None:
        """Go to another phase, or begin one anew; its function is called with no fact then.

        Args:
            phase: where to.
            again: it is tried once more: the count of tries goes on.
        """
        tries = self.cycle.tries if again else 0
        self.know(phase=phase, stage="", tries=tries, weighing="")
        self.wait(timeout_s(phase, self.rules))
        self.has_entered = True

    def after_ns(self, seconds: float) -> int:
        """The moment so much time from now."""
        return self.now_ns + round(seconds * NS)

    def wait(self, seconds: float) -> None:
        """The phase has so much time from now; 0: for ever."""
        self.know(deadline_ns=self.after_ns(seconds) if seconds else 0)

    # -- movements -----------------------------------------------------------------------------

    def move(
        self, motor: MotorName, direction: Direction, run_s: float, until: Until = "time"
    ) -> None:
        """Ask for a movement. Whoever calls has seen that the interlocks are good."""
        cycle = self.cycle
        assert cycle.motion is None, f"{cycle.motion} is not over"
        assert not cycle.is_writing, "the ledger was asked and has not answered"
        most_s = self.rules.motor.gate_run_s_max if motor == "gate" else self.rules.motor.run_s_max
        run_s = min(run_s, most_s)
        by_ns = self.after_ns(run_s + self.limits.motor_answer_s)
        name = f"{cycle.name}-move-{cycle.moves + 1}"
        motion = Motion(name, motor, direction, by_ns, is_full=until == "limit")
        self.know(moves=cycle.moves + 1, motion=motion)
        self.decide(say.Move(name, motor, direction, run_s, until))

    def move_gate(self, direction: Direction) -> None:
        """Move it all the way."""
        self.move("gate", direction, self.limits.gate_timeout_s, "limit")

    def stop(self, why: str) -> None:
        """Brake what runs; its end is told as that of every movement."""
        motion = self.cycle.motion
        if motion is None or motion.is_stopping:
            return
        by_ns = self.after_ns(self.limits.motor_answer_s)
        self.know(motion=replace(motion, by_ns=by_ns, is_stopping=True))
        self.decide(say.Stop(why))

    # -- the ledger and the session ------------------------------------------------------------

    def owe(self, state: DepositState, **changes: Any) -> None:
        """The ledger has to hold this state of the item, before anything moves again."""
        self.owe_record(replace(self.item.record, state=state, **changes))

    def owe_record(self, record: DepositRecord) -> None:
        """The ledger has to hold this record."""
        self.know(owed=(*self.cycle.owed, record))

    def write(self) -> None:
        """Ask the ledger for the oldest record that is owed, if it is time and nothing moves."""
        cycle = self.cycle
        is_time = cycle.write_at_ns <= self.now_ns
        if cycle.owed and is_time and cycle.motion is None and not cycle.is_writing:
            self.know(is_writing=True, write_at_ns=0)
            self.decide(say.Write(cycle.owed[0]))

    def settle(self, state: DepositState, reason: Reason | str) -> None:
        """Decide the item's end: not paid, for this reason. What was decided before stays.

        Whatever has been reserved is void, never merely rejected: the ledger knows of it.
        """
        item = self.item
        if item.is_settled:
            return
        if state == "rejected" and item.stored is not None:
            state = "void"
        code = Reason(reason).value
        proof = evidence(item, self.cycle.passage)
        self.owe(state, reason=code, evidence=proof)
        record = replace(item.record, state=state, reason=code)
        self.know_item(is_settled=True, record=record)
        self.know(reason=code, done=self.cycle.done + 1)
        self.decide(say.Refused(record.id, record.session, code))
        if state == "void" and Reason(reason) in FRAUD:
            self._suspect(record)
        if state == "review":
            self.decide(say.Record("deposits_to_review", {"deposits": [record.id]}))

    def _suspect(self, record: DepositRecord) -> None:
        seen = fraud.Seen(record.length_m, record.mass_g, record.session)
        suspicion = fraud.voided(self.cycle.suspicion, seen, self.now_s, self.rules.fraud)
        self.know(suspicion=suspicion)
        fields = {"deposit": record.id, "reason": record.reason, "session": record.session}
        self.decide(say.Record("fraud", fields))

    # -- asking --------------------------------------------------------------------------------

    def weigh(self) -> None:
        """Ask the scale; its answer carries the tag of this weighing and no other."""
        number = self.cycle.weighings + 1
        tag = f"{self.cycle.name}-weighing-{number}"
        self.know(weighings=number, weighing=tag)
        self.decide(say.Weigh(tag))

    def new_passage(self, **beams: Any) -> None:
        """What the beams tell from now on is a passage of its own."""
        self.know(passage=Passage(self.now_ns, **beams))

    # -- ends ----------------------------------------------------------------------------------

    def give_back(self, reason: Reason | str, state: DepositState = "rejected") -> None:
        """The item is not taken: the belt stops, and it goes back to its owner."""
        self.settle(state, reason)
        self.stop(str(Reason(reason).value))
        self.enter("rejecting")

    def fail(self, reason: Reason) -> None:
        """The machine takes nothing until this has passed or somebody has come."""
        if self.cycle.fault != reason:
            self.decide(say.Record("fault_entered", {"reason": reason.value}))
        self.stop(reason.value)
        self.know(fault=reason, reason=reason.value, was_open=False)
        self.enter("fault")
