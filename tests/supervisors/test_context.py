"""An actor's way to the world: asking, answering, watching, timers, and what reaches nobody."""

import threading
from collections.abc import Iterator

import pytest

from protocol.envelope import Kind
from protocol.errors import LocalProtocolError
from protocol.message import Delivery, Done, Down, Message
from supervisors import (
    LATER,
    Actor,
    ActorSystem,
    ChildRef,
    ChildSpec,
    MailboxSpec,
    Put,
    RequestFailed,
    Supervisor,
    handles,
)
from supervisors.testing import Probe, VirtualClock, eventually
from tests.supervisors.children import End, Hang, Ping, Pong, end, group, worker


class Ask(Message, tag="test.ask"):
    """Ask somebody else for a ping and answer with what came of it."""

    address: str
    timeout_s: float = 5.0


class Heard(Message, tag="test.heard"):
    what: str


class Tick(Message, tag="test.tick"):
    number: int = 0


class Schedule(Message, tag="test.schedule"):
    delay_s: float
    is_every: bool = False


class Cancel(Message, tag="test.cancel"):
    timer: int


class Watch(Message, tag="test.watch"):
    path: str
    is_on: bool = True


class Order(Message, tag="test.order"):
    delivery = Delivery.COMMAND


class Asker(Actor):
    """Asks, watches and schedules as told, and passes on what it hears to /probe."""

    def on_start(self) -> None:
        self.requests = []

    @handles(Ask)
    def ask(self, message: Ask) -> Heard:
        try:
            pong = self.ctx.request(
                message.address, Ping(), timeout_s=message.timeout_s, reply=Pong
            )
        except RequestFailed as failed:
            return Heard(failed.code)
        except LocalProtocolError as error:
            return Heard(f"local: {error}")
        return Heard(pong.path)

    @handles(Schedule)
    def schedule(self, message: Schedule) -> Tick:
        make = self.ctx.schedule_every if message.is_every else self.ctx.schedule_once
        return Tick(make(message.delay_s, Tick(7)))

    @handles(Cancel)
    def cancel(self, message: Cancel) -> None:
        self.ctx.cancel(message.timer)

    @handles(Watch)
    def watch(self, message: Watch) -> None:
        (self.ctx.watch if message.is_on else self.ctx.unwatch)(message.path)

    @handles(Tick)
    def tick(self, message: Tick) -> None:
        self.ctx.tell("/probe", message)

    @handles(Down)
    def down(self, message: Down) -> None:
        self.ctx.tell("/probe", Heard(f"{message.path} {message.incarnation} {message.reason}"))

    @handles(Heard)
    def postpone(self, message: Heard) -> object:
        self.requests.append(self.ctx.later())
        return LATER

    @handles(Order)
    def answer_all(self, _message: Order) -> None:
        while self.requests:
            self.ctx.reply(self.requests.pop(), Heard("at last"))

    @handles(End)
    def end(self, _message: End) -> None:
        raise RuntimeError


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def probe() -> Probe:
    return Probe(Tick, Heard)


@pytest.fixture
def sup(clock: VirtualClock, probe: Probe) -> Iterator[Supervisor]:
    system = ActorSystem(clock=clock)
    children = [ChildSpec("a", Asker), ChildSpec("b", Asker), worker("w"), probe.spec()]
    sup = Supervisor.start(group("one_for_one", children, intensity=100), system=system)
    yield sup
    sup.stop()
    system.close()


def failure(sup: Supervisor, address: str, message: Message, timeout_s: float = 5.0) -> str:
    with pytest.raises(RequestFailed) as failed:
        sup.request(address, message, timeout_s=timeout_s)
    return failed.value.code


# -- requests -----------------------------------------------------------------------------------


def test_a_request_is_answered_by_what_the_handler_returns(sup: Supervisor) -> None:
    assert sup.request("w", Ping(), reply=Pong) == Pong("/w", 1)
    assert sup.request("w", Ping())["path"] == "/w", "without a type, plain values"
    assert sup.request("a", Cancel(99), reply=Done) == Done(), "nothing returned is Done"


def test_an_actor_asks_another(sup: Supervisor) -> None:
    assert sup.request("a", Ask("/w"), reply=Heard).what == "/w"


def test_a_request_to_nobody_fails_at_once(sup: Supervisor) -> None:
    assert failure(sup, "/nobody", Ping(), timeout_s=60.0) == "no_actor"
    assert sup.request("a", Ask("/nobody", 60.0), reply=Heard).what == "no_actor"


def test_a_request_to_a_stopped_child_fails_at_once(sup: Supervisor) -> None:
    sup.terminate_child("w")
    assert failure(sup, "w", Ping(), timeout_s=60.0) == "restarting"


def test_a_crash_in_the_handler_answers_and_kills(sup: Supervisor) -> None:
    assert failure(sup, "w", End()) == "crashed"
    eventually(lambda: sup.ref("w") == ChildRef("/w", 2))


