"""The deposit between a real ledger and neighbours that a test speaks for."""

from contextlib import contextmanager

import msgspec
import pytest

from actors.deposit.actor import Deposit
from actors.storage import Storage
from config.settings import (
    BinSettings,
    DepositSettings,
    FraudSettings,
    MotorSettings,
    StorageSettings,
)
from protocol.machine import (
    BeamChanged,
    BinChanged,
    GuardChanged,
    Inputs,
    Move,
    MoveDone,
    MoveFailed,
    ReadGuard,
    ReadInputs,
    Renew,
    ResetGuard,
    StopMotors,
    Tare,
    Tared,
    Weigh,
    Weighed,
)
from protocol.message import Message
from protocol.platform.reports import Detection as SeenByDetector
from protocol.service import (
    CycleChanged,
    CycleDescribed,
    DescribeCycle,
    EmptyBin,
    EnterMaintenance,
    EnterService,
    ItemCredited,
    ItemRefused,
    ItemWaiting,
    LeaveMaintenance,
    LeaveService,
    ResetMachine,
    SessionChanged,
)
from protocol.storage import Deposits, ListDeposits, Outbox, PeekOutbox
from protocol.system import InjectFault
from protocol.vision import (
    Capture,
    Captured,
    CaptureFailed,
    Classified,
    Classify,
    Concluded,
    Detection,
)
from protocol.vision import FrameRef as Frame
from supervisors import ChildSpec, RequestFailed, SupervisorSpec
from supervisors.stage import Stage
from supervisors.testing import Probe, eventually
from tests.actors.runtime import tree

NAMES = ("storage", "motor", "sensors", "camera", "inference", "session")
MOTOR, DEPOSIT = MotorSettings(), DepositSettings()
CLEAR = {"entry": False, "inside": False, "exit": False, "drop": False}
SECTIONS = {
    "limits": DEPOSIT,
    "motor": MOTOR,
    "fraud": FraudSettings(),
    "bin": BinSettings(),
}
BOTTLE = (Detection("mineral", 0.9, (0.0, 0.0, 1.0, 1.0)),)


def children(directory, guard=None, inputs=None):
    """Neighbours that keep what they are told, and the specs of all."""
    motor = Probe(
        *(Move, Renew, StopMotors, ResetGuard, ReadGuard),
        answers={ReadGuard: guard or GuardChanged(1, True, True, "closed", False)},
    )
    sensors = Probe(
        *(Weigh, Tare, ReadInputs, CycleChanged),
        answers={ReadInputs: inputs or Inputs(CLEAR)},
    )
    camera, inference = Probe(Capture, CycleChanged), Probe(Classify, Concluded, CycleChanged)
    session = Probe(ItemWaiting, CycleChanged, ItemCredited, ItemRefused)
    probes = {
        "motor": motor,
        "sensors": sensors,
        "camera": camera,
        "inference": inference,
        "session": session,
    }
    args = {"hardware_id": "m", "addresses": {name: f"/{name}" for name in NAMES}, **SECTIONS}
    store = {"directory": str(directory), "limits": StorageSettings(map_mb=8)}
    specs = (
        ChildSpec("storage", Storage, args=store),
        *(probe.spec(name) for name, probe in probes.items()),
        ChildSpec("deposit", Deposit, args=args),
    )
    return probes, specs


