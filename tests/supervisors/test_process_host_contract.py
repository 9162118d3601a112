"""The same actor class in a thread and in a process, plain and async: the same life.

Each case says what an actor's class may rely on, wherever its child spec puts it.
"""

import os
from typing import Any

import pytest

from protocol.system import Resume, Suspend
from supervisors import ActorSystem, RequestFailed, SupervisorFailed
from supervisors.exits import Crash, Hung, Normal, Shutdown
from supervisors.plan import State
from supervisors.recorder import NullRecorder
from supervisors.status import snapshot
from supervisors.testing import Probe, eventually
from tests.supervisors.hosted import RELEASE, HostedAsync
from tests.supervisors.trees import ask, do, hosted, last_exit, successor, tree
from tests.supervisors.words import Answer, Do, Halt, Hang, Note, Said

HOMES = {
    "thread": {"host": "thread"},
    "process": {"host": "process"},
    "async-thread": {"host": "thread", "kind": HostedAsync},
    "async-process": {"host": "process", "kind": HostedAsync},
}


@pytest.fixture(params=HOMES, scope="module")
def home(request: pytest.FixtureRequest) -> dict[str, Any]:
    return HOMES[request.param]


def said(probe: Probe) -> list[str]:
    return [message.what for message in probe.heard]


def test_it_starts_answers_and_stops(home):
    probe = Probe(Said)
    with tree(probe.spec(), hosted("a", probe="/probe", **home)) as sup:
        answer = ask(sup, "a", 7)
        assert (answer.number, answer.incarnation) == (7, 1)
        assert (answer.pid != os.getpid()) is (home["host"] == "process")
        sup.terminate_child("a")
        assert last_exit(sup, "a") == Shutdown()
        eventually(lambda: said(probe) == ["started", "stopped Shutdown"])


def test_it_may_ask_to_be_ignored(home):
    with tree(hosted("a", start="ignore", **home), hosted("b", **home)) as sup:
        assert sup.rows["a"].state is State.STOPPED
        assert ask(sup, "b").incarnation == 1
        assert sup.rows["a"].last_exit is None


def test_it_may_wait_for_something_and_is_tried_again(home, tmp_path):
    how = tmp_path / "how"
    how.write_text("waiting")
    with tree(hosted("a", start=f"file:{how}", rearm_on=("device",), **home)) as sup:
        assert sup.rows["a"].state is State.WAITING
        assert sup.rows["a"].waiting_for == "camera"
        how.write_text("ok")
        sup.rearm("device")
        successor(sup, "a", 1)
        assert sup.rows["a"].restarts == 0


def test_one_that_looks_again_for_what_it_needs_still_only_waits(tmp_path):
    how = tmp_path / "how"
    how.write_text("waiting")
    needed = hosted("a", "thread", start=f"file:{how}", rearm_on=("device",), critical=True)
    with tree(needed) as sup:
        assert snapshot(sup.system, sup)["state"] == "degraded"
        how.write_text("hang")
        sup.rearm("device")
        eventually(lambda: sup.rows["a"].state is State.STARTING)
        found = snapshot(sup.system, sup)
        (actor,) = (actor for actor in found["actors"] if actor["path"] == "/a")
        assert (actor["state"], actor["waiting_for"]) == ("starting", "camera")
        assert found["state"] == "degraded"
        RELEASE.set()
        eventually(lambda: snapshot(sup.system, sup)["state"] == "ok")
        assert sup.rows["a"].waiting_for == ""


@pytest.mark.parametrize(("start", "exception"), [("crash", "Boom"), ("exit", "SystemExit")])
def test_a_failing_start_is_reported_with_its_stack(home, start, exception):
    with pytest.raises(SupervisorFailed, match=exception), tree(hosted("a", start=start, **home)):
        pass


@pytest.mark.parametrize(("what", "exception"), [("crash", "Boom"), ("exit", "SystemExit")])
def test_an_exception_in_a_handler_ends_it_and_answers_the_request(home, what, exception):
    with tree(hosted("a", **home), hosted("b", **home)) as sup:
        with pytest.raises(RequestFailed) as caught:
            do(sup, "a", what, "why")
        assert caught.value.code == "crashed"
        assert successor(sup, "a", 1) == 2
        reason = last_exit(sup, "a")
        assert isinstance(reason, Crash)
        assert (reason.exception, reason.message) == (exception, "why")
        assert f"in do_{what}" in reason.stack
        assert ask(sup, "b").incarnation == 1


def test_an_exception_in_on_stop_is_a_crash(home):
    with tree(hosted("a", stop="crash", **home)) as sup:
        sup.terminate_child("a")
        reason = last_exit(sup, "a")
        assert isinstance(reason, Crash)
        assert reason.message == "in on_stop"


@pytest.mark.parametrize(("why", "reason"), [("", Normal()), ("tired", Shutdown("tired"))])
def test_it_may_stop_itself(home, why, reason):
    with tree(hosted("a", restart="transient", **home)) as sup:
        do(sup, "a", "stop", why)
        eventually(lambda: sup.rows["a"].state is State.STOPPED)
        assert last_exit(sup, "a") == reason


def test_on_stop_runs_after_a_crash_too(home):
    probe = Probe(Said)
    with tree(probe.spec(), hosted("a", probe="/probe", **home)) as sup:
        sup.tell("a", Do("crash"))
        successor(sup, "a", 1)
        eventually(lambda: said(probe)[:3] == ["started", "stopped Crash(Boom)", "started"])


