"""What the daemon does for its actors, at ``/daemon``."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from config.settings import Settings
from protocol.daemon import (
    CapturePicture,
    CollectDiagnostics,
    DescribeMachine,
    EndRun,
    FileMade,
    MachineDescribed,
    RestartActor,
    RotateLogs,
)
from protocol.message import Done
from protocol.system import Ping, Pong
from rvm_edge import errands as module
from rvm_edge.errands import FILES_MAX, FOLDER, Errands, described
from rvm_edge.logs import Log
from rvm_edge.operator import Operator
from supervisors import Actor, ActorSystem, ChildSpec, RequestFailed, Supervisor, SupervisorSpec
from supervisors.clock import SystemClock
from supervisors.testing import eventually
from tests.actors.runtime import Events


class Idler(Actor):
    """Is there."""


class Place:
    def __init__(self, system: ActorSystem, sup: Supervisor, log: Log, ends: list[str]) -> None:
        self.system, self.sup, self.log, self.ends = system, sup, log, ends

    def ask(self, message, reply):
        return self.system.request("/daemon", message, timeout_s=20.0, reply=reply)

    def refused(self, message) -> str:
        with pytest.raises(RequestFailed) as failed:
            self.ask(message, Done)
        return failed.value.code


@contextmanager
def daemon(tmp_path: Path) -> Iterator[Place]:
    system = ActorSystem(recorder=Events())
    log = Log(tmp_path / "logs", SystemClock(), "info", 1.0, 3)
    inner = SupervisorSpec((ChildSpec("deep", Idler),))
    spec = SupervisorSpec((ChildSpec("idler", Idler), ChildSpec("group", inner)))
    ends: list[str] = []
    try:
        with Supervisor.start(spec, system=system) as sup:
            operator = Operator(system, sup, {"version": "1", "phase": "running"})
            errands = Errands(system, operator, log, tmp_path, Settings, ends.append)
            yield Place(system, sup, log, ends)
            errands.close()
    finally:
        log.close()
        system.close()


def test_it_answers_like_an_actor_and_tells_how_the_machine_stands(tmp_path):
    with daemon(tmp_path) as place:
        assert place.ask(Ping(), Pong) == Pong("/daemon", 1)
        found = place.ask(DescribeMachine(), MachineDescribed)
        assert (found.state, found.facts["version"]) == ("ok", "1")
        assert found.actors["/group/deep"] == "running"


def test_one_child_is_restarted_and_no_supervisor(tmp_path):
    with daemon(tmp_path) as place:
        assert place.ask(RestartActor("/idler"), Done) == Done()
        eventually(lambda: getattr(place.sup.ref("idler"), "incarnation", 0) == 2)
        assert place.refused(RestartActor("/nobody")) == "unknown_address"
        assert place.refused(RestartActor("/group")) == "refused"
        assert place.refused(RestartActor("/")) == "unknown_address"


def test_the_log_goes_on_in_a_new_file(tmp_path):
    with daemon(tmp_path) as place:
        place.log.write("/x", "info", "before", {})
        place.ask(RotateLogs(), Done)
        place.log.write("/x", "info", "after", {})
        logs = tmp_path / "logs"
        assert "before" in (logs / "rvm-edge.jsonl.1").read_text()
        assert "after" in (logs / "rvm-edge.jsonl").read_text()


def test_the_end_of_the_run_is_asked_for_with_its_reason(tmp_path):
    with daemon(tmp_path) as place:
        place.ask(EndRun("an update"), Done)
        assert place.ends == ["an update"]


def test_diagnostics_are_made_and_only_the_newest_files_are_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(
        module, "collect", lambda _directory, out, *_more: out.write_bytes(out.name.encode())
    )
    with daemon(tmp_path) as place:
        for number in range(FILES_MAX + 3):
            made = place.ask(CollectDiagnostics(f"diagnostics-{number}"), FileMade)
            assert Path(made.path).read_bytes() == f"diagnostics-{number}.tar.gz".encode()
        assert len(list((tmp_path / FOLDER).iterdir())) == FILES_MAX


@pytest.mark.parametrize("name", ["", "../x", "a/b", ".hidden", "x" * 200, "a b", "a\0b"])
def test_a_name_leads_out_of_no_directory(tmp_path, name):
    with daemon(tmp_path) as place:
        assert place.refused(CollectDiagnostics(name)) == "invalid"
        assert place.refused(CapturePicture(name)) == "invalid"


def test_a_machine_without_a_daemon_to_ask_has_no_picture_and_says_why(tmp_path, monkeypatch):
    def no_camera(command, **_more):
        return module.subprocess.CompletedProcess(command, 1, "", "the camera is not there")

    monkeypatch.setattr(module.subprocess, "run", no_camera)
    with daemon(tmp_path) as place, pytest.raises(RequestFailed, match="camera is not there"):
        place.ask(CapturePicture("capture-1"), FileMade)


def test_a_mistake_is_the_askers_to_hear_of(tmp_path, monkeypatch):
    def broken(*_args):
        raise ZeroDivisionError

    monkeypatch.setattr(module, "collect", broken)
    with daemon(tmp_path) as place:
        assert place.refused(CollectDiagnostics("x")) == "failed"
        assert place.refused(Done()) == "invalid"
        assert place.ask(Ping(), Pong)


def test_who_is_not_well_is_described_with_the_reason():
    status = {
        "state": "degraded",
        "actors": [
            {"path": "/a", "state": "running", "restarts": 2, "facts": {"trouble": "hot"}},
            {"path": "/b", "state": "waiting", "restarts": 0, "waiting_for": "token=abcdefgh"},
        ],
    }
    assert described(status).actors == {
        "/a": "running: hot, 2 restarts",
        "/b": "waiting: token=***",
    }
