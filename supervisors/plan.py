"""What `SupervisorCore` is told, what it asks for, and what it knows of each child.

The core is a pure machine: `Event` in, list of `Action` out. A shell (a thread, or a test) carries
the actions out and reports back with events.
"""

from __future__ import annotations

import enum
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from supervisors.exits import ExitReason
from supervisors.results import Answer
from supervisors.spec import ChildSpec, SupervisorSpec


class State(str, enum.Enum):
    """Where a child stands."""

    STOPPED = "stopped"
    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"
    DOWN = "down"  # dead, and its supervisor has not yet come round to deciding what follows
    RESTARTING = "restarting"  # its delay is running
    WAITING = "waiting"  # something it needs is missing; costs no restart budget
    QUARANTINED = "quarantined"  # its supervisor's budget is spent on it; probed now and then


@dataclass(slots=True)
class Child:
    """All the core knows of one child."""

    spec: ChildSpec
    state: State = State.STOPPED
    incarnation: int = 0
    restarts: int = 0
    streak: int = 0
    waits: int = 0
    running_since: float | None = None
    next_at: float | None = None
    waiting_for: str = ""
    last_exit: ExitReason | None = None
    last_exit_at: float | None = None
    quarantined: bool = False
    timer: int = 0
    timed_out: str = ""

    @property
    def is_live(self) -> bool:
        """Whether an incarnation exists that has to be stopped."""
        return self.state in (State.RUNNING, State.STARTING, State.STOPPING)

    @property
    def is_up(self) -> bool:
        """Whether it runs, as far as its supervisor has come round to looking."""
        return self.state in (State.RUNNING, State.DOWN)

    @property
    def is_pending(self) -> bool:
        """Whether a start lies in its future: OTP's ``restarting``."""
        return self.state in (State.RESTARTING, State.WAITING, State.QUARANTINED)


class Window:
    """Restarts within the last period: OTP's intensity, on the monotonic clock, inclusive."""

    def __init__(self, intensity: int | None, period_s: float) -> None:
        """Args: intensity: most restarts within ``period_s``; None for no limit."""
        self._intensity = intensity
        self._period_s = period_s
        self._times: deque[float] = deque()

    def add(self, now: float) -> bool:
        """Count one restart; False when that is one too many."""
        if self._intensity is None:
            return True
        self._times.append(now)
        return self.count(now) <= self._intensity

    def count(self, now: float) -> int:
        """Restarts that still count."""
        while self._times and self._times[0] < now - self._period_s:
            self._times.popleft()
        return len(self._times)

    def clear(self) -> None:
        """Forget all of them."""
        self._times.clear()

    def limit(self, intensity: int | None, period_s: float) -> None:
        """Judge by these numbers; by others than before, from now on."""
        if (intensity, period_s) != (self._intensity, self._period_s):
            self._intensity, self._period_s = intensity, period_s
            self.clear()


class Mode(enum.Enum):
    """Why children are being started: decides what a failed start means."""

    INIT = "init"  # the supervisor's own start
    RESTART = "restart"  # after a failure; failing again costs budget
    CALL = "call"  # somebody asked; the answer tells them
    CHANGE = "change"  # another spec; failing costs budget, and the answer tells it
    END = "end"  # nothing is started any more


@dataclass(slots=True)
class Plan:
    """Stops, then starts, one child at a time; everything else waits until it is through."""

    mode: Mode
    stops: deque[str] = field(default_factory=deque)
    starts: deque[str] = field(default_factory=deque)
    busy: set[str] = field(default_factory=set)
    parallel: bool = False
    call: object = None
    answer: Answer | None = None
    discard: bool = False  # a child whose start fails is forgotten (start_child)
    forget: bool | None = None  # a stopped child's spec goes; None: if it is temporary or dynamic
    drop: frozenset[str] = frozenset()  # whose specs go whatever `forget` says
    spec: SupervisorSpec | None = None  # taken over between the stops and the starts

    def forgets(self, id_: str) -> bool | None:
        """Whether the spec of a child that has stopped goes."""
        return True if id_ in self.drop else self.forget


# -- events -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Begin:
    """Start all children."""


