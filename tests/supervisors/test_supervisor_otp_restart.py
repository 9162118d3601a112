"""OTP's supervisor_SUITE through the public interface: restarts, strategies, significance."""

import threading

import pytest

from supervisors import ChildRef, ChildSpec, Strategy, Supervisor, dynamic
from supervisors.core import AUTO_SHUTDOWN, EXHAUSTED
from supervisors.exits import Shutdown
from supervisors.results import ChildInfo, NoProc, NotFound, Ok, Restarting
from supervisors.spec import Backoff
from supervisors.testing import eventually
from tests.supervisors.children import (
    End,
    Ping,
    Pong,
    below,
    counts,
    end,
    group,
    ids,
    lives,
    worker,
)

GROUPS = ("one_for_one", "one_for_all", "rest_for_one")


def start(strategy: str, *children: ChildSpec, **flags: object) -> Supervisor:
    return Supervisor.start(group(strategy, children, **flags))


def expect(sup: Supervisor, expected: dict[str, int]) -> None:
    """Between two attempts calls get their answers, so a failing restart takes some waiting."""
    eventually(lambda: lives(sup) == expected)


def ended(sup: Supervisor) -> object:
    assert sup.join(5.0)
    return sup.exit_reason


# -- permanent, transient, temporary ------------------------------------------------------------


@pytest.mark.parametrize("how", ["normal", "shutdown", "abnormal", "exit"])
def test_permanent_is_always_restarted(how: str) -> None:
    with start("one_for_one", worker("child1")) as sup:
        end(sup, "child1", how)
        assert lives(sup) == {"child1": 2}
        assert counts(sup) == (1, 1, 0, 1)


@pytest.mark.parametrize("how", ["normal", "shutdown"])
def test_transient_normal_and_shutdown(how: str) -> None:
    with start("one_for_one", worker("child1", restart="transient")) as sup:
        end(sup, "child1", how)
        assert lives(sup) == {"child1": 0}
        assert counts(sup) == (1, 0, 0, 1)


@pytest.mark.parametrize("how", ["abnormal", "exit"])
def test_transient_abnormal(how: str) -> None:
    with start("one_for_one", worker("child1", restart="transient")) as sup:
        end(sup, "child1", how)
        assert lives(sup) == {"child1": 2}


@pytest.mark.parametrize("how", ["normal", "shutdown", "abnormal", "exit"])
def test_temporary_is_never_restarted_and_its_spec_is_gone(how: str) -> None:
    with start("one_for_one", worker("child1", restart="temporary")) as sup:
        end(sup, "child1", how)
        assert sup.which_children() == ()
        assert sup.get_childspec("child1") == NotFound()


@pytest.mark.parametrize("strategy", ["one_for_all", "rest_for_one"])
def test_temporary_bystander(strategy: str) -> None:
    children = worker("child1"), worker("child2", restart="temporary")
    with start(strategy, *children) as sup:
        end(sup, "child1")
        assert lives(sup) == {"child1": 2}, "taken along, and not brought back"


@pytest.mark.parametrize("strategy", ["one_for_all", "rest_for_one"])
def test_temporary_abnormal_takes_nobody_along(strategy: str) -> None:
    with start(strategy, worker("child1", restart="temporary"), worker("child2")) as sup:
        end(sup, "child1")
        assert lives(sup) == {"child2": 1}


def test_a_crash_in_on_start_of_the_class_is_contained() -> None:
    with start("one_for_one", worker("a", "ok", "exit", "ok"), worker("b")) as sup:
        end(sup, "a")
        expect(sup, {"b": 1, "a": 3})


# -- strategies ---------------------------------------------------------------------------------


def test_multiple_restarts() -> None:
    with start("one_for_one", worker("a"), intensity=3) as sup:
        for incarnation in (2, 3, 4):
            end(sup, "a")
            assert lives(sup) == {"a": incarnation}


def test_one_for_one() -> None:
    with start("one_for_one", worker("child1"), worker("child2")) as sup:
        end(sup, "child1")
        assert lives(sup) == {"child2": 1, "child1": 2}
        assert ids(sup) == ["child2", "child1"]


