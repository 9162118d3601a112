"""Children to order for tests of supervision: what supervisor_1.erl is to OTP's suite."""

import threading
from collections import deque
from collections.abc import Iterable
from typing import Any

from protocol.message import Delivery, Message
from supervisors import (
    IGNORE,
    Actor,
    Backoff,
    ChildSpec,
    Strategy,
    Supervisor,
    SupervisorSpec,
    Waiting,
    handles,
)
from supervisors.testing import eventually


class End(Message, tag="test.end"):
    """End: normal, shutdown, abnormal or exit (SystemExit)."""

    how: str = "abnormal"


class Ping(Message, tag="test.ping"):
    """Are you there?"""


class Pong(Message, tag="test.pong"):
    """Yes, I am this one."""

    path: str
    incarnation: int
    extra: str = ""


class Hang(Message, tag="test.hang"):
    """Wait inside the handler until the gate is opened."""


class Urgent(Message, tag="test.urgent"):
    """A message of the fast lane."""

    delivery = Delivery.SAFETY


class StartFailed(Exception):
    """A start that was told to fail."""


class Boom(Exception):
    """A handler that was told to fail."""


class Worker(Actor):
    """Starts as its script says, ends as it is told, and keeps a journal.

    Args:
        script: outcomes of the next starts, shared by all incarnations: "ok", "fail", "ignore",
            "waiting", "exit", "hang"; when it is empty: "ok".
        journal: gets "start a", "stop a Shutdown" …
        gate: what `Hang` and a hanging start wait for.
        extra: given back in `Pong`.
    """

    def __init__(
        self,
        script: "deque[str] | None" = None,
        journal: list[str] | None = None,
        gate: threading.Event | None = None,
        extra: str = "",
    ) -> None:
        self.script = deque() if script is None else script
        self.journal = [] if journal is None else journal
        self.gate = gate
        self.extra = extra

    def on_start(self) -> Any:
        outcome = self.script.popleft() if self.script else "ok"
        if outcome == "fail":
            raise StartFailed
        if outcome == "waiting":
            raise Waiting("device")
        if outcome == "exit":
            raise SystemExit("in on_start")
        if outcome == "hang" and self.gate is not None:
            self.gate.wait(30)
        if outcome == "ignore":
            return IGNORE
        self.journal.append(f"start {self._id}")
        return None

    @property
    def _id(self) -> str:
        return self.ctx.path.rpartition("/")[2]

    @handles(End)
    def end(self, message: End) -> None:
        if message.how == "normal":
            self.ctx.stop()
        elif message.how == "shutdown":
            self.ctx.stop("asked")
        elif message.how == "exit":
            raise SystemExit("in a handler")
        else:
            raise Boom(message.how)

    @handles(Ping)
    def ping(self, _message: Ping) -> Pong:
        return Pong(self.ctx.path, self.ctx.incarnation, self.extra)

    @handles(Hang)
    def hang(self, _message: Hang) -> None:
        if self.gate is not None:
            self.gate.wait(30)

    @handles(Urgent)
    def urgent(self, _message: Urgent) -> None:
        self.journal.append(f"urgent {self._id}")

    def on_stop(self, reason: Any) -> None:
        self.journal.append(f"stop {self._id} {reason}")


def worker(id_: str, *script: str, **more: Any) -> ChildSpec:
    """A child spec; what `Worker` takes goes to it, the rest is the spec's."""
    args = {key: more.pop(key) for key in ("journal", "gate", "extra") if key in more}
    return ChildSpec(id_, Worker, args={"script": deque(script), **args}, **more)


def group(
    strategy: Strategy | str, children: Iterable[ChildSpec] = (), **flags: Any
) -> SupervisorSpec:
    """A supervisor spec with OTP's timing: no backoff, intensity 2 an hour, as in OTP's suite."""
    flags = {"intensity": 2, "period_s": 3600.0, "backoff": Backoff.NONE, **flags}
    return SupervisorSpec(tuple(children), strategy=Strategy(strategy), **flags)


def end(sup: Supervisor, id_: str, how: str = "abnormal") -> None:
    """Let a child end, and wait until its supervisor has heard of it."""
    old = sup.ref(id_)
    assert old is not None, f"{id_} does not run"
    sup.tell(id_, End(how))
    eventually(lambda: sup.ref(id_) != old)


def ids(sup: Supervisor) -> list[str]:
    """Ids of all children, newest first."""
    return [info.id for info in sup.which_children()]


def lives(sup: Supervisor) -> dict[str, int]:
    """Which incarnation of each child runs; 0 for those that do not."""
    return {info.id: getattr(info.child, "incarnation", 0) for info in sup.which_children()}


def counts(sup: Supervisor) -> tuple[int, int, int, int]:
    """Specs, active, supervisors, workers."""
    count = sup.count_children()
    return count.specs, count.active, count.supervisors, count.workers


def below(sup: Supervisor, path: str) -> Supervisor:
    """A supervisor in the same tree, once it is there."""
    return eventually(lambda: sup.system.supervisors.get(path))
