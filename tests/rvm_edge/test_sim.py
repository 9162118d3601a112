"""`rvm-edge sim`: items go in, children break, and nothing else does."""

import json
import os
import select
import signal
import subprocess
from pathlib import Path

import pytest

from actors.drivers.simulated import SimulatedGpio
from models.world.catalogue import load_catalogue
from tests.rvm_edge.machine import Machine, command_line, item, run

PROCESSES = ("/machine/motor", "/vision/camera", "/vision/inference", "/world")
THREADS = (
    "/storage", "/health", "/machine/sensors", "/service/deposit", "/service/session",
    "/uplink/link", "/console/api", "/updates",
)  # fmt: skip
ENDS = {
    "raise": "Crash(InjectedFault: injected fault)",
    "exit": "Crash(SystemExit: injected SystemExit)",
    "segfault": "Signal(SIGSEGV)",
    "vanish": "Exit(0)",
}


@pytest.fixture(scope="module")
def machine(tmp_path_factory):
    with Machine(tmp_path_factory.mktemp("machine") / "data") as machine:
        yield machine.ready()


def crash(machine, kind, address, *more):
    """Break a child, and wait until it is back; how its last life ended."""
    machine.until_well()
    machine.send(address, "kick")  # a restart by hand forgets the streak: the next is quick
    machine.until_state(address, "running")
    machine.until_well()
    starts = count(machine, "started", address)
    done = machine.cli("sim", "fault", kind, address, *more)
    assert done.returncode == 0, done.stderr
    assert (kind, address) == (done.stdout.split()[1], done.stdout.split()[3])
    machine.until_event("started", address, count=starts + 1)
    machine.until_well()
    assert machine.status()["pid"] == machine.process.pid
    return [one for one in machine.events() if is_a("child_terminated", address, one)][-1]["reason"]


def is_a(event, path, one):
    return (one["event"], one["path"]) == (event, path)


def count(machine, event, path):
    return sum(is_a(event, path, one) for one in machine.events())


@pytest.mark.parametrize("kind", ["raise", "exit"])
@pytest.mark.parametrize("address", [*THREADS[:6:2], PROCESSES[0]])
def test_an_exception(machine, kind, address):
    assert crash(machine, kind, address) == ENDS[kind]


@pytest.mark.parametrize("kind", ["segfault", "vanish"])
@pytest.mark.parametrize("address", PROCESSES)
def test_a_process_dies(machine, kind, address):
    assert crash(machine, kind, address) == ENDS[kind]


@pytest.mark.parametrize("kind", ["gil", "segfault", "vanish"])
@pytest.mark.parametrize("address", THREADS)
def test_what_would_end_the_core_is_refused(machine, kind, address):
    done = machine.cli("sim", "fault", kind, address)
    assert done.returncode == 1
    assert f"{address} is a thread of the core" in done.stderr
    assert "the end of the whole core" in done.stderr
    assert done.stderr.count("\n") == 1


def test_memory_is_eaten(machine):
    machine.until_well()
    pid = machine.processes()["/vision/camera"]
    before = resident_mb(pid)
    done = machine.cli(
        "sim", "fault", "memory", "/vision/camera", "--megabytes", 64, "--seconds", 0.1
    )
    assert done.returncode == 0
    machine.until(lambda: machine.send("/vision/camera", "ping"))
    assert resident_mb(pid) > before + 60


def resident_mb(pid):
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


@pytest.mark.parametrize("address", ["/health", "/vision/camera"])
def test_a_flood_is_bounded(machine, address):
    machine.until_well()
    told = json.loads(
        machine.cli("sim", "fault", "flood", address, "--count", "20000", "--json").stdout
    )
    assert told["sent"] == 20_000
    assert told["ok"] + told.get("full", 0) == 20_000
    machine.until(lambda: machine.send(address, "ping"))
    mailbox = machine.actors()[address]["mailbox"]
    assert mailbox["high_water"] <= mailbox["capacity"]


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("segfalt", "/vision/camera"), ["Did you mean segfault?", "vanish"]),
        (("segfault", "/vision/camra"), ["Did you mean /vision/camera?"]),
        (("raise", "/vision"), ["is a supervisor; name one of its children"]),
        (("raise", "/"), ["rvm-edge stop"]),
        (("hang", "/health", "--seconds", "nan"), ["above 0"]),
        (("hang", "/health", "--seconds", "-1"), ["--seconds"]),
        (("memory", "/health", "--megabytes", "0"), ["from 1"]),
        (("flood", "/health", "--count", "1e9"), ["--count"]),
    ],
)
def test_faults_there_are_not(machine, words, named):
    done = machine.cli("sim", "fault", *words)
    assert done.returncode == 2
    for text in named:
        assert text in done.stderr
    assert "Traceback" not in done.stderr


def test_one_that_is_not_there_cannot_misbehave(machine):
    machine.until_well()
    machine.send("/updates", "stop")
    done = machine.cli("sim", "fault", "raise", "/updates")
    assert (done.returncode, done.stdout) == (1, "")
    assert "/updates does not take it" in done.stderr
    machine.send("/updates", "start")


# -- items --------------------------------------------------------------------------------------


