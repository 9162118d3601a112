"""A staged tree does what the same tree does on threads, in virtual time and in one thread."""

import threading
from pathlib import Path
from random import Random
from typing import Any

import pytest

from protocol.message import Delivery, Down, Message
from protocol.system import Resume, Suspend
from supervisors import (
    LATER,
    Actor,
    AsyncActor,
    Backoff,
    ChildSpec,
    RequestFailed,
    Supervisor,
    SupervisorFailed,
    SupervisorSpec,
    Waiting,
    handles,
)
from supervisors.core import EXHAUSTED
from supervisors.exits import Crash, Hung, Killed, Normal, Signal, Unsafe
from supervisors.plan import State
from supervisors.results import Ok, Started
from supervisors.testing import Stage, VirtualClock, eventually
from tests.supervisors.children import End, Ping, Pong, Urgent, group, lives, worker

STRATEGIES = ("one_for_one", "one_for_all", "rest_for_one")


class Tick(Message, tag="stage.tick"):
    """Time is up."""


class Ask(Message, tag="stage.ask"):
    """Ask somebody else."""

    whom: str
    timeout_s: float = 3.0


class Told(Message, tag="stage.told"):
    """What came of it."""

    what: str
    at_s: float


class Pay(Message, tag="stage.pay"):
    """Takes its time."""

    delivery = Delivery.MONEY


class Everyman(Actor):
    """Ticks, asks, watches, and keeps a journal that is the test's."""

    def __init__(self, journal: list[Any], period_s: float = 0.0, watches: str = "") -> None:
        self.journal = journal
        self.period_s = period_s
        self.watches = watches

    def on_start(self) -> None:
        if self.period_s:
            self.ctx.schedule_every(self.period_s, Tick())
        if self.watches:
            self.ctx.watch(self.watches)

    def note(self, what: str) -> None:
        self.journal.append((round(self.ctx.clock.monotonic() - 1000.0, 6), what))

    @handles(Tick)
    def tick(self, _message: Tick) -> None:
        self.note(f"tick {self.ctx.path}")

    @handles(Down)
    def down(self, message: Down) -> None:
        self.note(f"down {message.path} {message.incarnation} {message.reason}")

    @handles(Ask)
    def ask(self, message: Ask) -> Told:
        try:
            self.ctx.request(message.whom, Ping(), timeout_s=message.timeout_s)
        except RequestFailed as failed:
            return Told(failed.code, self.ctx.clock.monotonic())
        return Told("answered", self.ctx.clock.monotonic())

    @handles(Ping)
    def ping_back(self, _message: Ping) -> Any:
        return LATER

    @handles(Pay)
    def pay(self, _message: Pay) -> None:
        self.note("paid")


def everyman(id_: str, journal: list[Any], **more: Any) -> ChildSpec:
    args = {key: more.pop(key) for key in ("period_s", "watches") if key in more}
    return ChildSpec(id_, Everyman, args={"journal": journal, **args}, **more)


def staged(*children: ChildSpec, strategy: str = "one_for_one", **flags: Any) -> Stage:
    stage = Stage(group(strategy, children, **{"intensity": None, **flags}))
    stage.start()
    return stage


# -- the same as on threads ---------------------------------------------------------------------


def ways_to_end(seed: int) -> list[tuple[str, str]]:
    rng = Random(seed)
    hows = ("normal", "shutdown", "abnormal", "exit")
    return [(rng.choice(("a", "b", "c", "d")), rng.choice(hows)) for _ in range(8)]


def tree_of(strategy: str, journal: list[str]) -> SupervisorSpec:
    pair = (worker("c", journal=journal), worker("d", "ok", "fail", "ok", journal=journal))
    children = (
        worker("a", journal=journal),
        worker("b", restart="transient", journal=journal),
        ChildSpec("below", group("one_for_all", pair, intensity=None)),
    )
    return group(strategy, children, intensity=None)


def path_of(id_: str) -> str:
    return f"/{id_}" if id_ in "ab" else f"/below/{id_}"