def test_requests_that_waited_behind_a_crash_are_answered_too(sup: Supervisor) -> None:
    gate = threading.Event()
    sup.start_child(worker("slow", gate=gate, restart="temporary"))
    sup.tell("slow", Hang())
    codes: list[str] = []
    eventually(lambda: sup.rows["slow"].running.vitals.current)  # type: ignore[union-attr]
    sup.tell("slow", End())
    askers = [
        threading.Thread(
            target=lambda: codes.append(failure(sup, "slow", Ping(), 30.0)), daemon=True
        )
        for _ in range(5)
    ]
    for asker in askers:
        asker.start()
    eventually(lambda: sup.rows["slow"].running.mailbox.depth == 6)  # type: ignore[union-attr]
    gate.set()
    for asker in askers:
        asker.join(10.0)
    assert codes == ["restarting"] * 5


def test_asking_oneself_is_refused_at_once(sup: Supervisor) -> None:
    assert sup.request("a", Ask("/a"), reply=Heard).what.startswith("local: /a cannot ask itself")


def test_two_actors_that_ask_each_other_are_freed_by_their_timeouts(sup: Supervisor) -> None:
    gate = threading.Event()
    sup.start_child(worker("slow", gate=gate))
    sup.tell("slow", Hang())
    assert sup.request("a", Ask("/slow", timeout_s=0.02), reply=Heard).what == "timeout"
    gate.set()
    answers: list[str] = []

    def ask(me: str, other: str) -> None:
        answers.append(sup.request(me, Ask(other, timeout_s=0.05), reply=Heard).what)

    pair = [
        threading.Thread(target=ask, args=each, daemon=True) for each in (("a", "/b"), ("b", "/a"))
    ]
    for thread in pair:
        thread.start()
    for thread in pair:
        thread.join(10.0)
    assert len(answers) == 2
    assert sup.request("a", Ask("/w"), reply=Heard).what == "/w", "both live on"
    assert sup.request("b", Ask("/w"), reply=Heard).what == "/w"


def test_a_late_reply_is_a_dead_letter_and_no_answer_to_the_next_question(sup: Supervisor) -> None:
    with pytest.raises(RequestFailed, match="timeout"):
        sup.request("a", Heard("later"), timeout_s=0.01)
    sup.tell("a", Order())
    eventually(lambda: sup.system.dead_letters.by_cause["late_reply"] == 1)
    assert sup.request("w", Ping(), reply=Pong).path == "/w"
    assert not sup.system._pending


def test_later_and_reply(sup: Supervisor) -> None:
    answers: list[str] = []
    asker = threading.Thread(
        target=lambda: answers.append(sup.request("a", Heard("later"), reply=Heard).what),
        daemon=True,
    )
    asker.start()
    eventually(lambda: sup.rows["a"].running.vitals.handled)  # type: ignore[union-attr]
    sup.tell("a", Order())
    asker.join(10.0)
    assert answers == ["at last"]


# -- what reaches nobody --------------------------------------------------------------------------


def test_tell_never_raises_for_the_receivers_sake(sup: Supervisor) -> None:
    sup.terminate_child("w")
    assert sup.tell("w", Ping()) is Put.RESTARTING
    assert sup.tell("/nobody", Ping()) is Put.NO_ACTOR
    letters = sup.system.dead_letters
    assert letters.by_cause == {"restarting": 1, "no_actor": 1}
    assert letters.by_destination["/nobody"] == 1
    assert [letter.name for letter in letters.last] == ["test.ping", "test.ping"]


def test_a_full_mailbox_refuses_and_answers(sup: Supervisor) -> None:
    gate = threading.Event()
    sup.start_child(worker("slow", gate=gate, mailbox=MailboxSpec(capacity=2)))
    sup.tell("slow", Hang())
    eventually(lambda: sup.rows["slow"].running.vitals.current)  # type: ignore[union-attr]
    assert [sup.tell("slow", Ping()) for _ in range(3)] == [Put.OK, Put.OK, Put.FULL]
    assert failure(sup, "slow", Ping()) == "full"
    gate.set()


def test_what_is_too_old_is_not_handled(sup: Supervisor, clock: VirtualClock, probe: Probe) -> None:
    gate = threading.Event()
    sup.start_child(worker("slow", gate=gate))
    sup.tell("slow", Hang())
    eventually(lambda: sup.rows["slow"].running.vitals.current)  # type: ignore[union-attr]
    sup.tell("slow", Ping(), ttl_s=2.0)
    sup.tell("slow", Ping(), ttl_s=4.0)
    clock.advance(3.0)
    gate.set()
    eventually(lambda: sup.rows["slow"].running.vitals.handled == 2)  # type: ignore[union-attr]
    assert sup.system.dead_letters.by_cause == {"expired": 1}


def test_an_unsendable_message_is_the_senders_error(sup: Supervisor) -> None:
    with pytest.raises(LocalProtocolError):
        sup.tell("a", Tick("\ud800"))  # type: ignore[arg-type]


