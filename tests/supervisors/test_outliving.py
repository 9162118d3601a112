"""A host that may outlive the core: it sees the end, stops in peace, and never stays for long."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from supervisors import ActorSystem, Backoff, Host, Supervisor, SupervisorSpec
from supervisors.boot import isolated
from supervisors.clock import SystemClock
from supervisors.spec import OUTLIVES_MAX_S, ChildSpec, SpecError
from supervisors.testing import eventually
from tests.supervisors.outliving import Lamp, seized, spec
from tests.supervisors.trees import ask, is_alive, last_exit, successor


@contextlib.contextmanager
def core(
    lamp: Path, stop: str = "ok", seconds: float = 2.0, kind: str = "sync", fresh: str = "warm"
) -> Iterator[tuple[subprocess.Popen[str], dict[str, int]]]:
    argv = [str(lamp), stop, str(seconds), kind, fresh]
    command = isolated(sys.executable, "tests.supervisors.outliving", argv)
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        pids: dict[str, int] = {}
        try:
            assert process.stdout is not None
            pids = json.loads(process.stdout.readline())
            yield process, pids
        finally:
            process.kill()
            for pid in pids.values():
                with contextlib.suppress(OSError):
                    os.kill(pid, signal.SIGKILL)


def seize(process: subprocess.Popen[str], lamp: Path, how: str) -> None:
    assert process.stdin is not None
    process.stdin.write(f"{how}\n")
    process.stdin.flush()
    eventually(seized(lamp).exists)


def end(pids: dict[str, int], whom: str) -> None:
    for name in whom.split():
        os.kill(pids[name], signal.SIGKILL)


BOTH_WAYS = ["core", "core zygote", "zygote core"]


@pytest.mark.parametrize("whom", BOTH_WAYS)
@pytest.mark.parametrize(
    ("kind", "fresh"), [("sync", "warm"), ("async", "warm"), ("sync", "fresh")]
)
def test_it_runs_on_stop_and_leaves_however_the_core_goes(tmp_path, whom, kind, fresh):
    lamp = tmp_path / "lamp"
    with core(lamp, kind=kind, fresh=fresh) as (_, pids):
        assert lamp.read_text() == "on"
        end(pids, whom)
        eventually(lambda: lamp.read_text() == "off")
        eventually(lambda: not is_alive(pids["lamp"]))
        eventually(lambda: not is_alive(pids["zygote"]))


@pytest.mark.parametrize("whom", BOTH_WAYS)
@pytest.mark.parametrize("how", ["on_stop", "handler"])
def test_one_that_hangs_is_ended_when_its_time_is_over(tmp_path, whom, how):
    lamp, clock = tmp_path / "lamp", SystemClock()
    with core(lamp, "hang" if how == "on_stop" else "ok", 0.5) as (process, pids):
        if how == "handler":
            seize(process, lamp, "wait")
        began_s = clock.monotonic()
        end(pids, whom)
        eventually(lambda: not is_alive(pids["lamp"]))
        assert lamp.read_text() == "on"
        assert clock.monotonic() - began_s >= 0.45


def test_one_that_holds_its_interpreter_is_killed_by_the_zygote(tmp_path):
    lamp = tmp_path / "lamp"
    with core(lamp, seconds=0.3) as (process, pids):
        seize(process, lamp, "gil")
        end(pids, "core")
        eventually(lambda: not is_alive(pids["lamp"]))


@pytest.mark.parametrize("whom", BOTH_WAYS)
def test_and_by_the_kernel_when_nobody_else_is_left(tmp_path, whom):
    """Its loop puts an alarm off all the time; one that no longer turns does not."""
    lamp = tmp_path / "lamp"
    with core(lamp, seconds=1.0, fresh="watched") as (process, pids):
        ask_again = SystemClock().monotonic() + 1.0
        eventually(lambda: SystemClock().monotonic() > ask_again)
        assert is_alive(pids["lamp"])
        seize(process, lamp, "gil")
        end(pids, whom)
        eventually(lambda: not is_alive(pids["lamp"]))


def test_a_host_without_the_privilege_is_killed_at_once(tmp_path):
    lamp = tmp_path / "lamp"
    with core(lamp, "hang", seconds=0.0) as (_, pids):
        end(pids, "core")
        eventually(lambda: not is_alive(pids["lamp"]))
        eventually(lambda: not is_alive(pids["zygote"]))
        assert lamp.read_text() == "on"


def test_when_the_zygote_alone_dies_it_stops_in_peace_and_comes_back(tmp_path):
    lamp = tmp_path / "lamp"
    tree = SupervisorSpec(
        (spec(str(lamp), outlives_core_s=1.0),), intensity=None, backoff=Backoff.NONE
    )
    system = ActorSystem()
    with Supervisor.start(tree, system=system) as sup:
        old = ask(sup, "lamp")
        lamp.write_text("burns", encoding="ascii")
        os.kill(sup.system.zygote_pid or 0, signal.SIGKILL)
        assert successor(sup, "lamp", 1) == 2
        assert not is_alive(old.pid)
        assert lamp.read_text() == "on"
        assert "zygote" in str(last_exit(sup, "lamp"))
    system.close()


def test_an_orderly_end_is_as_it_was(tmp_path):
    lamp = tmp_path / "lamp"
    with core(lamp) as (process, pids):
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.close()
        assert process.wait(30) == 0
        assert lamp.read_text() == "off"
        eventually(lambda: not any(is_alive(pid) for pid in pids.values()))


@pytest.mark.parametrize("seconds", [-0.1, OUTLIVES_MAX_S + 0.1, float("inf"), float("nan")])
def test_a_time_that_cannot_be_is_refused(seconds):
    with pytest.raises(SpecError, match="outlives_core_s is 0 to 5"):
        ChildSpec("lamp", Lamp, host=Host.PROCESS, outlives_core_s=seconds)


def test_only_a_process_can_outlive_the_core():
    with pytest.raises(SpecError, match="set host='process'"):
        ChildSpec("lamp", Lamp, outlives_core_s=1.0)
