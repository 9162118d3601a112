"""What the core has beyond OTP: quarantine, waiting, kick, rearm, start timeouts, a hardy boot."""

import pytest

from supervisors import Actor, ChildSpec, SupervisorSpec
from supervisors import plan as p
from supervisors.core import EXHAUSTED
from supervisors.exits import Crash, Hung, Shutdown, Unsafe
from supervisors.manual import BOOM, FAIL, HANG, MISSING, Manual, Outcome
from supervisors.plan import State
from supervisors.results import ChildInfo, NotFound, Ok, Restarting, Started, StartFailed
from supervisors.spec import Backoff

STEADY = Backoff(initial_s=1.0, factor=1.0, maximum_s=20.0, jitter=0.0, reset_after_s=60.0)


def child(id_: str, **more: object) -> ChildSpec:
    return ChildSpec(id_, Actor, **more)  # type: ignore[arg-type]


def tree(*children: ChildSpec | str, **flags: object) -> Manual:
    specs = tuple(child(each) if isinstance(each, str) else each for each in children)
    defaults = {"backoff": STEADY, "intensity": 2, "period_s": 60.0, "on_exhausted": "quarantine"}
    return Manual(SupervisorSpec(specs, **{**defaults, **flags}))  # type: ignore[arg-type]


def exhaust(sup: Manual, id_: str) -> Manual:
    for _ in range(3):
        sup.advance(1.1).exit(id_)
    return sup


# -- quarantine ---------------------------------------------------------------------------------


def test_exhaustion_quarantines_the_child_and_leaves_the_others_alone() -> None:
    sup = exhaust(tree("a", "b").begin(), "a")
    assert sup.state("a") is State.QUARANTINED
    assert sup.running() == ["b"]
    assert sup.ended is None
    assert sup.whats("a")[-2:] == ["exhausted", "quarantined"]
    assert sup.ask(p.WhichChildren())[1] == ChildInfo("a", "restarting", "worker", "Actor")  # type: ignore[index]
    assert sup.ask(p.RestartChild("a")) == Restarting()


def test_the_budget_of_the_others_is_not_spent_by_a_quarantined_child() -> None:
    sup = exhaust(tree("a", "b").begin(), "a")
    sup.exit("b").advance(1.1)
    sup.exit("b").advance(1.1)
    assert sup.state("b") is State.RUNNING


def test_it_is_probed_every_maximum_and_a_failing_probe_costs_nothing() -> None:
    sup = exhaust(tree("a").begin(), "a")
    sup.script.starts["a"].extend([FAIL] * 3)
    sup.since_last()
    for _ in range(3):
        assert sup.core.children["a"].next_at == pytest.approx(sup.now + 20.0)
        assert sup.advance(19.9).since_last() == []
        assert sup.advance(0.1).since_last() == ["start a"]
        assert sup.state("a") is State.QUARANTINED
    assert sup.advance(20).running() == ["a"]
    assert sup.core.window.count(sup.now) == 0


def test_a_probe_that_crashes_before_it_has_recovered_is_quarantined_again() -> None:
    sup = exhaust(tree("a").begin(), "a")
    sup.advance(20.0)
    assert sup.running() == ["a"]
    sup.advance(59.0).exit("a")
    assert sup.state("a") is State.QUARANTINED


def test_a_probe_that_runs_long_enough_has_recovered() -> None:
    sup = exhaust(tree("a").begin(), "a")
    sup.advance(20.0).advance(60.0)
    assert sup.whats("a")[-1] == "recovered"
    assert not sup.core.children["a"].quarantined
    sup.exit("a")
    assert sup.state("a") is State.RESTARTING
    assert sup.reports[-1].delay_s == 1.0, "a fresh streak"


def test_quarantine_of_a_child_without_backoff_has_a_probe_period_too() -> None:
    sup = tree("a", backoff=Backoff.NONE, intensity=0).begin()
    sup.exit("a")
    assert sup.state("a") is State.QUARANTINED
    assert sup.advance(29.9).running() == []
    assert sup.advance(0.1).running() == ["a"]


@pytest.mark.parametrize(("strategy", "left"), [("one_for_all", []), ("rest_for_one", ["a"])])
def test_the_group_of_a_quarantined_child_stays_down_with_it(
    strategy: str, left: list[str]
) -> None:
    sup = tree("a", "b", "c", strategy=strategy, intensity=0).begin()
    sup.exit("b")
    assert sup.running() == left
    assert sup.advance(20.0).running() == ["a", "b", "c"]


def test_escalation_is_still_otps() -> None:
    assert exhaust(tree("a", on_exhausted="escalate").begin(), "a").ended == EXHAUSTED


def test_terminate_ends_a_quarantine() -> None:
    sup = exhaust(tree("a").begin(), "a")
    assert sup.ask(p.TerminateChild("a")) == Ok()
    sup.since_last()
    assert sup.advance(1000).since_last() == []
    assert sup.state("a") is State.STOPPED


