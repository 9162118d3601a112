"""A core whose host brings something to rest when the core is gone, for tests to kill."""

import json
import os
import sys
import threading
from pathlib import Path
from typing import Any

from protocol.message import Message
from supervisors import Actor, ActorSystem, Backoff, ChildSpec, Supervisor, SupervisorSpec, handles
from supervisors.actor import AsyncActor
from supervisors.exits import ExitReason
from tests.supervisors.trees import ask
from tests.supervisors.words import Answer, Ask


def seized(lamp: Path) -> Path:
    """The file that is there once `Seize` is being handled."""
    return lamp.with_suffix(".seized")


class Seize(Message, frozen=True, tag="outliving.seize"):
    """Hang: with the interpreter locked, or without."""

    how: str


class Lamp(Actor):
    """Owns a file that says whether a lamp burns; puts it out when it leaves."""

    def __init__(self, lamp: str, stop: str = "ok") -> None:
        self.lamp = Path(lamp)
        self.stop = stop

    def on_start(self) -> None:
        self.lamp.write_text("on", encoding="ascii")

    def on_stop(self, reason: ExitReason) -> None:
        del reason
        if self.stop == "hang":
            threading.Event().wait(60)
        self.lamp.write_text("off", encoding="ascii")

    @handles(Ask)
    def ask(self, message: Ask) -> Answer:
        return Answer(message.number, os.getpid(), self.ctx.incarnation)

    @handles(Seize)
    def seize(self, message: Seize) -> None:
        self.ctx.extend(60)
        seized(self.lamp).touch()
        if message.how == "gil":
            sum(range(10**12))  # in C all along: no signal gets through to the interpreter
        threading.Event().wait(60)


class AsyncLamp(Lamp, AsyncActor):
    """The same on an event loop."""


def spec(lamp: str, *, kind: type[Actor] = Lamp, **more: Any) -> ChildSpec:
    args = {"lamp": lamp, **({"stop": more.pop("stop")} if "stop" in more else {})}
    return ChildSpec("lamp", kind, host="process", args=args, **more)  # type: ignore[arg-type]


def main(argv: list[str]) -> int:
    """Arguments: the lamp's file, how its actor stops, seconds, its class, how it is started."""
    lamp, stop, seconds, kind, fresh = argv
    child = spec(
        lamp,
        kind=AsyncLamp if kind == "async" else Lamp,
        stop=stop,
        outlives_core_s=float(seconds),
        fresh=fresh == "fresh",
    )
    preload = ("tests.supervisors.short_deadman",) if fresh == "watched" else ()
    system = ActorSystem(preload=preload)
    tree = SupervisorSpec((child,), intensity=None, backoff=Backoff.NONE)
    with Supervisor.start(tree, system=system) as sup:
        pids = {"lamp": ask(sup, "lamp").pid, "zygote": sup.system.zygote_pid, "core": os.getpid()}
        print(json.dumps(pids), flush=True)  # noqa: T201 - the test reads it
        how = sys.stdin.readline().strip()
        if how:
            sup.tell("lamp", Seize(how))
        sys.stdin.read()
    return 0
