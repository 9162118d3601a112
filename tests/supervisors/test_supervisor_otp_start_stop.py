"""OTP's supervisor_SUITE through the public interface: starting, stopping, the children's API.

The names are OTP's. Not there: cases about callback modules (``ignore`` from ``init``), code
change, registered names, and log formats.
"""

import threading

import pytest

from supervisors import (
    ChildRef,
    ChildSpec,
    Restart,
    SpecError,
    Supervisor,
    SupervisorFailed,
    SupervisorSpec,
    dynamic,
)
from supervisors.exits import Crash, Hung, Killed, Normal, Shutdown
from supervisors.results import (
    AlreadyPresent,
    AlreadyStarted,
    ChildCount,
    ChildInfo,
    InvalidSpec,
    NoProc,
    NotFound,
    Ok,
    Running,
    SimpleOneForOne,
    Started,
    StartFailed,
)
from supervisors.spec import Backoff
from supervisors.testing import eventually
from tests.supervisors.children import Hang, Ping, Pong, Worker, counts, end, group, ids, worker


def start(*children: ChildSpec, **flags: object) -> Supervisor:
    return Supervisor.start(group("one_for_one", children, **flags))


def dynamic_start(template: ChildSpec, **flags: object) -> Supervisor:
    return Supervisor.start(dynamic(template, intensity=2, period_s=3600.0, backoff=Backoff.NONE))


# -- sup_start ----------------------------------------------------------------------------------


def test_sup_start_normal() -> None:
    sup = start()
    assert sup.which_children() == ()
    assert sup.stop(Shutdown())
    assert sup.exit_reason == Shutdown()


def test_sup_start_ignore_child() -> None:
    with start() as sup:
        assert sup.start_child(worker("child1", "ignore")) == Started(None)
        assert sup.start_child(worker("child2")) == Started(ChildRef("/child2", 1))
        assert sup.which_children() == (
            ChildInfo("child2", ChildRef("/child2", 1), "worker", "Worker"),
            ChildInfo("child1", None, "worker", "Worker"),
        )
        assert counts(sup) == (2, 1, 0, 2)


def test_sup_start_ignore_temporary_child() -> None:
    children = (
        worker("child1", "ignore", restart="temporary"),
        worker("child2", restart="temporary"),
    )
    with start(*children) as sup:
        assert ids(sup) == ["child2"]
        assert counts(sup) == (1, 1, 0, 1)


def test_sup_start_ignore_temporary_child_start_child() -> None:
    with start() as sup:
        assert sup.start_child(worker("child1", "ignore", restart="temporary")) == Started(None)
        assert sup.start_child(worker("child2", restart="temporary")).is_ok
        assert ids(sup) == ["child2"]


@pytest.mark.parametrize("restart", list(Restart))
def test_sup_start_ignore_child_start_child_simple(restart: Restart) -> None:
    with dynamic_start(worker("child", "ignore", restart=restart)) as sup:
        assert sup.start_child({}) == Started(None)
        assert sup.start_child({}) == Started(ChildRef("/child-2", 1))
        assert counts(sup) == (1, 1, 0, 1)
    assert sup.exit_reason == Normal()


def test_sup_start_fail_stops_what_had_started_in_reverse() -> None:
    journal: list[str] = []
    children = (worker(id_, journal=journal) for id_ in ("a", "b"))
    with pytest.raises(SupervisorFailed) as failed:
        start(*children, worker("c", "fail", journal=journal), worker("d", journal=journal))
    assert "failed_to_start_child c" in str(failed.value.reason)
    assert journal == ["start a", "start b", "stop b Shutdown", "stop a Shutdown"]


def test_sup_start_fail_is_not_tried_again_and_not_counted() -> None:
    script = worker("a", "fail", "ok")
    with pytest.raises(SupervisorFailed):
        start(script)
    assert list(script.args["script"]) == ["ok"]


def test_a_tree_that_does_not_come_up_in_time_is_stopped() -> None:
    gate = threading.Event()
    with pytest.raises(SupervisorFailed, match=r"not up within 0\.05 s"):
        Supervisor.start(
            group("one_for_one", [worker("a", "hang", gate=gate, shutdown=0.01)]), timeout_s=0.05
        )
    gate.set()


def test_sup_start_child_returns_error() -> None:
    with start() as sup:
        answer = sup.start_child(worker("child1", "fail"))
        assert isinstance(answer, StartFailed)
        assert isinstance(answer.reason, Crash)
        assert answer.reason.exception == "StartFailed"
        assert sup.which_children() == ()


def test_sup_start_restart_child_returns_error() -> None:
    with start(worker("child1", "ok", "fail")) as sup:
        assert sup.terminate_child("child1") == Ok()
        assert isinstance(sup.restart_child("child1"), StartFailed)
        assert sup.which_children() == (ChildInfo("child1", None, "worker", "Worker"),)


def test_sup_start_child_returns_error_simple() -> None:
    with dynamic_start(worker("child", "fail")) as sup:
        assert isinstance(sup.start_child({}), StartFailed)
        assert sup.which_children() == ()


