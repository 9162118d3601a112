"""The core in virtual time: windows, retries, stops and calls, where every moment counts."""

import pytest

from supervisors import ChildSpec, SupervisorSpec, dynamic
from supervisors import plan as p
from supervisors.actor import Actor
from supervisors.core import EXHAUSTED
from supervisors.exits import Crash, Killed, Normal, Shutdown
from supervisors.manual import BOOM, FAIL, HANG, IGNORED, Manual
from supervisors.plan import State
from supervisors.results import (
    AlreadyPresent,
    ChildCount,
    ChildInfo,
    ChildRef,
    NoProc,
    Ok,
    Restarting,
    Started,
    StartFailed,
)
from supervisors.spec import Backoff

SLOW = Backoff(initial_s=10.0, factor=1.0, maximum_s=10.0, jitter=0.0, reset_after_s=60.0)


def child(id_: str, **more: object) -> ChildSpec:
    return ChildSpec(id_, Actor, **more)  # type: ignore[arg-type]


def tree(strategy: str, *children: ChildSpec | str, **flags: object) -> Manual:
    specs = tuple(child(each) if isinstance(each, str) else each for each in children)
    flags = {"backoff": Backoff.NONE, "intensity": 2, "period_s": 10.0, **flags}
    return Manual(SupervisorSpec(specs, strategy=strategy, **flags))  # type: ignore[arg-type]


# -- intensity ----------------------------------------------------------------------------------


def test_intensity_0_restarts_nothing() -> None:
    sup = tree("one_for_one", "a", "b", intensity=0).begin()
    sup.exit("a")
    assert sup.ended == EXHAUSTED
    assert sup.since_last() == ["start a", "start b", "ask_stop b"]


def test_intensity_is_what_is_tolerated_one_more_ends_it() -> None:
    sup = tree("one_for_one", "a").begin()
    sup.exit("a").exit("a")
    assert sup.ended is None
    sup.exit("a")
    assert sup.ended == EXHAUSTED


@pytest.mark.parametrize(("apart_s", "is_over"), [(5.0, True), (5.001, False), (4.999, True)])
def test_a_restart_exactly_a_period_ago_still_counts(apart_s: float, is_over: bool) -> None:
    sup = tree("one_for_one", "a").begin()
    for _ in range(3):
        sup.exit("a").advance(apart_s)
    assert (sup.ended is not None) is is_over


def test_the_window_slides_and_does_not_jump() -> None:
    sup = tree("one_for_one", "a").begin()
    for _ in range(50):
        sup.exit("a").advance(5.001)
    assert sup.ended is None
    sup.exit("a").advance(1.0).exit("a")
    assert sup.ended == EXHAUSTED


def test_intensity_is_one_budget_for_all_children() -> None:
    sup = tree("one_for_one", "a", "b", "c").begin()
    sup.exit("a").exit("b").exit("c")
    assert sup.ended == EXHAUSTED


def test_intensity_none_never_ends() -> None:
    sup = tree("one_for_one", "a", intensity=None).begin()
    for _ in range(1000):
        sup.exit("a")
    assert sup.ended is None
    assert sup.core.children["a"].restarts == 1000


def test_every_failed_attempt_costs_one() -> None:
    sup = tree("one_for_one", "a", intensity=3).begin()
    sup.script.starts["a"].extend([FAIL] * 3)
    sup.exit("a")
    assert sup.ended == EXHAUSTED
    assert sup.since_last().count("start a") == 4


@pytest.mark.parametrize("strategy", ["one_for_all", "rest_for_one"])
def test_a_group_restart_costs_one(strategy: str) -> None:
    sup = tree(strategy, *"abcdef", intensity=1).begin()
    sup.exit("a")
    assert sup.running() == list("abcdef")
    sup.exit("f")
    assert sup.ended == EXHAUSTED


def test_api_restarts_cost_nothing() -> None:
    sup = tree("one_for_one", "a", intensity=0).begin()
    for _ in range(5):
        assert sup.ask(p.TerminateChild("a")) == Ok()
        assert sup.ask(p.RestartChild("a")) == Started(ChildRef("/a", sup.alive["a"]))
    assert sup.ended is None