def test_a_child_left_unsafe_is_quarantined_at_its_first_failure() -> None:
    sup = tree("a", "b", on_exhausted="escalate").begin()
    sup.exit("a", Unsafe("Crash", "outputs are still high"))
    assert sup.state("a") is State.QUARANTINED
    assert "exhausted" not in sup.whats("a")
    assert sup.advance(20.0).running() == ["a", "b"]


# -- waiting ------------------------------------------------------------------------------------


def test_a_missing_dependency_costs_no_budget_and_is_looked_for_at_least_1_s_apart() -> None:
    sup = tree("a", "b", intensity=0, backoff=Backoff(jitter=0.0))
    sup.script.starts["a"].extend([MISSING] * 6)
    sup.begin()
    assert sup.begun
    assert sup.running() == ["b"]
    assert sup.state("a") is State.WAITING
    assert sup.core.children["a"].waiting_for == "device"
    starts = []
    while sup.state("a") is State.WAITING:
        before = sup.now
        sup.advance((sup.core.children["a"].next_at or 0) - sup.now)
        starts.append(round(sup.now - before, 3))
    assert starts == [1.0, 1.0, 1.0, 1.6, 3.2, 6.4]
    assert sup.whats("a").count("waiting") == 1, "said once, not at every look"
    assert sup.core.children["a"].restarts == 0


def test_what_a_child_waits_for_is_known_while_it_looks_again_and_no_longer() -> None:
    sup = tree("a", backoff=Backoff(jitter=0.0))
    sup.script.starts["a"].extend([MISSING, FAIL])
    sup.begin()
    known = []
    while sup.state("a") is not State.RUNNING:
        known.append(sup.core.children["a"].waiting_for)
        sup.advance((sup.core.children["a"].next_at or 0) - sup.now)
    assert known == ["device", ""], "it waits, then it fails otherwise"
    assert sup.core.children["a"].waiting_for == ""


def test_which_children_says_restarting_of_a_waiting_child() -> None:
    sup = tree("a")
    sup.script.starts["a"].append(MISSING)
    sup.begin()
    assert sup.ask(p.WhichChildren()) == (ChildInfo("a", "restarting", "worker", "Actor"),)
    assert sup.ask(p.DeleteChild("a")) == Restarting()
    assert sup.ask(p.TerminateChild("a")) == Ok()
    assert sup.ask(p.DeleteChild("a")) == Ok()


def test_start_child_of_something_that_has_to_wait_is_started_nothing() -> None:
    sup = tree("b").begin()
    sup.script.starts["a"].append(MISSING)
    assert sup.ask(p.StartChild(child("a"))) == Started(None)
    assert sup.advance(1.0).running() == ["b", "a"]


def test_a_waiting_child_that_comes_up_does_not_disturb_its_group() -> None:
    sup = tree("a", "b", strategy="one_for_all")
    sup.script.starts["a"].append(MISSING)
    sup.begin().since_last()
    assert sup.advance(1.0).since_last() == ["start a"]


def test_a_waiting_child_that_then_fails_is_an_ordinary_failure() -> None:
    sup = tree("a", intensity=0, on_exhausted="escalate")
    sup.script.starts["a"].extend([MISSING, FAIL])
    sup.begin().advance(1.0)
    assert sup.ended == EXHAUSTED


# -- rearm and kick -----------------------------------------------------------------------------


@pytest.mark.parametrize(("topic", "is_tried"), [("network", True), ("device", False)])
def test_rearm_brings_the_probe_forward(topic: str, is_tried: bool) -> None:
    sup = exhaust(tree(child("a", rearm_on=("network", "config"))).begin(), "a")
    sup.ask(p.Rearm(topic))
    assert (sup.running() == ["a"]) is is_tried


def test_rearm_wakes_those_that_wait_and_nobody_else() -> None:
    sup = tree(*(child(id_, rearm_on=("device",)) for id_ in "abc"))
    sup.script.starts["a"].append(MISSING)
    sup.begin()
    sup.exit("b")
    sup.since_last()
    sup.ask(p.Rearm("device"))
    assert sup.since_last() == ["start a"], "b is in an ordinary delay"


def test_kick_starts_a_quarantined_child_now_and_clears_its_streak() -> None:
    sup = exhaust(tree("a").begin(), "a")
    assert sup.ask(p.Kick("a")) == Ok()
    assert sup.running() == ["a"]
    assert sup.core.children["a"].streak == 0


def test_kick_ends_a_delay() -> None:
    sup = tree("a").begin()
    sup.exit("a")
    assert sup.ask(p.Kick("a")) == Ok()
    assert sup.running() == ["a"]
    sup.since_last()
    assert sup.advance(100).since_last() == [], "the old timer is stale"


def test_kick_restarts_what_runs_and_starts_what_is_stopped() -> None:
    sup = tree("a", "b").begin()
    sup.since_last()
    assert sup.ask(p.Kick("a")) == Ok()
    assert sup.since_last() == ["ask_stop a", "start a"]
    sup.ask(p.TerminateChild("a"))
    assert sup.ask(p.Kick("a")) == Ok()
    assert sup.running() == ["a", "b"]
    assert sup.ask(p.Kick("x")) == NotFound()
    assert sup.core.window.count(sup.now) == 0, "operators spend no budget"


