"""`rvm-edge sim`: items go in, children break, and nothing else does."""

import json
import os
from pathlib import Path

import pytest

from models.world.catalogue import load_catalogue
from tests.rvm_edge.machine import Machine, item, run

PROCESSES = ("/machine/motor", "/vision/camera", "/vision/inference")
THREADS = (
    "/storage", "/world", "/machine/sensors", "/service/deposit", "/service/session",
    "/uplink/link", "/console/api", "/updates", "/health",
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


def test_an_item_by_name(machine):
    machine.until_well()
    before = len(machine.deposits())
    chosen = item("reject")
    told = json.loads(machine.cli("sim", "insert", chosen.name, "--json").stdout)
    assert told == {
        "item": chosen.name,
        "kinds": list(chosen.kinds),
        "picture": str(chosen.picture),
    }
    machine.until_deposit("rejected", number=before + 1)
    machine.until_idle()


def test_of_a_kind_the_first_is_taken_and_that_is_said(machine):
    before = len(machine.deposits())
    minerals = load_catalogue().of_kind("mineral")
    done = machine.cli("sim", "insert", "mineral")
    assert done.returncode == 0
    assert f"put in: {minerals[0].name} (mineral, the first of {len(minerals)})" in done.stdout
    machine.until_deposit("rejected", "confirmed", number=before + 1)
    machine.until_idle()


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
