"""What a child spec asks of a process host: fail_safe, shares, another interpreter, limits."""

import os
import resource
import shutil
import signal
import subprocess
import sys
import venv
from pathlib import Path
from typing import Any

import pytest

from supervisors import ActorSystem, Backoff, Limits
from supervisors.exits import Exit, Unsafe
from supervisors.shares import SharedMemory
from supervisors.testing import Probe, eventually
from tests.supervisors.trees import ask, do, hosted, last_exit, successor, tree
from tests.supervisors.words import Do, Hang, Said

MODULE = "tests.supervisors.failsafe"


def runs(log: Path) -> list[int]:
    """Which processes ran the fail-safe."""
    return [int(line) for line in log.read_text().split()] if log.exists() else []


# -- fail_safe ----------------------------------------------------------------------------------


@pytest.mark.parametrize("end", ["kill", "crash", "vanish", "hang", "raw", "freeze"])
@pytest.mark.parametrize("host", ["process", "thread"])
def test_a_fail_safe_runs_after_each_abnormal_end_in_a_process_of_its_own(end, host, tmp_path):
    if host == "thread" and end not in ("crash", "hang"):
        pytest.skip("would be the end of the core itself")
    log = tmp_path / "log"
    spec = hosted("a", host, fail_safe=f"{MODULE}:note", probe=str(log))
    with tree(spec) as sup:
        pids = set()
        for life in (1, 2):
            pid = ask(sup, "a").pid
            pids.add(pid)
            assert len(runs(log)) == life - 1
            if end == "kill":
                os.kill(pid, signal.SIGKILL)
            else:
                sup.tell("a", Hang(end))
            successor(sup, "a", life)
            assert len(runs(log)) == life  # done before the successor has started
        assert not pids & set(runs(log))
        sup.terminate_child("a")
        assert len(runs(log)) == 2


@pytest.mark.parametrize(
    ("how", "detail"),
    [
        ("hang", "was not done within 2 s"),
        ("fail", "RuntimeError: the motor does not answer"),
        ("die", "died"),
        ("nowhere", "AttributeError"),
    ],
)
def test_a_fail_safe_that_fails_makes_the_end_unsafe_and_quarantines(how, detail, tmp_path):
    log = tmp_path / "log"
    spec = hosted("a", fail_safe=f"{MODULE}:{how}", probe=str(log))
    with tree(spec, hosted("b"), backoff=Backoff(0, 1, 0.01, 0, 60)) as sup:
        sup.tell("a", Do("vanish", "3"))
        eventually(lambda: sup.rows["a"].quarantined)  # it is probed again at once
        reason = last_exit(sup, "a")
        assert isinstance(reason, Unsafe)
        assert reason.cause == str(Exit(3))
        assert detail in reason.detail
        assert ask(sup, "b").incarnation == 1
        for pid in runs(log):
            eventually(lambda: not Path(f"/proc/{pid}").exists())  # noqa: B023 - called at once


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_a_fail_safe_is_run_though_the_zygote_has_died_or_is_frozen(number, tmp_path, monkeypatch):
    monkeypatch.setattr("supervisors.zygote._ANSWER_S", 0.5)
    monkeypatch.setattr("supervisors.process_host._REAP_S", 0.5)
    log = tmp_path / "log"
    with tree(hosted("a", fail_safe=f"{MODULE}:note", probe=str(log))) as sup:
        pid, zygote = ask(sup, "a").pid, sup.system.zygote_pid
        os.kill(zygote, number)
        os.kill(pid, signal.SIGKILL)
        successor(sup, "a", 1)
        assert len(runs(log)) == 1
        assert not isinstance(last_exit(sup, "a"), Unsafe)
        assert sup.system.zygote_pid != zygote


# -- shares -------------------------------------------------------------------------------------


def test_a_share_is_one_memory_for_all_and_sealed():
    probe = Probe(Said)
    system = ActorSystem(shares=(SharedMemory("ring", 1 << 20), SharedMemory("other", 4096)))
    children = [
        hosted(id_, host, probe="/probe", shares=("other", "ring"))
        for id_, host in (("writer", "process"), ("reader", "process"), ("thread", "thread"))
    ]
    with tree(probe.spec(), *children, system=system) as sup:
        do(sup, "writer", "write_share", "ring")
        for child in ("reader", "thread"):
            do(sup, child, "measure_share", "ring")
        os.kill(ask(sup, "writer").pid, signal.SIGKILL)  # nothing is lost with its writer
        successor(sup, "writer", 1)
        do(sup, "writer", "measure_share", "ring")

        def shares() -> list[str]:
            return [what for what in said_by(probe) if what.startswith("share")]

        sealed = 0x1 | 0x2 | 0x4
        eventually(lambda: len(shares()) == 3)
        assert shares() == [f"share hello {1 << 20} {sealed}"] * 3
    assert not [name for name in os.listdir("/dev/shm") if name.startswith("rvm")]