class Place:
    """A deposit actor on a stage, in virtual time."""

    def __init__(self, directory, **more):
        self.probes, specs = children(directory, **more)
        self.stage = Stage(SupervisorSpec(specs, intensity=None), allows_faults=True)
        self.taken = dict.fromkeys(self.probes, 0)

    def tell(self, *messages: Message):
        for message in messages:
            self.stage.tell("/deposit", message)
            self.stage.advance(0.001)

    def wait(self, seconds):
        self.stage.advance(seconds)

    def heard(self, name, type_):
        """The next message of that type to a neighbour; what came before it is skipped."""
        found = self.probes[name].heard
        for at in range(self.taken[name], len(found)):
            if isinstance(found[at], type_):
                self.taken[name] = at + 1
                return found[at]
        raise AssertionError(f"no {type_.__name__} to {name}: {found[self.taken[name] :]}")

    def all_heard(self, name, type_):
        return [message for message in self.probes[name].heard if isinstance(message, type_)]

    def now_ns(self):
        return self.stage.clock.monotonic_ns()

    @property
    def cycle(self) -> CycleDescribed:
        return self.stage.request("/deposit", DescribeCycle(), reply=CycleDescribed)

    @property
    def facts(self):
        return self.stage.facts("/deposit")

    def records(self):
        return self.stage.request("/storage", ListDeposits(), reply=Deposits).records

    def waiting(self, outbox):
        self.wait(0.01)
        return list(self.stage.request("/storage", PeekOutbox(outbox), reply=Outbox).records)

    def ledger(self):
        return [(record.id, record.state, record.reason) for record in reversed(self.records())]

    def events(self, name):
        return [event.fields for event in self.stage.events if event.name == name]

    # -- an item's way ----------------------------------------------------------------------------

    def idle(self):
        self.wait(0.01)
        weigh = self.heard("sensors", Weigh)
        self.tell(Weighed(weigh.deposit, 5.0))
        self.heard("sensors", Tare)
        self.tell(Tared(5.0), SessionChanged("s-1", "guest"))
        assert self.cycle.phase == "idle"

    def beam(self, beam, covered):
        self.tell(BeamChanged(beam, covered, self.now_ns()))

    def done(self):
        """The movement that was asked for last ends well; its order."""
        order = self.heard("motor", Move)
        reached = order.until == "limit"
        if reached:
            gate = "open" if order.direction == "open" else "closed"
            self.tell(GuardChanged(2, True, True, gate, False))
        self.tell(MoveDone(order.move, order.motor, order.direction, reached, 0.5))
        return order

    def stopped(self):
        """The belt was told to stop, and has."""
        order = self.heard("motor", Move)
        self.heard("motor", StopMotors)
        self.tell(MoveFailed(order.move, "belt", "stopped"))

    def pass_beam(self, beam):
        self.wait(0.2)
        self.beam(beam, True)
        self.wait(0.23 / DEPOSIT.belt_m_per_s)
        self.beam(beam, False)

    def identifying(self):
        self.beam("entry", True)
        assert self.done().direction == "open"
        self.wait(0.1)
        self.beam("entry", False)
        self.pass_beam("inside")
        self.stopped()
        assert self.done().direction == "close"
        return self.heard("camera", Capture).deposit

    def judge(self, decision="accept", reason="accepted"):
        id_ = self.identifying()
        self.tell(Captured(id_, (Frame(0, 2, 10, 10, 3, self.now_ns(), 1),)))
        assert self.heard("inference", Classify).deposit == id_
        self.tell(Classified(id_, decision, reason, BOTTLE, "model", "sha", 1.0))
        self.tell(Weighed(self.heard("sensors", Weigh).deposit, 20.0))
        return id_

    def transporting(self):
        id_ = self.judge()
        self.tell(Weighed(self.heard("sensors", Weigh).deposit, 20.2))
        assert self.cycle.phase == "transporting"
        return id_

    def fall(self):
        self.pass_beam("exit")
        self.wait(0.2)
        self.stopped()
        self.beam("drop", True)
        self.wait(0.1)
        self.beam("drop", False)


@contextmanager
def place(directory, **more):
    made = Place(directory, **more)
    made.stage.start()
    try:
        yield made
    finally:
        made.stage.stop()


@pytest.fixture
def here(tmp_path):
    with place(tmp_path) as made:
        yield made


def test_what_the_detector_saw_waits_for_the_platform_once_the_item_has_come_to_its_end(here):
    here.idle()
    id_ = here.transporting()
    assert here.waiting("event") == []
    here.fall()
    (told,) = here.waiting("event")
    assert (told.kind, told.key) == ("detection", f"{id_}/detection")
    detection = msgspec.msgpack.decode(told.body, type=SeenByDetector)
    assert (detection.deposit, detection.session_token) == (id_, "s-1")
    assert (detection.decision, detection.model) == ("credited", "model@sha")
    assert [one.class_name for one in detection.detections] == ["mineral"]
    assert [record.key for record in here.waiting("money")] == [id_]


