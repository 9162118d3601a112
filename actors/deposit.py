"""The deposit: carries out what the item cycle (`models.deposit`) decides.

Owns the cycle of the one item in the machine.
Hears `ItemArrived`, `ItemDropped`, `InletCleared`; `Captured`, `Classified`, `Transported` and
their failures; `Down` of a neighbour; `DescribeCycle`.
Says `Capture`, `Classify`, `StoreDeposit`, `Transport`, `MakeSafe`, `ItemCredited`, `ItemRefused`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from actors.drivers.ports import BEAM_INLET
from models import deposit as rule
from models.deposit import Cycle, Decision, Fact
from protocol.machine import (
    InletCleared,
    Inputs,
    ItemArrived,
    ItemDropped,
    MakeSafe,
    ReadInputs,
    Transport,
    Transported,
    TransportFailed,
)
from protocol.message import Down, Message
from protocol.service import CycleDescribed, DescribeCycle, ItemCredited, ItemRefused
from protocol.storage import DepositRecord, Epoch, OpenEpoch, Stored, StoreDeposit
from protocol.vision import (
    Capture,
    Captured,
    CaptureFailed,
    Classified,
    Classify,
    ClassifyFailed,
    FrameRef,
)
from supervisors import Actor, Put, RequestFailed, Waiting, handles


class _Late(Message, frozen=True, tag="deposit.late"):
    """Deposit to itself: a phase has had its time."""

    deposit: str
    phase: str


class Deposit(Actor):
    """See the module."""

    def __init__(
        self,
        hardware_id: str,
        addresses: Mapping[str, str],
        timeouts_s: Mapping[str, float],
        transport_s: float,
    ) -> None:
        """Make it.

        Args:
            hardware_id: first part of every deposit's id.
            addresses: of camera, inference, motor, sensors, storage and session.
            timeouts_s: per phase of the cycle.
            transport_s: how long the belt runs for one item.
        """
        self._hardware_id = hardware_id
        self._to = dict(addresses)
        self._timeouts_s = dict(timeouts_s)
        self._transport_s = transport_s
        self._cycle = Cycle()
        self._frame: FrameRef | None = None
        self._verdict: Classified | None = None
        self._asked = ""  # whose answer this phase waits for
        self._started_at = 0.0
        self._epoch = 0
        self._count = 0
        self._done = 0
        self._has_left = False  # the item, from the inlet
        self._next_at_ns: int | None = None  # since when another one lies there
        self._timer: int | None = None

    # -- lifecycle ------------------------------------------------------------------------------

    def on_start(self) -> None:
        """Open an epoch; what an earlier run left undecided goes to review."""
        try:
            epoch = self.ctx.request(self._to["storage"], OpenEpoch(), reply=Epoch)
        except RequestFailed as error:  # without a ledger nothing is accepted, and that shows
            raise Waiting(f"the ledger: {error}") from error
        self._epoch = epoch.number
        if epoch.reviewed:
            self.ctx.emit("deposits_to_review", deposits=list(epoch.reviewed))
        self.ctx.note(epoch=epoch.number, phase="idle")
        self._find_item()

    def _find_item(self) -> None:
        """An item that lies there from before goes back: its story is lost."""
        try:
            inputs = self.ctx.request(self._to["sensors"], ReadInputs(), reply=Inputs)
        except RequestFailed:
            return  # sensors tell us when they are up
        if inputs.levels.get(BEAM_INLET):
            self._begin()
            self._learn(rule.Found(self._id(), self.ctx.clock.monotonic_ns()))

    # -- handlers, in the order of an item's way ----------------------------------------------

    @handles(ItemArrived)
    def item_arrived(self, message: ItemArrived) -> None:
        """An item lies in the inlet; while another one is dealt with it waits there.

        Sensors that were restarted tell again of the very same one: that is no other.
        """
        if self._cycle.phase == "idle":
            self._begin()
            self._learn(rule.Arrived(self._id(), message.at_ns))
        elif self._has_left:
            self._next_at_ns = message.at_ns

    @handles(Captured)
    def captured(self, message: Captured) -> None:
        """There is a picture of it."""
        self._frame = message.frame
        self._learn(rule.Pictured(message.deposit, message.frame.t_mono_ns))

    @handles(CaptureFailed)
    def capture_failed(self, message: CaptureFailed) -> None:
        """There is none."""
        self._broke(message.deposit, "camera_failed", message.why)

    @handles(Classified)
    def classified(self, message: Classified) -> None:
        """The rule has spoken."""
        if message.deposit == self._cycle.deposit:
            self._verdict = message
        accepted = message.decision == "accept"
        self._learn(rule.Judged(message.deposit, accepted, message.reason))

    @handles(ClassifyFailed)
    def classify_failed(self, message: ClassifyFailed) -> None:
        """It has not."""
        self._broke(message.deposit, "inference_failed", message.why)

    @handles(Transported)
    def transported(self, message: Transported) -> None:
        """The belt stands again."""
        self._learn(rule.Stood(message.deposit))

    @handles(TransportFailed)
    def transport_failed(self, message: TransportFailed) -> None:
        """The belt has not run, or not to the end."""
        self._broke(message.deposit, "transport_failed", message.why)

    @handles(ItemDropped)
    def item_dropped(self, message: ItemDropped) -> None:
        """Something has fallen into the bin."""
        self._learn(rule.Dropped())

    @handles(InletCleared)
    def inlet_cleared(self, message: InletCleared) -> None:
        """The inlet is free."""
        self._has_left, self._next_at_ns = True, None
        self._learn(rule.Cleared())

    @handles(Down)
    def down(self, message: Down) -> None:
        """A neighbour has gone; if its answer was waited for, there will be none."""
        if message.path == self._to.get(self._asked):
            self._broke(self._cycle.deposit, f"{self._asked}_down", message.reason)

    @handles(_Late)
    def late(self, message: _Late) -> None:
        """A phase that has had its time has failed."""
        if message.phase == self._cycle.phase:
            self._broke(message.deposit, f"{message.phase}_timeout", "")

    @handles(DescribeCycle, command=True)
    def describe(self, message: DescribeCycle) -> CycleDescribed:
        """What is going on."""
        return CycleDescribed(self._cycle.phase, self._cycle.deposit, self._done)

    # -- carrying out -----------------------------------------------------------------------------

    def _learn(self, fact: Fact) -> None:
        before = self._cycle
        self._cycle, decisions = rule.learn(before, fact)
        if self._cycle.phase != before.phase:
            self._asked = ""
            self._enter_phase()
        for decision in decisions:
            _CARRY_OUT[type(decision)](self, decision)

    def _enter_phase(self) -> None:
        if self._timer is not None:
            self.ctx.cancel(self._timer)
            self._timer = None
        phase = self._cycle.phase
        timeout_s = self._timeouts_s.get(phase)
        if timeout_s is not None:
            late = _Late(self._cycle.deposit, phase)
            self._timer = self.ctx.schedule_once(timeout_s, late)
        self.ctx.note(phase=phase, deposit=self._cycle.deposit or None)

    def _broke(self, deposit: str, reason: str, why: str) -> None:
        if deposit == self._cycle.deposit:
            self.ctx.emit("deposit_trouble", deposit=deposit, reason=reason, why=why)
        self._learn(rule.Broke(deposit, reason))

    def _take_picture(self, decision: rule.TakePicture) -> None:
        capture = Capture(self._cycle.deposit, decision.newer_than_ns)
        self._ask("camera", capture, "camera_down")

    def _judge(self, decision: rule.Judge) -> None:
        assert self._frame is not None
        self._ask("inference", Classify(self._cycle.deposit, self._frame), "inference_down")

    def _run(self, decision: rule.Run) -> None:
        direction: Any = "inward" if decision.inward else "outward"
        order = Transport(self._cycle.deposit, direction, self._transport_s)
        self._ask("motor", order, "motor_down", ttl_s=1.0)

    def _halt(self, decision: rule.Halt) -> None:
        self.ctx.tell(self._to["motor"], MakeSafe("item lost on the belt"))

    def _ask(self, whom: str, message: Message, if_down: str, ttl_s: float = 0.0) -> None:
        """Send to a neighbour; if it is down, or goes down, the cycle goes on without its answer.

        The timeout of the phase is for one that lives and says nothing.
        """
        self._asked = whom
        self.ctx.watch(self._to[whom])
        if self.ctx.tell(self._to[whom], message, ttl_s=ttl_s) is not Put.OK:
            self._broke(self._cycle.deposit, if_down, "")

    def _write(self, decision: rule.Write) -> None:
        """Have the ledger hold it; what it cannot hold has not happened."""
        cycle = self._cycle
        record = self._record(decision)
        try:
            self.ctx.request(self._to["storage"], StoreDeposit(record), reply=Stored)
        except RequestFailed as error:
            if decision.state == "rejected":  # nothing is owed; the item goes back all the same
                self.ctx.emit("deposit_trouble", deposit=record.id, reason="storage_failed")
            else:
                self._broke(cycle.deposit, "storage_failed", str(error))
            return
        self._learn(rule.Written(cycle.deposit, decision.state))

    def _record(self, decision: rule.Write) -> DepositRecord:
        verdict = self._verdict
        best = (
            max((seen.confidence for seen in verdict.detections), default=None) if verdict else None
        )
        return DepositRecord(
            id=self._cycle.deposit,
            state=decision.state,
            reason=decision.reason,
            started_at=self._started_at,
            updated_at=self.ctx.clock.wall(),
            item=", ".join(seen.class_name for seen in verdict.detections) if verdict else "",
            confidence=best,
            model=verdict.model if verdict else "",
            model_sha256=verdict.model_sha256 if verdict else "",
            trace=self.ctx.trace,
        )

    def _close(self, decision: rule.Close) -> None:
        self._done += 1
        id_ = self._id()
        if decision.credited:
            self.ctx.tell(self._to["session"], ItemCredited(id_))
        else:
            self.ctx.tell(self._to["session"], ItemRefused(id_, decision.reason))
        next_at_ns, self._next_at_ns = self._next_at_ns, None
        if next_at_ns is not None:
            self._begin()
            self._learn(rule.Arrived(self._id(), next_at_ns))

    def _begin(self) -> None:
        self._count += 1
        self._started_at = self.ctx.clock.wall()
        self._verdict = None
        self._has_left = False

    def _id(self) -> str:
        return f"{self._hardware_id}-{self._epoch}-{self._count}"


_CARRY_OUT: dict[type[Decision], Callable[[Deposit, Any], None]] = {
    rule.TakePicture: Deposit._take_picture,
    rule.Judge: Deposit._judge,
    rule.Run: Deposit._run,
    rule.Halt: Deposit._halt,
    rule.Write: Deposit._write,
    rule.Close: Deposit._close,
}