def test_an_unknown_share_is_a_failed_start_that_leaks_nothing():
    with tree(hosted("b"), init_failure="restart") as sup:
        fds = len(os.listdir("/proc/self/fd"))
        for _ in range(20):
            answer: Any = sup.start_child(hosted("a", shares=("nothing",)))
            assert "KeyError" in str(answer.reason)
        assert len(os.listdir("/proc/self/fd")) == fds


# -- interpreters -------------------------------------------------------------------------------


def test_a_fresh_host_lives_the_same_life():
    probe = Probe(Said)
    spec = hosted("a", fresh=True, probe="/probe", start_timeout_s=30)
    with tree(probe.spec(), spec, hosted("b")) as sup:
        do(sup, "a", "python")
        eventually(lambda: f"python {sys.executable} {sys.version_info[1]} 1" in said_by(probe))
        pid = ask(sup, "a").pid
        os.kill(pid, signal.SIGSEGV)
        successor(sup, "a", 1)
        assert "_receive" in last_exit(sup, "a").last_words  # type: ignore[union-attr]
        do(sup, "a", "leave_thread")
        do(sup, "a", "stop")  # a thread that somebody left behind does not keep it
        successor(sup, "a", 2)
        assert last_exit(sup, "a").is_normal


def said_by(probe: Probe) -> list[str]:
    return [message.what for message in eventually(lambda: list(probe.heard))]


def other_interpreters() -> list[str]:
    """Interpreters of another version that have what a host needs."""
    found = {shutil.which(f"python3.{minor}") for minor in (10, 11, 12, 13)} - {None}
    found |= {str(path) for path in Path.home().glob(".pyenv/versions/3.1*/bin/python")}
    return sorted(path for path in found if path and _is_other(path))


def _is_other(python: str) -> bool:
    code = "import msgspec, sys; print(sys.version_info[:2])"
    done = subprocess.run([python, "-I", "-c", code], capture_output=True, text=True, check=False)
    return done.returncode == 0 and done.stdout.strip() not in ("", str(sys.version_info[:2]))


def test_another_interpreter_is_that_interpreter(tmp_path):
    """One made for the test; where another version is at hand, that one as well."""
    home = tmp_path / "env"
    venv.create(home, with_pip=False)
    (site,) = home.glob("lib/python*/site-packages")
    import msgspec

    (site / "here.pth").write_text(str(Path(msgspec.__file__).parent.parent))
    probe = Probe(Said)
    for python in (str(home / "bin" / "python"), *other_interpreters()):
        spec = hosted("a", python=python, probe="/probe", start_timeout_s=30)
        with tree(probe.spec(), spec) as sup:
            do(sup, "a", "python")
            eventually(lambda: any(s.startswith(f"python {python} ") for s in said_by(probe)))  # noqa: B023


def test_an_interpreter_that_is_not_there_is_a_failed_start():
    with tree(init_failure="restart") as sup:
        answer: Any = sup.start_child(hosted("a", python="/nowhere/python"))
        assert isinstance(answer.reason, Exit)
        assert "FileNotFoundError" in answer.reason.last_words


# -- limits -------------------------------------------------------------------------------------


def test_limits_and_name_reach_the_process():
    limits = Limits(open_files=123, nice=3, oom_score_adj=700)
    with tree(hosted("a-rather-long-name", limits=limits)) as sup:
        pid = ask(sup, "a-rather-long-name").pid
        assert resource.prlimit(pid, resource.RLIMIT_NOFILE)[0] == 123
        assert resource.prlimit(pid, resource.RLIMIT_CORE)[0] == 0
        assert os.getpriority(os.PRIO_PROCESS, pid) == os.getpriority(os.PRIO_PROCESS, 0) + 3
        assert Path(f"/proc/{pid}/comm").read_text() == "a-rather-long-n\n"
        assert os.getsid(pid) == pid


def test_the_host_of_an_actor_has_one_thread_and_only_its_own_descriptors():
    with tree(hosted("a"), hosted("b"), hosted("c")) as sup:
        pid = ask(sup, "c").pid
        assert len(os.listdir(f"/proc/{pid}/task")) == 1
        links = {os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")}
        kinds = sorted(link.split(":")[0] for link in links)
        assert kinds == ["/dev/null", "/memfd", "pipe", "socket"]
