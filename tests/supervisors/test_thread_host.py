"""Actors in threads: hangs found and contained, leaks counted, mail kept over a restart."""

import sys
import threading
from collections.abc import Iterator

import pytest

from protocol.message import Delivery, Message
from supervisors import (
    Actor,
    ActorSystem,
    ChildRef,
    ChildSpec,
    MailboxSpec,
    Put,
    Supervisor,
    handles,
)
from supervisors.exits import Hung, Unsafe
from supervisors.plan import State
from supervisors.results import StartFailed
from supervisors.testing import Probe, VirtualClock, eventually
from tests.supervisors.children import End, Hang, Ping, Pong, end, group, lives, worker

KEPT = MailboxSpec(on_restart="preserve")


class Say(Message, tag="test.say"):
    what: str


class Buy(Message, tag="test.buy"):
    delivery = Delivery.MONEY
    what: str


class Move(Message, tag="test.move"):
    delivery = Delivery.COMMAND
    what: str


class Blurter(Actor):
    """Waits for the gate, then speaks, crashes at "poison"."""

    def __init__(self, gate: threading.Event, journal: list[str]) -> None:
        self.gate = gate
        self.journal = journal

    @handles(Hang, deadline_s=2.0)
    def hang(self, _message: Hang) -> None:
        self.gate.wait(30)
        self.ctx.tell("/probe", Say(f"from beyond, {self.ctx.incarnation}"))
        self.ctx.emit("spoken")

    @handles(Say)
    def say(self, message: Say) -> None:
        self.hear(message.what)

    @handles(Buy)
    def buy(self, message: Buy) -> None:
        self.hear(message.what)

    @handles(Move)
    def move(self, message: Move) -> None:
        self.hear(message.what)

    def hear(self, what: str) -> None:
        self.journal.append(f"{self.ctx.incarnation}:{what}")
        if what == "poison":
            raise RuntimeError(what)

    @handles(Ping)
    def ping(self, _message: Ping) -> Pong:
        return Pong(self.ctx.path, self.ctx.incarnation)


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    gate = threading.Event()
    yield gate
    gate.set()


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def journal() -> list[str]:
    return []


@pytest.fixture
def probe() -> Probe:
    return Probe(Say)


@pytest.fixture
def system(clock: VirtualClock, gate: threading.Event) -> Iterator[ActorSystem]:
    system = ActorSystem(clock=clock)
    yield system
    gate.set()
    eventually(lambda: system.leaked_threads == 0)
    system.close()


@pytest.fixture
def sup(
    system: ActorSystem, gate: threading.Event, journal: list[str], probe: Probe
) -> Iterator[Supervisor]:
    args = {"gate": gate, "journal": journal}
    children = [
        ChildSpec("b", Blurter, args=args, shutdown=0.5),
        ChildSpec("kept", Blurter, args=args, mailbox=KEPT),
        probe.spec(),
    ]
    sup = Supervisor.start(group("one_for_one", children, intensity=100), system=system)
    yield sup
    gate.set()
    sup.stop()


def hang(sup: Supervisor, id_: str) -> None:
    sup.tell(id_, Hang())
    eventually(lambda: sup.rows[id_].running.vitals.current)  # type: ignore[union-attr]


# -- hangs --------------------------------------------------------------------------------------


def test_a_handler_over_its_deadline_is_found_and_replaced(
    sup: Supervisor, clock: VirtualClock
) -> None:
    hang(sup, "b")
    clock.advance(1.9)
    assert sup.ref("b") == ChildRef("/b", 1)
    clock.advance(0.2)
    eventually(lambda: sup.ref("b") == ChildRef("/b", 2))
    last = sup.rows["b"].last_exit
    assert isinstance(last, Hung)
    assert "test.hang for 2.1 s" in last.where
    assert "self.gate.wait(30)" in last.stack, "where it stood"
    assert sup.request("b", Ping(), reply=Pong).incarnation == 2
    assert sup.system.hangs == 1


def test_a_leaked_thread_is_counted_until_it_ends_and_says_nothing_more(
    sup: Supervisor, clock: VirtualClock, gate: threading.Event, probe: Probe
) -> None:
    hang(sup, "b")
    clock.advance(2.1)
    eventually(lambda: sup.ref("b") == ChildRef("/b", 2))
    assert sup.system.leaked_threads == 1
    assert sup.system.slots["/b"].leaked == 1
    gate.set()
    eventually(lambda: sup.system.leaked_threads == 0)
    assert sup.system.slots["/b"].leaked == 0
    sup.request("probe", Say("flush"))
    assert [message.what for message in probe.heard] == ["flush"], "fenced"  # type: ignore[attr-defined]