def on_threads(strategy: str, ends: list[tuple[str, str]]) -> list[str]:
    journal: list[str] = []
    with Supervisor.start(tree_of(strategy, journal)) as sup:
        for id_, how in ends:
            whose = sup if id_ in "ab" else sup.system.supervisors["/below"]
            if whose.ref(id_) is None:
                continue
            before = whose.ref(id_)
            sup.tell(path_of(id_), End(how))
            eventually(lambda whose=whose, id_=id_, before=before: whose.ref(id_) != before)
            eventually(lambda: is_settled(sup))
    return journal


def is_settled(sup: Supervisor) -> bool:
    """Whether nothing is under way: all are up, or down for good."""
    rows = [row for each in list(sup.system.supervisors.values()) for row in each.rows.values()]
    calm = (State.RUNNING, State.STOPPED)
    return len(rows) == 5 and all(row.state in calm for row in rows) and len(lives(sup)) == 3


def on_stage(strategy: str, ends: list[tuple[str, str]]) -> list[str]:
    journal: list[str] = []
    stage = Stage(tree_of(strategy, journal))
    stage.start()
    for id_, how in ends:
        row = stage.rows()[path_of(id_)]
        if row.state is State.RUNNING:
            stage.tell(path_of(id_), End(how))
            stage.advance(0.001)
    stage.stop()
    return journal


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("seed", range(4))
def test_the_same_tree_with_the_same_ends_starts_and_stops_in_the_same_order(
    strategy: str, seed: int
) -> None:
    ends = ways_to_end(seed)
    assert on_stage(strategy, ends) == on_threads(strategy, ends)


def test_it_answers_the_supervisors_interface() -> None:
    stage = staged(worker("a"), worker("b"))
    assert stage.root.terminate_child("a") == Ok()
    assert isinstance(stage.root.restart_child("a"), Started)
    assert lives(stage.root) == {"b": 1, "a": 2}
    assert stage.request("/a", Ping(), reply=Pong).incarnation == 2


def test_a_child_that_fails_at_boot_fails_the_start_as_on_threads() -> None:
    spec = group("one_for_one", (worker("a"), worker("b", "fail")))
    with pytest.raises(SupervisorFailed) as on_stage:
        Stage(spec).start()
    with pytest.raises(SupervisorFailed) as on_threads:
        Supervisor.start(group("one_for_one", (worker("a"), worker("b", "fail"))))
    assert str(on_stage.value.reason) == str(on_threads.value.reason)


def test_too_many_restarts_end_the_tree() -> None:
    stage = staged(worker("a"), intensity=2)
    for _ in range(3):
        stage.tell("/a", End())
        stage.advance(0.01)
    assert stage.has_ended
    assert stage.root.exit_reason == EXHAUSTED


def test_backoff_waits_in_virtual_time() -> None:
    backoff = Backoff(initial_s=1.0, jitter=0.0)
    stage = staged(worker("a", backoff=backoff), period_s=3600.0)
    stage.tell("/a", End())
    stage.advance(0.9)
    assert stage.rows()["/a"].state is State.RESTARTING
    stage.advance(0.2)
    assert stage.rows()["/a"].incarnation == 2
    assert [event.name for event in stage.events if event.path == "/a"] == [
        "started",
        "child_terminated",
        "restarting",
        "started",
    ]


def test_a_missing_dependency_is_looked_for_again() -> None:
    stage = staged(worker("a", "waiting", "waiting"))
    assert stage.rows()["/a"].state is State.WAITING
    stage.advance(60.0)
    assert stage.rows()["/a"].state is State.RUNNING


# -- time ---------------------------------------------------------------------------------------


def test_time_jumps_from_timer_to_timer() -> None:
    journal: list[Any] = []
    stage = staged(
        everyman("a", journal, period_s=0.3),
        everyman("b", journal, period_s=0.2),
    )
    stage.advance(0.61)
    assert journal == [
        (0.2, "tick /b"),
        (0.3, "tick /a"),
        (0.4, "tick /b"),
        (0.6, "tick /a"),
        (0.6, "tick /b"),
    ]
    assert stage.now == pytest.approx(1000.61)


@pytest.mark.parametrize("moment_s", [1000.002, 1000.0020000000001, 123456789.1234567, 0.1 + 0.2])
def test_a_clock_that_was_moved_to_a_moment_has_reached_it(moment_s: float) -> None:
    clock = VirtualClock(0.0)
    clock.advance_to(moment_s)
    assert moment_s <= clock.monotonic() < moment_s + 2e-8