# -- watching -----------------------------------------------------------------------------------


def test_a_watcher_hears_of_the_end(sup: Supervisor, probe: Probe) -> None:
    sup.request("a", Watch("/w"))
    end(sup, "w")
    assert probe.expect(Heard).what == "/w 1 Crash(Boom: abnormal)"
    eventually(lambda: sup.ref("w"))
    end(sup, "w")
    sup.request("a", Watch("/w"))
    assert len(probe.heard) == 1, "a watch is for one life"


def test_watching_somebody_already_dead_is_answered_at_once(sup: Supervisor, probe: Probe) -> None:
    sup.terminate_child("w")
    sup.request("a", Watch("/w"))
    sup.request("a", Watch("/never"))
    assert probe.expect(Heard).what == "/w 0 noproc"
    assert probe.expect(Heard).what == "/never 0 noproc"


def test_watching_a_dead_actor_whose_mail_is_kept_is_answered_too(
    sup: Supervisor, probe: Probe
) -> None:
    sup.start_child(worker("kept", mailbox=MailboxSpec(on_restart="preserve")))
    sup.terminate_child("kept")
    sup.request("a", Watch("/kept"))
    assert probe.expect(Heard).what == "/kept 0 noproc"


def test_unwatch(sup: Supervisor, probe: Probe) -> None:
    sup.request("a", Watch("/w"))
    sup.request("b", Watch("/w"))
    sup.request("a", Watch("/w", is_on=False))
    end(sup, "w")
    probe.expect(Heard)
    sup.request("a", Schedule(1e6))
    assert len(probe.heard) == 1


def test_an_ended_actor_watches_nobody(sup: Supervisor, probe: Probe) -> None:
    sup.request("a", Watch("/w"))
    end(sup, "a")
    eventually(lambda: sup.ref("a"))
    end(sup, "w")
    sup.request("b", Watch("/never"))
    assert probe.expect(Heard).what == "/never 0 noproc"
    assert len(probe.heard) == 1


# -- timers -------------------------------------------------------------------------------------


def test_a_timer_fires_once_and_not_before_its_time(
    sup: Supervisor, clock: VirtualClock, probe: Probe
) -> None:
    sup.request("a", Schedule(10.0))
    clock.advance(9.0)
    sup.request("a", Cancel(99))
    assert probe.heard == []
    clock.advance(1.001)
    probe.expect(Tick)
    clock.advance(1000.0)
    sup.request("a", Cancel(99))
    assert len(probe.heard) == 1


def test_a_period_goes_on_and_does_not_make_up_for_late_ticks(
    sup: Supervisor, clock: VirtualClock, probe: Probe
) -> None:
    sup.request("a", Schedule(1.0, is_every=True))
    for count in range(1, 4):
        clock.advance(1.001)
        eventually(lambda count=count: len(probe.heard) == count)
    clock.advance(100.0)
    eventually(lambda: len(probe.heard) >= 4)
    sup.request("a", Cancel(99))
    sup.request("probe", Heard("flush"))
    assert sum(isinstance(message, Tick) for message in probe.heard) <= 5


def test_a_cancelled_timer_is_silent_and_cancelling_again_is_fine(
    sup: Supervisor, clock: VirtualClock, probe: Probe
) -> None:
    timer = sup.request("a", Schedule(1.0), reply=Tick).number
    sup.request("a", Cancel(timer))
    sup.request("a", Cancel(timer))
    clock.advance(5.0)
    sup.request("a", Cancel(99))
    sup.request("probe", Heard("flush"))
    assert [message for message in probe.heard if isinstance(message, Tick)] == []


def test_timers_die_with_their_incarnation(
    sup: Supervisor, clock: VirtualClock, probe: Probe
) -> None:
    sup.request("a", Schedule(1.0, is_every=True))
    end(sup, "a")
    eventually(lambda: sup.ref("a"))
    clock.advance(10.0)
    sup.request("a", Cancel(99))
    sup.request("probe", Heard("flush"))
    assert [message for message in probe.heard if isinstance(message, Tick)] == []


def test_a_jump_of_the_wall_clock_moves_no_timer(
    sup: Supervisor, clock: VirtualClock, probe: Probe
) -> None:
    sup.request("a", Schedule(10.0))
    clock.jump_wall(1e9)
    sup.request("a", Cancel(99))
    assert probe.heard == []


def test_an_envelope_says_when_it_was_sent_on_both_clocks():
    clock = VirtualClock(monotonic_s=50.0, wall_s=1_700_000_000.0)
    system = ActorSystem(clock=clock)
    try:
        clock.jump_wall(3600.0)
        envelope = system.envelope(Kind.CAST, "/nobody", Ping())
        assert envelope.sent_ns == 50_000_000_000
        assert envelope.sent_at == 1_700_003_600.0
    finally:
        system.close()
