"""`rvm-edge status`, on a real machine and on made-up ones."""

import json
import os
import pty
import re
import signal
import subprocess

import pytest

from protocol.control import Answer
from rvm_edge.control import ControlServer
from rvm_edge.status_view import render
from tests.rvm_edge.machine import Machine, command_line, environment, run

PATHS = [
    "/", "/storage", "/world", "/machine", "/machine/motor", "/machine/sensors", "/vision",
    "/vision/camera", "/vision/inference", "/service", "/service/deposit", "/service/session",
    "/uplink", "/uplink/link", "/uplink/courier", "/uplink/reports", "/uplink/commands",
    "/uplink/channel", "/uplink/sync", "/uplink/media", "/console", "/console/api",
    "/console/kiosk", "/updates", "/health",
]  # fmt: skip
PROCESSES = {"/world", "/machine/motor", "/vision/camera", "/vision/inference"}


@pytest.fixture(scope="module")
def machine(tmp_path_factory):
    with Machine(tmp_path_factory.mktemp("machine") / "data") as machine:
        yield machine.ready()


def test_as_json(machine):
    done = machine.cli("status", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    told = json.loads(done.stdout)
    assert told["schema"] == 1
    assert told["pid"] == machine.process.pid
    assert [actor["path"] for actor in told["actors"]] == PATHS
    for actor in told["actors"]:
        assert {"path", "host", "pid", "state", "restarts", "last_exit", "since_s"} <= set(actor)
        assert (actor["host"] == "process") == (actor["path"] in PROCESSES)
        assert (actor["pid"] is not None) == (actor["path"] in PROCESSES)
        assert actor["type"] in ("supervisor", "worker")
    supervisors = {one["path"] for one in told["actors"] if one["type"] == "supervisor"}
    assert supervisors == {"/", "/machine", "/vision", "/service", "/uplink", "/console"}


def test_for_people(machine):
    done = machine.cli("status")
    assert done.returncode == 0
    assert "\x1b" not in done.stdout
    head, _, *tree = done.stdout.splitlines()
    assert head.startswith("rvm-edge ")
    assert head.endswith("OK")
    drawn = [re.split(r"\s{2,}", line.lstrip("│├└─ "))[0] for line in tree[2:]]
    assert drawn == [path.rsplit("/", 1)[-1] or "/" for path in PATHS]
    assert "│  └─ sensors" in done.stdout
    assert "waiting for a server: none is configured" in done.stdout


def on_a_terminal(machine, *arguments, **environ) -> bytes:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        machine.command("status", *arguments),
        stdout=theirs,
        stderr=theirs,
        env={**machine.environ, "TERM": "xterm", **environ},
    )
    os.close(theirs)
    seen, interrupted = b"", False
    while True:
        try:
            more = os.read(ours, 4096)
        except OSError:  # how a terminal says that the other side is gone
            break
        seen += more
        if not interrupted and seen.count(b"rvm-edge ") >= 2:
            process.send_signal(signal.SIGINT)
            interrupted = True
    os.close(ours)
    status = process.wait()
    assert status == (130 if "--watch" in arguments else 0), seen
    assert b"Traceback" not in seen
    return seen


def test_colour_on_a_terminal_only_and_not_if_unwanted(machine):
    assert b"\x1b[32m" in on_a_terminal(machine)
    assert b"\x1b" not in on_a_terminal(machine, NO_COLOR="1")
    assert b"\x1b" not in on_a_terminal(machine, TERM="dumb")
    assert b"\x1b" not in on_a_terminal(machine, "--json")


def test_watching_goes_on_until_control_c(machine):
    seen = on_a_terminal(machine, "--watch")
    assert seen.count(b"\x1b[H\x1b[J") >= 2