def test_however_time_is_cut_up_the_same_happens() -> None:
    def run(steps_s: list[float]) -> list[Any]:
        journal: list[Any] = []
        stage = staged(
            everyman("a", journal, period_s=0.03),
            worker("b", backoff=Backoff(initial_s=0.1, maximum_s=1.0)),
            everyman("c", journal, period_s=0.07, watches="/b"),
            period_s=3600.0,
        )
        stage.advance(0.1)
        stage.tell("/b", End())
        for step_s in steps_s:
            stage.advance(step_s)
        stage.stop()
        return [*journal, *stage.events]

    assert run([2.0]) == run([0.5, 0.25, 1.25]) == run([0.125] * 16)


def test_a_message_that_costs_time_keeps_its_receiver_busy_for_so_long() -> None:
    journal: list[Any] = []
    spec = group("one_for_one", (everyman("a", journal),))
    stage = Stage(spec, costs={"stage.pay": 0.25})
    stage.start()
    stage.tell("/a", Pay())
    stage.tell("/a", Pay())
    stage.advance(1.0)
    assert journal == [(0.25, "paid"), (0.5, "paid")]


def test_killed_while_it_is_busy_it_never_handles_the_message() -> None:
    journal: list[Any] = []
    stage = Stage(group("one_for_one", (everyman("a", journal),)), costs={"stage.pay": 0.25})
    stage.start()
    stage.tell("/a", Pay())
    stage.advance(0.1)
    stage.kill("/a")
    stage.advance(1.0)
    assert journal == []
    assert stage.dead_letters.by_cause["crashed"] == 1


# -- requests -----------------------------------------------------------------------------------


def test_who_asks_gets_the_answer_without_time_passing() -> None:
    stage = staged(worker("b"), everyman("a", []))
    told = stage.request("/a", Ask("/b"), reply=Told)
    assert (told.what, told.at_s) == ("answered", 1000.0)


def test_who_is_not_answered_waits_in_virtual_time_while_others_go_on() -> None:
    journal: list[Any] = []
    stage = staged(everyman("mute", []), everyman("a", []), everyman("c", journal, period_s=1.0))
    told = stage.request("/a", Ask("/mute", timeout_s=2.5), timeout_s=5.0, reply=Told)
    assert (told.what, told.at_s) == ("timeout", 1002.5)
    assert [at_s for at_s, _ in journal] == [1.0, 2.0]


def test_what_is_said_to_somebody_who_waits_is_handled_afterwards() -> None:
    journal: list[Any] = []
    stage = staged(everyman("mute", []), everyman("a", journal))
    stage.tell("/a", Ask("/mute", timeout_s=1.0))
    stage.tell("/a", Tick())
    stage.advance(2.0)
    assert journal == [(1.0, "tick /a")]


def test_who_asks_somebody_that_dies_hears_so_at_once() -> None:
    spec = group("one_for_one", (worker("b"), everyman("a", [])))
    stage = Stage(spec, costs={"test.ping": 2.0})
    stage.start()
    stage.schedule.at(1000.5, lambda: stage.kill("/b"))
    told = stage.request("/a", Ask("/b"), reply=Told)
    assert (told.what, told.at_s) == ("crashed", 1000.5)


def test_an_asker_that_is_killed_does_not_go_on() -> None:
    journal: list[Any] = []
    stage = staged(everyman("mute", []), everyman("a", journal))
    stage.tell("/a", Ask("/mute"))
    stage.schedule.at(1000.5, lambda: stage.kill("/a"))
    stage.advance(5.0)
    assert stage.rows()["/a"].incarnation == 2
    assert stage.dead_letters.by_cause["late_reply"] == 0


def test_an_asker_that_waits_beyond_its_deadline_is_found_hung() -> None:
    stage = staged(everyman("mute", []), everyman("a", []))
    stage.tell("/a", Ask("/mute", timeout_s=60.0))
    stage.advance(10.0)
    assert isinstance(stage.rows()["/a"].last_exit, Hung)
    assert stage.rows()["/a"].incarnation == 2
    assert stage.system.hangs == 1


