"""Rows R1 to R10, R15 and R17 of the fault table, as far as the runtime answers for them."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pykka
import pytest

from protocol.system import InjectFault
from supervisors import (
    Actor,
    ActorSystem,
    ChildSpec,
    Limits,
    MailboxSpec,
    Put,
    RequestFailed,
    handles,
)
from supervisors.boot import isolated
from supervisors.clock import SystemClock
from supervisors.exits import Crash, Hung
from supervisors.notify import Notifier
from supervisors.recorder import NullRecorder
from supervisors.testing import Probe, eventually
from tests.supervisors.hosted import RELEASE
from tests.supervisors.trees import answers, ask, do, hosted, is_alive, last_exit, successor, tree
from tests.supervisors.words import Do, Halt, Hang, Measured, Note, Pay, Said, Turn

HOSTS = pytest.mark.parametrize("host", ["thread", "process"])


class Kept(NullRecorder):
    """Events, in a list."""

    def __init__(self) -> None:
        self.events: list[tuple[str, str, dict[str, Any]]] = []

    def event(self, path: str, event: str, fields: Any) -> None:
        self.events.append((path, event, dict(fields)))

    def named(self, event: str) -> list[tuple[str, dict[str, Any]]]:
        return [(path, fields) for path, name, fields in self.events if name == event]


@HOSTS
def test_r1_an_actor_that_raises_is_restarted_alone_and_the_message_dead_lettered(host):
    kept = Kept()
    with tree(hosted("a", host), hosted("b", host), system=ActorSystem(recorder=kept)) as sup:
        sup.tell("a", Do("crash", "boom"))
        assert successor(sup, "a", 1) == 2
        assert ask(sup, "b").incarnation == 1
        (letter,) = sup.system.dead_letters.last
        assert (letter.cause, letter.name, letter.destination) == ("crashed", "hosted.do", "/a")
        eventually(lambda: kept.named("child_terminated"))
        ((path, fields),) = kept.named("child_terminated")
        assert path == "/a"
        assert fields["reason"] == "Crash(Boom: boom)"
        assert "in do_crash" in fields["stack"]


@HOSTS
def test_r2_a_message_that_kills_twice_is_parked_and_the_actor_lives(host):
    kept, probe = Kept(), Probe(Said)
    spec = hosted("a", host, probe="/probe", mailbox=MailboxSpec(on_restart="preserve"))
    with tree(probe.spec(), spec, system=ActorSystem(recorder=kept)) as sup:
        sup.tell("a", Do("crash"))
        sup.tell("a", Note(2))
        eventually(lambda: "note 2" in [message.what for message in probe.heard])
        eventually(lambda: sup.rows["a"].restarts == 2)
        assert [path for path, _ in kept.named("parked")] == ["/a"]
        assert ask(sup, "a").incarnation == 3


@pytest.mark.parametrize("how", ["hang", "spin", "sleep_in_c"])
def test_r3_a_thread_that_hangs_is_replaced_counted_and_too_many_are_reported(how):
    too_many = threading.Event()
    system = ActorSystem(max_leaks=2, on_too_many_leaks=too_many.set)
    with tree(hosted("a", "thread"), hosted("b", "thread"), system=system) as sup:
        for life in (1, 2, 3):
            assert not too_many.is_set()
            sup.tell("a", Hang(how))
            successor(sup, "a", life)
            reason = last_exit(sup, "a")
            assert isinstance(reason, Hung)
            assert f"in do_{how}" in reason.stack
            assert system.leaked_threads == life
            assert answers(sup, "a")
        assert too_many.wait(10)
        assert ask(sup, "b").incarnation == 1
        RELEASE.set()
        eventually(lambda: system.leaked_threads == 0)  # they ended after all; that counts, too


@pytest.mark.parametrize("exception", ["SystemExit", "KeyboardInterrupt"])
@HOSTS
def test_r4_an_actor_that_wants_to_end_the_process_ends_only_itself(host, exception):
    with tree(hosted("a", host), hosted("b", "thread"), hosted("c", "thread")) as sup:
        before = len(pykka.ActorRegistry.get_all())
        sup.tell("a", Do("raise", exception))
        successor(sup, "a", 1)
        reason = last_exit(sup, "a")
        assert isinstance(reason, Crash)
        assert reason.exception == exception
        assert ask(sup, "b").incarnation == ask(sup, "c").incarnation == 1
        assert len(pykka.ActorRegistry.get_all()) == before


@HOSTS
def test_r5_a_full_mailbox_drops_by_class_and_never_safety_or_money(host, tmp_path):
    probe, gate = Probe(Said), tmp_path / "gate"
    spec = hosted("a", host, probe="/probe", mailbox=MailboxSpec(20))
    with tree(probe.spec(mailbox=MailboxSpec(10_000)), spec) as sup:
        sup.tell("a", Do("until", str(gate)))
        eventually(lambda: "holding" in [message.what for message in probe.heard])
        puts = [sup.tell("a", message) for message in [Measured(1), *[Note(0)] * 500, Turn(1)]]
        assert puts[-1] is Put.FULL
        for number in range(100):
            assert sup.tell("a", Pay(number)) is Put.OK
            assert sup.tell("a", Halt(number)) is Put.OK
        gate.touch()

        def numbers(word: str) -> list[int]:
            whats = [message.what.split() for message in probe.heard]
            return [int(what[1]) for what in whats if what[0] == word]

        eventually(lambda: len(numbers("pay")) == 100)
        assert numbers("pay") == numbers("halt") == list(range(100))
        assert numbers("turn") == []
        assert sup.system.dead_letters.by_cause["full"] >= puts.count(Put.FULL)


def test_r6_a_chain_of_full_actors_sheds_and_never_locks():
    """Every one tells the next two of each message, round in a circle, through tiny mailboxes."""
    hosts = ("process", "thread", "process", "thread")
    children = [
        hosted(f"a{number}", host, mailbox=MailboxSpec(8), probe=f"/a{(number + 1) % len(hosts)}")
        for number, host in enumerate(hosts)
    ]
    with tree(*children) as sup:
        for _ in range(2000):
            for child in sup.rows:
                sup.tell(child, Do("echo_twice", "3"))
        eventually(lambda: all(answers(sup, child) for child in sup.rows))
        assert all(row.restarts == 0 for row in sup.rows.values())
        assert sup.system.dead_letters.by_cause["full"] > 0


@HOSTS
def test_r7_two_that_ask_each_other_are_freed_by_timeouts_and_the_report_names_both(host):
    kept = Kept()
    with tree(hosted("a", host), hosted("b"), system=ActorSystem(recorder=kept)) as sup:
        with pytest.raises(RequestFailed):
            sup.request("a", Do("ask_back", "/b 0.3"), timeout_s=10)
        eventually(lambda: answers(sup, "a") and answers(sup, "b"))
        reports = [fields["reason"] for _, fields in kept.named("child_terminated")]
        assert any("/a" in report and "/b" in report for report in reports)


def test_r8_a_host_that_leaks_memory_is_ended_at_its_limit():
    system = ActorSystem(allows_faults=True)
    with tree(hosted("a", limits=Limits(memory_mb=150)), hosted("b"), system=system) as sup:
        sup.tell("a", InjectFault("memory", seconds=60, megabytes=250))
        successor(sup, "a", 1)
        reason = last_exit(sup, "a")
        assert isinstance(reason, Hung)
        assert "MB of 150" in reason.where
        assert ask(sup, "b").incarnation == 1


def test_r9_a_host_that_leaks_descriptors_fails_alone_and_comes_back_clean():
    with tree(hosted("a", limits=Limits(open_files=64)), hosted("b")) as sup:
        sup.tell("a", Do("leak_descriptors"))
        successor(sup, "a", 1)
        assert "Too many open files" in str(last_exit(sup, "a"))
        fds = Path(f"/proc/{ask(sup, 'a').pid}/fd")
        assert len(list(fds.iterdir())) < 12
        assert ask(sup, "b").incarnation == 1


def test_r9_threads_and_processes_that_a_host_leaks_go_with_it(tmp_path):
    with tree(hosted("a")) as sup:
        for number in range(5):
            do(sup, "a", "leave_thread")
            do(sup, "a", "children", str(tmp_path / str(number)))
        pids = [int(file.read_text()) for file in tmp_path.iterdir()]
        sup.tell("a", Do("crash"))
        successor(sup, "a", 1)
        eventually(lambda: not any(is_alive(pid) for pid in pids))


class Stuck(NullRecorder):
    """A record that blocks who writes to it, while it is told to."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.gate.set()

    def event(self, path: str, event: str, fields: Any) -> None:
        if event == "child_terminated":
            self.gate.wait(30)


