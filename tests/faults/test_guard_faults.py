"""M4, M5: whoever dies, is stopped or hangs while the belt runs, its output goes low in time."""

import signal

import pytest

from actors.drivers import ports
from benchmarks.kit.guard_rig import OUTLIVES_S, Rig, rig
from supervisors.testing import eventually
from tests.actors.trace import check_trace
from tests.supervisors.trees import is_alive

SOON_S = 1.5
"""The guard promises 0.3 s, and `bin/bench body` measures that. Here it only must not be the end of
the run itself, which comes after 30 s: a busy machine may well be late."""


@pytest.fixture
def running():
    with rig() as ours:
        ours.await_level(True)
        yield ours
        check_trace(ours.board.trace())


def ends(ours: Rig, *names: str) -> None:
    for name in names:
        eventually(lambda: not is_alive(ours.pids[name]), OUTLIVES_S + 2.0)  # noqa: B023


@pytest.mark.parametrize("whom", [("core",), ("core", "zygote"), ("zygote", "core")])
def test_a_controller_that_is_killed(running, whom):
    took_s = running.strike(running.signal(signal.SIGKILL, *whom))
    assert took_s <= SOON_S
    ends(running, "core", "zygote", "guard")
    assert not any(running.board.level(line) for line in ports.GUARD_OUTPUTS)


def test_a_controller_that_is_stopped(running):
    took_s = running.strike(running.signal(signal.SIGSTOP, "core"))
    assert took_s <= SOON_S
    assert is_alive(running.pids["guard"])  # it is there and waits


def test_a_controller_that_hangs_with_its_interpreter_locked(running):
    assert running.strike(running.seize) <= SOON_S


def test_a_guard_that_is_killed_and_its_core_pulls_the_pins_low(running):
    running.strike(running.signal(signal.SIGKILL, "guard"))  # the one-shot is faster: 120 ms
    assert not any(running.board.level(line) for line in ports.MOTOR_OUTPUTS)


def test_a_guard_that_is_stopped_no_longer_beats_and_is_replaced(running):
    """What holds in between is the one-shot: no beat, no bridge."""
    began_ns = running._clock.monotonic_ns()
    running.strike(running.signal(signal.SIGSTOP, "guard"))
    ends(running, "guard")
    # Later ones are its successor's: a stopped guard is given up after a second.
    assert not [beat_s for beat_s in running.beats_s(began_ns) if 0.1 < beat_s < 0.5]


def test_the_zygote_alone(running):
    took_s = running.strike(running.signal(signal.SIGKILL, "zygote"))
    assert took_s <= SOON_S


@pytest.mark.parametrize("line", [ports.DOOR_CLOSED, ports.ESTOP_RELEASED])
def test_a_contact_that_opens_in_mid_run(running, line):
    took_s = running.strike(lambda: running.board.set(line, False))
    assert took_s <= SOON_S
