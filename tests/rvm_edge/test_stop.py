"""How a machine ends: in order if it can, in a hurry if it must, and always with its motors off."""

import os
import signal
import subprocess

import pytest

from rvm_edge.data_dir import holder
from tests.rvm_edge.machine import Machine, is_alive


@pytest.fixture
def machine(tmp_path):
    with Machine(tmp_path / "data") as machine:
        yield machine.ready()


def stopped_in_order(machine: Machine) -> bool:
    last = machine.events()[-1]
    assert last["event"] == "machine_stopped"
    return last["orderly"]


def hurry(machine: Machine) -> None:
    """Send signals until it has ended; two within a tenth of a second count as one."""
    machine.until_event("machine_stops")
    while machine.process.poll() is None:
        machine.signal(signal.SIGTERM)
        try:
            machine.ended(0.05)
        except subprocess.TimeoutExpired:
            continue


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_stops_it_in_order(machine, number):
    pids = machine.processes()
    machine.signal(number)
    assert machine.ended() == 0
    assert stopped_in_order(machine)
    assert not any(is_alive(pid) for pid in pids.values())
    assert holder(machine.directory) is None
    assert not machine.outputs()
    assert "Traceback" not in machine.said()


def test_the_motor_stands_before_anything_else_stops(machine):
    """A transport in progress is broken off first; then children go, the last started first."""
    machine.insert()
    machine.until(lambda: "belt_in" in machine.outputs())
    machine.signal()
    assert machine.ended() == 0
    names = [
        (one["event"], one["path"])
        for one in machine.events()
        if one["event"] in ("machine_stops", "deposit_trouble", "stopped")
    ]
    assert names[0] == ("machine_stops", "/")
    order = [path for event, path in names if event == "stopped"]
    wanted = [
        "/health",
        "/service/session",
        "/service/deposit",
        "/vision/inference",
        "/vision/camera",
        "/machine/sensors",
        "/machine/motor",
        "/world",
        "/storage",
    ]
    assert [path for path in order if path in wanted] == wanted
    assert not machine.outputs()


def test_the_command_stops_it_and_waits(machine):
    done = machine.cli("stop")
    assert (done.returncode, done.stdout, done.stderr) == (0, "stopped\n", "")
    assert holder(machine.directory) is None
    assert machine.ended() == 0
    again = machine.cli("stop")
    assert again.returncode == 3
    assert "no machine is running" in again.stderr


def test_two_people_stop_it_at_once(machine):
    first = subprocess.Popen(
        machine.command("stop"), env=machine.environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    second = machine.cli("stop")
    first.communicate()
    assert machine.ended() == 0
    assert {first.returncode, second.returncode} <= {0, 3, 4}
    assert 0 in {first.returncode, second.returncode}


def test_control_c_reaches_the_whole_group(tmp_path):
    """As a terminal sends it: to every process of the foreground group at the same time."""
    with Machine(tmp_path / "data", start_new_session=True).ready() as machine:
        os.killpg(machine.process.pid, signal.SIGINT)
        assert machine.ended() == 0
        assert stopped_in_order(machine)
        assert "Traceback" not in machine.said()
        assert "KeyboardInterrupt" not in machine.said()


@pytest.mark.parametrize(
    ("kind", "address"),
    [("hang", "/storage"), ("hang", "/machine/motor"), ("gil", "/vision/inference")],
)
def test_a_second_signal_hurries_whatever_hangs(machine, kind, address):
    pids = machine.processes()
    machine.fault(kind, address)
    machine.signal()
    hurry(machine)
    assert machine.ended() == 0
    assert not machine.outputs()
    assert not any(is_alive(pid) for pid in pids.values())
    assert holder(machine.directory) is None


def test_a_hung_motor_is_brought_to_rest_at_once(machine):
    """From outside, before its own patience with a hung handler is over."""
    machine.insert()
    machine.until(lambda: "belt_in" in machine.outputs())
    os.kill(machine.processes()["/machine/motor"], signal.SIGSTOP)
    machine.signal()
    machine.until_event("machine_stops")
    machine.until(lambda: machine.process.poll() is not None or not machine.outputs())
    hurry(machine)
    assert not machine.outputs()


def test_one_signal_is_enough_for_a_process_that_hangs(machine):
    machine.fault("gil", "/vision/camera")
    machine.signal()
    assert machine.ended() == 0
    assert stopped_in_order(machine)


@pytest.fixture
def starting(tmp_path):
    """A machine whose start hangs: the model's manifest is a pipe that nobody writes into."""
    model = tmp_path / "model"
    model.mkdir()
    os.mkfifo(model / "manifest.json")
    settings = f'[inference]\nmodel = "{model}"\n'
    with Machine(tmp_path / "data", settings=settings) as machine:
        machine.until_state("/vision/inference", "starting")
        yield machine


def test_a_start_in_progress_shows_itself_and_can_be_stopped(starting):
    shown = starting.cli("status")
    assert shown.returncode in (1, 2)
    assert "(starting)" in shown.stdout
    assert starting.cli("send", "/storage", "ping").returncode == 0
    starting.signal()
    hurry(starting)
    assert starting.ended() == 0
    assert "Traceback" not in starting.said()


def test_a_start_in_progress_is_stopped_by_the_command(starting):
    done = subprocess.Popen(starting.command("stop"), env=starting.environ, stdout=subprocess.PIPE)
    hurry(starting)
    out, _ = done.communicate()
    assert (done.returncode, out) == (0, b"stopped\n")
    assert starting.ended() == 0


def test_a_signal_before_anything_is_there(tmp_path):
    with Machine(tmp_path / "data") as machine:
        machine.until(lambda: holder(machine.directory) is not None)
        machine.signal()
        assert machine.ended() in (0, -signal.SIGTERM)
    with Machine(tmp_path / "data").ready() as machine:
        assert machine.stop() == 0
