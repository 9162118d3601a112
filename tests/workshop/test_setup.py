"""bin/setup and bin/rvm-edge, with an interpreter that only writes down what it is asked."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

if "RVM_EDGE_WHEEL" in os.environ:
    pytest.skip("the installed wheel is tested, without the checkout", allow_module_level=True)

ROOT = Path(__file__).resolve().parents[2]

FAKE_PYTHON = r"""#!/usr/bin/env bash
printf '%s\n' "$*" >>"$FAKE_CALLS"
case "$*" in
*"-m venv"*)
    venv=${!#}
    mkdir -p "$venv/bin"
    touch "$venv/pyvenv.cfg"
    ln -s "$(readlink -f "$0")" "$venv/bin/python"
    ;;
*"-m pip install"*)
    eval "${FAKE_PIP:-}"
    ;;
*"-m rvm_edge"* | *"-m server"*) printf '%s|' "$$" "${@:4}" ;;
*version_info*) echo "${FAKE_VERSION:-3.11.9}" ;;
*realpath*) readlink -f "$0" ;;
esac
"""


@dataclass
class Checkout:
    """A checkout in a path with blanks, with the fake as its python3."""

    root: Path
    calls_file: Path
    environment: dict[str, str] = field(default_factory=dict)

    def start(self, script: str, *args: str, **variables: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [self.root / "bin" / script, *args],
            env=self.environment | variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, script: str, *args: str, **variables: str) -> tuple[int, str]:
        """Exit status and everything printed."""
        process = self.start(script, *args, **variables)
        out, err = process.communicate(timeout=30)
        return process.returncode, out + err

    def calls(self) -> list[str]:
        """What the interpreter was asked since the last look."""
        said = self.calls_file.read_text(encoding="utf-8") if self.calls_file.exists() else ""
        self.calls_file.unlink(missing_ok=True)
        return said.splitlines()

    def installs(self) -> list[str]:
        return [call.split()[-1] for call in self.calls() if "--editable" in call]

    def state(self) -> dict[str, int]:
        """When each thing in the environment was last changed."""
        return {
            str(path): path.lstat().st_mtime_ns
            for path in [self.root, *(self.root / ".venv").rglob("*")]
        }

    @property
    def stamp(self) -> Path:
        return self.root / ".venv/rvm-edge.stamp"

    @property
    def changing(self) -> Path:
        return self.root / ".venv/rvm-edge.changing"


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    root, fakes = tmp_path / "a check out", tmp_path / "fakes"
    (root / "bin").mkdir(parents=True)
    fakes.mkdir()
    for name in ("setup.cfg", "pyproject.toml", "bin/setup", "bin/rvm-edge", "bin/rvm-server"):
        shutil.copy(ROOT / name, root / name)
    fake = fakes / "fake-python"
    fake.write_text(FAKE_PYTHON, encoding="utf-8")
    fake.chmod(0o755)
    for name in ("python3", "python3.10", "python3.11", "python3.12", "python3.13"):
        (fakes / name).symlink_to(fake)
    calls = tmp_path / "calls"
    path = f"{fakes}:{os.environ['PATH']}"
    environment = {"PATH": path, "HOME": str(tmp_path), "FAKE_CALLS": str(calls)}
    return Checkout(root, calls, environment)


# ----- The first run and the second -----------------------------------------------------------


def test_the_first_run_makes_the_environment_and_says_its_steps(checkout: Checkout):
    status, said = checkout.run("setup")
    assert status == 0
    steps = [line.split("]")[0] for line in said.splitlines() if "[" in line]
    assert [step.split("[")[1].split()[0] for step in steps] == ["1/3", "2/3", "3/3"]
    assert checkout.stamp.exists()
    assert not checkout.changing.exists()
    assert len(checkout.installs()) == 1


def test_the_second_run_prints_nothing_asks_nothing_touches_nothing(checkout: Checkout):
    checkout.run("setup")
    before = checkout.state()
    checkout.calls()
    assert checkout.run("setup") == (0, "")
    assert checkout.calls() == []
    assert checkout.state() == before


def test_extras_stay_once_asked_for(checkout: Checkout):
    checkout.run("setup", "dev")
    checkout.run("setup", "test")
    checkout.calls()
    assert checkout.run("setup") == (0, "")
    assert checkout.run("setup", "dev") == (0, "")
    with (checkout.root / "setup.cfg").open("a", encoding="utf-8") as settings:
        settings.write("# changed\n")
    checkout.run("setup")
    (installed,) = checkout.installs()
    assert installed == ".[dev,test]"


def test_an_unknown_extra_is_refused_with_those_that_are_known(checkout: Checkout):
    status, said = checkout.run("setup", "tset")
    assert status != 0
    assert "'tset'" in said
    assert "jetson train tensorrt ultralytics barcode server test peers dev" in said
    assert not (checkout.root / ".venv").exists()


@pytest.mark.parametrize("changed", ["setup.cfg", "pyproject.toml"])
def test_changed_settings_are_installed_into_the_same_environment(checkout: Checkout, changed: str):
    checkout.run("setup")
    checkout.calls()
    with (checkout.root / changed).open("a", encoding="utf-8") as settings:
        settings.write("# changed\n")
    assert checkout.run("setup")[0] == 0
    calls = checkout.calls()
    assert any("--editable" in call for call in calls)
    assert not any("-m venv" in call for call in calls)


def test_a_moved_checkout_gets_a_new_environment(checkout: Checkout):
    checkout.run("setup", "test")
    checkout.calls()
    checkout.root = checkout.root.rename(checkout.root.parent / "moved")
    assert checkout.run("setup")[0] == 0
    calls = checkout.calls()
    assert any("-m venv" in call for call in calls)
    assert any(call.endswith("--editable .[test]") for call in calls)


# ----- When it goes wrong ---------------------------------------------------------------------


def test_a_wrong_python_is_named_with_the_cure(checkout: Checkout):
    status, said = checkout.run("setup", FAKE_VERSION="3.9.18")
    assert status != 0
    assert "Python 3.10 to 3.13" in said
    assert "python3 is 3.9.18" in said
    assert "RVM_PYTHON=" in said
    assert not (checkout.root / ".venv").exists()


def test_a_wrong_rvm_python_is_named(checkout: Checkout):
    status, said = checkout.run("setup", RVM_PYTHON="/nowhere/python3")
    assert status != 0
    assert "RVM_PYTHON=/nowhere/python3 does not run" in said


def test_without_network_one_error_names_the_cure_and_leaves_no_stamp(checkout: Checkout):
    offline = "echo 'NewConnectionError: Failed to establish a new connection'; exit 1"
    status, said = checkout.run("setup", FAKE_PIP=offline)
    assert status != 0
    assert said.count("no network") == 1
    assert "PIP_FIND_LINKS" in said
    assert not checkout.stamp.exists()
    assert checkout.run("setup")[0] == 0
    assert checkout.stamp.exists()


def test_without_network_a_ready_environment_stays_ready(checkout: Checkout):
    checkout.run("setup")
    assert checkout.run("setup", "test", FAKE_PIP="echo NewConnectionError; exit 1")[0] != 0
    checkout.calls()
    assert checkout.run("setup") == (0, "")
    assert checkout.calls() == []


def test_another_failure_shows_the_end_of_pips_log(checkout: Checkout):
    status, said = checkout.run("setup", FAKE_PIP="echo 'No space left on device'; exit 1")
    assert status != 0
    assert "No space left on device" in said


def test_a_failure_while_installing_is_healed_by_a_new_environment(checkout: Checkout):
    broken = "echo 'Installing collected packages: numpy'; exit 1"
    assert checkout.run("setup", FAKE_PIP=broken)[0] != 0
    assert checkout.changing.exists()
    checkout.calls()
    assert checkout.run("setup")[0] == 0
    assert any("-m venv" in call for call in checkout.calls())
    assert not checkout.changing.exists()


@pytest.fixture
def hears_hang_ups() -> Iterator[None]:
    """What is ignored here is ignored in children, too, and a shell cannot undo that (nohup)."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.usefixtures("hears_hang_ups")
