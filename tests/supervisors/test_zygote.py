"""The zygote: boots warm, obeys, reaps, and is replaced when it dies or freezes."""

import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from supervisors import ActorSystem, status
from supervisors.exits import Killed
from supervisors.frames import Beat
from supervisors.process_host import ProcessHost
from supervisors.testing import eventually
from supervisors.zygote import Zygote, ZygoteError
from tests.supervisors.failsafe import note
from tests.supervisors.trees import ask, do, hosted, is_alive, last_exit, successor, tree
from tests.supervisors.words import Do

NOTE = f"{note.__module__}:note"


@pytest.fixture
def zygote() -> Iterator[Zygote]:
    zygote = Zygote()
    yield zygote
    zygote.close()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A zygote is missed after half a second, so that the tests need not wait for long."""
    monkeypatch.setattr("supervisors.zygote._ANSWER_S", 0.5)
    monkeypatch.setattr("supervisors.process_host._REAP_S", 0.5)


class Bare:
    """A child of the zygote that is not even a host: what it is told is nonsense, so it ends."""

    def __init__(self, zygote: Zygote) -> None:
        self.statuses: list[int | None] = []
        self.ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.fds = [theirs.fileno(), theirs.fileno(), theirs.fileno()]
        self.key = zygote.new_key()
        try:
            self.pid = zygote.spawn(self.key, "bare", self.fds, self.statuses.append)
        except ZygoteError:
            self.ours.close()
            raise
        finally:
            theirs.close()


def test_it_has_one_thread_and_nothing_open(zygote):
    assert zygote.run(NOTE, {"probe": "/dev/null"}, 10) == ""
    assert zygote.is_alive
    assert len(list(Path(f"/proc/{zygote.pid}/task").iterdir())) == 1
    links = [str(fd.readlink()) for fd in Path(f"/proc/{zygote.pid}/fd").iterdir()]
    assert len([link for link in links if link.startswith("socket")]) == 1


def test_a_module_that_starts_threads_must_not_be_preloaded():
    zygote = Zygote(("tests.supervisors.threaded_module",))
    with pytest.raises(ZygoteError, match="2 threads after its imports"):
        zygote.run(NOTE, {}, 1)
    zygote.close()


def test_a_module_that_cannot_be_imported_is_left_to_who_needs_it(capfd):
    zygote = Zygote(("no_such_module",))
    assert zygote.run(NOTE, {"probe": "/dev/null"}, 10) == ""
    zygote.close()
    assert "No module named 'no_such_module'" in capfd.readouterr().err


def test_it_reaps_what_it_has_started_and_reports_the_status(zygote):
    bare = Bare(zygote)
    os.kill(bare.pid, signal.SIGTERM)
    eventually(lambda: bare.statuses)
    assert bare.statuses == [-signal.SIGTERM]
    zygote.signal(bare.key, signal.SIGKILL)  # it is not there any more: nobody is hit
    zygote.signal(12345, signal.SIGKILL)
    assert zygote.run(NOTE, {"probe": "/dev/null"}, 10) == ""
    bare.ours.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_is_not_impressed_by_signals_that_are_not_for_it(zygote, number):
    """Systemd may send SIGTERM to the whole control group; the core decides when to end."""
    bare = Bare(zygote)
    os.kill(zygote.pid, number)
    assert zygote.run(NOTE, {"probe": "/dev/null"}, 10) == ""
    assert is_alive(bare.pid)
    zygote.signal(bare.key, signal.SIGKILL)
    eventually(lambda: bare.statuses)
    bare.ours.close()


def test_its_end_is_the_end_of_its_hosts_and_reported(zygote):
    bares = [Bare(zygote) for _ in range(3)]
    os.kill(zygote.pid, signal.SIGKILL)
    for bare in bares:
        eventually(lambda: bare.statuses == [None])  # noqa: B023 - called at once
        eventually(lambda: not is_alive(bare.pid))  # noqa: B023
        bare.ours.close()
    assert not zygote.is_alive
    with pytest.raises(ZygoteError, match="the zygote has ended"):
        Bare(zygote)


def test_closing_it_ends_its_hosts_too(zygote):
    bare = Bare(zygote)
    zygote.close()
    assert bare.statuses == [None]
    eventually(lambda: not is_alive(bare.pid))
    bare.ours.close()


def test_frozen_it_is_missed_when_it_is_needed(zygote, impatient):
    bare = Bare(zygote)
    os.kill(zygote.pid, signal.SIGSTOP)
    with pytest.raises(ZygoteError, match="does not answer"):
        zygote.run(NOTE, {"probe": "/dev/null"}, 10)
    eventually(lambda: bare.statuses == [None])
    bare.ours.close()


def test_frozen_it_is_missed_also_when_nobody_needs_it(monkeypatch):
    monkeypatch.setattr("supervisors.zygote._BEAT_S", 1)
    with tree(hosted("a"), hosted("b")) as sup:
        pids, zygote = {ask(sup, "a").pid, ask(sup, "b").pid}, sup.system.zygote_pid
        os.kill(zygote, signal.SIGSTOP)
        for child in "ab":
            successor(sup, child, 1)
            assert last_exit(sup, child) == Killed("its zygote died")
        assert not any(is_alive(pid) for pid in pids)
        assert sup.system.zygote_pid != zygote


def test_it_answers_when_asked_whether_it_is_there(zygote, monkeypatch):
    heard: list[Any] = []
    zygote.run(NOTE, {"probe": "/dev/null"}, 10)
    take = zygote._take
    monkeypatch.setattr(zygote, "_take", lambda frame: (heard.append(frame), take(frame)))
    for times in (1, 2, 3):
        zygote._is_asked = False
        zygote._ask()
        eventually(lambda: sum(isinstance(frame, Beat) for frame in heard) == times)  # noqa: B023
    assert zygote.is_alive


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGSTOP])
def test_a_dead_zygote_is_replaced_and_all_hosts_are_back(number, impatient, tmp_path):
    core = os.getpid()
    with tree(hosted("a"), hosted("b"), hosted("c", "thread")) as sup:
        for life in (1, 2, 3):
            pids = {ask(sup, child).pid for child in "ab"}
            zygote = sup.system.zygote_pid
            do(sup, "a", "children", str(tmp_path / "pid"))
            os.kill(zygote, number)
            if number == signal.SIGSTOP:  # nobody can reap this one
                os.kill(ask(sup, "a").pid, signal.SIGKILL)
            for child in "ab":
                assert successor(sup, child, life) == life + 1
            assert not any(is_alive(pid) for pid in pids)
            eventually(lambda: not is_alive(int((tmp_path / "pid").read_text())))
            assert sup.system.zygote_pid != zygote
        assert ask(sup, "c").incarnation == 1
        assert status.snapshot(sup.system, sup)["pid"] == core


def test_a_host_that_is_to_be_killed_is_killed_though_the_zygote_is_frozen(impatient):
    with tree(hosted("a", shutdown="kill"), hosted("b")) as sup:
        pid = ask(sup, "a").pid
        os.kill(sup.system.zygote_pid, signal.SIGSTOP)
        sup.terminate_child("a")
        assert last_exit(sup, "a") == Killed("brutal kill")
        assert not is_alive(pid)
        successor(sup, "b", 1)


def test_nothing_is_lost_when_the_end_comes_before_the_start_has_returned(monkeypatch):
    """The host may be dead, reaped and reported before its pid has reached who asked for it."""
    spawn = Zygote.spawn

    def spawn_and_dawdle(self: Zygote, key: int, *rest: Any) -> int:
        pid = spawn(self, key, *rest)
        os.kill(pid, signal.SIGKILL)
        eventually(lambda: key not in self._on_exit)
        return pid

    with tree(hosted("b")) as sup:
        ask(sup, "b")
        monkeypatch.setattr(Zygote, "spawn", spawn_and_dawdle)
        for _ in range(5):
            answer: Any = sup.start_child(hosted("a"))
            assert "SIGKILL" in str(answer.reason)
        monkeypatch.undo()
        watched = [w for w in sup.system.monitor._watched.values() if isinstance(w, ProcessHost)]
        assert [host.path for host in watched] == ["/b"]
        sup.start_child(hosted("a"))
        assert ask(sup, "a").number == 0


def test_a_hundred_at_once_from_several_threads():
    with tree() as sup:
        system = sup.system
        bares: list[Bare] = []

        def start() -> None:
            bares.extend(Bare(system.zygote) for _ in range(25))

        threads = [threading.Thread(target=start) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len({bare.pid for bare in bares}) == 100
        for bare in bares:
            system.zygote.signal(bare.key, signal.SIGKILL)
        eventually(lambda: all(bare.statuses == [-signal.SIGKILL] for bare in bares))
        for bare in bares:
            bare.ours.close()


def test_a_zygote_that_cannot_be_started_is_a_failed_start(monkeypatch):
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with tree(init_failure="restart", system=ActorSystem()) as sup:
        for _ in range(3):
            answer: Any = sup.start_child(hosted("a"))
            assert "could not be started" in str(answer.reason)
        monkeypatch.undo()
        sup.start_child(hosted("a"))
        assert ask(sup, "a").number == 0
        sup.tell("a", Do("crash"))
        successor(sup, "a", 1)
