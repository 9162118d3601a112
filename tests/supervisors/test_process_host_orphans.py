"""Nothing outlives the core, however it goes, and nothing leaks, however often hosts restart."""

import contextlib
import gc
import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from supervisors import ActorSystem, Supervisor
from supervisors.boot import isolated
from supervisors.link import Link
from supervisors.mailbox import Mailbox
from supervisors.output import Output
from supervisors.page import PageReader
from supervisors.process_host import ProcessHost
from supervisors.pykka_thread import PykkaThread
from supervisors.recorder import NullRecorder
from supervisors.testing import eventually
from supervisors.thread_host import ThreadHost
from tests.supervisors.hosted import HostedAsync
from tests.supervisors.trees import ask, hosted, is_alive, tree
from tests.supervisors.words import Do


@contextmanager
def core(*argv: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, int]]]:
    """A core with hosts in a process of its own, and everybody's pid."""
    command = isolated(sys.executable, "tests.supervisors.core_to_kill", list(argv))
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            pids: dict[str, int] = json.loads(process.stdout.readline())
            yield process, pids
        finally:
            process.kill()


def left(pids: dict[str, int]) -> list[str]:
    return [name for name, pid in pids.items() if is_alive(pid)]


@pytest.mark.parametrize("variant", ["quiet", "loaded"])
def test_within_a_second_of_the_cores_death_all_are_gone(variant):
    with core(variant) as (process, pids):
        assert left(pids) == list(pids)
        process.kill()
        eventually(lambda: not left(pids), 1.0)


def test_the_same_when_it_crashes():
    with core() as (process, pids):
        os.kill(process.pid, signal.SIGSEGV)
        eventually(lambda: not left(pids), 1.0)


def test_zygote_and_core_at_once():
    """Whoever goes first: hosts go with the zygote, and those see to what they know of."""
    with core() as (process, pids):
        os.kill(pids["zygote"], signal.SIGKILL)
        process.kill()
        hosts = {name: pid for name, pid in pids.items() if not name.endswith("child")}
        eventually(lambda: not left(hosts), 1.0)
        for name in left(pids):
            os.kill(pids[name], signal.SIGKILL)


def test_an_orderly_end_leaves_nothing_either():
    with core() as (process, pids):
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(30) == 0
        assert left(pids) == []


# -- leaks --------------------------------------------------------------------------------------


OURS = (ProcessHost, ThreadHost, Link, Output, PageReader, Mailbox, PykkaThread)


def counts(sup: Supervisor) -> dict[str, int]:
    """What could leak, of the core and of the zygote."""
    zygote = sup.system.zygote_pid
    gc.collect()
    return {
        "objects": sum(isinstance(thing, OURS) for thing in gc.get_objects()),
        "descriptors": len(list(Path("/proc/self/fd").iterdir())),
        "threads": threading.active_count(),
        "zygote's descriptors": len(list(Path(f"/proc/{zygote}/fd").iterdir())),
        "zygote's children": len(
            Path(f"/proc/{zygote}/task/{zygote}/children").read_text().split()
        ),
        "maps": Path("/proc/self/maps").read_text().count("rvm-page"),
        "segments": len(list(Path("/dev/shm").iterdir())),
        "watched": len(sup.system.monitor._watched),
        "contained": len(sup.system.monitor._contained),
        "pending": len(sup.system._pending),
        "callbacks": len(sup.system.reactor._callbacks),
        "exits": len(sup.system.zygote._on_exit),
    }


def settle(sup: Supervisor) -> None:
    """Wait for the late calls over the hosts that have just ended."""
    eventually(lambda: not sup.system.reactor._late)


def back_to(sup: Supervisor, before: dict[str, int]) -> None:
    """Everything is as it was; late calls need a moment."""
    with contextlib.suppress(AssertionError):
        eventually(lambda: counts(sup) == before)
    assert counts(sup) == before


def rss_mb(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


class Starts(NullRecorder):
    """Tells when a child has started again, without being asked again and again."""

    def __init__(self) -> None:
        self.lives: queue.SimpleQueue[int] = queue.SimpleQueue()

    def event(self, path: str, event: str, fields: Mapping[str, Any]) -> None:
        if (path, event) == ("/a", "started"):
            self.lives.put(fields["incarnation"])


def end(sup: Supervisor, child: str, life: int, starts: Starts) -> None:
    """End it in one of several ways by turns, and wait for the next."""
    pid = ask(sup, child).pid
    is_process = pid != os.getpid()
    ways: tuple[Any, ...] = ("crash", "exit", "stop")
    if is_process:
        ways += ("vanish", "raw", signal.SIGKILL)
    way = ways[life % len(ways)]
    if isinstance(way, int):
        os.kill(pid, way)
    else:
        sup.tell(child, Do(way))
    while starts.lives.get(timeout=20) <= life:
        pass


@pytest.mark.slow
@pytest.mark.parametrize(
    ("spec", "restarts"),
    [
        (hosted("a", "thread"), 1000),
        (hosted("a", "thread", kind=HostedAsync), 300),
        (hosted("a"), 400),
        (hosted("a", kind=HostedAsync), 100),
        (hosted("a", fail_safe="tests.supervisors.failsafe:note", probe="/dev/null"), 50),
    ],
    ids=["thread", "async-thread", "process", "async-process", "with-fail-safe"],
)
def test_restarts_leak_nothing(spec, restarts):
    starts = Starts()
    with tree(hosted("b"), spec, system=ActorSystem(recorder=starts)) as sup:
        for life in range(1, 41):
            end(sup, "a", life, starts)
        settle(sup)
        before, memory = counts(sup), rss_mb(os.getpid())
        zygotes = rss_mb(sup.system.zygote_pid or 0)
        for life in range(41, 41 + restarts):
            end(sup, "a", life, starts)
        back_to(sup, before)
        assert rss_mb(os.getpid()) - memory < 12  # 1000 pages of 16 KiB would be 16
        assert rss_mb(sup.system.zygote_pid or 0) - zygotes < 4
        assert ask(sup, "b").incarnation == 1


def test_starts_that_fail_leak_nothing(monkeypatch):
    with tree(hosted("b"), init_failure="restart") as sup:
        ask(sup, "b")
        for start in ("crash", "exit", "ignore", "waiting"):
            sup.start_child(hosted(f"a-{start}", start=start, restart="temporary"))
            sup.terminate_child(f"a-{start}")
            sup.delete_child(f"a-{start}")
        settle(sup)
        before = counts(sup)
        for start in ("crash", "exit", "ignore", "waiting") * 10:
            sup.start_child(hosted(f"a-{start}", start=start, restart="temporary"))
            sup.terminate_child(f"a-{start}")
            sup.delete_child(f"a-{start}")
        for what in ("memfd_create", "pipe2"):
            for _ in range(5):
                with monkeypatch.context() as patch:
                    patch.setattr(os, what, _no_more)
                    answer: Any = sup.start_child(hosted("a"))
                    assert "Too many open files" in str(answer.reason)
        back_to(sup, before)


def _no_more(*_: Any) -> int:
    raise OSError(24, "Too many open files")