def test_extend_moves_the_deadline() -> None:
    class Patient(Actor):
        def __init__(self, gate: threading.Event) -> None:
            self.gate = gate

        @handles(Hang, deadline_s=1.0)
        def hang(self, _message: Hang) -> None:
            self.ctx.extend(60.0)
            self.gate.wait(30)

    clock, gate = VirtualClock(), threading.Event()
    system = ActorSystem(clock=clock)
    with Supervisor.start(
        group("one_for_one", [ChildSpec("a", Patient, args={"gate": gate})]), system=system
    ) as sup:
        sup.tell("a", Hang())
        eventually(
            lambda: (current := sup.rows["a"].running.vitals.current) and current[3] > 1050e9
        )  # type: ignore[union-attr]
        clock.advance(50.0)
        system.monitor.tick()
        assert system.hangs == 0
        gate.set()
    system.close()


def test_requests_to_a_hung_actor_fail_when_it_is_given_up(
    sup: Supervisor, clock: VirtualClock
) -> None:
    hang(sup, "b")
    codes: list[str] = []

    def ask() -> None:
        try:
            sup.request("b", Ping(), timeout_s=30.0)
        except Exception as error:  # noqa: BLE001
            codes.append(getattr(error, "code", repr(error)))

    asker = threading.Thread(target=ask, daemon=True)
    asker.start()
    eventually(lambda: sup.rows["b"].running.mailbox.depth)  # type: ignore[union-attr]
    clock.advance(2.1)
    asker.join(10.0)
    assert codes == ["restarting"]


def test_a_child_that_may_not_be_doubled_is_quarantined_instead(
    system: ActorSystem, clock: VirtualClock, gate: threading.Event
) -> None:
    child = ChildSpec("a", Blurter, args={"gate": gate, "journal": []}, respawn_over_leak=False)
    with Supervisor.start(group("one_for_one", [child]), system=system) as sup:
        hang(sup, "a")
        clock.advance(2.1)
        eventually(lambda: sup.rows["a"].state is State.QUARANTINED)
        assert isinstance(sup.rows["a"].last_exit, Unsafe)
        gate.set()


def test_too_many_leaks_are_told(clock: VirtualClock) -> None:
    told, gate = threading.Event(), threading.Event()
    system = ActorSystem(clock=clock, max_leaks=1, on_too_many_leaks=told.set)
    child = ChildSpec("a", Blurter, args={"gate": gate, "journal": []})
    with Supervisor.start(group("one_for_one", [child]), system=system) as sup:
        for leaks in (1, 2):
            hang(sup, "a")
            clock.advance(2.1)
            eventually(lambda leaks=leaks: system.leaked_threads == leaks)
            assert told.is_set() is (leaks > 1)
            eventually(lambda leaks=leaks: sup.ref("a") == ChildRef("/a", leaks + 1))
        gate.set()
        eventually(lambda: system.leaked_threads == 0)
    system.close()


def test_a_start_that_hangs_is_given_up(
    system: ActorSystem, clock: VirtualClock, gate: threading.Event
) -> None:
    with Supervisor.start(group("one_for_one"), system=system) as sup:
        answers: list[object] = []
        starter = threading.Thread(
            target=lambda: answers.append(sup.start_child(worker("a", "hang", gate=gate))),
            daemon=True,
        )
        starter.start()
        eventually(lambda: "/a" in system.slots)
        eventually(lambda: clock.advance(11.0) or answers)
        answer = answers[0]
        assert isinstance(answer, StartFailed)
        assert isinstance(answer.reason, Hung)
        assert "on_start took over 10 s" in answer.reason.where
        assert "self.gate.wait(30)" in answer.reason.stack
        assert sup.which_children() == ()
        gate.set()


def test_a_stop_that_never_returns_runs_into_the_shutdown_timeout(
    system: ActorSystem, clock: VirtualClock, gate: threading.Event
) -> None:
    class Clinging(Actor):
        def on_stop(self, reason: object) -> None:
            gate.wait(30)

    sup = Supervisor.start(group("one_for_one", [ChildSpec("a", Clinging)]), system=system)
    sup.stop(timeout_s=0)
    eventually(lambda: sup.rows.get("a") is None or sup.rows["a"].state is State.STOPPING)
    eventually(lambda: clock.advance(5.1) or sup.join(0.01))
    assert system.leaked_threads == 1


