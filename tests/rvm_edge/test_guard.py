"""The guard as a unit: the same rules in a process that outlives the daemon."""

import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from actors.drivers import ports
from actors.drivers.simulated import SimulatedBoard
from actors.motor.link import GuardLink
from config.settings import MotorSettings
from protocol.codec import encode
from protocol.envelope import Envelope, Kind, encode_envelope
from protocol.machine import (
    GuardChanged,
    Jog,
    Move,
    MoveDone,
    MoveFailed,
    ReadGuard,
    Renew,
    ResetGuard,
    StopMotors,
)
from supervisors import ChildSpec, RequestFailed
from supervisors.boot import isolated
from supervisors.clock import SystemClock
from supervisors.context import kind_of
from supervisors.testing import eventually
from tests.actors.runtime import listener, tree

Heard = listener(MoveDone, MoveFailed, GuardChanged)


class Unit:
    """A guard's unit on simulated pins of its own, with somebody who turns the encoder."""

    def __init__(self, directory: Path) -> None:
        self.data = directory / "data"
        self.path = directory / "guard.sock"
        self.board = SimulatedBoard(str(self.data / "sim"))
        for line in (ports.DOOR_CLOSED, ports.ESTOP_RELEASED, ports.GATE_IS_CLOSED):
            self.board.set(line, True)
        self._over = threading.Event()
        self._turning = threading.Thread(target=self._turn)
        self._turning.start()
        self.notes = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notes.bind(str(directory / "notify"))
        self.notes.settimeout(10)
        self.process = self.start()

    def start(self) -> "subprocess.Popen[str]":
        argv = ["guard", "--data-dir", str(self.data), "--socket", str(self.path)]
        environment = {
            **os.environ,
            "NOTIFY_SOCKET": str(self.path.parent / "notify"),
            "WATCHDOG_USEC": "200000",
        }
        return subprocess.Popen(
            isolated(sys.executable, "rvm_edge.cli", argv),
            env=environment,
            stderr=subprocess.PIPE,
            text=True,
        )

    def _turn(self) -> None:
        number = 0
        while not self._over.wait(0.01):
            number += 1
            runs = self.board.level(ports.BELT_IN) or self.board.level(ports.BELT_OUT)
            if runs:
                self.board.set(ports.ENCODER, number % 2 == 0)
            noise_a = number % 7 / 1000
            self.board.measure(ports.BELT_CURRENT_A, 0.27 * runs + noise_a)
            self.board.measure(ports.GATE_CURRENT_A, noise_a)
            self.board.measure(ports.SUPPLY_V, 12.0)

    def close(self) -> None:
        self._over.set()
        self._turning.join()
        self.process.kill()
        self.process.communicate()
        self.notes.close()
        self.board.close()

    def is_high(self) -> bool:
        return self.board.level(ports.BELT_IN)


@pytest.fixture
def unit(tmp_path):
    unit = Unit(tmp_path)
    try:
        eventually(unit.path.exists)
        yield unit
    finally:
        unit.close()


def link(unit: Unit, heard: list) -> tuple[ChildSpec, ChildSpec]:
    args = {
        "gpio": "",
        "gpio_args": {},
        "analog": "",
        "analog_args": {},
        "limits": MotorSettings(guard_socket=str(unit.path)),
        "tell": "/service/deposit",
    }
    return (
        ChildSpec("heard", Heard, args={"heard": heard}),
        ChildSpec("motor", GuardLink, args=args),
    )


def tell(sup, message) -> None:
    envelope = sup.system.envelope(Kind.CAST, "/motor", message)
    envelope.source = "/heard"
    sup.system.route(envelope)


def test_it_says_when_it_is_ready_and_feeds_the_watchdog(unit):
    said = [unit.notes.recv(200).decode() for _ in range(3)]
    assert said[0].startswith("WATCHDOG=1") or said[0].startswith("READY=1")
    assert any(word.startswith("READY=1") for word in said)
    assert "WATCHDOG=1" in said


def test_through_the_link_it_is_the_motor(unit):
    heard = []
    with tree(*link(unit, heard)) as (sup, _):
        state = sup.request("motor", ReadGuard(), reply=GuardChanged)
        assert (state.door_closed, state.gate, state.latch) == (True, "closed", "")
        tell(sup, Move("m", "belt", "inward", 0.2))
        eventually(unit.is_high)
        tell(sup, Renew("m"))
        (done,) = eventually(lambda: [said for said in heard if isinstance(said, MoveDone)])
        assert (done.move, done.reached) == ("m", False)
        assert not unit.is_high()
        jogged = sup.request("motor", Jog("belt", "inward", 0.1), reply=MoveDone)
        assert jogged.ran_s >= 0.1
        with pytest.raises(RequestFailed, match="invalid"):
            sup.request("motor", Jog("belt", "open", 0.1))
        sup.request("motor", ResetGuard())


