"""A supervisor becomes one of another spec: who is stopped, who starts, who never notices."""

from dataclasses import replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisors import Actor, ActorSystem, ChildSpec, Supervisor, SupervisorSpec, dynamic
from supervisors import plan as p
from supervisors.change import is_other
from supervisors.manual import FAIL, MISSING, Chaotic, Manual
from supervisors.plan import State
from supervisors.results import Changed, InvalidSpec, NoProc, StartFailed
from supervisors.spec import Backoff, Host, MailboxSpec, Restart, Strategy
from supervisors.testing import eventually

IDS = ("a", "b", "c", "d")


def child(id_: str, n: int = 0, **more) -> ChildSpec:
    return ChildSpec(id_, Actor, args={"n": n}, **more)


def spec(*children: ChildSpec, strategy: str = "one_for_one", **more) -> SupervisorSpec:
    return SupervisorSpec(children, strategy=Strategy(strategy), **more)


def four(**changed: int) -> tuple[ChildSpec, ...]:
    return tuple(child(id_, changed.get(id_, 0)) for id_ in IDS)


def begun(before: SupervisorSpec) -> Manual:
    sup = Manual(before).begin()
    sup.since_last()
    return sup


# -- who is touched ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("strategy", "log"),
    [
        ("one_for_one", ["ask_stop b", "start b"]),
        ("rest_for_one", [f"ask_stop {id_}" for id_ in "dcb"] + [f"start {id_}" for id_ in "bcd"]),
        ("one_for_all", [f"ask_stop {id_}" for id_ in "dcba"] + [f"start {id_}" for id_ in "abcd"]),
    ],
)
def test_a_changed_child_starts_anew_with_its_group(strategy, log):
    sup = begun(spec(*four(), strategy=strategy))
    answer = sup.ask(p.Change(spec(*four(b=1), strategy=strategy)))
    assert sup.since_last() == log
    restarted = tuple(one.removeprefix("start ") for one in log if one.startswith("start"))
    assert answer == Changed(restarted=restarted)
    assert [one.spec.args["n"] for one in sup.core.children.values()] == [0, 1, 0, 0]


@pytest.mark.parametrize("strategy", ["one_for_one", "rest_for_one", "one_for_all"])
def test_what_is_gone_stops_and_what_is_new_starts_beside_the_others(strategy):
    sup = begun(spec(*four(), strategy=strategy))
    after = spec(child("a"), child("new"), child("c"), child("d"), strategy=strategy)
    assert sup.ask(p.Change(after)) == Changed(stopped=("b",), started=("new",))
    assert sup.since_last() == ["ask_stop b", "start new"]
    assert list(sup.core.children) == ["a", "new", "c", "d"]


def test_the_same_spec_again_changes_nothing():
    sup = begun(spec(*four()))
    assert sup.ask(p.Change(spec(*four()))) == Changed()
    assert sup.since_last() == []


def test_what_only_the_supervisor_looks_at_is_taken_over_in_passing():
    sup = begun(spec(*four()))
    patient = tuple(
        replace(one, shutdown=9.0, start_timeout_s=99.0, rearm_on=("config",)) for one in four()
    )
    assert sup.ask(p.Change(spec(*patient, intensity=2))) == Changed()
    assert sup.since_last() == []
    assert sup.core.children["a"].spec.shutdown == 9.0
    assert sup.core.spec.intensity == 2


@pytest.mark.parametrize(
    "other",
    [
        {"args": {"n": 1}},
        {"host": Host.PROCESS},
        {"mailbox": MailboxSpec(7)},
        {"critical": True},
        {"fail_safe": "a:b"},
        {"shares": ("frames",)},
        {"start": type("Another", (Actor,), {})},
        {"start": SupervisorSpec()},
    ],
)
def test_what_an_incarnation_is_made_of_cannot_change_under_it(other):
    assert is_other(child("a"), replace(child("a"), **other))


def test_a_supervisor_below_does_not_start_anew_for_what_is_in_it():
    inner, other = SupervisorSpec(four()), SupervisorSpec(four(a=1))
    sup = begun(spec(ChildSpec("below", inner)))
    assert sup.ask(p.Change(spec(ChildSpec("below", other)))) == Changed()
    assert sup.core.children["below"].spec.start == other
    assert is_other(ChildSpec("below", inner), ChildSpec("below", dynamic(child("x"))))


def test_who_was_stopped_by_hand_stays_so_and_starts_as_the_new_one_later():
    sup = begun(spec(*four()))
    sup.ask(p.TerminateChild("b"))
    sup.since_last()
    assert sup.ask(p.Change(spec(*four(b=1)))) == Changed()
    sup.ask(p.RestartChild("b"))
    assert sup.since_last() == ["start b"]
    assert sup.core.children["b"].spec.args["n"] == 1