def test_it_asks_others_and_answers_them(home):
    probe = Probe(Said)
    other = {"host": "process" if home["host"] == "thread" else "thread"}
    with tree(
        probe.spec(),
        hosted("a", probe="/probe", **home),
        hosted("b", **home),
        hosted("c", **other),
    ) as sup:
        for address in ("/b", "/c"):
            do(sup, "a", "ask", address)
        with pytest.raises(RequestFailed) as caught:
            do(sup, "a", "ask", "/nobody")
        assert caught.value.code == "crashed"
        assert "no_actor" in str(last_exit(sup, "a"))
        eventually(lambda: said(probe).count("asked 5") == 2)


def test_it_hears_of_the_end_of_what_it_watches(home):
    probe = Probe(Said)
    with tree(
        probe.spec(), hosted("a", probe="/probe", **home), hosted("b", **home), hosted("c", **home)
    ) as sup:
        do(sup, "a", "watch", "/b")
        do(sup, "a", "watch", "/c")
        do(sup, "a", "unwatch", "/c")
        do(sup, "a", "watch", "/nobody")
        ask(sup, "a")
        for child in ("b", "c"):
            sup.tell(child, Do("crash"))
            successor(sup, child, 1)
        eventually(lambda: "down /b 1 False" in said(probe))
        assert "down /nobody 0 False" in said(probe)
        ask(sup, "a")
        assert not any(what.startswith("down /c") for what in said(probe))


def test_timers_tick_and_die_with_the_incarnation(home):
    probe = Probe(Said)
    with tree(probe.spec(), hosted("a", probe="/probe", **home)) as sup:
        do(sup, "a", "timers")
        eventually(lambda: said(probe).count("tick every") >= 3)
        assert said(probe).count("tick once") == 1
        assert "tick never" not in said(probe)
        sup.tell("a", Do("crash"))
        successor(sup, "a", 1)
        heard = said(probe).count("tick every")
        ask(sup, "a")
        assert said(probe).count("tick every") == heard


def test_an_expired_message_is_a_dead_letter(home, tmp_path):
    probe, gate = Probe(Said), tmp_path / "gate"
    with tree(probe.spec(), hosted("a", probe="/probe", **home)) as sup:
        sup.tell("a", Do("until", str(gate)))
        eventually(lambda: "holding" in said(probe))
        sup.tell("a", Note(1), ttl_s=0.000001)
        sup.tell("a", Note(2), ttl_s=60)
        gate.touch()
        eventually(lambda: "note 2" in said(probe))
        assert "note 1" not in said(probe)
        eventually(lambda: sup.system.dead_letters.by_cause["expired"] == 1)


def test_what_it_does_not_understand_is_refused_and_not_its_end(home):
    with tree(hosted("a", **home)) as sup:
        with pytest.raises(RequestFailed) as caught:
            sup.request("a", Answer(1, 2, 3))
        assert caught.value.code == "unknown_message"
        sup.tell("a", Answer(1, 2, 3))
        eventually(lambda: sup.system.dead_letters.by_cause["unknown_message"] == 2)
        assert ask(sup, "a").incarnation == 1


class Kept(NullRecorder):
    """Events and recorded messages, in lists."""

    def __init__(self) -> None:
        self.events: list[Any] = []
        self.messages: list[str] = []

    def event(self, path: str, event: str, fields: Any) -> None:
        self.events.append((path, event, dict(fields)))

    def message(self, envelope: Any) -> None:
        self.messages.append(envelope.name)


def test_it_emits_logs_and_shows_facts(home):
    kept: Kept = Kept()
    logged: list[Any] = []
    system = ActorSystem(recorder=kept, on_log=lambda *line: logged.append(line))
    with tree(hosted("a", **home), system=system) as sup:
        do(sup, "a", "emit", "glass")
        eventually(lambda: ("/a", "info", "noted", {"what": "glass"}) in logged)
        (fields,) = [fields for path, event, fields in kept.events if event == "seen"]
        assert fields["what"] == "glass"
        running: Any = sup.rows["a"].running
        assert running.vitals.facts["mood"] == "glass"
        assert "hosted.do" in kept.messages


def test_suspended_it_serves_only_the_fast_lane(home):
    probe = Probe(Said)
    with tree(probe.spec(), hosted("a", probe="/probe", **home)) as sup:
        sup.request("a", Suspend())
        sup.tell("a", Note(1))
        sup.tell("a", Halt(1))
        eventually(lambda: "halt 1" in said(probe))
        assert "note 1" not in said(probe)
        sup.request("a", Resume())
        eventually(lambda: "note 1" in said(probe))


def test_a_handler_over_its_deadline_is_hung_with_its_stack(home):
    with tree(hosted("a", **home), hosted("b", **home)) as sup:
        sup.tell("a", Hang("hang"))
        successor(sup, "a", 1)
        reason = last_exit(sup, "a")
        assert isinstance(reason, Hung)
        assert reason.where.startswith("hosted.hang for ")
        assert "in do_hang" in reason.stack
        assert ask(sup, "b").incarnation == 1


@pytest.mark.parametrize("where", ["start", "stop"])
def test_a_hook_that_hangs_is_given_up_with_its_stack(home, where, tmp_path):
    how = tmp_path / "how"
    how.write_text("ok")
    with tree(
        hosted(
            "a",
            start=f"file:{how}",
            stop="hang" if where == "stop" else "ok",
            start_timeout_s=0.5,
            shutdown=0.5,
            **home,
        )
    ) as sup:
        if where == "start":
            how.write_text("hang")
            sup.tell("a", Do("crash"))
        else:
            sup.terminate_child("a")

        def hung() -> Hung | None:
            reason = sup.rows["a"].last_exit
            return reason if isinstance(reason, Hung) else None

        reason = eventually(hung)
        how.write_text("ok")
        assert f"hang_in_on_{where}" in reason.stack