@pytest.mark.parametrize("strategy", GROUPS)
def test_escalation(strategy: str) -> None:
    journal: list[str] = []
    children = [worker(id_, journal=journal) for id_ in ("child1", "child2")]
    sup = start(strategy, *children, intensity=0)
    sup.tell("child1", End())
    assert ended(sup) == EXHAUSTED
    assert journal[2:] == ["stop child1 Crash(Boom: abnormal)", "stop child2 Shutdown"]
    assert sup.which_child("child1") == NotFound()
    assert sup.restart_child("child1") == NoProc()


def test_simple_one_for_one() -> None:
    with Supervisor.start(dynamic(worker("c"), backoff=Backoff.NONE)) as sup:
        sup.start_child({})
        sup.start_child({})
        end(sup, "c-1")
        assert lives(sup) == {"c-2": 1, "c-1": 2}


def test_simple_one_for_one_escalation() -> None:
    sup = Supervisor.start(dynamic(worker("c"), backoff=Backoff.NONE, intensity=1))
    sup.start_child({})
    sup.start_child({})
    end(sup, "c-1")
    eventually(lambda: sup.ref("c-1"))
    sup.tell("c-1", End())
    assert ended(sup) == EXHAUSTED


def test_simple_one_for_one_restart_ignore() -> None:
    with Supervisor.start(dynamic(worker("c", "ok", "ignore"), backoff=Backoff.NONE)) as sup:
        sup.start_child({})
        end(sup, "c-1")
        assert counts(sup) == (1, 0, 0, 0)


def test_one_for_all() -> None:
    journal: list[str] = []
    children = [worker(id_, journal=journal) for id_ in ("a", "b", "c")]
    with start("one_for_all", *children) as sup:
        end(sup, "b")
        assert lives(sup) == {"c": 2, "b": 2, "a": 2}
        assert journal[3:] == [
            "stop b Crash(Boom: abnormal)", "stop c Shutdown", "stop a Shutdown",
            "start a", "start b", "start c",
        ]  # fmt: skip


def test_one_for_all_other_child_fails_restart() -> None:
    journal: list[str] = []
    first = worker("child1", journal=journal)
    second = worker("child2", "ok", "fail", "ok", journal=journal)
    with start("one_for_all", first, second) as sup:
        end(sup, "child1")
        expect(sup, {"child2": 3, "child1": 3})
        assert journal[-5:] == [
            "stop child2 Shutdown", "start child1", "stop child1 Shutdown",
            "start child1", "start child2",
        ]  # fmt: skip


def test_rest_for_one() -> None:
    journal: list[str] = []
    children = [worker(id_, journal=journal) for id_ in ("a", "b", "c")]
    with start("rest_for_one", *children) as sup:
        end(sup, "b")
        assert lives(sup) == {"c": 2, "b": 2, "a": 1}
        end(sup, "c")
        assert lives(sup) == {"c": 3, "b": 2, "a": 1}
        assert ids(sup) == ["c", "b", "a"]


def test_rest_for_one_other_child_fails_restart() -> None:
    children = worker("a"), worker("b"), worker("c", "ok", "fail", "fail", "ok")
    with start("rest_for_one", *children, intensity=3) as sup:
        end(sup, "b")
        expect(sup, {"c": 4, "b": 2, "a": 1})  # b is left running while c is tried again


@pytest.mark.parametrize("strategy", ["one_for_all", "rest_for_one"])
def test_a_group_restart_counts_as_one(strategy: str) -> None:
    with start(strategy, *(worker(id_) for id_ in "abcde"), intensity=1) as sup:
        end(sup, "a")
        assert set(lives(sup).values()) == {2}
        assert sup.exit_reason is None


# -- significant children -----------------------------------------------------------------------


@pytest.mark.parametrize("how", ["normal", "abnormal"])
def test_nonsignificant_temporary(how: str) -> None:
    with start(
        "one_for_one", worker("a", restart="temporary"), auto_shutdown="any_significant"
    ) as sup:
        end(sup, "a", how)
        assert sup.which_children() == ()


@pytest.mark.parametrize(
    ("restart", "how", "ends"),
    [
        ("temporary", "normal", True),
        ("temporary", "abnormal", True),
        ("transient", "normal", True),
        ("transient", "shutdown", True),
        ("transient", "abnormal", False),
    ],
)
def test_significant_any(restart: str, how: str, ends: bool) -> None:
    children = worker("a", restart=restart, significant=True), worker("b")
    sup = start("one_for_one", *children, auto_shutdown="any_significant")
    end(sup, "a", how)
    if ends:
        assert ended(sup) == AUTO_SHUTDOWN
    else:
        assert lives(sup) == {"b": 1, "a": 2}
        sup.stop()