def test_a_bottle_is_credited_after_its_proof_and_everybody_hears_of_it(here):
    here.idle()
    id_ = here.transporting()
    assert here.ledger() == [("m-1-1", "transporting", "accepted")]
    here.fall()
    assert here.ledger() == [("m-1-1", "credited", "accepted")]
    assert here.heard("session", ItemCredited) == ItemCredited(id_, "s-1")
    (record,) = here.records()
    assert (record.session, record.item, record.model_sha256) == ("s-1", "mineral", "sha")
    assert record.mass_g == 20.0
    assert record.length_m == pytest.approx(0.23, abs=0.01)
    assert record.started_at > 0
    assert here.cycle.done == 1
    changes = [(told.busy, told.closed) for told in here.all_heard("session", CycleChanged)]
    assert changes[-3:] == [(False, ""), (True, ""), (False, "")]
    assert (
        here.all_heard("sensors", CycleChanged)[-3:] == here.all_heard("session", CycleChanged)[-3:]
    )
    assert (
        here.all_heard("inference", CycleChanged)[-3:]
        == here.all_heard("session", CycleChanged)[-3:]
    )


def test_inference_hears_how_the_item_ended_in_the_words_of_the_ledger(here):
    here.idle()
    id_ = here.transporting()
    assert here.all_heard("inference", Concluded) == []
    here.fall()
    (told,) = here.all_heard("inference", Concluded)
    (record,) = here.records()
    assert told.record == record
    assert (record.id, record.state) == (id_, "credited")
    assert (
        told.beams_ms["exit_covered"] < told.beams_ms["exit_freed"] < told.beams_ms["drop_covered"]
    )


def test_inference_hears_of_a_refusal_too(here):
    here.idle()
    id_ = here.judge("reject", "refused_soda")
    here.wait(0.1)
    (told,) = here.all_heard("inference", Concluded)
    assert (told.record.id, told.record.state) == (id_, "rejected")


def test_inference_is_told_from_when_on_a_picture_counts(here):
    here.idle()
    here.judge()
    asked = here.all_heard("camera", Capture)[-1]
    assert here.all_heard("inference", Classify)[-1].newer_than_ns == asked.newer_than_ns > 0


def test_the_ledger_has_it_before_the_belt_moves(here):
    here.idle()
    here.judge()
    assert here.ledger() == [("m-1-1", "reserved", "accepted")]
    moves = len(here.all_heard("motor", Move))
    here.tell(Weighed(here.heard("sensors", Weigh).deposit, 20.0))
    assert len(here.all_heard("motor", Move)) == moves + 1
    assert here.ledger() == [("m-1-1", "transporting", "accepted")]


def test_the_lease_is_renewed_while_a_movement_is_on_and_not_after(here):
    here.idle()
    here.transporting()
    before = len(here.all_heard("motor", Renew))
    here.wait(1.0)
    renewed = here.all_heard("motor", Renew)[before:]
    assert len(renewed) == pytest.approx(1.0 / MOTOR.renew_s, abs=1)
    assert {message.move for message in renewed} == {here.all_heard("motor", Move)[-1].move}
    order = here.all_heard("motor", Move)[-1]
    here.tell(MoveFailed(order.move, "belt", "door"))
    before = len(here.all_heard("motor", Renew))
    here.wait(1.0)
    assert len(here.all_heard("motor", Renew)) == before


def test_a_refused_item_is_recorded_and_told_and_goes_back(here):
    here.idle()
    id_ = here.judge("reject", "refused_soda")
    assert here.heard("session", ItemRefused) == ItemRefused(id_, "refused_soda", "s-1")
    assert here.ledger() == [(id_, "rejected", "refused_soda")]
    assert here.done().direction == "open"
    here.beam("inside", True)
    here.beam("entry", True)
    here.wait(0.4)
    here.beam("inside", False)
    here.stopped()
    here.wait(1.0)
    here.beam("entry", False)
    here.tell(Weighed(here.heard("sensors", Weigh).deposit, 0.3))
    assert here.done().direction == "close"
    assert here.cycle.phase == "idle"


def test_without_a_session_the_item_is_announced(here):
    here.idle()
    here.tell(SessionChanged(""))
    here.beam("entry", True)
    assert here.heard("session", ItemWaiting).at_ns > 0
    assert here.cycle.phase == "idle"
    here.tell(SessionChanged("s-2", "user"))
    assert here.cycle.phase == "opening"


def test_the_door_voids_and_only_a_reset_goes_on(here):
    here.idle()
    id_ = here.transporting()
    order = here.heard("motor", Move)
    here.tell(
        GuardChanged(3, False, True, "closed", False, latch="door"),
        MoveFailed(order.move, "belt", "door"),
    )
    assert here.ledger() == [(id_, "void", "door_open")]
    assert here.cycle.closed == "door_open"
    with pytest.raises(RequestFailed, match="close the door first"):
        here.stage.request("/deposit", ResetMachine())
    here.tell(GuardChanged(4, True, True, "closed", False, latch="door"))
    with pytest.raises(RequestFailed, match="reset the machine"):
        here.stage.request("/deposit", LeaveService())
    here.stage.request("/deposit", ResetMachine())
    here.wait(0.01)
    here.heard("motor", ResetGuard)
    assert here.cycle.phase == "selftest"


