"""Actors for tests of process hosts: one class, in a thread or in a process, and ways to fail."""

import ctypes
import fcntl
import mmap
import os
import select
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from protocol.message import Down
from supervisors import (
    IGNORE,
    Actor,
    AsyncActor,
    Put,
    Waiting,
    handles,
)
from supervisors.exits import ExitReason
from supervisors.testing import eventually
from tests.supervisors.words import (
    Answer,
    Ask,
    Do,
    Halt,
    Hang,
    Load,
    Loaded,
    Measured,
    Note,
    Pay,
    Said,
    Turn,
)


class Boom(Exception):
    """A failure to order."""


RELEASE = threading.Event()
"""Ends what hangs in threads, so that a test leaves none behind; processes are killed."""


class Hosted(Actor):
    """Does what it is told and tells the probe.

    Args:
        start: how ``on_start`` goes; ``"file:…"`` reads the word from a file each time.
        stop: how ``on_stop`` goes.
        probe: address that hears of it.
    """

    def __init__(self, start: str = "ok", stop: str = "ok", probe: str = "") -> None:
        self.start = start
        self.stop = stop
        self.probe = probe
        self.kept: list[Any] = []

    def say(self, what: str) -> None:
        if self.probe:
            self.ctx.tell(self.probe, Said(what, self.ctx.path))

    def on_start(self) -> Any:
        how = self.start
        if how.startswith("file:"):
            how = Path(how[5:]).read_text(encoding="utf-8").strip()
        if how == "ignore":
            return IGNORE
        if how == "waiting":
            raise Waiting("camera")
        if how == "crash":
            raise Boom("in on_start")
        if how == "exit":
            sys.exit("in on_start")
        if how == "hang":
            hang_in_on_start()
        if how.startswith("raw:"):
            self.do_raw(how[4:])
        self.say("started")
        return None

    def on_stop(self, reason: ExitReason) -> None:
        if self.stop == "crash":
            raise Boom("in on_stop")
        if self.stop == "hang":
            hang_in_on_stop()
        if self.stop.startswith("until:"):
            eventually(Path(self.stop[6:]).exists)
        self.say(f"stopped {reason}")

    @handles(Ask)
    def ask(self, message: Ask) -> Answer:
        return Answer(message.number, os.getpid(), self.ctx.incarnation)

    @handles(Load)
    def load(self, message: Load) -> Loaded:
        return Loaded(b"x" * message.size)

    @handles(Pay)
    def pay(self, message: Pay) -> None:
        self.say(f"pay {message.number}")

    @handles(Turn)
    def turn(self, message: Turn) -> None:
        self.say(f"turn {message.number}")

    @handles(Measured)
    def measured(self, message: Measured) -> None:
        self.say(f"measured {message.number}")

    @handles(Halt)
    def halt(self, message: Halt) -> None:
        if message.number < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        self.say(f"halt {message.number}")

    @handles(Note)
    def note(self, message: Note) -> None:
        if message.number < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        self.say(f"note {message.number}")

    @handles(Down)
    def down(self, message: Down) -> None:
        self.say(f"down {message.path} {message.incarnation} {message.normal}")

    @handles(Said)
    def said(self, message: Said) -> None:
        self.say(f"tick {message.what}")

    @handles(Do, deadline_s=1.0)
    def do(self, message: Do) -> Answer:
        getattr(self, f"do_{message.what}")(message.arg)
        return Answer(0, os.getpid(), self.ctx.incarnation)

    @handles(Hang, deadline_s=0.3)
    def hang(self, message: Hang) -> None:
        getattr(self, f"do_{message.what}")(message.arg)

    # -- what it can be told --------------------------------------------------------------------

    def do_crash(self, arg: str) -> None:
        raise Boom(arg)

    def do_exit(self, arg: str) -> None:
        sys.exit(arg)

    def do_vanish(self, arg: str) -> None:
        os._exit(int(arg or 0))

    def do_stop(self, arg: str) -> None:
        self.ctx.stop(arg)

    def do_print(self, arg: str) -> None:
        print(arg, end="" if arg.endswith("…") else "\n")  # noqa: T201 - it is what is tested

    def do_hang(self, arg: str) -> None:
        RELEASE.wait(60)

    def do_gil(self, arg: str) -> None:
        hold_the_gil()

    def do_until(self, arg: str) -> None:
        """Hold the handler until a file is there."""
        self.ctx.extend(60)
        self.say("holding")
        eventually(Path(arg).exists)

    def do_raw(self, arg: str) -> None:
        """Write bytes to the core's socket."""
        self.ctx._router._link.send(bytes.fromhex(arg))

    def do_raw_zeros(self, arg: str) -> None:
        self.ctx._router._link.send(bytes(int(arg)))

    def do_raw_and_hang(self, arg: str) -> None:
        self.do_raw(arg)
        RELEASE.wait(60)

    def do_tell_large(self, arg: str) -> None:
        assert self.ctx.tell(arg, Note(1, bytes(200_000))) is Put.TOO_LARGE

    def do_ask_large(self, arg: str) -> None:
        self.ctx.request(arg, Load(200_000))

    def do_deaf(self, arg: str) -> None:
        """Close the socket and live on."""
        os.close(self.ctx._router._link.fileno())
        hang_deaf()

    def do_children(self, arg: str) -> None:
        """Start a process of one's own that would outlive one; its pid goes to a file."""
        child = subprocess.Popen(["sleep", "600"], stdin=subprocess.DEVNULL)
        self.kept.append(child)
        Path(arg).write_text(str(child.pid), encoding="ascii")

    def do_watch(self, arg: str) -> None:
        self.ctx.watch(arg)

    def do_unwatch(self, arg: str) -> None:
        self.ctx.unwatch(arg)

    def do_ask(self, arg: str) -> None:
        answer = self.ctx.request(arg, Ask(5), reply=Answer)
        self.say(f"asked {answer.number}")

    def do_ask_back(self, arg: str) -> None:
        """Ask another, which asks this one back: ``address seconds``."""
        address, seconds = arg.split()
        self.ctx.extend(60)
        back = Do("ask_back", f"{self.ctx.path} {seconds}")
        self.ctx.request(address, back, timeout_s=float(seconds))

    def do_leave_thread(self, arg: str) -> None:
        threading.Thread(target=RELEASE.wait, args=(60,)).start()

    def do_leak_descriptors(self, arg: str) -> None:
        while True:
            self.kept.append(os.open("/dev/null", os.O_RDONLY))

    def do_raise(self, arg: str) -> None:
        raise {"SystemExit": SystemExit, "KeyboardInterrupt": KeyboardInterrupt}[arg]

    def do_spin(self, arg: str) -> None:
        while not RELEASE.is_set():
            pass

    def do_sleep_in_c(self, arg: str) -> None:
        while not RELEASE.is_set():
            select.select([], [], [], 1.0)

    def do_echo_twice(self, arg: str) -> None:
        for _ in range(2 if int(arg) else 0):
            self.ctx.tell(self.probe, Do("echo_twice", str(int(arg) - 1)))

    def do_gil_long(self, arg: str) -> None:
        self.ctx.extend(600)
        hold_the_gil()

    def do_hang_long(self, arg: str) -> None:
        self.ctx.extend(600)
        RELEASE.wait(60)

    def do_freeze(self, arg: str) -> None:
        os.kill(os.getpid(), signal.SIGSTOP)

    def do_chatter(self, arg: str) -> None:
        """Talk to somebody without end."""
        while not RELEASE.is_set():
            self.ctx.tell(arg, Ask(1))

    def do_relay(self, arg: str) -> None:
        """Ask the first of a list of addresses to ask the rest."""
        address, _, rest = arg.partition(" ")
        if address:
            self.ctx.request(address, Do("relay", rest), timeout_s=20)

    def do_timers(self, arg: str) -> None:
        self.ctx.schedule_once(0.01, Said("once"))
        self.ctx.cancel(self.ctx.schedule_once(0.01, Said("never")))
        self.ctx.schedule_every(0.01, Said("every"))

    def do_emit(self, arg: str) -> None:
        self.ctx.emit("seen", what=arg, raw=b"\xff")
        self.ctx.log("noted", what=arg)
        self.ctx.note(mood=arg)

    def do_eat(self, arg: str) -> None:
        self.kept.append(bytearray(os.urandom(1 << 16)) * (int(arg) << 4))

    def do_eat_and_hold(self, arg: str) -> None:
        self.ctx.extend(60)
        self.do_eat(arg)
        RELEASE.wait(60)

    def do_measure_share(self, arg: str) -> None:
        """Say what a shared area holds, and whether it could be shrunk."""
        fd = self.ctx.shares[arg]
        with mmap.mmap(fd, 0, prot=mmap.PROT_READ) as area:
            self.say(f"share {area[:5].decode()} {len(area)} {fcntl.fcntl(fd, 1034)}")

    def do_write_share(self, arg: str) -> None:
        with mmap.mmap(self.ctx.shares[arg], 0) as area:
            area[:5] = b"hello"

    def do_python(self, arg: str) -> None:
        self.say(f"python {sys.executable} {sys.version_info[1]} {len(threading.enumerate())}")


class HostedAsync(Hosted, AsyncActor):
    """The same, on an event loop."""

    async def on_start(self) -> Any:
        return super().on_start()

    @handles(Ask)
    async def ask(self, message: Ask) -> Answer:
        return super().ask(message)

    @handles(Do, deadline_s=1.0)
    async def do(self, message: Do) -> Answer:
        if message.what == "ask":
            answer = await self.ctx.request(message.arg, Ask(5), reply=Answer)
            self.say(f"asked {answer.number}")
            return answer
        return super().do(message)


def hang_in_on_start() -> None:
    RELEASE.wait(60)


def hang_in_on_stop() -> None:
    RELEASE.wait(60)


def hang_deaf() -> None:
    RELEASE.wait(60)


def hold_the_gil() -> None:
    """Sleep in C without letting go of the interpreter: no other Python thread runs."""
    ctypes.PyDLL(None).usleep(60_000_000)