def test_a_failed_restart_child_costs_nothing_and_keeps_the_spec() -> None:
    sup = tree("one_for_one", "a", intensity=0).begin()
    sup.ask(p.TerminateChild("a"))
    sup.script.starts["a"].append(FAIL)
    assert isinstance(sup.ask(p.RestartChild("a")), StartFailed)
    assert sup.ask(p.RestartChild("a")) == Started(ChildRef("/a", 3))


# -- groups -------------------------------------------------------------------------------------


def test_one_for_all_stops_in_reverse_and_starts_in_order() -> None:
    sup = tree("one_for_all", *"abcd").begin()
    sup.since_last()
    sup.exit("b")
    assert sup.since_last() == [
        "ask_stop d", "ask_stop c", "ask_stop a", "start a", "start b", "start c", "start d",
    ]  # fmt: skip


def test_rest_for_one_leaves_the_earlier_alone() -> None:
    sup = tree("rest_for_one", *"abcd").begin()
    sup.since_last()
    sup.exit("b")
    assert sup.since_last() == ["ask_stop d", "ask_stop c", "start b", "start c", "start d"]


def test_one_for_all_retry_stops_those_already_restarted() -> None:
    sup = tree("one_for_all", *"abc").begin()
    sup.since_last()
    sup.script.starts["c"].append(FAIL)
    sup.exit("a")
    assert sup.since_last() == [
        "ask_stop c", "ask_stop b", "start a", "start b", "start c",
        "ask_stop b", "ask_stop a", "start a", "start b", "start c",
    ]  # fmt: skip


def test_rest_for_one_retry_goes_on_from_the_one_that_failed() -> None:
    sup = tree("rest_for_one", *"abcd").begin()
    sup.since_last()
    sup.script.starts["c"].append(FAIL)
    sup.exit("b")
    assert sup.since_last() == [
        "ask_stop d", "ask_stop c", "start b", "start c", "start c", "start d",
    ]  # fmt: skip


def test_siblings_stop_at_once_and_wait_through_the_delay() -> None:
    sup = tree("one_for_all", *"abc", backoff=SLOW, intensity=None).begin()
    sup.since_last()
    sup.exit("b")
    assert sup.since_last() == ["ask_stop c", "ask_stop a"]
    assert sup.advance(9.9).since_last() == []
    assert sup.advance(0.2).since_last() == ["start a", "start b", "start c"]


def test_what_was_started_by_hand_during_the_delay_joins_the_group_again() -> None:
    sup = tree("one_for_all", *"abc", backoff=SLOW, intensity=None).begin()
    sup.exit("b")
    assert sup.ask(p.RestartChild("c")) == Started(ChildRef("/c", 2))
    sup.since_last()
    assert sup.advance(10.1).since_last() == ["ask_stop c", "start a", "start b", "start c"]


def test_a_group_restart_starts_those_that_had_been_stopped_as_in_otp() -> None:
    sup = tree("one_for_all", *"ab").begin()
    sup.ask(p.TerminateChild("a"))
    sup.exit("b")
    assert sup.running() == ["a", "b"]


def test_a_second_child_that_dies_during_a_group_restart_costs_nothing_more() -> None:
    sup = tree("one_for_all", *"abc", intensity=1).begin()
    sup.script.endings["c"] = BOOM
    sup.post_exit("a")
    sup.post_exit("b")
    sup.settle()
    assert sup.running() == list("abc")
    assert sup.core.children["b"].incarnation == 2


def test_a_child_that_dies_while_another_is_stopped_is_looked_after_later() -> None:
    sup = tree("one_for_one", *"ab").begin()
    sup.script.stubborn.add("a")
    ref = sup.call(p.TerminateChild("a"))
    sup.exit("b")
    assert sup.state("b") is State.DOWN
    sup.advance(5.0)
    assert sup.answers[ref] == Ok()
    assert sup.running() == ["b"]
    assert sup.core.children["b"].incarnation == 2


# -- stopping -----------------------------------------------------------------------------------


def test_shutdown_timeout_then_kill_then_the_next() -> None:
    sup = tree("one_for_one", "a", child("b", shutdown=3.0), "c").begin()
    sup.script.stubborn.add("b")
    sup.since_last()
    sup.stop()
    assert sup.since_last() == ["ask_stop c", "ask_stop b"]
    assert sup.advance(2.9).since_last() == []
    assert sup.advance(0.2).since_last() == ["kill b", "ask_stop a"]
    assert sup.ended == Shutdown()
    assert "shutdown_error" in sup.whats("b"), "killed after a timeout is reported"