def test_significant_all() -> None:
    children = [worker(id_, restart="transient", significant=True) for id_ in ("a", "b")]
    sup = start("one_for_one", *children, worker("c"), auto_shutdown="all_significant")
    end(sup, "a", "normal")
    assert lives(sup) == {"c": 1, "b": 1, "a": 0}
    sup.tell("b", End("normal"))
    assert ended(sup) == AUTO_SHUTDOWN


def test_significant_simple() -> None:
    template = worker("c", restart="transient", significant=True)
    sup = Supervisor.start(dynamic(template, auto_shutdown="all_significant", backoff=Backoff.NONE))
    sup.start_child({})
    sup.start_child({})
    end(sup, "c-1", "normal")
    assert lives(sup) == {"c-2": 1}
    sup.tell("c-2", End("normal"))
    assert ended(sup) == AUTO_SHUTDOWN


@pytest.mark.parametrize("flag", ["any_significant", "all_significant"])
def test_significant_bystander(flag: str) -> None:
    """Stopped by its group, by terminate_child, or restarted: none of that triggers."""
    significant = worker("s", restart="temporary", significant=True)
    with start("one_for_all", worker("a"), significant, auto_shutdown=flag) as sup:
        end(sup, "a")
        assert lives(sup) == {"a": 2}, "the temporary bystander is gone, the supervisor lives"
        assert sup.start_child(worker("s2", restart="transient", significant=True)).is_ok
        assert sup.terminate_child("s2") == Ok()
        assert sup.restart_child("s2").is_ok
        assert sup.exit_reason is None


def test_significant_escalation() -> None:
    inner = group(
        "one_for_one", [worker("s", restart="temporary", significant=True)],
        auto_shutdown="any_significant",
    )  # fmt: skip
    outer = group(
        "one_for_one",
        [ChildSpec("inner", inner, restart="temporary", significant=True), worker("b")],
        auto_shutdown="any_significant",
    )
    sup = Supervisor.start(outer)
    sup.tell("/inner/s", End("normal"))
    assert ended(sup) == AUTO_SHUTDOWN


# -- trees --------------------------------------------------------------------------------------


def test_tree() -> None:
    static = group("one_for_one", [worker("child1"), worker("child2")])
    empty = group("one_for_one", intensity=1)
    with start("one_for_all", ChildSpec("sup1", static), ChildSpec("sup2", empty)) as top:
        second = below(top, "/sup2")
        assert second.start_child(worker("child3", "ok", "fail", "fail")).is_ok
        assert second.start_child(worker("child4")).is_ok
        second.tell("child3", End())
        assert second.join(5.0)
        assert lives(top) == {"sup2": 2, "sup1": 2}
        assert below(top, "/sup2").which_children() == (), "dynamic children are not brought back"
        assert lives(below(top, "/sup1")) == {"child2": 1, "child1": 1}


def test_three_levels_start_and_stop_in_order() -> None:
    journal: list[str] = []
    inner = group("one_for_one", [worker(id_, journal=journal) for id_ in ("c", "d")])
    middle = group("one_for_one", [worker("b", journal=journal), ChildSpec("inner", inner)])
    children = worker("a", journal=journal), ChildSpec("mid", middle), worker("e", journal=journal)
    start("rest_for_one", *children).stop()
    started = [line.removeprefix("start ") for line in journal[:5]]
    assert started == ["a", "b", "c", "d", "e"]
    assert journal[5:] == [f"stop {id_} Shutdown" for id_ in reversed(started)]


def test_a_supervisor_that_gives_up_is_restarted_by_the_one_above() -> None:
    inner = group("one_for_one", [worker("x")], intensity=0)
    with start("one_for_one", ChildSpec("inner", inner), intensity=1) as top:
        top.tell("/inner/x", End())
        eventually(lambda: top.rows["inner"].incarnation == 2)
        assert top.rows["inner"].last_exit == EXHAUSTED
        top.which_children()
        assert top.request("/inner/x", Ping(), reply=Pong).incarnation == 1
        top.tell("/inner/x", End())
        assert ended(top) == EXHAUSTED


