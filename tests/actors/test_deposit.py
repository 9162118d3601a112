"""The deposit between a real ledger, a real session, and neighbours that a test speaks for."""

from contextlib import contextmanager

import pytest

from actors.deposit import Deposit
from actors.drivers.ports import BEAM_INLET
from actors.session import Session
from actors.storage import Storage
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
from protocol.service import CycleDescribed, DescribeCycle, DescribeSession, SessionDescribed
from protocol.storage import Deposits, ListDeposits
from protocol.system import InjectFault
from protocol.vision import Capture, Captured, CaptureFailed, Classified, Classify, FrameRef
from supervisors import ChildSpec
from supervisors.testing import Probe, VirtualClock, eventually
from tests.actors.runtime import tree

NAMES = ("camera", "inference", "motor", "sensors", "storage", "session")
TIMEOUTS_S = {"capturing": 1.0, "deciding": 3.0, "transporting": 3.0, "returning": 15.0}


class Place:
    """A deposit actor in its neighbourhood."""

    def __init__(self, tmp_path, clock=None, inlet=False):
        self.clock = clock
        self.camera = Probe(Capture)
        self.inference = Probe(Classify)
        self.motor = Probe(Transport, MakeSafe)
        self.sensors = Probe(ReadInputs, answers={ReadInputs: Inputs({BEAM_INLET: inlet})})
        store = {"directory": str(tmp_path), "map_mb": 8}
        deposit = {
            "hardware_id": "m",
            "addresses": {name: f"/{name}" for name in NAMES},
            "timeouts_s": TIMEOUTS_S,
            "transport_s": 1.2,
        }
        self.children = (
            ChildSpec("storage", Storage, args=store),
            self.camera.spec("camera"),
            self.inference.spec("inference"),
            self.motor.spec("motor"),
            self.sensors.spec("sensors"),
            ChildSpec("session", Session, args={"idle_timeout_s": 300.0}),
            ChildSpec("deposit", Deposit, args=deposit),
        )

    def tell(self, *messages):
        for message in messages:
            self.sup.tell("deposit", message)

    def now_ns(self):
        return self.sup.system.clock.monotonic_ns()

    def cycle(self) -> CycleDescribed:
        return self.sup.request("deposit", DescribeCycle(), reply=CycleDescribed)

    def ledger(self):
        found = self.sup.request("storage", ListDeposits(), reply=Deposits).records
        return {record.id: (record.state, record.reason) for record in reversed(found)}

    def session(self) -> SessionDescribed:
        return self.sup.request("session", DescribeSession(), reply=SessionDescribed)

    def arrive(self) -> str:
        """An item arrives and is pictured; its deposit's id."""
        self.tell(ItemArrived(self.now_ns()))
        deposit = self.camera.expect(Capture).deposit
        self.tell(Captured(deposit, FrameRef(0, 2, 10, 10, 3, self.now_ns(), 1)))
        assert self.inference.expect(Classify).deposit == deposit
        return deposit

    def judge(self, deposit, decision="accept", reason="accepted"):
        self.tell(Classified(deposit, decision, reason, (), "model", "sha", 1.0))
        order = self.motor.expect(Transport)
        assert order.deposit == deposit
        return order.direction


@contextmanager
def place(tmp_path, **more):
    made = Place(tmp_path, **more)
    with tree(*made.children, clock=made.clock, faults=True) as (made.sup, made.events):
        yield made


@pytest.fixture
def here(tmp_path):
    with place(tmp_path) as made:
        yield made


def test_it_is_reserved_before_the_belt_moves_and_credited_after_the_drop(here):
    deposit = here.arrive()
    assert deposit == "m-1-1"
    assert here.judge(deposit) == "inward"
    assert here.ledger() == {deposit: ("reserved", "accepted")}
    here.tell(ItemDropped(1), InletCleared(1))
    assert here.cycle().phase == "transporting"
    assert here.ledger() == {deposit: ("reserved", "accepted")}
    here.tell(Transported(deposit, "inward", 1.2))
    assert here.cycle() == CycleDescribed("idle", "", 1)
    assert here.ledger() == {deposit: ("confirmed", "accepted")}
    assert here.session().credited == 1