@pytest.mark.parametrize("by", [signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_an_interrupted_run_leaves_no_stamp_and_is_healed(checkout: Checkout, by: signal.Signals):
    # The fake pip says where it is, then waits for the end.
    installing = checkout.root / "installing"
    os.mkfifo(installing)
    process = checkout.start("setup", FAKE_PIP=f'echo "$$" >"{installing}"; exec sleep 60')
    pip = int(installing.read_text(encoding="utf-8"))
    process.send_signal(by)
    process.communicate(timeout=30)
    if by == signal.SIGKILL:
        os.kill(pip, signal.SIGTERM)  # the next run would wait for it
    else:
        with pytest.raises(ProcessLookupError):
            os.kill(pip, 0)
    assert process.returncode != 0
    assert checkout.changing.exists()
    assert not checkout.stamp.exists()
    assert checkout.run("setup")[0] == 0
    assert checkout.stamp.exists()


def test_two_at_once_do_the_work_once(checkout: Checkout):
    both = [checkout.start("setup", FAKE_PIP="sleep 0.2") for _ in range(2)]
    said = "".join("".join(process.communicate(timeout=30)) for process in both)
    assert [process.returncode for process in both] == [0, 0]
    assert "another set-up is running" in said
    assert len(checkout.installs()) == 1


# ----- The launcher ---------------------------------------------------------------------------


def test_the_launcher_becomes_python_with_its_arguments_and_a_clean_output(checkout: Checkout):
    process = checkout.start("rvm-edge", "send", "/machine/motor", "a b")
    out, err = process.communicate(timeout=30)
    assert out == f"{process.pid}|send|/machine/motor|a b|"
    assert "ready" in err


def test_the_launcher_works_through_a_link_and_from_anywhere(checkout: Checkout, tmp_path: Path):
    link = tmp_path / "rvm-edge"
    link.symlink_to(checkout.root / "bin/rvm-edge")
    done = subprocess.run(
        [link, "status"],
        cwd="/",
        env=checkout.environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.endswith("|status|")


def test_the_launcher_shields_our_names_from_the_working_directory(checkout: Checkout):
    checkout.run("rvm-edge", "status")
    assert "-I -m rvm_edge status" in checkout.calls()


def test_the_platform_s_launcher_brings_its_extra_and_becomes_python(checkout: Checkout):
    process = checkout.start("rvm-server", "start", "--port", "0")
    out, _ = process.communicate(timeout=30)
    assert out == f"{process.pid}|start|--port|0|"
    assert checkout.installs() == [".[server]"]