def test_who_was_added_by_hand_stays_and_who_ended_for_good_does_not_come_back():
    before = spec(child("a"), child("once", restart=Restart.TEMPORARY))
    sup = begun(before)
    sup.ask(p.StartChild(child("hand")))
    sup.exit("once")
    sup.since_last()
    after = replace(before, children=(*before.children, child("new")))
    assert sup.ask(p.Change(after)) == Changed(started=("new",))
    assert list(sup.core.children) == ["a", "new", "hand"]


def test_dynamic_children_keep_what_they_were_started_with():
    sup = begun(dynamic(child("x")))
    sup.ask(p.StartChild({"more": 1}))
    sup.since_last()
    assert sup.ask(p.Change(dynamic(child("x", 5)))) == Changed()
    assert sup.since_last() == []
    sup.ask(p.StartChild({}))
    assert [one.spec.args.get("n") for one in sup.core.children.values()] == [0, 5]
    assert isinstance(sup.ask(p.Change(spec(child("x")))), InvalidSpec)


# -- failing, budget, quarantine --------------------------------------------------------------


def test_a_wanted_restart_costs_no_budget_however_often_it_comes():
    sup = begun(spec(*four(), intensity=1))
    for n in range(1, 20):
        assert sup.ask(p.Change(spec(*four(a=n, b=n), intensity=1))).is_ok
    assert sup.core.window.count(sup.now) == 0
    assert sup.ended is None
    assert sup.core.children["a"].restarts == 0


def test_another_limit_counts_from_the_change_on():
    sup = begun(spec(*four(), intensity=2))
    sup.exit("a").advance(1.0).exit("a").advance(1.0)
    sup.ask(p.Change(spec(*four(), intensity=1)))
    sup._restarts.clear()  # Manual's own count, by which it checks the core's
    sup.exit("a").advance(1.0)
    assert sup.ended is None
    sup.exit("a")
    assert sup.ended is not None


def test_a_start_that_fails_is_told_at_once_and_the_others_start_all_the_same():
    sup = begun(spec(*four()))
    sup.script.starts["b"].extend([FAIL] * 3)
    answer = sup.ask(p.Change(spec(*four(b=1, c=1), child("new"))))
    assert isinstance(answer, StartFailed)
    assert answer.id == "b"
    assert sup.state("b") is State.RESTARTING
    assert [sup.state(id_) for id_ in ("a", "c", "d", "new")] == [State.RUNNING] * 4
    assert sup.core.children["c"].spec.args["n"] == 1


@pytest.mark.parametrize("strategy", ["one_for_one", "rest_for_one", "one_for_all"])
@pytest.mark.parametrize("failures", [1, 30])
def test_changing_back_after_a_failure_brings_everybody_back(strategy, failures):
    """Also when the budget is spent, and the child in quarantine with its group stopped."""
    before = spec(*four(), strategy=strategy, on_exhausted="quarantine")
    sup = begun(before)
    sup.script.starts["b"].extend([FAIL] * failures)
    after = replace(before, children=(*four(b=1), child("new")))
    assert isinstance(sup.ask(p.Change(after)), StartFailed)
    sup.advance(20.0 if failures > 1 else 0.0)
    sup.script.starts["b"].clear()
    assert sup.ask(p.Change(before)).is_ok
    assert [(id_, sup.state(id_)) for id_ in sup.core.children] == [
        (id_, State.RUNNING) for id_ in IDS
    ]
    assert {one.spec.args["n"] for one in sup.core.children.values()} == {0}


def test_several_failures_of_one_change_leave_nobody_unstarted():
    sup = begun(spec(*four()))
    for id_ in "ab":
        sup.script.starts[id_].append(FAIL)
    after = spec(*four(a=1, b=1, c=1, d=1))
    assert isinstance(sup.ask(p.Change(after)), StartFailed)
    sup.advance(5.0)
    assert len(sup.running()) == 4


def test_a_child_in_quarantine_gets_a_new_chance_with_its_new_spec():
    before = spec(*four(), intensity=0, on_exhausted="quarantine")
    sup = begun(before)
    sup.exit("b")
    assert sup.state("b") is State.QUARANTINED
    assert sup.ask(p.Change(replace(before, children=four(b=1)))) == Changed(restarted=("b",))
    assert sup.state("b") is State.RUNNING
    assert not sup.core.children["b"].quarantined


def test_one_that_misses_something_is_no_failure_of_the_change():
    sup = begun(spec(*four()))
    sup.script.starts["b"].append(MISSING)
    assert sup.ask(p.Change(spec(*four(b=1)))).is_ok
    assert sup.state("b") is State.WAITING


def test_a_stop_in_mid_change_ends_all_and_answers():
    sup = begun(spec(*four()))
    sup.script.stubborn.add("b")
    ref = sup.call(p.Change(spec(*four(b=1))))
    sup.stop()
    sup.advance(10.0)
    assert sup.ended is not None
    assert sup.answers[ref] == NoProc()
    assert not sup.alive


