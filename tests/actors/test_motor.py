"""The motor: the guard's rules on real pins, in virtual time; its process is in the fault tests."""

import pytest

from actors.drivers import ports
from actors.drivers.ports import LineError
from actors.drivers.simulated import SimulatedGpio
from protocol.machine import (
    GuardChanged,
    Jog,
    MakeSafe,
    MoveDone,
    MoveFailed,
    Renew,
    ResetGuard,
    StopMotors,
)
from supervisors import ChildSpec, RequestFailed
from tests.actors.guard_bench import Bench, motor_spec
from tests.actors.runtime import tree
from tests.actors.trace import check_trace


@pytest.fixture
def bench(tmp_path):
    bench = Bench(tmp_path / "sim")
    yield bench
    bench.close()


def test_it_claims_all_outputs_low_and_tells_how_things_stand(tmp_path):
    gpio = SimulatedGpio(str(tmp_path / "sim"))
    gpio.claim_output(ports.BELT_IN, initial=True)  # left high by whoever was there before
    gpio.close()
    bench = Bench(tmp_path / "sim")
    try:
        assert bench.outputs() == set()
        first = bench.heard[0]
        assert isinstance(first, GuardChanged)
        assert (first.sequence, first.gate, first.door_closed, first.latch) == (
            1,
            "closed",
            True,
            "",
        )
        facts = bench.facts()
        assert facts["outputs"] == "low"
        assert (facts["gate"], facts["door"], facts["estop"]) == ("closed", "closed", "released")
        assert "trouble" not in facts
    finally:
        bench.close()


def test_a_run_of_the_belt_ends_after_its_time_and_is_told_once_it_stands(bench):
    bench.move(run_s=1.0)
    bench.run(0.5, renew="m")
    assert bench.outputs() == {ports.BELT_IN}
    assert bench.state().moving == "belt"
    bench.run(0.6, renew="m")
    assert bench.outputs() == set()
    assert bench.ends() == []  # it still runs down
    bench.run(0.4)
    (done,) = bench.ends()
    assert isinstance(done, MoveDone)
    assert done.ran_s == pytest.approx(1.0, abs=0.02)
    assert done.travel_m == pytest.approx(0.51 + 0.05, abs=0.03)
    assert done.peak_a == pytest.approx(0.27, abs=0.03)
    assert bench.state().belt_still


def test_the_gate_runs_to_its_limit(bench):
    bench.move("gate", "open", 1.2, "limit", "g")
    bench.run(0.7, renew="g")
    (done,) = bench.ends()
    assert (done.reached, done.direction) == (True, "open")
    assert bench.gate == pytest.approx(1.0, abs=0.02)
    assert bench.state().gate == "open"
    bench.move("gate", "open", 1.2, "limit", "again")
    bench.run(0.02)
    assert bench.ends()[1] == MoveDone("again", "gate", "open", reached=True, ran_s=0.0)


def test_without_renewal_the_run_ends_with_its_lease(bench):
    bench.move(run_s=2.0)
    bench.run(0.2)
    assert bench.outputs() == {ports.BELT_IN}
    bench.run(0.06)
    assert bench.outputs() == set()
    (failed,) = bench.ends()
    assert failed.reason == "lease"
    bench.tell(Renew("m"))  # too late
    bench.run(0.1)
    assert bench.outputs() == set()


def test_the_heartbeat_beats_only_while_a_lease_is_held(bench):
    def beats() -> int:
        return sum(write.line == ports.HEARTBEAT for write in bench.board.trace())

    bench.run(0.5)
    idle = beats()
    bench.move(run_s=0.4)
    bench.run(0.3, renew="m")
    assert beats() - idle >= 0.28 / 0.005
    bench.run(0.6, renew="m")
    after = beats()
    bench.run(1.0)
    assert beats() == after
    assert not bench.board.level(ports.HEARTBEAT)