def test_a_request_to_nobody_fails_as_it_always_does() -> None:
    stage = staged(worker("a"))
    with pytest.raises(RequestFailed, match="no_actor"):
        stage.request("/nobody", Ping())


# -- watching, suspending, lanes ----------------------------------------------------------------


def test_a_watcher_is_told_of_the_end_with_its_reason() -> None:
    journal: list[Any] = []
    stage = staged(worker("a"), everyman("b", journal, watches="/a"))
    stage.tell("/a", End("normal"))
    stage.advance(0.1)
    assert journal == [(0.0, "down /a 1 Normal")]
    assert stage.rows()["/a"].last_exit == Normal()


def test_a_suspended_actor_serves_the_fast_lane_only() -> None:
    journal: list[str] = []
    stage = staged(worker("a", journal=journal))
    stage.request("/a", Suspend())
    stage.tell("/a", End("normal"))
    stage.tell("/a", Urgent())
    stage.advance(1.0)
    assert journal == ["start a", "urgent a"]
    stage.request("/a", Resume())
    stage.advance(0.1)
    assert journal == ["start a", "urgent a", "stop a Normal", "start a"]


# -- kill, freeze, vanish -----------------------------------------------------------------------


def test_a_killed_actor_gets_no_on_stop_but_its_fail_safe(tmp_path: Path) -> None:
    probe = tmp_path / "probe"
    spec = ChildSpec(
        "a", Guarded, args={"probe": str(probe)}, fail_safe="tests.supervisors.failsafe:note"
    )
    stage = staged(spec)
    stage.kill("/a")
    assert len(probe.read_text().split()) == 1
    stage.advance(0.1)
    assert stage.rows()["/a"].last_exit == Signal(9)
    assert stage.rows()["/a"].incarnation == 2


def test_a_fail_safe_that_fails_quarantines_the_child(tmp_path: Path) -> None:
    args = {"probe": str(tmp_path / "probe")}
    failing = "tests.supervisors.failsafe:fail"
    stage = staged(ChildSpec("a", Guarded, args=args, fail_safe=failing))
    stage.kill("/a")
    stage.advance(0.1)
    assert stage.rows()["/a"].state is State.QUARANTINED
    assert isinstance(stage.rows()["/a"].last_exit, Unsafe)


class Guarded(Actor):
    """Has something that must be brought to rest."""

    def __init__(self, probe: str) -> None:
        self.probe = probe

    def on_stop(self, reason: object) -> None:
        with Path(self.probe).open("a", encoding="ascii") as file:
            file.write("stopped\n")


def test_a_short_freeze_only_delays() -> None:
    journal: list[Any] = []
    stage = staged(everyman("a", journal))
    stage.freeze("/a", 2.0)
    stage.tell("/a", Tick())
    stage.advance(3.0)
    assert journal == [(2.0, "tick /a")]


@pytest.mark.parametrize(("host", "patience_s"), [("process", 3.0), ("thread", 5.0)])
def test_a_long_freeze_is_found_and_ended(host: str, patience_s: float) -> None:
    stage = staged(everyman("a", [], host=host))
    stage.freeze("/a", 100.0)
    stage.advance(patience_s - 0.1)
    assert stage.rows()["/a"].incarnation == 1
    stage.advance(0.2)
    assert stage.rows()["/a"].incarnation == 2
    assert stage.rows()["/a"].last_exit == Hung("frozen")


def test_a_frozen_asker_goes_on_only_after_the_thaw() -> None:
    stage = staged(everyman("mute", []), everyman("a", []))
    stage.schedule.at(1000.5, lambda: stage.freeze("/a", 2.0))
    told = stage.request("/a", Ask("/mute", timeout_s=1.0), timeout_s=10.0, reply=Told)
    assert told.at_s == 1002.5


def test_a_tree_that_vanishes_does_nothing_more_and_one_beside_it_goes_on() -> None:
    around, inside = [], []
    world = Stage(group("one_for_one", (everyman("world", around, period_s=1.0),)))
    world.start()
    core = Stage(group("one_for_one", (everyman("a", inside, period_s=1.0),)), beside=world)
    core.start()
    core.advance(2.5)
    core.vanish()
    world.advance(2.0)
    assert len(inside) == 2
    assert len(around) == 4