def test_shutdown_0_is_legal_and_means_now_or_never() -> None:
    sup = tree("one_for_one", child("a", shutdown=0)).begin()
    sup.script.stubborn.add("a")
    sup.stop()
    assert sup.since_last() == ["start a", "ask_stop a", "kill a"]


def test_infinity_waits_for_ever() -> None:
    sup = tree("one_for_one", child("a", shutdown="infinity")).begin()
    sup.script.stubborn.add("a")
    sup.stop().advance(1e6)
    assert sup.ended is None
    sup.exit("a", Shutdown())
    assert sup.ended == Shutdown()


def test_brutal_kill_asks_nobody_and_is_no_error() -> None:
    sup = tree("one_for_one", child("a", shutdown="kill")).begin()
    sup.stop()
    assert sup.since_last() == ["start a", "kill a"]
    assert sup.whats("a") == ["started", "stopped"]


@pytest.mark.parametrize(
    ("restart", "ending", "what"),
    [
        ("permanent", Shutdown(), "stopped"),
        ("permanent", Shutdown("late"), "stopped"),
        ("permanent", Normal(), "shutdown_error"),
        ("transient", Normal(), "stopped"),
        ("temporary", Normal(), "stopped"),
        ("permanent", BOOM, "shutdown_error"),
        ("permanent", Killed(), "shutdown_error"),
    ],
)
def test_which_endings_of_a_stop_are_errors(restart: str, ending: Crash, what: str) -> None:
    sup = tree("one_for_one", child("a", restart=restart)).begin()
    sup.script.endings["a"] = ending
    sup.stop()
    assert sup.whats("a")[-1] == what


def test_simple_one_for_one_stops_all_at_once() -> None:
    sup = Manual(dynamic(child("c", shutdown=2.0), backoff=Backoff.NONE)).begin()
    for _ in range(4):
        sup.ask(p.StartChild({}))
    sup.script.stubborn.update({"c-2", "c-3"})
    sup.since_last()
    sup.stop()
    assert sup.since_last() == ["ask_stop c-4", "ask_stop c-3", "ask_stop c-2", "ask_stop c-1"]
    sup.advance(2.0)
    assert sup.since_last() == ["kill c-3", "kill c-2"]
    assert sup.ended == Shutdown()


def test_stop_while_starting_stops_what_starts_and_starts_nothing_more() -> None:
    sup = tree("one_for_one", *"abc")
    sup.script.starts["b"].append(HANG)
    sup.begin()
    sup.stop()
    assert sup.since_last() == ["start a", "start b", "ask_stop b"]
    sup.advance(5.0)
    assert sup.since_last() == ["kill b", "ask_stop a"]
    assert not sup.begun
    assert sup.ended == Shutdown()


def test_stop_overtakes_a_group_restart() -> None:
    sup = tree("one_for_all", *"abc").begin()
    sup.script.stubborn.add("c")
    sup.exit("a")
    sup.since_last()
    sup.stop()
    assert sup.since_last() == [], "c is being stopped already"
    sup.advance(5.0)
    assert sup.since_last() == ["kill c", "ask_stop b"]
    assert sup.ended == Shutdown()


def test_stop_cancels_all_delays() -> None:
    sup = tree("one_for_one", *"ab", backoff=SLOW, intensity=None).begin()
    sup.exit("a")
    sup.stop()
    assert sup.ended == Shutdown()
    assert sup.advance(100).since_last() == ["start a", "start b", "ask_stop b"]


def test_an_exit_during_the_stop_is_not_a_crash_to_restart() -> None:
    sup = tree("one_for_one", *"abc").begin()
    sup.post_exit("a")
    sup.stop()
    assert sup.ended == Shutdown()
    assert sup.since_last()[3:] == ["ask_stop c", "ask_stop b"]
    assert "restarting" not in sup.whats("a")


# -- calls --------------------------------------------------------------------------------------


def test_calls_wait_while_a_plan_runs_and_are_answered_in_order() -> None:
    sup = tree("one_for_one", "a").begin()
    sup.script.starts["b"].append(HANG)
    refs = [
        sup.call(p.StartChild(child("b"))),
        sup.call(p.CountChildren()),
        sup.call(p.WhichChildren()),
    ]
    assert sup.answers == {}
    sup.get_ready("b")
    assert list(sup.answers) == refs
    assert sup.answers[refs[1]] == ChildCount(2, 2, 0, 2)