def test_r10_a_supervisor_that_stalls_is_no_longer_vouched_for(tmp_path, monkeypatch):
    monkeypatch.setattr("supervisors.monitor._STALL_S", 0.3)
    stuck = Stuck()
    address = str(tmp_path / "notify")
    with contextlib.closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as manager:
        manager.bind(address)
        manager.settimeout(10)
        notifier = Notifier(SystemClock(), {"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "200000"})
        with tree(hosted("a", "thread"), system=ActorSystem(recorder=stuck)) as sup:
            sup.system.monitor.on_tick.append(notifier.tick)
            assert manager.recv(100) == b"WATCHDOG=1"
            stuck.gate.clear()
            sup.tell("a", Do("crash"))
            eventually(lambda: not sup.system.monitor.is_healthy)
            manager.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                while manager.recv(100):
                    pass
            ticks: list[bool] = []
            sup.system.monitor.on_tick.append(ticks.append)
            eventually(lambda: len(ticks) > 5)
            with pytest.raises(BlockingIOError):
                manager.recv(100)
            stuck.gate.set()
            manager.setblocking(True)
            assert manager.recv(100) == b"WATCHDOG=1"


def test_r15_the_core_is_killed_and_all_its_workers_are_gone_within_a_second():
    """More ways and states: tests/supervisors/test_process_host_orphans.py."""
    argv = isolated(sys.executable, "tests.supervisors.core_to_kill", [])
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as core:
        assert core.stdout is not None
        core.stdout.readline()
        (zygote,) = _children(core.pid)
        hosts = _children(int(zygote))
        assert len(hosts) == 8
        os.kill(core.pid, signal.SIGKILL)
        eventually(lambda: not any(is_alive(int(pid)) for pid in (zygote, *hosts)), 1.0)


def _children(pid: int) -> list[str]:
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return [child for task in tasks for child in (task / "children").read_text().split()]


class Guard(Actor):
    """A safety actor: answers in the fast lane."""

    @handles(Halt)
    def halt(self, message: Halt) -> None:
        """At once."""


@pytest.mark.slow
def test_r17_with_all_cores_busy_nobody_is_taken_for_hung_and_the_guard_answers():
    burn = [sys.executable, "-I", "-S", "-c", "while True: pass"]
    cores = len(os.sched_getaffinity(0))
    guard = ChildSpec("guard", Guard, critical=True)
    with tree(guard, *(hosted(f"a{n}") for n in range(6)), hosted("b", "thread")) as sup:
        burners = [subprocess.Popen(burn, stdin=subprocess.DEVNULL) for _ in range(3 * cores)]
        try:
            for number in range(60):
                sup.request("guard", Halt(number), timeout_s=5)
                assert all(answers(sup, child) for child in sup.rows if child != "guard")
            assert sup.system.monitor.is_healthy
        finally:
            for burner in burners:
                burner.kill()
            for burner in burners:
                burner.wait()
        assert sup.system.hangs == 0
        assert all(row.restarts == 0 for row in sup.rows.values())