def test_service_is_refused_while_an_item_is_dealt_with(here):
    here.idle()
    here.transporting()
    with pytest.raises(RequestFailed, match="busy"):
        here.stage.request("/deposit", EnterService())


def test_in_service_nothing_is_taken_and_leaving_it_tests_the_machine(here):
    here.idle()
    here.stage.request("/deposit", EnterService())
    here.beam("entry", True)
    assert (here.cycle.phase, here.cycle.closed) == ("service", "service")
    here.beam("entry", False)
    here.stage.request("/deposit", LeaveService())
    assert here.cycle.phase == "selftest"


def test_the_platform_may_take_it_out_of_service_and_back_where_nobody_has_been(here):
    here.idle()
    here.stage.request("/deposit", EnterMaintenance())
    here.stage.request("/deposit", EnterMaintenance())
    assert (here.cycle.phase, here.cycle.closed, here.cycle.remote) == ("service", "service", True)
    here.stage.request("/deposit", LeaveMaintenance())
    assert (here.cycle.phase, here.cycle.remote) == ("selftest", False)


def test_the_platform_does_not_send_a_technician_away(here):
    here.idle()
    here.stage.request("/deposit", EnterService())
    for message in (EnterMaintenance(), LeaveMaintenance()):
        with pytest.raises(RequestFailed, match="local"):
            here.stage.request("/deposit", message)
    here.stage.request("/deposit", LeaveService())


def test_a_technician_who_comes_during_maintenance_takes_over(here):
    here.idle()
    here.stage.request("/deposit", EnterMaintenance())
    here.stage.request("/deposit", EnterService())  # somebody has come
    assert not here.cycle.remote
    with pytest.raises(RequestFailed, match="local"):
        here.stage.request("/deposit", LeaveMaintenance())


def test_a_door_that_was_opened_ends_what_the_platform_may_do(here):
    here.idle()
    here.stage.request("/deposit", EnterMaintenance())
    here.tell(GuardChanged(3, False, True, "closed", False, latch="door"))
    assert (here.cycle.phase, here.cycle.remote) == ("service", False)
    here.tell(GuardChanged(4, True, True, "closed", False, latch="door"))
    with pytest.raises(RequestFailed, match="local"):
        here.stage.request("/deposit", LeaveMaintenance())


def test_out_of_service_there_is_nothing_for_the_platform_to_leave(here):
    here.idle()
    with pytest.raises(RequestFailed, match="not_in_service"):
        here.stage.request("/deposit", LeaveMaintenance())
    here.transporting()
    with pytest.raises(RequestFailed, match="busy"):
        here.stage.request("/deposit", EnterMaintenance())


@pytest.mark.parametrize(
    ("enter", "is_remote", "leave"),
    [(EnterService(), False, LeaveService()), (EnterMaintenance(), True, LeaveMaintenance())],
)
def test_service_outlives_a_crash_and_so_does_its_end(here, enter, is_remote, leave):
    here.idle()
    here.stage.request("/deposit", enter)
    for _ in range(2):
        here.tell(InjectFault("raise"))
        here.wait(5.0)
        assert (here.cycle.phase, here.cycle.remote) == ("service", is_remote)
    here.stage.request("/deposit", leave)
    here.tell(InjectFault("raise"))
    here.wait(2.0)
    assert here.cycle.phase != "service"


def test_an_emergency_stop_outlives_guard_and_deposit_alike(here):
    here.idle()
    here.tell(GuardChanged(3, True, False, "closed", False, latch="estop"))
    here.tell(GuardChanged(4, True, True, "closed", False))  # another guard, which knows of nothing
    before = len(here.probes["motor"].heard)
    here.tell(InjectFault("raise"))
    here.wait(60.0)
    assert here.cycle.phase == "estop"
    assert not any(isinstance(told, Move) for told in here.probes["motor"].heard[before:])
    here.stage.request("/deposit", ResetMachine())
    assert here.cycle.phase == "selftest"


