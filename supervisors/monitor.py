"""The monitor: a thread, not an actor, that finds hung actors and feeds the system's watchdog.

It looks at what the loops publish and never asks them. An actor whose handler has overrun its
deadline, or whose process has stopped beating, is handed to its host to be contained.
"""

from __future__ import annotations

import sys
import threading
import traceback
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from supervisors.system import ActorSystem

_TICK_S = 0.1
_STALL_S = 40.0
"""How long a supervisor or the reactor may be at one thing; a zygote's boot may take 30 s of it."""


class Watched(Protocol):
    """A live incarnation as the monitor sees it."""

    is_critical: bool

    def overdue(self, now_ns: int) -> str:
        """Why it counts as hung, or nothing."""

    def contain(self, why: str) -> None:
        """End it, by whatever means; called in a thread of its own."""


class Loop(Protocol):
    """A thread that others depend on.

    Attributes:
        busy_since: when it began what it is at (monotonic), None while it waits.
        thread: where it runs.
    """

    busy_since: float | None
    thread: threading.Thread


class Monitor:
    """Looks at every live incarnation ten times a second."""

    def __init__(self, system: ActorSystem) -> None:
        """The thread starts with the first incarnation."""
        self._system = system
        self._watched: dict[int, Watched] = {}
        self._contained: set[int] = set()
        self._stalled: set[str] = set()
        self._wake = threading.Event()
        self._is_closed = False
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self.is_healthy = True
        self.on_tick: list[Callable[[bool], None]] = []
        self.last_tick_ns = 0

    def add(self, watched: Watched) -> None:
        """Look at this one from now on."""
        self._watched[id(watched)] = watched
        if self._thread is None:
            self.start()

    def remove(self, watched: Watched) -> None:
        """It has ended."""
        self._watched.pop(id(watched), None)
        self._contained.discard(id(watched))

    def start(self) -> None:
        """Start ticking."""
        with self._lock:
            if self._thread is None and not self._is_closed:
                self._thread = threading.Thread(target=self._run, name="monitor", daemon=True)
                self._system.clock.on_advance(self._wake.set)
                self._thread.start()

    def _run(self) -> None:
        while not self._is_closed:
            self.tick()
            self._wake.wait(_TICK_S)
            self._wake.clear()

    def tick(self) -> None:
        """One look at everybody."""
        now_ns = self._system.clock.monotonic_ns()
        is_healthy = not self._has_stalled(now_ns / 1e9)
        for key, watched in self._watched.copy().items():  # others add and remove meanwhile
            why = watched.overdue(now_ns)
            if not why:
                continue
            is_healthy = is_healthy and not watched.is_critical
            if key not in self._contained:
                self._contained.add(key)
                self._system.hangs += 1
                threading.Thread(
                    target=watched.contain, args=(why,), name="containment", daemon=True
                ).start()
        self.is_healthy = is_healthy
        self.last_tick_ns = now_ns
        for callback in self.on_tick:
            callback(is_healthy)

    def _has_stalled(self, now: float) -> bool:
        """Whether a loop that others depend on has stopped; only a restart of the whole helps."""
        stalled: set[str] = set()
        for who, loop in self._system.loops().items():
            if loop.busy_since is not None and now - loop.busy_since > _STALL_S:
                stalled.add(who)
                if who not in self._stalled:
                    self._system.emit(who, "stalled", {"stack": stack_of_thread(loop.thread)})
        self._stalled = stalled
        return bool(stalled)

    def close(self) -> None:
        """Stop ticking."""
        self._is_closed = True
        self._wake.set()
        self._system.clock.forget(self._wake.set)
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(2.0)


def stack_of_thread(thread: threading.Thread) -> str:
    """Where a thread of this process stands."""
    frame = sys._current_frames().get(thread.ident or 0)
    return "".join(traceback.format_stack(frame)) if frame is not None else ""