@pytest.mark.parametrize(("contact", "latch"), [("door", "door"), ("estop", "estop")])
def test_an_open_contact_stops_at_once_and_latches(bench, contact, latch):
    bench.move(run_s=2.0)
    bench.run(0.3, renew="m")
    setattr(bench, contact, False)
    bench.run(0.01, renew="m")
    assert bench.outputs() == set()
    assert bench.ends()[0].reason == latch
    assert bench.state().latch == latch
    with pytest.raises(RequestFailed, match=r"open|pressed"):
        bench.stage.request("/motor", ResetGuard())
    setattr(bench, contact, True)
    bench.run(0.3)
    assert bench.outputs() == set()
    bench.move(move="latched")
    bench.run(0.02)
    assert bench.ends()[1].reason == "latched"
    bench.stage.request("/motor", ResetGuard())
    bench.run(0.5)
    assert bench.outputs() == set()  # a reset starts nothing
    assert bench.state().latch == ""
    bench.move(move="fresh", run_s=0.2)
    bench.run(0.1, renew="fresh")
    assert bench.outputs() == {ports.BELT_IN}


def test_an_opened_door_is_seen_within_50_ms_also_when_nothing_moves(bench):
    bench.run(5.0)
    bench.door = False
    bench.run(0.05)
    last = bench.heard[-1]
    assert isinstance(last, GuardChanged)
    assert (last.door_closed, last.latch) == (False, "door")
    assert bench.facts()["latch"] == "door"


@pytest.mark.parametrize("line", [ports.DOOR_CLOSED, ports.ESTOP_RELEASED])
def test_a_contact_that_cannot_be_read_is_open(bench, line):
    bench.move(run_s=2.0)
    bench.run(0.2, renew="m")
    bench.board.lose(line)
    bench.run(0.01, renew="m")
    assert bench.outputs() == set()
    assert f"{line}: cannot be read" in bench.facts()["trouble"]
    bench.board.lose(line, lost=False)
    bench.run(0.2)
    assert "trouble" not in bench.facts()


def test_a_stop_brakes_and_overtakes_the_move_before_it(bench):
    bench.move(move="first", run_s=2.0)
    bench.run(0.2, renew="first")
    bench.tell(StopMotors("enough"))
    bench.run(0.02)
    assert bench.outputs() == set()
    assert (bench.ends()[0].reason, bench.ends()[0].detail) == ("stopped", "enough")
    bench.run(1.0)
    bench.move(move="second")
    bench.tell(StopMotors())
    bench.move(move="third")
    bench.run(0.3, renew="third")
    assert [(end.move, end.reason) for end in bench.ends()[1:]] == [("second", "stopped")]
    assert bench.outputs() == {ports.BELT_IN}


def test_make_safe_is_for_everybody(bench):
    bench.move(run_s=2.0)
    bench.run(0.2, renew="m")
    bench.stage.request("/motor", MakeSafe())
    assert bench.outputs() == set()
    bench.run(0.02)
    assert bench.ends()[0].reason == "stopped"


def test_a_jam_ends_within_the_promised_time(bench):
    bench.jammed = "belt"
    bench.move(run_s=3.0)
    bench.run(0.31, renew="m")
    (failed,) = bench.ends()
    assert failed.reason == "jam"
    assert failed.ran_s <= 0.3
    assert bench.outputs() == set()


def test_without_current_sensors_the_encoder_alone_tells(tmp_path):
    bench = Bench(tmp_path / "sim", analog="")
    try:
        bench.jammed = "belt"
        bench.move(run_s=3.0)
        bench.run(0.4, renew="m")
        assert bench.ends()[0].reason == "no_motion"
        assert "trouble" not in bench.facts()
    finally:
        bench.close()


def test_current_sensors_that_fall_silent_are_named(bench):
    for channel in (ports.BELT_CURRENT_A, ports.GATE_CURRENT_A):
        bench.board.measure(channel, None)
    bench._show = lambda: None  # nothing measures any more
    bench.run(1.5)
    assert bench.facts()["trouble"] == (
        "belt_current_a: cannot be read; gate_current_a: cannot be read"
    )


def test_a_jog_is_short_and_answered_when_it_stands(bench):
    done = bench.stage.request("/motor", Jog("belt", "inward", run_s=0.2), reply=MoveDone)
    assert done.ran_s == pytest.approx(0.2, abs=0.02)
    bench.stage.tell("/motor", Jog("belt", "outward", run_s=5.0))
    bench.run(1.5)
    assert check_trace(bench.board.trace())[ports.BELT_OUT] == pytest.approx(0.5, abs=0.02)
    assert bench.ends() == []