@pytest.mark.parametrize("on_exhausted", ["escalate", "quarantine"])
def test_a_start_that_fails_while_others_are_being_stopped_does_not_hold_up_the_end(on_exhausted):
    sup = begun(spec(*four(), on_exhausted=on_exhausted, backoff=Backoff.NONE))
    sup.script.starts["a"].append(FAIL)
    sup.post_exit("a")
    sup.feed(sup._pending.pop(0))
    assert sup.state("a") is State.STARTING
    sup.stop()
    assert sup.ended is not None
    assert not sup.alive


@given(st.integers(0, 2**32))
def test_whatever_two_specs_the_second_is_what_runs(seed):
    """And whoever is the same in both has never been touched, in a one_for_one."""
    rng = Random(seed)
    strategy = rng.choice(["one_for_one", "rest_for_one", "one_for_all"])
    before, after = (
        spec(
            *(
                child(id_, rng.choice([0, 0, 1]))
                for id_ in rng.sample("abcdefg", rng.randint(0, 6))
            ),
            strategy=strategy,
        )
        for _ in range(2)
    )
    sup = begun(before)
    assert sup.ask(p.Change(after)).is_ok
    assert list(sup.core.children) == [one.id for one in after.children]
    assert tuple(one.spec for one in sup.core.children.values()) == after.children
    assert len(sup.running()) == len(after.children)
    same = [one for one in before.children if one in after.children and strategy == "one_for_one"]
    assert all(sup.core.children[one.id].incarnation == 1 for one in same)
    assert sup.core.window.count(sup.now) == 0


@given(st.integers(0, 2**32))
def test_changes_among_failing_children_always_settle_in_the_last_spec(seed):
    rng = Random(seed)
    strategy = rng.choice(["one_for_one", "rest_for_one", "one_for_all"])
    flags = {"strategy": strategy, "on_exhausted": "quarantine", "init_failure": "restart"}
    sup = Manual(spec(*four(), **flags), Chaotic(rng), seed=seed)
    sup.feed(p.Begin())
    last = sup.core.spec
    for _ in range(rng.randint(1, 6)):
        for _ in range(rng.randint(0, 8)):
            sup.deliver(rng)
        ids = rng.sample("abcdef", rng.randint(0, 6))
        last = spec(*(child(id_, rng.randint(0, 2)) for id_ in ids), **flags)
        sup.call(p.Change(last))
    sup.policy = sup.script
    sup.settle().advance(300.0)
    sup.check_answered()
    assert tuple(one.spec for one in sup.core.children.values()) == last.children
    assert set(sup.running()) | {
        one.spec.id for one in sup.core.children.values() if one.state is State.STOPPED
    } == {one.id for one in last.children}


# -- the shell: threads, and supervisors below ---------------------------------------------------


class Told(Actor):
    """Keeps nothing; its argument is what it is made of."""

    def __init__(self, n: int = 0) -> None:
        self.n = n


class Fails(Told):
    def on_start(self) -> None:
        if self.n:
            raise RuntimeError("not with this")


def machine(a: int = 0, below: int = 0, bad: int = 0, more: tuple = ()) -> SupervisorSpec:
    inner = SupervisorSpec(
        (ChildSpec("x", Told, args={"n": below}), ChildSpec("y", Fails, args={"n": bad}), *more),
        strategy=Strategy.REST_FOR_ONE,
        on_exhausted="quarantine",
        init_failure="restart",
        backoff=Backoff.NONE,
        intensity=2,
    )
    return SupervisorSpec((ChildSpec("a", Told, args={"n": a}), ChildSpec("group", inner)))


def incarnations(system: ActorSystem) -> dict[str, int]:
    rows = [row for one in system.supervisors.values() for row in one.rows.values()]
    return {row.path: row.incarnation for row in rows if not row.spec.is_supervisor}


def test_a_running_tree_changes_on_every_level_and_nowhere_else():
    system = ActorSystem()
    with Supervisor.start(machine(), system=system) as root:
        more = (ChildSpec("z", Told),)
        answer = root.change(machine(below=1, more=more))
        assert answer == Changed(started=("/group/z",), restarted=("/group/x", "/group/y"))
        assert incarnations(system) == {"/a": 1, "/group/x": 2, "/group/y": 2, "/group/z": 1}
        assert root.change(machine(a=1, below=1)) == Changed(
            stopped=("/group/z",), restarted=("/a",)
        )
        assert "/group/z" not in system.slots
        assert incarnations(system) == {"/a": 2, "/group/x": 2, "/group/y": 2}
        assert root.spec == machine(a=1, below=1)
    system.close()


def test_a_running_tree_that_cannot_start_says_so_and_can_be_changed_back():
    system = ActorSystem()
    with Supervisor.start(machine(), system=system) as root:
        answer = root.change(machine(a=1, bad=1))
        assert isinstance(answer, StartFailed)
        assert "not with this" in str(answer.reason)
        assert root.change(machine()).is_ok
        rows = system.supervisors["/group"].rows
        eventually(lambda: {row.state for row in rows.values()} == {State.RUNNING})
        assert root.spec == machine()
    system.close()