def test_belt_without_a_drop_is_never_a_credit(tmp_path):
    clock = VirtualClock()
    with place(tmp_path, clock=clock) as here:
        deposit = here.arrive()
        here.judge(deposit)
        here.tell(Transported(deposit, "inward", 1.2))
        assert here.cycle().phase == "transporting"
        clock.advance(3.1)
        here.motor.expect(MakeSafe)
        eventually(lambda: here.cycle().phase == "idle")
        assert here.ledger() == {deposit: ("review", "transporting_timeout")}
        assert here.session().credited == 0


def test_a_drop_that_is_nobodys_is_nothing(here):
    here.tell(ItemDropped(1))
    assert here.ledger() == {}
    deposit = here.arrive()
    here.tell(ItemDropped(2))
    here.judge(deposit)
    here.tell(Transported(deposit, "inward", 1.2))
    assert here.cycle().phase == "transporting"


def test_a_refused_item_goes_back_and_the_cycle_waits_for_the_belt(here):
    deposit = here.arrive()
    assert here.judge(deposit, "reject", "refused_soda") == "outward"
    here.tell(InletCleared(1))
    assert here.cycle().phase == "returning"
    here.tell(Transported(deposit, "outward", 1.2))
    assert here.cycle() == CycleDescribed("idle", "", 1)
    assert here.ledger() == {deposit: ("rejected", "refused_soda")}
    assert here.session().refused == 1


def test_the_next_item_waits_until_the_belt_stands(here):
    """Customers are fast: it lies there while the belt still brings the last one back."""
    first = here.arrive()
    here.judge(first, "reject", "refused_soda")
    here.tell(InletCleared(1), ItemArrived(here.now_ns()))
    assert here.cycle().deposit == first
    here.tell(Transported(first, "outward", 1.2))
    second = here.camera.expect(Capture).deposit
    assert second == "m-1-2"
    assert here.cycle().deposit == second


def test_the_next_item_may_be_taken_away_again(here):
    first = here.arrive()
    here.judge(first, "reject", "refused_soda")
    here.tell(InletCleared(1), ItemArrived(2), InletCleared(3))
    here.tell(Transported(first, "outward", 1.2))
    assert here.cycle() == CycleDescribed("idle", "", 1)


def test_sensors_that_tell_again_tell_of_the_same_item(here):
    deposit = here.arrive()
    here.tell(ItemArrived(here.now_ns()))
    here.judge(deposit)
    here.tell(ItemArrived(here.now_ns()), TransportFailed(deposit, "stalled"))
    eventually(lambda: here.cycle() == CycleDescribed("idle", "", 1))
    assert here.ledger() == {deposit: ("review", "transport_failed")}


@pytest.mark.parametrize(
    ("whom", "reason"), [("camera", "camera_down"), ("inference", "inference_down")]
)
def test_a_neighbour_that_is_not_there_is_not_waited_for(here, whom, reason):
    here.sup.terminate_child(whom)
    here.tell(ItemArrived(here.now_ns()))
    if whom == "inference":
        deposit = here.camera.expect(Capture).deposit
        here.tell(Captured(deposit, FrameRef(0, 2, 10, 10, 3, here.now_ns(), 1)))
    assert here.motor.expect(Transport).direction == "outward"
    assert here.ledger() == {"m-1-1": ("rejected", reason)}


@pytest.mark.parametrize(
    ("whom", "state", "reason"),
    [("inference", "rejected", "inference_down"), ("motor", "review", "motor_down")],
)
def test_a_neighbour_that_dies_at_its_work_is_not_waited_for(here, whom, state, reason):
    deposit = here.arrive()
    if whom == "motor":
        here.judge(deposit)
    here.sup.tell(whom, InjectFault("raise"))
    eventually(lambda: here.ledger() == {deposit: (state, reason)})
    (trouble,) = here.events.named("deposit_trouble")
    assert trouble["why"].startswith("Crash(InjectedFault")


def test_a_neighbour_that_dies_at_other_work_is_none_of_its_business(here):
    deposit = here.arrive()
    here.sup.tell("camera", InjectFault("raise"))
    eventually(lambda: (ref := here.sup.ref("camera")) is not None and ref.incarnation == 2)
    assert here.judge(deposit) == "inward"


