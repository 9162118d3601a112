"""The deposit: carries out what the item cycle (`models.deposit`) decides.

Owns the cycle of the one item in the machine, and the lease of the movement that it asked for.
Hears `GuardChanged`, `MoveDone`, `MoveFailed` from the motor; `BeamChanged`, `BinChanged`,
`SensorFault`, `SensorCleared`, `Weighed`, `Tared` from the sensors; `Captured`, `Classified` and
their failures; `SessionChanged`; `Down` of a neighbour; `DescribeCycle`, `EnterService`,
`LeaveService`, `ResetMachine`, `EmptyBin` from people; `EnterMaintenance`, `LeaveMaintenance` from
the platform.
Says `Move`, `Renew`, `StopMotors`, `ResetGuard`; `Weigh`, `Tare`; `Capture`, `Classify`;
`StoreDeposit`; `Concluded`; `ItemWaiting`, `CycleChanged`, `ItemCredited`, `ItemRefused`.

Storage is asked with a request, and its answer comes after the sync: the rule never wants that
while a motor runs, for nobody would renew the lease.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any

from actors.deposit.errands import Errands
from actors.deposit.neighbours import ask, guarded
from config.settings import BinSettings, DepositSettings, FraudSettings, MotorSettings
from models import deposit as rule
from models.deposit import Cycle, Rules, facts
from models.deposit.facts import Fact, Neighbour
from models.reasons import Reason
from protocol.machine import (
    BeamChanged,
    BinChanged,
    GuardChanged,
    MoveDone,
    MoveFailed,
    Renew,
    SensorCleared,
    SensorFault,
    Tared,
    Weighed,
)
from protocol.message import Done, Down, Failed, Message
from protocol.service import (
    CycleChanged,
    CycleDescribed,
    DescribeCycle,
    EmptyBin,
    EnterMaintenance,
    EnterService,
    LeaveMaintenance,
    LeaveService,
    ResetMachine,
    SessionChanged,
)
from protocol.storage import Epoch, NoteStop, OpenEpoch, Stopped
from protocol.vision import Captured, CaptureFailed, Classified, ClassifyFailed
from supervisors import Actor, Put, RequestFailed, Waiting, handles

DEADLINE_S = 10.0
"""Two records in a row, each with the patience of a request."""
_LOCAL = "a technician is at the machine, or its door was opened"


class _Look(Message, frozen=True, tag="deposit.look"):
    """Deposit to itself: time has passed."""


class _Seek(Message, frozen=True, tag="deposit.seek"):
    """Deposit to itself: is a neighbour back?"""


class _Renew(Message, frozen=True, tag="deposit.renew"):
    """Deposit to itself: the lease wants to be renewed."""


class Deposit(Actor):
    """See the module."""

    def __init__(
        self,
        hardware_id: str,
        addresses: Mapping[str, str],
        limits: DepositSettings,
        motor: MotorSettings,
        fraud: FraudSettings,
        bin: BinSettings,  # noqa: A002 - the name of the section
    ) -> None:
        """Make it.

        Args:
            hardware_id: first part of every deposit's id.
            addresses: of storage, motor, sensors, camera, inference and session.
            limits: the numbers of the transition table.
            motor: of lease and runs.
            fraud: whom to trust how far.
            bin: when it is full.
        """
        self._hardware_id = hardware_id
        self._to = dict(addresses)
        self._names: dict[str, Neighbour] = {
            self._to[name]: name for name in facts.NEIGHBOURS if name in self._to
        }
        self._rules = Rules(limits, motor, fraud, bin)
        self._cycle = Cycle()
        self._facts: deque[Fact] = deque()
        self._is_learning = False
        self._errands: Errands
        self._look_ns = 0
        self._look_timer: int | None = None
        self._seek_timer: int | None = None
        self._renew_timer: int | None = None
        self._told = CycleChanged(busy=False, closed="?")
        self._is_remote = False
        self._noted: Stopped | None = None

    # -- lifecycle ------------------------------------------------------------------------------

    def on_start(self) -> None:
        """Begin a run in the ledger; guard, sensors and the others are sought from then on."""
        try:
            epoch = self.ctx.request(self._to["storage"], OpenEpoch(), reply=Epoch)
        except RequestFailed as error:  # without a ledger nothing is accepted, and that shows
            raise Waiting(f"the ledger: {error}") from error
        self._errands = Errands(self.ctx, self._to, self._rules, self._facts.append)
        self.ctx.note(epoch=epoch.number)
        self.ctx.watch(self._to["storage"])
        self._is_remote = epoch.stopped == "maintenance"
        self._noted = epoch.stopped
        name = f"{self._hardware_id}-{epoch.number}"
        self._learn(facts.Opened(name, epoch.open, epoch.stopped))
        self._seek_in(0.0)

    # -- handlers: the body -----------------------------------------------------------------------

    @handles(GuardChanged, deadline_s=DEADLINE_S)
    def guard_changed(self, message: GuardChanged) -> None:
        """Contacts, limits or latches have changed."""
        self._heard_of("motor")
        self._learn(guarded(message))

    @handles(MoveDone, deadline_s=DEADLINE_S)
    def move_done(self, message: MoveDone) -> None:
        """A movement ended as asked."""
        self._learn(facts.Stood(message.move))

    @handles(MoveFailed, deadline_s=DEADLINE_S)
    def move_failed(self, message: MoveFailed) -> None:
        """It did not."""
        self._learn(facts.Stood(message.move, message.reason))

    @handles(BeamChanged, deadline_s=DEADLINE_S)
    def beam_changed(self, message: BeamChanged) -> None:
        """A beam was interrupted or is free again."""
        self._learn(facts.Crossed(message.beam, message.covered, message.at_ns))

    @handles(BinChanged, deadline_s=DEADLINE_S)
    def bin_changed(self, message: BinChanged) -> None:
        """The level of the bin."""
        self._learn(facts.Levelled(message.percent))

    @handles(SensorFault, deadline_s=DEADLINE_S)
    def sensor_fault(self, message: SensorFault) -> None:
        """A sensor is not to be trusted."""
        self._learn(facts.Mistrusted(message.sensor))

    @handles(SensorCleared, deadline_s=DEADLINE_S)
    def sensor_cleared(self, message: SensorCleared) -> None:
        """It works again."""
        self._learn(facts.Mended(message.sensor))

    @handles(Weighed, deadline_s=DEADLINE_S)
    def weighed(self, message: Weighed) -> None:
        """What lies on the scale."""
        self._learn(facts.Weighed(message.deposit, message.mass_g))

    @handles(Tared, deadline_s=DEADLINE_S)
    def tared(self, message: Tared) -> None:
        """The scale has a zero, or has not."""
        self._learn(facts.Tared(message.zero_g is not None, is_far=message.far_g is not None))

    # -- handlers: the eyes -----------------------------------------------------------------------

    @handles(Captured, deadline_s=DEADLINE_S)
    def captured(self, message: Captured) -> None:
        """There is a picture."""
        self._errands.picture = message
        self._learn(facts.Pictured(message.deposit, message.frames[0].t_mono_ns))

    @handles(CaptureFailed, deadline_s=DEADLINE_S)
    def capture_failed(self, message: CaptureFailed) -> None:
        """There is none."""
        self._not_seen(message.deposit, "camera", message.why)

    @handles(Classified, deadline_s=DEADLINE_S)
    def classified(self, message: Classified) -> None:
        """The acceptance rule has spoken."""
        self._errands.seen = message
        self._learn(
            facts.Judged(
                message.deposit,
                message.decision,
                message.reason,
                message.detections,
                message.model,
                message.model_sha256,
            )
        )

    @handles(ClassifyFailed, deadline_s=DEADLINE_S)
    def classify_failed(self, message: ClassifyFailed) -> None:
        """It has not."""
        self._not_seen(message.deposit, "inference", message.why)

    # -- handlers: neighbours and people ----------------------------------------------------------

    @handles(SessionChanged, deadline_s=DEADLINE_S)
    def session_changed(self, message: SessionChanged) -> None:
        """Who is served now."""
        self._heard_of("session")
        self._learn(facts.Served(message.session))

    @handles(Down, deadline_s=DEADLINE_S)
    def down(self, message: Down) -> None:
        """A neighbour has gone; it is sought until it answers again."""
        neighbour = self._names.get(message.path)
        if neighbour is not None:
            if neighbour == "storage":  # what it was told last may be lost
                self._noted = None
            self._learn(facts.Lost(neighbour))
            self._seek_in(self._rules.deposit.try_again_s)

    @handles(DescribeCycle, command=True)
    def describe(self, message: DescribeCycle) -> CycleDescribed:
        """What is going on."""
        cycle = self._cycle
        item = cycle.item if rule.is_dealing(cycle) else None
        return CycleDescribed(
            phase=cycle.phase,
            deposit=item.record.id if item is not None else "",
            done=cycle.done,
            reason=cycle.reason,
            closed=self._why_closed(),
            bin_percent=cycle.bin.percent,
            session=cycle.session,
            remote=self._is_in_maintenance,
        )

    @handles(EnterService, command=True, deadline_s=DEADLINE_S)
    def enter_service(self, message: EnterService) -> Done | Failed:
        """No customer is served from here on."""
        return self._enter_service(is_remote=False)

    @handles(LeaveService, command=True, deadline_s=DEADLINE_S)
    def leave_service(self, message: LeaveService) -> Done | Failed:
        """The technician is done."""
        return self._go_on(facts.ServiceLeft())

    @handles(EnterMaintenance, deadline_s=DEADLINE_S)
    def enter_maintenance(self, message: EnterMaintenance) -> Done | Failed:
        """The platform takes the machine out of service; a technician who is there stays so."""
        if self._cycle.phase == "service":
            return Done() if self._is_in_maintenance else Failed("local", _LOCAL)
        return self._enter_service(is_remote=True)

    @handles(LeaveMaintenance, deadline_s=DEADLINE_S)
    def leave_maintenance(self, message: LeaveMaintenance) -> Done | Failed:
        """Back into service, unless somebody has been at the machine since."""
        if self._is_in_maintenance:
            return self._go_on(facts.ServiceLeft())
        if self._cycle.phase in ("service", "estop"):
            return Failed("local", _LOCAL)
        return Failed("not_in_service", "the machine is not in service")

    @property
    def _is_in_maintenance(self) -> bool:
        """In service by the platform's word; a door that was opened is somebody else's."""
        cycle = self._cycle
        return self._is_remote and cycle.phase == "service" and cycle.stop == Reason.SERVICE

    @handles(ResetMachine, command=True, deadline_s=DEADLINE_S)
    def reset(self, message: ResetMachine) -> Done | Failed:
        """The cause of a stop or fault is gone."""
        return self._go_on(facts.Reset())

    @handles(EmptyBin, command=True, deadline_s=DEADLINE_S)
    def empty_bin(self, message: EmptyBin) -> Done:
        """The bin was exchanged."""
        self._learn(facts.Emptied())
        return Done()

    def _enter_service(self, *, is_remote: bool) -> Done | Failed:
        if rule.is_dealing(self._cycle):
            return Failed("busy", "an item is in the machine; wait for its end, or open the door")
        self._is_remote = is_remote
        self._learn(facts.ServiceEntered())
        return Done()

    def _go_on(self, fact: facts.Reset | facts.ServiceLeft) -> Done | Failed:
        why = rule.why_not_go_on(self._cycle, fact)
        if why is not None:
            return Failed(*why)
        self._learn(fact)
        return Done()

    # -- handlers: time ---------------------------------------------------------------------------

    @handles(_Look, deadline_s=DEADLINE_S)
    def look(self, message: _Look) -> None:
        """Something may have had its time."""
        self._look_ns, self._look_timer = 0, None
        self._learn(facts.Late())

    @handles(_Renew)
    def renew(self, message: _Renew) -> None:
        """Whoever asked for the movement is still there."""
        motion = self._cycle.motion
        if motion is not None and not motion.is_stopping:
            self.ctx.tell(self._to["motor"], Renew(motion.name), ttl_s=self._rules.motor.lease_s)

    @handles(_Seek, deadline_s=DEADLINE_S)
    def seek(self, message: _Seek) -> None:
        """Ask those that are missing; not while a motor runs, for they may be slow to answer."""
        self._seek_timer = None
        if self._cycle.motion is None:
            for neighbour in sorted(self._cycle.lost):
                self._seek(neighbour)
        if self._cycle.lost:
            self._seek_in(self._rules.deposit.try_again_s)

    # -- neighbours -------------------------------------------------------------------------------

    def _seek(self, neighbour: Neighbour) -> None:
        path = self._to[neighbour]
        try:
            found = ask(self.ctx, neighbour, path, self._told)
        except RequestFailed:
            return
        self.ctx.watch(path)
        for fact in found:
            self._learn(fact)
        self._learn(facts.Back(neighbour))

    def _heard_of(self, neighbour: Neighbour) -> None:
        """Somebody who was missing has spoken: ask at once what else there is to know."""
        if neighbour in self._cycle.lost:
            self._seek_in(0.0)

    def _seek_in(self, seconds: float) -> None:
        if self._seek_timer is not None:
            self.ctx.cancel(self._seek_timer)
        self._seek_timer = self.ctx.schedule_once(seconds, _Seek())

    # -- learning ---------------------------------------------------------------------------------

    def _learn(self, fact: Fact) -> None:
        """Teach the rule, and carry out what it decides; answers that come meanwhile queue up."""
        self._facts.append(fact)
        if self._is_learning:
            return
        self._is_learning = True
        while self._facts:
            now_ns = self.ctx.clock.monotonic_ns()
            self._cycle, decided = rule.learn(
                self._cycle, self._facts.popleft(), now_ns, self._rules
            )
            self._errands.passage = self._cycle.passage
            for decision in decided:
                self._errands.carry_out(decision)
        self._is_learning = False
        self._show()

    def _show(self) -> None:
        """Tell neighbours and operators how things stand, where that has changed."""
        self._set_look_timer()
        self._set_renew_timer()
        self._note_stop()
        cycle = self._cycle
        told = CycleChanged(busy=rule.is_busy(cycle), closed=self._why_closed())
        if told != self._told:
            self._told = told
            self.ctx.tell(self._to["session"], told)
            self.ctx.tell(self._to["sensors"], told)
            self.ctx.tell(self._to["camera"], told)
            self.ctx.tell(self._to["inference"], told)
        self.ctx.note(
            phase=cycle.phase,
            deposit=cycle.item.record.id if cycle.item is not None else None,
            closed=told.closed or None,
            reason=cycle.reason or None,
            trouble=rule.trouble(cycle),
        )

    def _note_stop(self) -> None:
        """What somebody has stopped stands after a crash, too, and after a power cut."""
        stopped = self._stopped_by()
        if stopped == self._noted:
            return
        sent = self.ctx.tell(self._to["storage"], NoteStop(stopped))
        self._noted = stopped if sent is Put.OK else None

    def _stopped_by(self) -> Stopped:
        if self._cycle.phase == "estop":
            return "estop"
        if self._cycle.phase == "service":
            return "maintenance" if self._is_in_maintenance else "service"
        return ""

    def _why_closed(self) -> str:
        why = rule.why_closed(self._cycle, self.ctx.clock.monotonic(), self._rules)
        return "" if why is None else why.value

    def _set_look_timer(self) -> None:
        at_ns = rule.next_look_ns(self._cycle)
        if at_ns == self._look_ns:
            return
        if self._look_timer is not None:
            self.ctx.cancel(self._look_timer)
        self._look_ns, self._look_timer = at_ns, None
        if at_ns:
            # Rounded up: a moment that has not come yet would be looked at again and again.
            wait_s = max(at_ns - self.ctx.clock.monotonic_ns(), 0) / 1e9 + 1e-6
            self._look_timer = self.ctx.schedule_once(wait_s, _Look())

    def _set_renew_timer(self) -> None:
        motion = self._cycle.motion
        wants = motion is not None and not motion.is_stopping
        if wants and self._renew_timer is None:
            self._renew_timer = self.ctx.schedule_every(self._rules.motor.renew_s, _Renew())
        elif not wants and self._renew_timer is not None:
            self.ctx.cancel(self._renew_timer)
            self._renew_timer = None

    def _not_seen(self, deposit: str, of: Any, why: str) -> None:
        self.ctx.emit("deposit_trouble", deposit=deposit, reason=f"{of}_failed", why=why)
        self._learn(facts.NotSeen(deposit, of))
