"""What the item cycle decides, said to those who do it.

No actor: the deposit hands its context over, and what is answered at once comes back as a fact.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from msgspec.structs import replace

from models.claims import clock_quality
from models.deposit import Rules, decisions, facts
from models.deposit.decisions import Decision
from models.deposit.facts import Fact
from models.passage import Passage, beams_ms
from models.uplink.payloads import detection_of
from protocol.machine import Move, ResetGuard, StopMotors, Tare, Weigh
from protocol.service import ItemCredited, ItemRefused, ItemWaiting
from protocol.storage import DepositRecord, PutOutbox, Stored, StoreDeposit
from protocol.vision import Capture, Captured, Classified, Classify, Concluded
from supervisors import Put, RequestFailed
from supervisors.context import Context

_ENDS = frozenset(("credited", "rejected", "void", "review"))
"""States behind which nothing more happens to an item by itself."""


class Errands:
    """See the module.

    Attributes:
        picture: the newest one, which is the one to be judged.
        seen: what was made of it, until its item has come to its end.
        passage: of the item, as the beams have told it so far.
    """

    def __init__(
        self,
        ctx: Context,
        addresses: Mapping[str, str],
        rules: Rules,
        answer: Callable[[Fact], None],
    ) -> None:
        """Args: answer: takes what is known at once."""
        self._ctx = ctx
        self._to = addresses
        self._rules = rules
        self._answer = answer
        self._started_at: dict[str, float] = {}  # wall clock of the deposit that is open
        self._newer_than_ns = 0
        self.picture: Captured | None = None
        self.seen: Classified | None = None
        self.passage = Passage()

    def carry_out(self, decision: Decision) -> None:
        """Say it to whom it concerns."""
        _CARRY_OUT[type(decision)](self, decision)

    def _move(self, order: decisions.Move) -> None:
        message = Move(order.move, order.motor, order.direction, order.run_s, order.until)
        sent = self._ctx.tell(self._to["motor"], message, ttl_s=self._rules.motor.lease_s)
        if sent is not Put.OK:
            self._answer(facts.Stood(order.move, "lease"))

    def _stop(self, order: decisions.Stop) -> None:
        self._ctx.tell(self._to["motor"], StopMotors(order.why))

    def _weigh(self, order: decisions.Weigh) -> None:
        within_s = 0.8 * self._rules.deposit.weigh_timeout_s  # the rest is for the answer's way
        self._ctx.tell(self._to["sensors"], Weigh(order.tag, within_s))

    def _tare(self, order: decisions.Tare) -> None:
        self._ctx.tell(self._to["sensors"], Tare())

    def _take_picture(self, order: decisions.TakePicture) -> None:
        message = Capture(order.deposit, order.newer_than_ns)
        self._newer_than_ns = order.newer_than_ns
        if self._ctx.tell(self._to["camera"], message) is not Put.OK:
            self._answer(facts.NotSeen(order.deposit, "camera"))

    def _judge(self, order: decisions.Judge) -> None:
        assert self.picture is not None  # the rule has heard of it before it asks
        message = Classify(order.deposit, self.picture.frames, self._newer_than_ns)
        if self._ctx.tell(self._to["inference"], message) is not Put.OK:
            self._answer(facts.NotSeen(order.deposit, "inference"))

    def _write(self, order: decisions.Write) -> None:
        """Have the ledger hold it; the answer is the next fact."""
        record = self._dated(order.record)
        try:
            self._ctx.request(self._to["storage"], StoreDeposit(record), reply=Stored)
        except RequestFailed as error:
            self._answer(facts.NotWritten(record.id, record.state, error.code))
        else:
            self._answer(facts.Written(record.id, record.state))
            if record.state in _ENDS:
                told = Concluded(record, beams_ms(self.passage))
                self._ctx.tell(self._to["inference"], told)
                self._tell_seen(record)

    def _tell_seen(self, record: DepositRecord) -> None:
        """Let the platform know what the detector made of it; it goes when there is a way."""
        seen, self.seen = self.seen, None
        if seen is None or seen.deposit != record.id:
            return
        detection = detection_of(
            record,
            seen.detections,
            seen.elapsed_ms / 1000,
            self._ctx.clock.wall(),
            record.clock_quality,
        )
        body = msgspec.msgpack.encode(detection)
        self._ctx.tell(self._to["storage"], PutOutbox("event", detection.key, "detection", body))

    def _dated(self, record: DepositRecord) -> DepositRecord:
        """Add what only the wall clock and the trace know."""
        now_s = self._ctx.clock.wall()
        if not record.started_at:
            started_at = self._started_at.setdefault(record.id, now_s)
            self._started_at = {record.id: started_at}  # there is one item at a time
            record = replace(record, started_at=started_at, trace=self._ctx.trace)
        return replace(record, updated_at=now_s, clock_quality=clock_quality(now_s))

    def _greet(self, order: decisions.Greet) -> None:
        self._ctx.tell(self._to["session"], ItemWaiting(order.at_ns))

    def _credited(self, order: decisions.Credited) -> None:
        self._ctx.tell(self._to["session"], ItemCredited(order.deposit, order.session))

    def _refused(self, order: decisions.Refused) -> None:
        message = ItemRefused(order.deposit, order.reason, order.session)
        self._ctx.tell(self._to["session"], message)

    def _reset_guard(self, order: decisions.ResetGuard) -> None:
        self._ctx.tell(self._to["motor"], ResetGuard())

    def _record(self, order: decisions.Record) -> None:
        self._ctx.emit(order.event, **order.fields)


_CARRY_OUT: dict[type[Decision], Callable[[Errands, Any], None]] = {
    decisions.Move: Errands._move,
    decisions.Stop: Errands._stop,
    decisions.Weigh: Errands._weigh,
    decisions.Tare: Errands._tare,
    decisions.TakePicture: Errands._take_picture,
    decisions.Judge: Errands._judge,
    decisions.Write: Errands._write,
    decisions.Greet: Errands._greet,
    decisions.Credited: Errands._credited,
    decisions.Refused: Errands._refused,
    decisions.ResetGuard: Errands._reset_guard,
    decisions.Record: Errands._record,
}