@pytest.mark.parametrize(("phase", "seconds"), [("capturing", 1.1), ("deciding", 3.1)])
def test_a_neighbour_that_says_nothing_is_waited_for_so_long(tmp_path, phase, seconds):
    clock = VirtualClock()
    with place(tmp_path, clock=clock) as here:
        here.tell(ItemArrived(here.now_ns()))
        deposit = here.camera.expect(Capture).deposit
        if phase == "deciding":
            here.tell(Captured(deposit, FrameRef(0, 2, 10, 10, 3, here.now_ns(), 1)))
            here.inference.expect(Classify)
        clock.advance(seconds)
        assert here.motor.expect(Transport).direction == "outward"
        assert here.ledger() == {deposit: ("rejected", f"{phase}_timeout")}
        here.tell(Classified(deposit, "accept", "accepted", (), "model", "sha", 1.0))  # too late
        assert here.cycle().phase == "returning"
        clock.advance(15.1)  # and nobody takes it back
        eventually(lambda: here.cycle().phase == "idle")


def test_a_camera_that_fails_says_why(here):
    here.tell(ItemArrived(here.now_ns()))
    deposit = here.camera.expect(Capture).deposit
    here.tell(CaptureFailed(deposit, "the lens is gone"))
    assert here.motor.expect(Transport).direction == "outward"
    (trouble,) = here.events.named("deposit_trouble")
    assert trouble == {"deposit": deposit, "reason": "camera_failed", "why": "the lens is gone"}


def test_without_a_ledger_an_accepted_item_goes_back(here):
    deposit = here.arrive()
    here.sup.terminate_child("storage")
    assert here.judge(deposit) == "outward"
    here.tell(InletCleared(1), Transported(deposit, "outward", 1.2))
    eventually(lambda: here.cycle().phase == "idle")
    here.sup.restart_child("storage")
    assert here.ledger() == {}
    assert here.session().credited == 0


def test_without_a_ledger_a_refused_item_goes_back_too(here):
    deposit = here.arrive()
    here.sup.terminate_child("storage")
    assert here.judge(deposit, "reject", "refused_soda") == "outward"
    assert here.cycle().phase == "returning"


def test_a_credit_that_cannot_be_written_is_none_and_goes_to_review(here):
    deposit = here.arrive()
    here.judge(deposit)
    here.sup.terminate_child("storage")
    here.tell(ItemDropped(1), Transported(deposit, "inward", 1.2))
    eventually(lambda: here.cycle() == CycleDescribed("idle", "", 1))
    assert here.session().credited == 0
    here.sup.restart_child("storage")
    assert here.ledger() == {deposit: ("reserved", "accepted")}
    here.sup.kick("deposit")
    eventually(lambda: here.ledger() == {deposit: ("review", "interrupted")})


def test_it_dies_with_an_item_on_the_belt(here):
    deposit = here.arrive()
    here.judge(deposit)
    here.sup.tell("deposit", InjectFault("raise"))
    eventually(lambda: here.ledger() == {deposit: ("review", "interrupted")})
    eventually(lambda: here.events.named("deposits_to_review") == [{"deposits": [deposit]}])
    here.tell(ItemDropped(1), Transported(deposit, "inward", 1.2))
    assert here.cycle() == CycleDescribed("idle", "", 0)
    assert here.arrive() == "m-2-1"
    assert here.ledger() == {deposit: ("review", "interrupted")}


def test_an_item_that_lies_there_at_the_start_goes_back(tmp_path):
    with place(tmp_path, inlet=True) as here:
        assert here.motor.expect(Transport).direction == "outward"
        assert here.ledger() == {"m-1-1": ("rejected", "restarted")}


def test_it_waits_for_its_ledger_and_spends_no_restart_on_it(tmp_path):
    (tmp_path / "store").write_text("in the way")
    with place(tmp_path) as here:
        for name in ("storage", "deposit"):
            assert here.sup.rows[name].state.value == "waiting"
            assert here.sup.rows[name].restarts == 0
        assert "the ledger" in here.sup.rows["deposit"].waiting_for
        (tmp_path / "store").unlink()
        here.sup.kick("storage")
        eventually(lambda: here.sup.ref("storage") is not None)
        here.sup.kick("deposit")
        eventually(lambda: here.sup.ref("deposit") is not None)
        assert here.arrive() == "m-1-1"
