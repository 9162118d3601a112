"""For tests of actors and of the runtime: time to turn by hand, an actor that listens, patience.

VirtualClock    a clock that only moves when told to; wall time can jump on its own
Stage           a whole tree in one thread, in virtual time (`supervisors.stage`)
Probe           an actor that keeps what it is told: `probe.expect(GateMoved)`
eventually      wait for another thread without sleeping
Manual          drives a `SupervisorCore` through virtual time and checks what must always hold
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from protocol.message import Message
from supervisors.actor import Actor, handles
from supervisors.clock import SystemClock
from supervisors.manual import Manual
from supervisors.spec import ChildSpec
from supervisors.stage import Stage
from supervisors.virtual_clock import VirtualClock

__all__ = ["PATIENCE_S", "Manual", "Probe", "Stage", "VirtualClock", "eventually"]

T = TypeVar("T")
M = TypeVar("M", bound=Message)

PATIENCE_S = 10.0
"""How long a test waits for another thread before it fails; generous, for loaded machines."""


def eventually(predicate: Callable[[], T], timeout_s: float = PATIENCE_S) -> T:
    """Wait until a predicate is true and return what it gave.

    Raises:
        AssertionError: it was still false after ``timeout_s`` of real time.
    """
    clock, pause = SystemClock(), threading.Event()
    deadline, pause_s = clock.monotonic() + timeout_s, 0.0005
    while not (result := predicate()):
        if clock.monotonic() > deadline:
            msg = f"not within {timeout_s:g} s: {predicate}"
            raise AssertionError(msg)
        pause.wait(pause_s)
        pause_s = min(pause_s * 2, 0.02)
    return result


class Probe:
    """An actor that keeps what it is told, to be put into any thread-hosted tree.

    Example:
        >>> probe = Probe(GateMoved)
        >>> tree = SupervisorSpec((probe.spec("motor"), ...))
        >>> probe.expect(GateMoved).to

    Attributes:
        heard: all messages so far, over all incarnations.
    """

    def __init__(
        self, *vocabulary: type[Message], answers: Mapping[type[Message], Message] | None = None
    ) -> None:
        """Make it understand some types.

        Args:
            vocabulary: the types it takes.
            answers: what it replies to requests, by type; `Done` where nothing is said.
        """
        self.heard: list[Message] = []
        self._expected = 0
        self._news = threading.Condition()
        self._answers = dict(answers or {})
        hooks = {f"hear_{number}": self._hook(type_) for number, type_ in enumerate(vocabulary)}
        self.actor: type[Actor] = type("ProbeActor", (Actor,), hooks)

    def _hook(self, type_: type[Message]) -> Callable[[Any, Message], Message | None]:
        def hear(_actor: Any, message: Message) -> Message | None:
            with self._news:
                self.heard.append(message)
                self._news.notify_all()
            return self._answers.get(type(message))

        return handles(type_)(hear)

    def spec(self, id_: str = "probe", **more: Any) -> ChildSpec:
        """A child spec of it."""
        return ChildSpec(id_, self.actor, **more)

    def expect(self, type_: type[M], timeout_s: float = PATIENCE_S) -> M:
        """Wait for the next message of a type; what came before it is skipped.

        Raises:
            AssertionError: none came in time.
        """
        with self._news:
            found = self._news.wait_for(lambda: self._next(type_), timeout_s)
        if found is None:
            msg = f"no {type_.__name__} within {timeout_s:g} s; heard {self.heard[-10:]}"
            raise AssertionError(msg)
        return found

    def _next(self, type_: type[M]) -> M | None:
        for at in range(self._expected, len(self.heard)):
            message = self.heard[at]
            if isinstance(message, type_):
                self._expected = at + 1
                return message
        return None