def cli(machine, *words):
    """A `sim` command that succeeds; what it says as data."""
    done = machine.cli("sim", *words, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_an_item_by_name_goes_in_and_what_became_of_it_is_known(machine):
    machine.until_open()
    before = len(machine.deposits())
    chosen = item("reject")
    assert cli(machine, "insert", chosen.name) == {
        "item": chosen.name,
        "kinds": list(chosen.kinds),
        "picture": str(chosen.picture),
    }
    machine.until_deposit("rejected", "void", number=before + 1)
    machine.until(lambda: cli(machine, "world")["items"][-1]["fate"] == "taken")
    machine.until_idle()


def test_of_a_kind_the_first_is_taken_and_that_is_said(machine):
    machine.until_open()
    minerals = load_catalogue().of_kind("mineral")
    done = machine.cli("sim", "insert", "mineral")
    assert done.returncode == 0
    assert f"put in: {minerals[0].name} (mineral, the first of {len(minerals)})" in done.stdout
    ends = ("in_bin", "taken")
    machine.until(lambda: cli(machine, "world")["items"][-1]["fate"] in ends)
    machine.until_idle()


def test_a_door_is_opened_and_closed(machine):
    assert cli(machine, "do", "door_open")["what"] == "door_open: done"
    assert not cli(machine, "pins")["lines"]["door_closed"]
    assert not cli(machine, "world")["door_closed"]
    cli(machine, "do", "door_close")
    assert cli(machine, "pins")["lines"]["door_closed"]


def test_something_is_broken_and_repaired(machine):
    said = cli(machine, "break", "line_lost", "--of", "beam_drop")
    assert said["what"] == "line_lost: broken"
    assert cli(machine, "world")["faults"] == ["line_lost beam_drop"]
    assert cli(machine, "pins")["unreadable"] == ["beam_drop"]
    table = machine.cli("sim", "world").stdout
    assert "line_lost beam_drop" in table
    assert "door_closed" in table
    assert "unreadable" in machine.cli("sim", "pins").stdout
    assert "repaired" in cli(machine, "heal", "line_lost")["what"]
    assert cli(machine, "heal")["what"] == "nothing to do"
    assert cli(machine, "pins")["unreadable"] == []


@pytest.mark.parametrize(
    ("words", "status", "named"),
    [
        (("break", "beam_stuk"), 2, "beam_stuck"),
        (("break", "beam_stuck"), 2, "beam_exit"),
        (("break", "bus_error", "--value", "7"), 2, "0 to 1"),
        (("break", "belt_jam", "--after", "-3"), 2, "after_s"),
        (("do", "dance"), 2, "hand_in"),
        (("do", "pull_string"), 1, "--string"),
        (("do", "swap", "--item", "minral"), 2, "mineral"),
        (("heal", "everything"), 2, "belt_jam"),
        (("insert", "mineral", "--length-m", "9"), 2, "length_m"),
    ],
)
def test_what_cannot_be_done_says_why(machine, words, status, named):
    done = machine.cli("sim", *words)
    assert (done.returncode, done.stdout) == (status, "")
    assert named in done.stderr
    assert "Traceback" not in done.stderr


def test_the_trace_of_the_outputs_is_there_even_after_the_machine(tmp_path):
    gpio = SimulatedGpio(str(tmp_path / "sim"))
    gpio.claim_output("belt_in")
    gpio.write("belt_in", True)
    gpio.close()
    told = run("sim", "pins", "--trace", "--json", "--data-dir", tmp_path, cwd=tmp_path)
    assert [(one["line"], one["level"]) for one in json.loads(told.stdout)] == [
        ("belt_in", False),
        ("belt_in", True),
    ]
    for_people = run("sim", "pins", "--trace", "--data-dir", tmp_path, cwd=tmp_path).stdout
    assert [line.split()[1:] for line in for_people.splitlines()] == [
        ["belt_in", "low"],
        ["belt_in", "high"],
    ]


def test_watching_shows_what_changes(tmp_path):
    gpio = SimulatedGpio(str(tmp_path / "sim"))
    gpio.claim_output("gate_open")
    words = command_line("sim", "pins", "--watch", "--json", "--data-dir", tmp_path)
    hears = ("env", "--default-signal=INT")  # also where whoever runs the tests ignores it
    with subprocess.Popen([*hears, *words], stdout=subprocess.PIPE, text=True) as watching:
        assert watching.stdout is not None
        level, told = True, {}
        reader = select.poll()
        reader.register(watching.stdout, select.POLLIN)
        while not reader.poll(50):  # it may not have begun to watch yet
            gpio.write("gate_open", level)
            level = not level
        told = json.loads(watching.stdout.readline())
        watching.send_signal(signal.SIGINT)
        assert watching.wait(30) == 0
    assert told["line"] == "gate_open"
    gpio.close()


def test_no_pins(tmp_path):
    done = run("sim", "pins", "--data-dir", tmp_path, cwd=tmp_path)
    assert done.returncode == 3
    assert "rvm-edge start" in done.stderr


@pytest.mark.parametrize("name", ["minral", "007_9999", "", "no-such-thing"])
def test_an_item_there_is_not(machine, name):
    done = machine.cli("sim", "insert", name)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"no item or kind {name!r}" in done.stderr
    assert "mean" in done.stderr or "kinds: " in done.stderr


def test_the_items_there_are(tmp_path):
    """Known without a machine."""
    told = json.loads(run("sim", "items", "--json", cwd=tmp_path).stdout)
    assert [one["name"] for one in told] == list(load_catalogue().names)
    for_people = run("sim", "items", cwd=tmp_path).stdout.splitlines()
    assert len(for_people) == len(told)
    assert any(line.endswith("empty") for line in for_people)


def test_no_machine(tmp_path):
    done = run("sim", "insert", "mineral", "--data-dir", tmp_path, cwd=tmp_path)
    assert done.returncode == 3
