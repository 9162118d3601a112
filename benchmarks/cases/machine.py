"""The whole machine on the simulated profile: memory, start, idle load."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from benchmarks.kit.contest import Case, Contender, Versus

_ROOT = Path(__file__).resolve().parents[2]
_COMMAND = [sys.executable, "-m", "rvm_edge"]
_BARE = "import sys; sys.stdout.write('.'); sys.stdout.flush(); sys.stdin.read()"
_DETECTOR = (
    "import time; from models.vision import default_detector_directory, open_detector; "
    "open_detector(default_detector_directory()); print(time.monotonic_ns())"
)
_IDLE_S = 10.0
_SETTLE_S = 3.0
_STOP_S = 20.0


class Machine:
    """A running machine with a data directory of its own, or with one that is left as it is."""

    def __init__(self, data: Path | None = None, environ: Mapping[str, str] | None = None) -> None:
        """Args: environ: is added to this process's environment."""
        self._is_ours = data is None
        self._data = data or tempfile.mkdtemp()
        began_ns = time.monotonic_ns()
        self._process = subprocess.Popen(
            [*_COMMAND, "start", "--data-dir", str(self._data)],
            cwd=_ROOT,
            env={**os.environ, **(environ or {})},
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        assert self._process.stderr is not None
        log = self._process.stderr
        if not any(json.loads(line).get("event") == "machine_ready" for line in log):
            msg = "rvm-edge start ended before it was ready"
            raise RuntimeError(msg)
        self.start_ms = (time.monotonic_ns() - began_ns) / 1e6
        threading.Thread(target=log.read, daemon=True).start()  # or it would block on a full pipe

    @classmethod
    @contextmanager
    def started(cls) -> Iterator[Machine]:
        """One that is ready, and has settled."""
        machine = cls()
        try:
            machine.settle()
            yield machine
        finally:
            machine.stop()

    def settle(self) -> None:
        """Let what follows a start come to rest."""
        time.sleep(_SETTLE_S)

    def rss_mb(self) -> float:
        return _rss_mb(self._process.pid)

    def idle_percent(self) -> float:
        """Load of the core process, in percent of one CPU."""
        before = _cpu_s(self._process.pid)
        time.sleep(_IDLE_S)
        return (_cpu_s(self._process.pid) - before) / _IDLE_S * 100

    def stop(self) -> None:
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._is_ours:
            shutil.rmtree(self._data, ignore_errors=True)


def _rss_mb(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _bare_rss_mb() -> float:
    with subprocess.Popen(
        [sys.executable, "-c", _BARE], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as bare:
        assert bare.stdout is not None
        bare.stdout.read(1)
        rss_mb = _rss_mb(bare.pid)
        bare.kill()
    return rss_mb


def _detector_ms() -> float:
    began_ns = time.monotonic_ns()
    done = subprocess.run(
        [sys.executable, "-c", _DETECTOR], cwd=_ROOT, capture_output=True, check=True
    )
    return (int(done.stdout) - began_ns) / 1e6


def _start_ms() -> float:
    machine = Machine()
    machine.stop()
    return machine.start_ms


@contextmanager
def _start(work: float) -> Iterator[Mapping[str, Contender]]:
    del work
    yield {"launch to all ready": _start_ms, "detector's import and load": _detector_ms}


@contextmanager
def _memory(work: float) -> Iterator[Mapping[str, Contender]]:
    del work
    with Machine.started() as machine:
        yield {"core process": machine.rss_mb, "bare interpreter": _bare_rss_mb}


@contextmanager
def _idle(work: float) -> Iterator[Mapping[str, Contender]]:
    del work
    with Machine.started() as machine:
        yield {"core process": machine.idle_percent, "one CPU": lambda: 100.0}


CASES = (
    Case(
        "memory",
        "resident memory of the core process",
        "MB",
        _memory,
        (Versus("core process", "bare interpreter", 5.0),),
        rounds=3,
        placements=("two",),
    ),
    Case(
        "start",
        "launch to all actors ready, detector loaded, simulated profile",
        "ms",
        _start,
        (Versus("launch to all ready", "detector's import and load", 2.0),),
        rounds=5,
    ),
    Case(
        "idle",
        "load of the idle core process",
        "%",
        _idle,
        (Versus("core process", "one CPU", 0.01),),
        rounds=2,
        placements=("two",),
    ),
)