def test_killing_a_supervisor_kills_all_below_and_it_is_restarted() -> None:
    journal: list[str] = []
    deep = group("one_for_one", [worker("y", journal=journal)])
    inner = group("one_for_one", [worker("x", journal=journal), ChildSpec("deep", deep)])
    with start("one_for_one", ChildSpec("inner", inner)) as top:
        below(top, "/inner").kill("in a test")
        eventually(lambda: top.rows["inner"].incarnation == 2)
        assert lives(top) == {"inner": 2}
        assert journal == ["start x", "start y"] * 2
        assert top.system.leaked_threads == 0


def test_sup_stop_race() -> None:
    """A child that ends by itself while its supervisor stops is not restarted."""
    for _ in range(20):
        journal: list[str] = []
        sup = start("one_for_one", *(worker(id_, journal=journal) for id_ in "abc"), intensity=100)
        racer = threading.Thread(target=lambda sup=sup: [sup.tell(id_, End()) for id_ in "abc"])
        racer.start()
        assert sup.stop(timeout_s=5.0)
        racer.join()
        for id_ in "abc":
            starts = journal.count(f"start {id_}")
            assert starts == sum(line.startswith(f"stop {id_}") for line in journal)


def test_stop_while_starting() -> None:
    gate = threading.Event()
    spec = group("one_for_one", [worker("a"), worker("b", "hang", gate=gate)])
    with start("one_for_one") as top:
        starter = threading.Thread(target=lambda: top.start_child(ChildSpec("inner", spec)))
        starter.start()
        eventually(lambda: "/inner/b" in top.system.slots)
        top.stop(timeout_s=0)
        gate.set()
        assert top.join(5.0)
        starter.join(5.0)


def test_order_of_children_is_the_order_written_not_sorted() -> None:
    names = ["zeta", "alpha", "mid", "beta"]
    journal: list[str] = []
    with start("one_for_all", *(worker(name, journal=journal) for name in names)) as sup:
        assert ids(sup) == names[::-1]
        sup.start_child(worker("aaa", journal=journal))
        end(sup, "mid")
        sup.which_children()
        assert journal[-5:] == [f"start {name}" for name in [*names, "aaa"]]


def test_hanging_restart_loop() -> None:
    """API answers while a restart fails again and again."""
    slow = Backoff(initial_s=30.0, maximum_s=30.0, jitter=0.0, reset_after_s=60.0)
    child = worker("child1", "ok", "fail", backoff=slow)
    with start("one_for_one", child, worker("child2"), intensity=8) as sup:
        end(sup, "child1")
        assert sup.which_children()[1] == ChildInfo("child1", "restarting", "worker", "Worker")
        assert counts(sup) == (2, 1, 0, 2)
        assert sup.restart_child("child1") == Restarting()
        assert sup.delete_child("child1") == Restarting()
        assert not sup.start_child(worker("child1")).is_ok
        assert sup.terminate_child("child1") == Ok()
        assert sup.which_child("child1") == ChildInfo("child1", None, "worker", "Worker")
        assert sup.delete_child("child1") == Ok()
        assert lives(sup) == {"child2": 1}


def test_terminate_child_during_a_restart_that_always_fails() -> None:
    child = worker("a", "ok", *["fail"] * 5000)
    with start("one_for_one", child, intensity=None) as sup:
        sup.tell("a", End())
        eventually(lambda: sup.rows["a"].restarts > 50)
        assert sup.terminate_child("a") == Ok()
        left = len(child.args["script"])
        assert sup.which_child("a") == ChildInfo("a", None, "worker", "Worker")
        assert len(child.args["script"]) == left > 0


def test_child_unlink_the_ref_of_another_incarnation_is_another() -> None:
    with start("one_for_one", worker("a")) as sup:
        end(sup, "a")
        sup.which_children()
        assert sup.ref("a") == ChildRef("/a", 2)
        assert sup.ref("b") is None


def test_strategy_values_are_otps_words() -> None:
    assert [s.value for s in Strategy] == [*GROUPS, "simple_one_for_one"]
    assert str(Shutdown()) == "Shutdown"