@pytest.mark.parametrize("args", [{"unheard_of": 1}, {"script": "fine", "extra": 1, "x": 2}])
def test_a_child_that_cannot_be_constructed_has_failed_to_start(args: dict[str, object]) -> None:
    with start() as sup:
        answer = sup.start_child(ChildSpec("a", Worker, args=args))
        assert isinstance(answer, StartFailed)
        assert "TypeError" in str(answer.reason)


# -- sup_start_map, child_specs, sup_flags --------------------------------------------------------


def test_sup_start_map() -> None:
    tree = group("one_for_one")
    children = worker("child1"), worker("child2", shutdown="kill"), ChildSpec("child3", tree)
    with start(*children) as sup:
        first, second, third = (sup.get_childspec(id_) for id_ in ("child1", "child2", "child3"))
        assert isinstance(first, ChildSpec)
        assert isinstance(second, ChildSpec)
        assert isinstance(third, ChildSpec)
        assert (first.restart, first.shutdown, first.significant) == (Restart.PERMANENT, 5.0, False)
        assert second.shutdown == "kill"
        assert (third.shutdown, third.is_supervisor) == ("infinity", True)
        assert sup.get_childspec("child4") == NotFound()


@pytest.mark.parametrize(
    "spec",
    [
        {"id": "has space"}, {"id": ""}, {"id": "a/b"}, {"id": "a" * 65}, {"id": 5},
        {"restart": "sometimes"}, {"shutdown": -1}, {"shutdown": "soon"},
        {"shutdown": float("nan")}, {"significant": True},
        {"start": "Worker"}, {"host": "moon"}, {"start_timeout_s": 0},
        {"fail_safe": "no_colon"}, {"start": SupervisorSpec(), "restart": "transient"},
    ],
)  # fmt: skip
def test_child_specs(spec: dict[str, object]) -> None:
    with pytest.raises(SpecError):
        ChildSpec(**{"id": "a", "start": Worker, **spec})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "flags",
    [
        {"strategy": "all_for_none"}, {"intensity": -1}, {"period_s": 0},
        {"period_s": float("nan")}, {"auto_shutdown": "sometimes"},
        {"on_exhausted": "panic"}, {"init_failure": "shrug"},
        {"strategy": "simple_one_for_one"}, {"children": (worker("a"), worker("a"))},
        {"children": (worker("a", significant=True, restart="transient"),)},
    ],
)  # fmt: skip
def test_sup_flags(flags: dict[str, object]) -> None:
    with pytest.raises(SpecError):
        SupervisorSpec(**flags)  # type: ignore[arg-type]


def test_an_invalid_spec_is_an_answer_not_an_exception() -> None:
    with start() as sup:
        significant = worker("a", significant=True, restart="transient")
        assert isinstance(sup.start_child(significant), InvalidSpec)
        assert isinstance(sup.start_child({"no": "spec"}), InvalidSpec)
        assert sup.which_children() == ()
    with dynamic_start(worker("child")) as sup:
        assert isinstance(sup.start_child(worker("a")), InvalidSpec)


# -- sup_stop -----------------------------------------------------------------------------------


def test_sup_stop_infinity() -> None:
    journal: list[str] = []
    children = [worker(id_, journal=journal, shutdown="infinity") for id_ in ("child1", "child2")]
    start(*children).stop(Shutdown())
    assert journal[2:] == ["stop child2 Shutdown", "stop child1 Shutdown"]


def hang(sup: Supervisor, id_: str) -> None:
    sup.tell(id_, Hang())
    eventually(lambda: sup.rows[id_].running.vitals.current)  # type: ignore[union-attr]


def test_sup_stop_timeout() -> None:
    gate, journal = threading.Event(), []
    sup = start(
        worker("child1", journal=journal),
        worker("child2", gate=gate, shutdown=0.02, journal=journal),
    )
    hang(sup, "child2")
    assert sup.stop(Shutdown(), timeout_s=5.0)
    assert journal == ["start child1", "start child2", "stop child1 Shutdown"]
    assert sup.system.leaked_threads == 1
    gate.set()
    eventually(lambda: sup.system.leaked_threads == 0)


def test_sup_stop_timeout_reports_where_the_child_hung() -> None:
    gate = threading.Event()
    with start(worker("a", gate=gate, shutdown=0.02)) as sup:
        hang(sup, "a")
        assert sup.terminate_child("a") == Ok()
        last = sup.rows["a"].last_exit
        assert isinstance(last, Hung)
        assert "shutdown timeout" in last.where
        assert "in hang" in last.stack
        gate.set()


def test_sup_stop_brutal_kill() -> None:
    journal: list[str] = []
    sup = start(
        worker("child1", journal=journal), worker("child2", journal=journal, shutdown="kill")
    )
    sup.stop(Shutdown())
    assert journal[2:] == ["stop child1 Shutdown"]
    assert sup.system.leaked_threads == 0