def test_watching_as_lines_of_json(machine):
    with subprocess.Popen(
        machine.command("status", "--watch", "--json"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=machine.environ,
    ) as process:
        told = [json.loads(process.stdout.readline()) for _ in range(2)]
        process.stdout.close()
        assert process.wait() == 141
        assert process.stderr.read() == b""
    assert [one["schema"] for one in told] == [1, 1]


def test_where_everybody_stands(machine):
    done = machine.cli("status", "--stacks")
    assert done.returncode == 0
    told = json.loads(machine.cli("status", "--stacks", "--json").stdout)
    workers = {one["path"] for one in machine.status()["actors"] if one["type"] == "worker"}
    assert set(told) == workers
    assert "supervisors/loop.py" in told["/storage"]
    assert "host_main.py" in told["/vision/camera"]
    assert "/storage\n" in done.stdout


def test_nobody_reads_and_nothing_fits(machine):
    with subprocess.Popen(
        ["/bin/sh", "-c", f"{' '.join(machine.command('status'))}; echo $? >&2"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=machine.environ,
        text=True,
    ) as process:
        process.stdout.close()
        assert process.stderr.read().strip() == "141"
    with open("/dev/full", "w") as full:  # noqa: PTH123
        done = subprocess.run(
            machine.command("status"), stdout=full, stderr=subprocess.PIPE, env=machine.environ,
            text=True, check=False,
        )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr == "the output cannot be written: No space left on device\n"
    done = subprocess.run(
        ["/bin/sh", "-c", f"exec {' '.join(machine.command('status'))} >&-"],
        stderr=subprocess.PIPE, env=machine.environ, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")


def test_not_running(tmp_path):
    for where in (tmp_path, tmp_path / "missing", tmp_path / ("x" * 300)):
        done = run("status", "--data-dir", where, cwd=tmp_path)
        assert done.returncode == 3
        assert done.stdout == ""
        assert f"rvm-edge start --data-dir {where}" in done.stderr


def test_no_answer(tmp_path):
    def refuse(_request):
        raise RuntimeError("a bug")

    server = ControlServer(tmp_path, refuse)
    done = run("status", "--data-dir", tmp_path, cwd=tmp_path)
    server.close()
    assert done.returncode == 4  # 1 and 2 would say how the machine is
    assert "a bug" in done.stderr


@pytest.mark.parametrize(("state", "code"), [("ok", 0), ("degraded", 1), ("critical", 2)])
def test_its_exit_status_says_how_the_machine_is(machine, tmp_path, state, code):
    told = {**machine.status(), "state": state}
    server = ControlServer(tmp_path, lambda _: Answer(told))
    for option in ((), ("--json",)):
        done = run("status", "--data-dir", tmp_path, *option, cwd=tmp_path)
        assert done.returncode == code
    server.close()


def test_a_made_up_machine_in_ascii_and_in_colour(machine):
    told = machine.status()
    camera = next(one for one in told["actors"] if one["path"] == "/vision/camera")
    camera.update(
        state="quarantined",
        since_s=200_000.0,
        restarts=7,
        next_restart_s=12.4,
        last_exit={"kind": "Signal", "reason": "Signal(SIGSEGV)", "normal": False, "ago_s": 3.0},
    )
    told["phase"] = "stopping"
    text = render(told, colour=False, letters=False)
    assert text.isascii()
    line = next(line for line in text.splitlines() if "camera" in line)
    assert line.startswith("|  |- camera")
    assert "last: Signal(SIGSEGV) 3s ago, next try in 12 s" in line
    assert "2d" in line
    assert "(stopping)" in text
    assert "\x1b[31mquarantined" in render(told, colour=True)


def test_the_platforms_settings_have_a_line_of_their_own_where_there_are_any(machine):
    told = machine.status()
    nothing = render(told, colour=False)
    assert "settings of the platform" not in nothing
    told["settings"] = {
        "version": 7,
        "state": "kept",
        "behind": [],
        "rolled_back": 8,
        "troubles": ["current.json: its check sum is not that of its content"],
    }
    header = render(told, colour=False).splitlines()[2:4]
    assert header == [
        "settings of the platform: version 7, kept  rolled back: version 8",
        "settings: current.json: its check sum is not that of its content",
    ]


def test_options_that_are_none(tmp_path):
    done = subprocess.run(
        command_line("status", "--jsn"), env=environment(), cwd=tmp_path, capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "--jsn" in done.stderr


@pytest.mark.parametrize(
    ("kind", "address"),
    [("hang", "/storage"), ("hang", "/health"), ("hang", "/uplink/link"),
     ("gil", "/vision/camera"), ("gil", "/vision/inference"), ("gil", "/machine/motor")],
)  # fmt: skip
def test_it_answers_while_anybody_hangs(machine, kind, address):
    """Many times over, before the one that hangs has even been noticed."""
    machine.until_well()
    before = machine.actors()[address]["restarts"]
    machine.fault(kind, address, seconds=30.0)
    machine.until(lambda: machine.actors()[address].get("current"))
    shown = [machine.status() for _ in range(20)]
    (actor,) = [one for one in shown[-1]["actors"] if one["path"] == address]
    assert actor["current"]["name"] == "sys.fault"
    assert actor["current"]["deadline_in_s"] > 0
    assert actor["restarts"] == before