# -- what it refuses, and what it leaves behind --------------------------------------------------


def test_arguments_of_a_process_host_go_through_msgpack() -> None:
    stage = staged(ChildSpec("a", Typed, args={"pair": (1, 2), "ratio": 3}, host="process"))
    assert stage.facts("/a") == {"pair": "(1, 2)", "ratio": "3.0"}


class Typed(Actor):
    """Shows what it got."""

    def __init__(self, pair: tuple[int, int], ratio: float) -> None:
        self.got = {"pair": str(pair), "ratio": str(ratio)}

    def on_start(self) -> None:
        self.ctx.note(**self.got)


def test_an_async_actor_is_refused_by_name() -> None:
    with pytest.raises(SupervisorFailed) as failed:
        Stage(group("one_for_one", (ChildSpec("uplink", AsyncActor),))).start()
    assert "uplink is an async actor" in str(failed.value.reason)


def test_a_start_that_never_ends_is_given_up() -> None:
    class Dreamer(Actor):
        def on_start(self) -> None:
            self.ctx.request("/mute", Ping(), timeout_s=1000.0)

    spec = group("one_for_one", (everyman("mute", []), ChildSpec("a", Dreamer)))
    with pytest.raises(SupervisorFailed) as failed:
        Stage(spec).start()
    assert "on_start took over 10 s" in str(failed.value.reason)


def test_it_has_no_threads() -> None:
    before = threading.active_count()
    stage = staged(worker("a"), worker("b", "waiting"))
    stage.tell("/a", End())
    stage.advance(100.0)
    assert threading.active_count() == before
    assert stage.stop()
    assert not stage.system.slots


def test_a_waiting_child_costs_no_restarts_and_a_crash_shows_its_stack() -> None:
    class Late(Actor):
        def on_start(self) -> None:
            if self.ctx.clock.monotonic() < 1010.0:
                msg = "the camera"
                raise Waiting(msg)

    stage = staged(ChildSpec("a", Late), worker("b"), intensity=1)
    stage.tell("/b", End())
    stage.advance(60.0)
    assert stage.rows()["/a"].restarts == 0
    assert stage.rows()["/a"].state is State.RUNNING
    crash = stage.rows()["/b"].last_exit
    assert isinstance(crash, Crash)
    assert "Boom" in crash.stack


def test_a_supervisor_that_is_killed_takes_all_below_it_along() -> None:
    journal: list[str] = []
    below = ChildSpec(
        "below", group("one_for_one", (worker("c", journal=journal),)), shutdown="kill"
    )
    stage = staged(below)
    assert stage.root.terminate_child("below") == Ok()
    assert journal == ["start c"]
    assert stage.rows()["/below"].last_exit == Killed("brutal kill")


def test_a_timer_that_was_overtaken_costs_no_turns_for_ever() -> None:
    journal: list[Any] = []
    stage = staged(everyman("a", journal))
    actor = stage.rows()["/a"].running
    turns: list[int] = []
    original = actor._turn
    actor._turn = lambda: (turns.append(1), original())
    for delay_s in (1.0, 0.5, 0.25, 0.125):
        actor._ctx.schedule_once(delay_s, Tick())
        stage.tell("/a", Pay())
        stage.advance(0.001)
    turns.clear()
    stage.advance(10.0)
    assert len(journal) == 8
    assert len(turns) == 4


def vanished(*, at_once: bool) -> list[str]:
    journal: list[str] = []
    Noted.journal = journal
    stage = staged(
        ChildSpec("guard", Noted, host="process", outlives_core_s=0.5),
        ChildSpec("camera", Noted, host="process"),
    )
    stage.vanish(at_once=at_once)
    return journal


class Noted(Actor):
    """Says that it was stopped; the list is the test's, for arguments go through msgpack."""

    journal: list[str]

    def on_stop(self, reason: object) -> None:
        self.journal.append(self.ctx.path)


def test_when_the_core_is_killed_only_who_may_outlive_it_stops_in_order() -> None:
    assert vanished(at_once=False) == ["/guard"]


def test_when_the_power_is_cut_nobody_does() -> None:
    assert vanished(at_once=True) == []