def test_sup_stop_brutal_kill_of_an_idle_child_leaves_no_thread() -> None:
    with start(worker("a", shutdown="kill")) as sup:
        assert sup.terminate_child("a") == Ok()
        assert sup.rows["a"].last_exit == Killed("brutal kill")
        assert sup.system.leaked_threads == 0
        eventually(lambda: not [t for t in threading.enumerate() if t.name == "/a"])


def test_sup_stop_timeout_dynamic() -> None:
    gate = threading.Event()
    sup = dynamic_start(worker("child", shutdown=0.05))
    for _ in range(3):
        assert sup.start_child({"gate": gate}).is_ok
    for number in (1, 2, 3):
        hang(sup, f"child-{number}")
    assert sup.stop(Shutdown(), timeout_s=5.0)
    gate.set()


def test_sup_stop_brutal_kill_dynamic() -> None:
    sup = dynamic_start(worker("child", shutdown="kill"))
    for _ in range(3):
        sup.start_child({})
    assert sup.stop(Shutdown(), timeout_s=5.0)
    assert sup.exit_reason == Shutdown()


def test_stop_goes_on_when_the_callers_patience_ends() -> None:
    gate = threading.Event()
    sup = start(worker("a", gate=gate, shutdown="infinity"))
    hang(sup, "a")
    assert not sup.stop(timeout_s=0.01)
    gate.set()
    assert sup.join(5.0)
    assert sup.exit_reason == Normal()


def test_calls_after_the_end_are_noproc() -> None:
    sup = start(worker("a"))
    sup.stop()
    assert sup.start_child(worker("b")) == NoProc()
    assert sup.terminate_child("a") == NoProc()
    assert sup.which_children() == ()
    assert sup.count_children() == ChildCount(0, 0, 0, 0)
    assert sup.stop()


# -- child_adm ----------------------------------------------------------------------------------


def test_child_adm() -> None:
    with start() as sup:
        first = sup.start_child(worker("child1"))
        assert first == Started(ChildRef("/child1", 1))
        assert sup.start_child(worker("child1")) == AlreadyStarted(ChildRef("/child1", 1))
        assert sup.restart_child("child1") == Running()
        assert sup.delete_child("child1") == Running()
        assert sup.terminate_child("child1") == Ok()
        assert sup.terminate_child("child1") == Ok()
        assert sup.start_child(worker("child1")) == AlreadyPresent()
        assert counts(sup) == (1, 0, 0, 1)
        assert sup.restart_child("child1") == Started(ChildRef("/child1", 2))
        assert sup.terminate_child("child1") == Ok()
        assert sup.delete_child("child1") == Ok()
        for call in (sup.delete_child, sup.restart_child, sup.terminate_child, sup.get_childspec):
            assert call("child1") == NotFound()
        assert counts(sup) == (0, 0, 0, 0)


def test_child_adm_simple() -> None:
    with dynamic_start(worker("child")) as sup:
        assert sup.start_child({}) == Started(ChildRef("/child-1", 1))
        assert sup.start_child({}) == Started(ChildRef("/child-2", 1))
        assert counts(sup) == (1, 2, 0, 2)
        assert sup.terminate_child("/child-1") == Ok()
        assert sup.terminate_child("/child-1") == Ok(), "one that is already gone"
        assert sup.terminate_child("child-3") == NotFound(), "one that never was"
        assert sup.terminate_child("other-1") == NotFound()
        assert sup.restart_child("child-2") == SimpleOneForOne()
        assert sup.delete_child("child-2") == SimpleOneForOne()
        assert ids(sup) == ["child-2"]


def test_simple_one_for_one_extra() -> None:
    with dynamic_start(worker("child", extra="of the template")) as sup:
        sup.start_child({"extra": "its own"})
        sup.start_child({})
        assert sup.request("child-1", Ping(), reply=Pong).extra == "its own"
        assert sup.request("child-2", Ping(), reply=Pong).extra == "of the template"
        end(sup, "child-1")
        sup.which_children()
        assert sup.request("child-1", Ping(), reply=Pong).extra == "its own", "kept over a restart"


def test_which_child() -> None:
    with start(worker("a"), worker("b")) as sup:
        assert sup.which_child("a") == ChildInfo("a", ChildRef("/a", 1), "worker", "Worker")
        assert sup.which_child("c") == NotFound()


def test_count_children_with_supervisors_below() -> None:
    inner = group("one_for_one", [worker("x")])
    with start(ChildSpec("s1", inner), ChildSpec("s2", inner), worker("a")) as sup:
        assert counts(sup) == (3, 3, 2, 1)
        sup.terminate_child("s2")
        assert counts(sup) == (3, 2, 2, 1)


def test_do_not_save_child_specs_for_temporary_children() -> None:
    with start() as sup:
        for how in ("normal", "shutdown", "abnormal"):
            assert sup.start_child(worker("t", restart="temporary")).is_ok
            end(sup, "t", how)
            assert sup.start_child(worker("t", restart="temporary")).is_ok, how
            assert sup.terminate_child("t") == Ok()
            assert sup.get_childspec("t") == NotFound()