def test_a_stop_goes_through_and_the_next_daemon_may_move_again(unit):
    heard = []
    for _ in range(2):  # its numbers begin anew with every daemon
        with tree(*link(unit, heard)) as (sup, _):
            # The unit may not have seen the end of the daemon before, and takes one at a time.
            eventually(lambda: sup.rows["motor"].state.value == "running", 20.0)
            tell(sup, Move("m", "belt", "inward", 2.0))
            eventually(unit.is_high)
            tell(sup, StopMotors("enough"))
            eventually(lambda: not unit.is_high())
            eventually(lambda: heard and isinstance(heard[-1], MoveFailed))
            assert heard.pop().detail == "enough"
            eventually(lambda: sup.request("motor", ReadGuard(), reply=GuardChanged).belt_still)


def raw(unit: Unit) -> socket.socket:
    peer = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    peer.settimeout(10)
    peer.connect(str(unit.path))
    return peer


def envelope(message, number: int = 7) -> Envelope:
    name, delivery = kind_of(type(message))
    now_ns = SystemClock().monotonic_ns()
    return Envelope(
        number, Kind.CAST, name, "/x", "/machine/motor", encode(message), delivery, now_ns
    )


def test_the_end_of_the_connection_is_the_end_of_the_run(unit):
    with raw(unit) as peer:
        peer.send(encode_envelope(envelope(Move("m", "belt", "inward", 3.0))))
        eventually(unit.is_high)
        before = unit.board.pins.writes
        began_ns = SystemClock().monotonic_ns()
    eventually(lambda: not unit.is_high())
    low = next(w for w in unit.board.trace(before) if w.line == ports.BELT_IN and not w.level)
    assert (low.t_mono_ns - began_ns) / 1e9 < 1.5  # not the end of the run itself, after 3 s
    with raw(unit) as peer:  # the next one is welcome
        peer.send(encode_envelope(envelope(Move("n", "belt", "inward", 3.0))))
        eventually(unit.is_high)


def test_there_is_one_controller_at_a_time(unit):
    with raw(unit) as first:
        first.send(encode_envelope(envelope(Move("m", "belt", "inward", 3.0))))
        eventually(unit.is_high)
        with raw(unit) as second:
            assert second.recv(100) == b""
        first.send(encode_envelope(envelope(Renew("m"))))


@pytest.mark.parametrize("packet", [b"\x93garbage", b"\x00" * 1000])
def test_what_makes_no_sense_ends_the_connection(unit, packet):
    with raw(unit) as peer:
        peer.send(encode_envelope(envelope(Move("m", "belt", "inward", 3.0))))
        eventually(unit.is_high)
        peer.send(packet)
        eventually(lambda: not unit.is_high())


def test_a_controller_cannot_end_it_or_break_it(unit):
    from protocol.system import StopActor

    with raw(unit) as peer:
        peer.send(encode_envelope(envelope(StopActor())))
        while peer.recv(4096):
            pass
    assert unit.process.poll() is None


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_told_to_stop_it_leaves_the_pins_low_and_no_socket(unit, number):
    with raw(unit) as peer:
        peer.send(encode_envelope(envelope(Move("m", "belt", "inward", 3.0))))
        eventually(unit.is_high)
        unit.process.send_signal(number)
        assert unit.process.wait(10) == 0
    assert not unit.is_high()
    assert not unit.path.exists()


def test_a_second_guard_on_the_same_lines_gives_up_with_the_reason(unit):
    argv = ["guard", "--data-dir", str(unit.data), "--socket", str(unit.path) + "2"]
    done = subprocess.run(
        isolated(sys.executable, "rvm_edge.cli", argv), capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "is claimed by process" in done.stderr


def test_the_link_waits_while_there_is_no_unit_and_notices_its_end(unit, tmp_path):
    heard = []
    with tree(*link(unit, heard)) as (sup, _):
        assert sup.request("motor", ReadGuard(), reply=GuardChanged).sequence >= 1
        unit.process.kill()
        unit.process.wait()
        eventually(lambda: sup.rows["motor"].state.value == "waiting")
        assert "systemctl start rvm-edge-guard" in sup.rows["motor"].waiting_for
        unit.process.communicate()
        unit.process = unit.start()
        eventually(lambda: sup.ref("motor") is not None)
        assert sup.request("motor", ReadGuard(), reply=GuardChanged).sequence >= 1