@pytest.mark.parametrize("restart", ["permanent", "temporary"])
def test_kick_of_a_dynamic_or_temporary_child_restarts_it_too(restart: str) -> None:
    from supervisors import dynamic

    for spec in (
        dynamic(child("c", restart=restart)),
        SupervisorSpec((child("c-1", restart=restart),)),
    ):
        sup = Manual(spec).begin()
        if not sup.running():
            sup.ask(p.StartChild({}))
        assert sup.ask(p.Kick("c-1")) == Ok()
        assert sup.running() == ["c-1"]


# -- start timeout ------------------------------------------------------------------------------


def test_a_start_that_takes_too_long_is_killed_and_is_a_failure() -> None:
    sup = tree("a", child("b", start_timeout_s=3.0), init_failure="restart")
    sup.script.starts["b"].append(HANG)
    sup.begin()
    assert sup.advance(2.9).since_last() == ["start a", "start b"]
    assert sup.advance(0.2).since_last() == ["kill b"]
    last = sup.core.children["b"].last_exit
    assert isinstance(last, Hung)
    assert "on_start took over 3 s" in last.where
    assert sup.advance(1.0).running() == ["a", "b"]


def test_a_start_that_comes_through_in_time_disarms_the_timeout() -> None:
    sup = tree("a")
    sup.script.starts["a"].append(HANG)
    sup.begin().advance(5.0)
    sup.get_ready("a")
    assert sup.advance(100).since_last() == ["start a"]


def test_a_supervisor_below_has_no_start_timeout_of_its_own() -> None:
    sup = tree(ChildSpec("s", SupervisorSpec()))
    sup.script.starts["s"].append(HANG)
    assert sup.begin().advance(1e6).since_last() == ["start s"]


# -- a boot that goes on ------------------------------------------------------------------------


def test_init_failure_abort_is_otps() -> None:
    sup = tree("a", "b", "c", init_failure="abort")
    sup.script.starts["b"].append(FAIL)
    sup.begin()
    assert not sup.begun
    assert isinstance(sup.ended, Shutdown)
    assert "failed_to_start_child b" in str(sup.ended)
    assert sup.since_last() == ["start a", "start b", "ask_stop a"]


def test_init_failure_restart_lets_the_boot_go_on() -> None:
    sup = tree("a", "b", "c", init_failure="restart")
    sup.script.starts["b"].append(FAIL)
    sup.begin()
    assert sup.begun
    assert sup.running() == ["a", "c"]
    assert sup.advance(1.0).running() == ["a", "b", "c"]


@pytest.mark.parametrize(("strategy", "left"), [("one_for_all", []), ("rest_for_one", ["a"])])
def test_init_failure_restart_in_a_group(strategy: str, left: list[str]) -> None:
    sup = tree("a", "b", "c", strategy=strategy, init_failure="restart")
    sup.script.starts["b"].append(FAIL)
    sup.begin()
    assert sup.begun
    assert sup.running() == left
    assert sup.advance(1.0).running() == ["a", "b", "c"]


def test_init_failure_restart_with_no_budget_quarantines_or_ends() -> None:
    sup = tree("a", "b", "c", init_failure="restart", intensity=0)
    sup.script.starts["b"].append(FAIL)
    sup.begin()
    assert sup.begun
    assert sup.running() == ["a", "c"]
    assert sup.state("b") is State.QUARANTINED
    other = tree("a", "b", init_failure="restart", intensity=0, on_exhausted="escalate")
    other.script.starts["b"].append(FAIL)
    other.begin()
    assert other.ended == EXHAUSTED
    assert not other.begun


def test_a_temporary_child_that_fails_at_boot_is_dropped() -> None:
    sup = tree("a", child("t", restart="temporary"), "b", init_failure="restart")
    sup.script.starts["t"].append(FAIL)
    sup.begin()
    assert list(sup.core.children) == ["a", "b"]


def test_a_reason_survives_into_the_answer_and_the_record() -> None:
    sup = tree("a").begin()
    reason = Crash("OSError", "/dev/video0 is busy")
    sup.script.starts["b"].append(Outcome("fail", reason))
    answer = sup.ask(p.StartChild(child("b")))
    assert answer == StartFailed("b", reason)
    sup.exit("a", BOOM)
    assert sup.core.children["a"].last_exit == BOOM
    assert sup.core.children["a"].last_exit_at == sup.now


@pytest.mark.parametrize("on_exhausted", ["escalate", "quarantine"])
def test_a_start_that_fails_while_the_others_are_stopped_does_not_hold_up_the_end(
    on_exhausted: str,
) -> None:
    sup = tree("a", "b", "c", on_exhausted=on_exhausted, backoff=Backoff.NONE, intensity=None)
    sup.begin()
    sup.script.starts["a"].append(FAIL)
    sup.post_exit("a")
    sup.feed(sup._pending.pop(0))
    assert sup.state("a") is State.STARTING
    sup.stop()
    assert sup.ended is not None
    assert not sup.alive