def test_with_the_door_open_only_a_held_jog_runs(bench):
    bench.door = False
    bench.run(0.1)
    with pytest.raises(RequestFailed, match="door"):
        bench.stage.request("/motor", Jog("gate", "open"))
    bench.stage.tell("/motor", Jog("gate", "open", hold=True))
    bench.run(0.2)
    assert bench.outputs() == {ports.GATE_OPEN}
    bench.estop = False
    bench.run(0.01)
    assert bench.outputs() == set()
    with pytest.raises(RequestFailed, match="estop"):
        bench.stage.request("/motor", Jog("gate", "open", hold=True))


class Defiant(SimulatedGpio):
    """Lines that do not obey."""

    disobeys = ""

    def write(self, line, level):
        if line == self.disobeys:
            raise LineError(5, f"{line} cannot be driven")
        super().write(line, level)


class Stuck(SimulatedGpio):
    """An output that reads high whatever is written."""

    def read(self, line):
        return line == ports.BELT_OUT or super().read(line)


def test_an_output_that_does_not_obey_latches_and_is_named(tmp_path, monkeypatch):
    bench = Bench(tmp_path / "sim", gpio=f"{Defiant.__module__}:Defiant")
    try:
        monkeypatch.setattr(Defiant, "disobeys", ports.BELT_IN)
        bench.move()
        bench.run(0.1, renew="m")
        assert bench.ends()[0].reason == "outputs"
        assert bench.outputs() == set()
        assert bench.state().latch == "outputs"
        assert bench.facts()["trouble"] == "belt_in: cannot be driven"
        with pytest.raises(RequestFailed, match="belt_in"):
            bench.stage.request("/motor", ResetGuard())
        monkeypatch.setattr(Defiant, "disobeys", "")
        bench.stage.request("/motor", ResetGuard())
        bench.run(0.1)
        assert "trouble" not in bench.facts()
    finally:
        bench.close()


def test_an_output_that_is_high_at_the_start_keeps_it_from_serving(tmp_path):
    spec = motor_spec(tmp_path / "sim", gpio=f"{Stuck.__module__}:Stuck")
    with pytest.raises(Exception, match="belt_out: high after it was driven low"):
        _start(spec)


def test_without_a_driver_it_waits(tmp_path):
    with tree(motor_spec(tmp_path / "sim", gpio="")) as (sup, _):
        assert sup.rows["motor"].state.value == "waiting"
        assert "no driver" in sup.rows["motor"].waiting_for


def test_while_somebody_else_has_a_line_it_waits(tmp_path):
    gpio = SimulatedGpio(str(tmp_path / "sim"))
    gpio.claim_output(ports.GATE_OPEN)
    with tree(motor_spec(tmp_path / "sim", host="thread")) as (sup, _):
        assert sup.rows["motor"].state.value == "waiting"
        assert "gate_open" in sup.rows["motor"].waiting_for
    gpio.close()


def _start(spec: ChildSpec) -> None:
    with tree(spec):
        pass


def test_a_late_move_is_refused(bench):
    """The clock went on while it lay in the mailbox."""
    bench.move()
    bench.stage.freeze("/motor", 0.4)
    bench.run(0.5)
    assert bench.ends()[0].reason == "lease"
    assert bench.outputs() == set()


def test_changes_are_told_once_each_and_counted(bench):
    bench.run(1.0)
    before = len(bench.heard)
    bench.beam = True
    bench.run(0.1)
    bench.beam = False
    bench.run(0.1)
    changes = [said for said in bench.heard[before:] if isinstance(said, GuardChanged)]
    assert [change.beam_gate for change in changes] == [True, False]
    numbers = [said.sequence for said in bench.heard if isinstance(said, GuardChanged)]
    assert numbers == list(range(1, len(numbers) + 1))


def test_of_two_movements_the_second_is_refused(bench):
    bench.move(move="first", run_s=0.5)
    bench.move("gate", "open", move="second")
    bench.run(1.0, renew="first")
    failed, done = bench.ends()
    assert (failed.move, failed.reason) == ("second", "busy")
    assert isinstance(done, MoveDone)
    assert isinstance(failed, MoveFailed)