def test_no_more_threads_is_a_failed_start(
    system: ActorSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Supervisor.start(group("one_for_one", [worker("b")]), system=system) as sup:

        def refuse(_host: object) -> None:
            raise RuntimeError("can't start new thread")

        monkeypatch.setattr("supervisors.pykka_thread.PykkaThread._start_actor_loop", refuse)
        answer = sup.start_child(worker("a"))
        assert isinstance(answer, StartFailed)
        assert "can't start new thread" in str(answer.reason)
        monkeypatch.undo()
        assert sup.start_child(worker("a")).is_ok


# -- mail over a restart --------------------------------------------------------------------------


def backlog(sup: Supervisor, id_: str, gate: threading.Event, *messages: Message) -> None:
    """Let messages pile up behind a handler, then let it go on."""
    hang(sup, id_)
    for message in messages:
        assert sup.tell(id_, message) is Put.OK
    gate.set()


def test_discard_is_erlangs_way(sup: Supervisor, gate: threading.Event, journal: list[str]) -> None:
    backlog(sup, "b", gate, Say("one"), Say("poison"), Say("two"), Buy("three"))
    eventually(lambda: sup.ref("b") == ChildRef("/b", 2))
    sup.request("b", Ping())
    assert journal == ["1:one", "1:poison"]
    assert sup.system.dead_letters.by_cause == {"crashed": 1, "restarting": 2}


def test_preserve_keeps_events_and_money_but_no_orders(
    sup: Supervisor, gate: threading.Event, journal: list[str]
) -> None:
    backlog(sup, "kept", gate, Say("poison"), Say("one"), Move("two"), Buy("three"))
    eventually(lambda: sup.ref("kept") == ChildRef("/kept", 3))
    sup.request("kept", Ping())
    assert journal == ["1:poison", "2:poison", "3:one", "3:three"]
    assert sup.system.dead_letters.by_cause == {"restarting": 1, "poisoned": 1}


def test_a_message_in_flight_at_two_consecutive_crashes_is_parked(
    sup: Supervisor, gate: threading.Event, journal: list[str]
) -> None:
    backlog(sup, "kept", gate, Say("poison"))
    eventually(lambda: sup.ref("kept") == ChildRef("/kept", 3))
    parked = sup.system.slots["/kept"].parked
    assert [envelope.name for envelope in parked] == ["test.say"]
    sup.tell("kept", Say("poison"))
    eventually(lambda: len(parked) == 2)
    assert lives(sup)["kept"] in (4, 5)


def test_nothing_is_lost_while_a_preserving_child_restarts(
    sup: Supervisor, journal: list[str], gate: threading.Event
) -> None:
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        for number in range(300):
            if number % 10 == 0:
                sup.tell("kept", Say("poison"))
            assert sup.tell("kept", Buy(str(number))) is Put.OK
    finally:
        sys.setswitchinterval(usual)
    eventually(lambda: journal and journal[-1].endswith(":299"))
    bought = [line.partition(":")[2] for line in journal if not line.endswith("poison")]
    assert bought == [str(number) for number in range(300)]


def test_a_stop_overtakes_the_backlog(
    sup: Supervisor, gate: threading.Event, journal: list[str]
) -> None:
    backlog_of = [Say(str(number)) for number in range(100)]
    hang(sup, "b")
    for message in backlog_of:
        sup.tell("b", message)
    stopper = threading.Thread(target=lambda: sup.terminate_child("b"), daemon=True)
    stopper.start()
    eventually(lambda: sup.rows["b"].running.mailbox.has_fast)  # type: ignore[union-attr]
    gate.set()
    stopper.join(10.0)
    assert journal == []


# -- many ---------------------------------------------------------------------------------------


def test_10_000_crashes_leave_no_thread_and_no_memory_of_them() -> None:
    lives_left = [10_000]

    class Crasher(Actor):
        def on_start(self) -> None:
            if lives_left[0] > 0:
                lives_left[0] -= 1
                self.ctx.tell(self.ctx.path, End())

        @handles(End)
        def end(self, _message: End) -> None:
            raise RuntimeError

    with Supervisor.start(group("one_for_one", [worker("b")], intensity=None)) as sup:
        threads = threading.active_count()
        sup.start_child(ChildSpec("a", Crasher))
        eventually(lambda: sup.ref("a") == ChildRef("/a", 10_001), timeout_s=50.0)
        eventually(lambda: threading.active_count() <= threads + 1)
        assert len(sup.system.monitor._watched) == 2
        assert sup.rows["a"].restarts == 10_000


def test_1000_dynamic_children_in_threads() -> None:
    from supervisors import Backoff, dynamic

    threads = threading.active_count()
    with Supervisor.start(dynamic(worker("c"), backoff=Backoff.NONE, intensity=None)) as sup:
        for _ in range(1000):
            assert sup.start_child({}).is_ok
        assert sup.count_children().active == 1000
        end(sup, "c-500")
        assert sup.count_children().active == 1000
        for number in range(1, 101):
            assert sup.terminate_child(f"c-{number}").is_ok
        assert sup.count_children().active == 900
    eventually(lambda: threading.active_count() <= threads)