def test_a_store_that_crashed_is_told_again_who_has_stopped_the_machine(tmp_path):
    with place(tmp_path) as here:
        here.idle()
        here.stage.tell("/storage", InjectFault("raise"))
        here.stage.request("/deposit", EnterService())
        here.wait(5.0)
    with place(tmp_path) as here:
        here.wait(1.0)
        assert here.cycle.phase == "service"


def test_a_store_that_took_it_and_crashed_before_it_was_written_is_told_again(tmp_path):
    with place(tmp_path) as here:
        here.idle()
        here.stage.tell("/deposit", EnterService())
        here.stage.tell("/storage", InjectFault("raise"))  # behind it, and before the commit
        here.wait(5.0)
    with place(tmp_path) as here:
        here.wait(1.0)
        assert here.cycle.phase == "service"


def test_a_full_bin_closes_and_its_exchange_opens(here):
    here.idle()
    here.tell(*[BinChanged(98.0)] * 3)
    assert here.cycle.closed == "bin_full"
    here.stage.request("/deposit", EmptyBin())
    assert here.cycle.closed == ""
    assert [event["stage"] for event in here.events("bin")] == ["full", "open"]


def test_a_camera_that_fails_says_why_and_has_to_prove_itself(here):
    here.idle()
    id_ = here.identifying()
    here.tell(CaptureFailed(id_, "the lens is gone"))
    (trouble,) = here.events("deposit_trouble")
    assert trouble == {"deposit": id_, "reason": "camera_failed", "why": "the lens is gone"}
    assert here.ledger() == [(id_, "rejected", "camera_failed")]
    assert here.cycle.closed == "camera_failed"


def test_a_restart_of_the_actor_goes_on_with_the_proof(here):
    here.idle()
    id_ = here.transporting()
    here.heard("motor", Move)  # nobody renews that one any more
    here.tell(InjectFault("raise"))
    here.wait(2.0)
    assert here.cycle.phase == "transporting"
    here.fall()
    here.wait(0.1)
    assert here.ledger() == [(id_, "credited", "accepted")]


def test_sensors_that_restart_make_no_second_deposit_of_the_same_bottle(here):
    here.idle()
    id_ = here.transporting()
    here.stage.kill("/sensors")
    here.wait(0.01)
    order = here.heard("motor", Move)
    here.heard("motor", StopMotors)
    here.tell(MoveFailed(order.move, "belt", "stopped"))
    here.wait(2.0)
    assert here.cycle.phase == "transporting"
    here.fall()
    assert here.ledger() == [(id_, "credited", "accepted")]


def test_without_motor_or_sensors_it_waits_in_boot_and_says_so(tmp_path):
    with place(tmp_path) as here:
        here.stage.root.terminate_child("motor")
        here.wait(2.0)
        assert here.cycle.closed == "booting"
        here.stage.root.restart_child("motor")
        here.wait(1.5)
        assert here.cycle.phase == "selftest"


def test_a_ledger_that_comes_back_gets_what_it_is_owed(here):
    here.idle()
    id_ = here.transporting()
    here.stage.root.terminate_child("storage")
    here.fall()
    assert here.cycle.closed == "storage_failed"
    assert here.all_heard("session", ItemCredited) == []
    here.stage.root.restart_child("storage")
    here.wait(2.5)
    assert here.ledger() == [(id_, "credited", "accepted")]
    assert len(here.all_heard("session", ItemCredited)) == 1
    assert here.cycle.closed == ""


def test_at_rest_it_wakes_only_for_its_scale(here):
    here.idle()
    handled = here.stage.root.rows["deposit"].running.vitals.handled
    here.wait(55.0)
    assert here.stage.root.rows["deposit"].running.vitals.handled - handled <= 2


def test_on_threads_in_real_time_it_is_the_same_actor(tmp_path):
    probes, specs = children(tmp_path)
    with tree(*specs) as (sup, _events):
        weigh = probes["sensors"].expect(Weigh)
        sup.tell("deposit", Weighed(weigh.deposit, 5.0))
        probes["sensors"].expect(Tare)
        sup.tell("deposit", Tared(5.0))
        sup.tell("deposit", SessionChanged("s-1", "guest"))
        eventually(
            lambda: sup.request("deposit", DescribeCycle(), reply=CycleDescribed).closed == ""
        )
        sup.tell("deposit", BeamChanged("entry", True, sup.system.clock.monotonic_ns()))
        order = probes["motor"].expect(Move)
        assert (order.motor, order.direction) == ("gate", "open")
        assert probes["motor"].expect(Renew).move == order.move