def test_calls_waiting_at_the_end_are_noproc() -> None:
    sup = tree("one_for_one", "a").begin()
    sup.script.starts["b"].append(HANG)
    refs = [sup.call(p.StartChild(child("b"))), sup.call(p.CountChildren())]
    sup.stop()
    assert sup.answers[refs[0]] == NoProc()
    sup.advance(10)
    assert sup.answers[refs[1]] == NoProc()
    assert sup.ask(p.CountChildren()) == NoProc()


def test_which_children_is_newest_first_and_says_restarting() -> None:
    sup = tree("one_for_one", *"ab", backoff=SLOW, intensity=None).begin()
    sup.exit("a")
    assert sup.ask(p.WhichChildren()) == (
        ChildInfo("b", ChildRef("/b", 1), "worker", "Actor"),
        ChildInfo("a", "restarting", "worker", "Actor"),
    )
    assert sup.ask(p.CountChildren()) == ChildCount(2, 1, 0, 2)


def test_hanging_restart_loop() -> None:
    sup = tree("one_for_one", "a", backoff=SLOW, intensity=None).begin()
    sup.script.starts["a"].extend([FAIL] * 100)
    sup.exit("a")
    for _ in range(20):
        assert sup.ask(p.RestartChild("a")) == Restarting()
        assert sup.ask(p.DeleteChild("a")) == Restarting()
        assert sup.ask(p.StartChild(child("a"))) == AlreadyPresent()
        sup.advance(10)
    assert sup.ask(p.TerminateChild("a")) == Ok()
    sup.since_last()
    assert sup.advance(1000).since_last() == [], "the delay is cancelled"
    assert sup.ask(p.DeleteChild("a")) == Ok()


def test_calls_get_their_turn_in_a_restart_loop_without_delay() -> None:
    sup = tree("one_for_one", "a", intensity=None).begin()
    sup.script.starts["a"].extend([FAIL] * 10)
    sup.post_exit("a")
    sup.feed(sup._pending.pop(0))
    ref = sup.call(p.TerminateChild("a"))
    sup.settle()
    assert sup.answers[ref] == Ok()
    assert sup.state("a") is State.STOPPED
    assert len(sup.script.starts["a"]) == 9


def test_terminate_during_a_delay_leaves_no_ghost_even_after_a_new_start() -> None:
    sup = tree("one_for_one", "a", backoff=SLOW, intensity=None).begin()
    sup.exit("a").advance(5)
    sup.ask(p.TerminateChild("a"))
    assert sup.ask(p.RestartChild("a")) == Started(ChildRef("/a", 2))
    sup.since_last()
    assert sup.advance(1000).since_last() == []


def test_temporary_child_that_fails_its_start_is_forgotten() -> None:
    sup = tree("one_for_one", "a").begin()
    sup.script.starts["t"].append(FAIL)
    assert isinstance(sup.ask(p.StartChild(child("t", restart="temporary"))), StartFailed)
    assert list(sup.core.children) == ["a"]


def test_ignored_restart_keeps_a_static_child_and_drops_a_dynamic_one() -> None:
    sup = tree("one_for_one", "a").begin()
    sup.script.starts["a"].append(IGNORED)
    sup.exit("a")
    assert sup.state("a") is State.STOPPED
    simple = Manual(dynamic(child("c"), backoff=Backoff.NONE)).begin()
    simple.ask(p.StartChild({}))
    simple.script.starts["c-1"].append(IGNORED)
    simple.exit("c-1")
    assert simple.core.children == {}


def test_1000_dynamic_children() -> None:
    sup = Manual(dynamic(child("c"), backoff=Backoff.NONE, intensity=None)).begin()
    for _ in range(1000):
        sup.ask(p.StartChild({}))
    assert sup.ask(p.CountChildren()) == ChildCount(1, 1000, 0, 1000)
    for number in range(1, 1001, 2):
        sup.exit(f"c-{number}")
    assert sup.ask(p.CountChildren()) == ChildCount(1, 1000, 0, 1000)
    for number in range(1, 501):
        assert sup.ask(p.TerminateChild(f"c-{number}")) == Ok()
    assert sup.ask(p.CountChildren()) == ChildCount(1, 500, 0, 500)
    sup.stop()
    sup.check_answered()
