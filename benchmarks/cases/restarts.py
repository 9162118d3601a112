"""From a crash to the successor's first handled message."""

from __future__ import annotations

import os
import queue
import signal
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median

from benchmarks.kit.actors import Idle, Meter, Victim
from benchmarks.kit.contest import Case, Contender, Versus
from benchmarks.kit.tree import root
from benchmarks.kit.words import Crash
from benchmarks.peers.erlang import erlang
from benchmarks.peers.interpreter import IMPORTS, Interpreter
from supervisors import ActorSystem, ChildSpec, Host, Supervisor
from supervisors.recorder import DiskRecorder

_CRASHES = 20
_KILLS = 5
_CROWD = 199
_PATIENCE_S = 30.0
_NO_TELEMETRY = {"ORT_DISABLE_TELEMETRY": "1"}
"""ONNX Runtime (1.29 and later) otherwise starts a thread when it is imported, which makes forking
its process unsafe, and sends data home."""


class _Tree:
    """A victim, a meter, and a crowd that has nothing to do with them."""

    def __init__(self, stack: ExitStack, host: Host, crowd: int = 0) -> None:
        self._crashing: queue.SimpleQueue[int] = queue.SimpleQueue()
        self._handled: queue.SimpleQueue[int] = queue.SimpleQueue()
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        preload = IMPORTS if host is Host.PROCESS else ()
        system = ActorSystem(recorder=DiskRecorder(directory), preload=preload)
        ends = {"crashing": self._crashing.put, "handled": self._handled.put}
        self._supervisor: Supervisor = stack.enter_context(
            root(
                system,
                ChildSpec("meter", Meter, args=ends),
                ChildSpec("victim", Victim, host=host, start_timeout_s=_PATIENCE_S),
                *(ChildSpec(f"idle-{number}", Idle) for number in range(crowd)),
            )
        )
        self._handled.get(timeout=_PATIENCE_S)

    def crash_us(self) -> float:
        """The victim raises."""
        self._supervisor.tell("victim", Crash())
        began_ns = self._crashing.get(timeout=_PATIENCE_S)
        return (self._handled.get(timeout=_PATIENCE_S) - began_ns) / 1e3

    def kill_us(self) -> float:
        """The victim's process is killed."""
        running = self._supervisor.rows["victim"].running
        assert running is not None
        assert running.pid is not None
        began_ns = time.monotonic_ns()
        os.kill(running.pid, signal.SIGKILL)
        took_us = (self._handled.get(timeout=_PATIENCE_S) - began_ns) / 1e3
        self._settle(running.pid)
        return took_us

    def _settle(self, before: int) -> None:
        """Until the supervisor has published the successor."""
        while True:
            row = self._supervisor.rows["victim"]
            if row.state.value == "running" and row.running and row.running.pid != before:
                return
            time.sleep(0.001)


@contextmanager
def _threads(work: float) -> Iterator[Mapping[str, Contender]]:
    crashes = max(5, round(_CRASHES * work))
    with ExitStack() as stack:
        ours = _Tree(stack, Host.THREAD)
        otp = stack.enter_context(erlang())
        yield {
            "thread host": lambda: median(ours.crash_us() for _ in range(crashes)),
            "Erlang, logger on": otp.contender("crash", crashes),
        }


@contextmanager
def _processes(work: float) -> Iterator[Mapping[str, Contender]]:
    kills = max(2, round(_KILLS * work))
    os.environ.update(_NO_TELEMETRY)
    with ExitStack() as stack:
        one = _Tree(stack, Host.PROCESS)
        many = _Tree(stack, Host.PROCESS, _CROWD)
        peer = stack.enter_context(Interpreter.started())
        yield {
            "process host": lambda: median(one.kill_us() for _ in range(kills)) / 1e3,
            "among 200 actors": lambda: median(many.kill_us() for _ in range(kills)) / 1e3,
            "fresh interpreter": lambda: peer.kill_us() / 1e3,
        }


CASES = (
    Case(
        "crash",
        "exception to the successor's first handled message, events written to disk",
        "us",
        _threads,
        (Versus("thread host", "Erlang, logger on", 0.8),),
        rounds=21,
    ),
    Case(
        "kill",
        "kill -9 to the successor's first handled message, numpy, cv2 and onnxruntime imported",
        "ms",
        _processes,
        (
            Versus("process host", "fresh interpreter", 0.1),
            Versus("among 200 actors", "fresh interpreter", 0.1),
            Versus("among 200 actors", "process host", 1.2),
        ),
        rounds=15,
    ),
)