@dataclass(frozen=True, slots=True)
class Ready:
    """A child's ``on_start`` has returned."""

    id: str
    incarnation: int


@dataclass(frozen=True, slots=True)
class StartError:
    """A child's start failed, and what it left behind is cleaned up."""

    id: str
    incarnation: int
    reason: ExitReason


@dataclass(frozen=True, slots=True)
class Ignored:
    """A child's start said: not now, and that is fine."""

    id: str
    incarnation: int


@dataclass(frozen=True, slots=True)
class Missing:
    """A child's start found that something it depends on is not there."""

    id: str
    incarnation: int
    what: str


@dataclass(frozen=True, slots=True)
class Exited:
    """A child has ended, and what it left behind is cleaned up."""

    id: str
    incarnation: int
    reason: ExitReason


@dataclass(frozen=True, slots=True)
class Timeout:
    """A timer armed earlier has run out."""

    id: str
    token: int


@dataclass(frozen=True, slots=True)
class Stop:
    """End the supervisor with all its children."""

    reason: ExitReason


@dataclass(frozen=True, slots=True)
class Call:
    """A call of the interface; ``ref`` comes back with the answer."""

    ref: object
    request: Request


Event = Begin | Ready | StartError | Ignored | Missing | Exited | Timeout | Stop | Call


# -- requests of the interface ----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class StartChild:
    """Add a child and start it; a simple_one_for_one takes arguments instead of a spec."""

    spec: ChildSpec | Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class TerminateChild:
    """Stop a child, keep its spec."""

    id: str


@dataclass(frozen=True, slots=True)
class RestartChild:
    """Start a stopped child."""

    id: str


@dataclass(frozen=True, slots=True)
class DeleteChild:
    """Forget a stopped child."""

    id: str


@dataclass(frozen=True, slots=True)
class WhichChildren:
    """List the children, newest first."""


@dataclass(frozen=True, slots=True)
class CountChildren:
    """Count them."""


@dataclass(frozen=True, slots=True)
class GetChildspec:
    """The spec of a child, defaults filled in."""

    id: str


@dataclass(frozen=True, slots=True)
class Kick:
    """Operator: start or restart this child now, and forget its streak."""

    id: str


@dataclass(frozen=True, slots=True)
class Rearm:
    """Something came back: try those children again that were waiting for it."""

    topic: str


@dataclass(frozen=True, slots=True)
class Change:
    """Become a supervisor of this spec."""

    spec: SupervisorSpec


Request = (
    StartChild
    | TerminateChild
    | RestartChild
    | DeleteChild
    | WhichChildren
    | CountChildren
    | GetChildspec
    | Kick
    | Rearm
    | Change
)


# -- actions ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Start:
    """Start an incarnation; answer with Ready, StartError, Ignored or Missing."""

    spec: ChildSpec
    incarnation: int


@dataclass(frozen=True, slots=True)
class AskStop:
    """Ask an incarnation to stop; answer with Exited."""

    id: str
    incarnation: int


@dataclass(frozen=True, slots=True)
class Kill:
    """End an incarnation by force; answer with Exited."""

    id: str
    incarnation: int
    why: str


@dataclass(frozen=True, slots=True)
class Arm:
    """Send ``Timeout(id, token)`` in ``delay_s`` seconds; an old token is ignored by the core."""

    id: str
    token: int
    delay_s: float


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer to a call."""

    ref: object
    answer: Answer


@dataclass(frozen=True, slots=True)
class Report:
    """Something an operator wants to read later."""

    what: Literal[
        "started",
        "start_error",
        "ignored",
        "waiting",
        "child_terminated",
        "shutdown_error",
        "stopped",
        "restarting",
        "quarantined",
        "recovered",
        "exhausted",
    ]
    id: str
    incarnation: int
    reason: ExitReason | None = None
    delay_s: float | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Begun:
    """The supervisor's own start is through."""


@dataclass(frozen=True, slots=True)
class Ended:
    """All children are gone; the supervisor ends with this reason."""

    reason: ExitReason


Action = Start | AskStop | Kill | Arm | Reply | Report | Begun | Ended
