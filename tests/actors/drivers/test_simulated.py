"""The simulated pins: across threads, processes and deaths."""

import errno
import json
import os
import signal
import subprocess
import sys
import threading
from itertools import pairwise

import pytest

from actors.drivers import make, ports
from actors.drivers.ports import LineBusy, LineError, LineUnknown
from actors.drivers.simulated import (
    RING_WRITES,
    PinFile,
    SimulatedBoard,
    SimulatedGpio,
    read_trace,
)
from supervisors.testing import VirtualClock, eventually

OWNER = """
import sys
from actors.drivers.simulated import SimulatedGpio
gpio = SimulatedGpio(sys.argv[1])
gpio.claim_output("belt_in")
print("claimed", flush=True)
number = 0
while True:
    number += 1
    gpio.write("belt_in", number % 2 == 1)
"""


@pytest.fixture
def home(tmp_path):
    return str(tmp_path / "sim")


@pytest.fixture
def gpio(home):
    gpio = SimulatedGpio(home)
    yield gpio
    gpio.close()


@pytest.fixture
def board(home):
    board = SimulatedBoard(home)
    yield board
    board.close()


def owner(home):
    """Another process that owns belt_in and toggles it as fast as it can."""
    process = subprocess.Popen([sys.executable, "-c", OWNER, home], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"claimed\n"
    process.stdout.close()
    return process


def kill(process):
    process.kill()
    assert process.wait(10) == -signal.SIGKILL


def test_a_line_is_claimed_driven_and_read_back(gpio, board):
    gpio.claim_output("belt_in")
    assert not gpio.read("belt_in")
    gpio.write("belt_in", True)
    assert gpio.read("belt_in")
    assert board.level("belt_in")
    gpio.claim_input("beam_exit")
    board.set("beam_exit", True)
    assert gpio.read("beam_exit")


def test_a_claimed_output_has_its_initial_level_before_any_other(home):
    board = SimulatedBoard(home)
    board.pins.drive("belt_in", True, 1)  # left so by a dead owner
    gpio = SimulatedGpio(home)
    gpio.claim_output("belt_in")
    gpio.claim_output("gate_open", initial=True)
    gpio.close()
    assert [(w.line, w.level) for w in board.trace(1)] == [("belt_in", False), ("gate_open", True)]
    assert board.level("gate_open")  # outputs keep their level when they are let go
    board.close()


def test_a_second_owner_is_refused_here_and_elsewhere(home, gpio):
    gpio.claim_output("belt_out")
    other = SimulatedGpio(home)
    with pytest.raises(LineBusy, match=f"process {os.getpid()}") as busy:
        other.claim_output("belt_out")
    assert busy.value.errno == errno.EBUSY
    with pytest.raises(LineBusy, match="claim it once"):
        gpio.claim_output("belt_out")
    process = owner(home)
    with pytest.raises(LineBusy, match=f"process {process.pid}"):
        other.claim_output("belt_in")
    kill(process)
    other.claim_output("belt_in")
    gpio.close()
    other.claim_output("belt_out")
    other.close()


def test_a_closed_driver_does_not_take_the_claims_of_another_with_it(home, gpio):
    gpio.claim_input("encoder")
    SimulatedGpio(home).close()
    other = SimulatedGpio(home)
    with pytest.raises(LineBusy):
        other.claim_input("encoder")
    other.close()


@pytest.mark.parametrize("round_", range(5))
def test_a_killed_owner_leaves_a_whole_trace_and_its_level(home, round_):
    process = owner(home)
    board = SimulatedBoard(home)
    eventually(lambda: board.pins.writes > 2000)
    kill(process)
    trace = board.trace()
    # At most the last write may be missing: killed between the level and its entry.
    assert board.level("belt_in") in {trace[-1].level, not trace[-1].level}
    numbers = [write.number for write in trace]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    levels = [write.level for write in trace if write.number > 1]
    assert all(a != b for a, b in pairwise(levels))
    times = [write.t_mono_ns for write in trace]
    assert times == sorted(times)
    heir = SimulatedGpio(home)
    heir.claim_output("belt_in")
    assert not board.level("belt_in")
    assert board.trace()[-1].number == board.pins.writes
    heir.close()
    board.close()


def test_the_trace_wraps_around_and_a_gap_shows_what_was_lost(home, gpio, board):
    gpio.claim_output("heartbeat")
    for number in range(RING_WRITES + 100):
        gpio.write("heartbeat", number % 2 == 0)
    trace = read_trace(home)
    assert len(trace) == RING_WRITES
    assert trace[0].number == 102  # one claim and a hundred writes are gone
    assert trace[-1].number == board.pins.writes == RING_WRITES + 101
    assert [write.number for write in read_trace(home, trace[-1].number - 2)] == [
        RING_WRITES + 100,
        RING_WRITES + 101,
    ]
    assert read_trace(home, trace[-1].number) == []


def test_only_changes_are_traced(gpio, board):
    gpio.claim_output("belt_in")
    for level in (False, True, True, True, False, False):
        gpio.write("belt_in", level)
    assert [write.level for write in board.trace()] == [False, True, False]


def test_a_trace_read_while_it_is_written_has_no_torn_entries(home):
    process, board, last = owner(home), SimulatedBoard(home), 0
    while last < 30_000:
        for write in board.trace(last):
            assert write.line == "belt_in"
            assert write.level == (write.number % 2 == 0)
            assert write.number > last
            last = write.number
    kill(process)
    board.close()


def test_outputs_can_be_forced_low_over_a_claim_even_of_a_stopped_owner(home):
    process = owner(home)
    os.kill(process.pid, signal.SIGSTOP)
    saviour = SimulatedGpio(home)
    saviour.force_low()
    board = SimulatedBoard(home)
    eventually(lambda: not board.level("belt_in"))
    os.kill(process.pid, signal.SIGCONT)
    kill(process)
    saviour.close()
    board.close()


def test_a_line_that_cannot_be_read_says_so(gpio, board):
    gpio.claim_input("door_closed")
    board.set("door_closed", True)
    board.lose("door_closed")
    with pytest.raises(LineError, match="wire"):
        gpio.read("door_closed")
    board.lose("door_closed", False)
    assert gpio.read("door_closed")


@pytest.mark.parametrize(
    "wrong",
    [
        lambda gpio: gpio.claim_input("beam_extra"),
        lambda gpio: gpio.claim_output("beam_exit"),
        lambda gpio: gpio.claim_input("belt_in"),
        lambda gpio: gpio.read("beam_exit"),
        lambda gpio: gpio.write("belt_in", True),
        lambda gpio: gpio.on_edge("beam_exit", print),
    ],
)
def test_lines_that_are_not_there_or_not_claimed(gpio, wrong):
    with pytest.raises(LineUnknown):
        wrong(gpio)


def test_an_edge_is_hinted_at(gpio, board):
    gpio.claim_input("beam_gate")
    gpio.claim_input("encoder")
    threads = threading.active_count()
    heard = []
    gpio.on_edge("beam_gate", heard.append)
    gpio.on_edge("encoder", heard.append)
    assert threading.active_count() == threads + 1
    for level in (True, False, True):
        board.set("beam_gate", level)
        eventually(lambda level=level: heard and heard[-1].level == level)
    assert [(edge.line, edge.level) for edge in heard] == [
        ("beam_gate", True),
        ("beam_gate", False),
        ("beam_gate", True),
    ]


def test_a_channel_is_measured(home, board):
    analog = make("actors.drivers.simulated:SimulatedAnalog", directory=home)
    for channel in ports.CHANNELS:
        assert analog.read(channel) == (None, "error", 0)
    board.measure("weight_g", 20.5, t_mono_ns=7)
    assert analog.read("weight_g") == (20.5, "ok", 7)
    board.measure("weight_g", 20.5, "stale", 7)
    assert analog.read("weight_g") == (20.5, "stale", 7)
    board.measure("weight_g", None, t_mono_ns=9)
    assert analog.read("weight_g") == (None, "error", 9)
    assert set(board.readings()) == set(ports.CHANNELS)
    with pytest.raises(LineUnknown, match="weight_g"):
        analog.read("weight_kg")
    analog.close()


def test_time_comes_from_a_clock_or_from_the_world_or_from_the_system(home, board):
    clock = VirtualClock(5.0)
    gpio = make("actors.drivers.simulated:SimulatedGpio", directory=home, clock=clock)
    gpio.claim_output("belt_in")
    assert board.trace()[-1].t_mono_ns == 5_000_000_000
    board.pins.virtual_ns = 42
    gpio.write("belt_in", True)
    assert board.trace()[-1].t_mono_ns == 5_000_000_000
    gpio.close()
    gpio = SimulatedGpio(home)
    gpio.claim_output("belt_in")
    assert board.trace()[-1].t_mono_ns == 42
    board.pins.virtual_ns = 0
    gpio.write("belt_in", True)
    assert board.trace()[-1].t_mono_ns > 42
    gpio.close()


def test_a_file_of_another_version_is_replaced_and_its_readers_keep_theirs(tmp_path):
    home = tmp_path / "sim"
    home.mkdir()
    (home / "pins").write_bytes(b"\0" * 4)
    with (home / "pins").open("rb") as old:
        pins = PinFile(home)
        assert pins.writes == 0
        assert old.read() == b"\0" * 4
    pins.gate = 0.25
    pins.close()
    again = PinFile(home)
    assert again.gate == 0.25
    again.close()
    again.close()


def test_many_processes_may_open_a_new_file_at_once(tmp_path):
    script = (
        "import sys\nfrom actors.drivers.simulated import PinFile\n"
        "pins = PinFile(sys.argv[1])\npins.drive('belt_in', True, 1, always=True)\n"
    )
    home = str(tmp_path / "sim")
    starts = [subprocess.Popen([sys.executable, "-c", script, home]) for _ in range(4)]
    assert [start.wait(30) for start in starts] == [0] * 4
    assert json.dumps([write.number for write in read_trace(home)]) == "[1, 2, 3, 4]"


def test_a_full_disk_is_an_error_and_no_crash(tmp_path, monkeypatch):
    def full(fd, offset, length):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(OSError, match="No space"):
        PinFile(tmp_path / "sim")
