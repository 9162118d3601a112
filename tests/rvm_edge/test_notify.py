"""What the service manager is told, on a socket of our own."""

import os
import socket

import pytest

from supervisors.notify import Notifier
from supervisors.testing import VirtualClock


@pytest.fixture
def clock():
    return VirtualClock()


@pytest.fixture
def manager(tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as manager:
        manager.bind(str(tmp_path / "notify"))
        yield manager


def heard(manager):
    found = []
    while True:
        try:
            found.append(manager.recv(4096).decode())
        except BlockingIOError:
            return found


def test_the_watchdog_is_fed_at_half_its_period_and_only_while_all_is_well(
    manager, tmp_path, clock
):
    environ = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "10000000"}
    notifier = Notifier(clock, environ)
    notifier.ready("ok")
    for _ in range(100):
        notifier.tick(is_healthy=True)
        clock.advance(0.1)
    assert heard(manager) == ["READY=1\nSTATUS=ok", "WATCHDOG=1", "WATCHDOG=1"]
    for _ in range(200):  # a critical actor overruns its deadline, and nothing helps
        notifier.tick(is_healthy=False)
        clock.advance(0.1)
    assert heard(manager) == []
    notifier.tick(is_healthy=True)
    notifier.stopping()
    assert heard(manager) == ["WATCHDOG=1", "STOPPING=1"]


@pytest.mark.parametrize(
    "environ",
    [
        {"WATCHDOG_USEC": "soon"},
        {"WATCHDOG_USEC": "1000000", "WATCHDOG_PID": "1"},
        {},
    ],
)
def test_no_watchdog_is_fed_that_is_not_ours(manager, tmp_path, clock, environ):
    notifier = Notifier(clock, {"NOTIFY_SOCKET": str(tmp_path / "notify"), **environ})
    notifier.tick(is_healthy=True)
    assert heard(manager) == []


def test_an_abstract_socket(clock):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        name = f"rvm-edge-test-{os.getpid()}"
        manager.bind(f"\0{name}")
        Notifier(clock, {"NOTIFY_SOCKET": f"@{name}"}).status("well")
        assert manager.recv(100) == b"STATUS=well"


@pytest.mark.parametrize("address", ["", "/nowhere/at/all", "relative", "x" * 200])
def test_nobody_there(clock, address):
    notifier = Notifier(clock, {"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "1000"})
    notifier.ready("ok")
    notifier.tick(is_healthy=True)
    notifier.stopping()
