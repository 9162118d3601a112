"""What a tree is made of: child specs, supervisor specs, and the numbers that bound them.

Specs are frozen values, checked when they are made, in OTP's words. A spec that cannot work
(a limit that can never fire, a significant child nobody listens to) is refused with a reason.
"""

from __future__ import annotations

import enum
import math
import re
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field, replace
from random import Random
from typing import TYPE_CHECKING, Any, ClassVar, Literal

if TYPE_CHECKING:
    from supervisors.actor import Actor

_ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}\Z")


_FACTOR_MAX = 1000.0
OUTLIVES_MAX_S = 5.0
"""Longer than anything takes to come to rest, and less than a service manager's patience."""


class SpecError(ValueError):
    """A spec that cannot work; the message names the spec and the cure."""


class Restart(str, enum.Enum):
    """When a child is restarted: always, after abnormal ends, never."""

    PERMANENT = "permanent"
    TRANSIENT = "transient"
    TEMPORARY = "temporary"


class Strategy(str, enum.Enum):
    """Who is restarted with a failed child."""

    ONE_FOR_ONE = "one_for_one"
    ONE_FOR_ALL = "one_for_all"
    REST_FOR_ONE = "rest_for_one"
    SIMPLE_ONE_FOR_ONE = "simple_one_for_one"


class AutoShutdown(str, enum.Enum):
    """Whether the supervisor ends with its significant children."""

    NEVER = "never"
    ANY_SIGNIFICANT = "any_significant"
    ALL_SIGNIFICANT = "all_significant"


class Host(str, enum.Enum):
    """Where an actor runs."""

    THREAD = "thread"
    PROCESS = "process"


@dataclass(frozen=True, slots=True)
class Backoff:
    """Delay before the n-th restart of a streak: doubling, capped, with subtractive jitter.

    ``base(n) = min(maximum_s, initial_s * factor**n)``; jitter only shortens it, so the cap holds
    and a fleet still spreads. The streak is over when a child has run for ``reset_after_s``.
    `Backoff.NONE` restarts at once, as OTP does.
    """

    NONE: ClassVar[Backoff]

    initial_s: float = 0.2
    factor: float = 2.0
    maximum_s: float = 30.0
    jitter: float = 0.2
    reset_after_s: float = 60.0

    def __post_init__(self) -> None:
        """Raises: SpecError: numbers that make no sense together."""
        if not 0 <= self.initial_s <= self.maximum_s < math.inf:
            msg = f"backoff: 0 <= initial_s <= maximum_s, got {self.initial_s} and {self.maximum_s}"
            raise SpecError(msg)
        if not 1 <= self.factor <= _FACTOR_MAX or not 0 <= self.jitter <= 1:
            msg = (
                f"backoff: 1 <= factor <= {_FACTOR_MAX:g} and 0 <= jitter <= 1, "
                f"got {self.factor} and {self.jitter}"
            )
            raise SpecError(msg)
        if self.maximum_s > 0 and not self.reset_after_s > self.maximum_s:
            msg = (
                f"backoff: reset_after_s ({self.reset_after_s}) must exceed maximum_s "
                f"({self.maximum_s}), or a slow crasher never backs off"
            )
            raise SpecError(msg)

    def base(self, n: int) -> float:
        """Seconds before the restart after ``n`` earlier failures of this streak, unjittered."""
        return float(min(self.maximum_s, self.initial_s * self.factor ** min(n, 63)))

    def delay(self, n: int, rng: Random) -> float:
        """The same with jitter: in ``((1 - jitter) * base, base]``."""
        return self.base(n) * (1.0 - self.jitter * rng.random())


Backoff.NONE = Backoff(initial_s=0.0, maximum_s=0.0, jitter=0.0, reset_after_s=0.0)


@dataclass(frozen=True, slots=True)
class MailboxSpec:
    """How much an actor may have waiting, and what a restart does with it.

    Attributes:
        capacity: messages in the ordinary lane. 256 is several seconds of a busy machine.
        on_restart: ``discard`` (Erlang's way: requests are answered, casts become dead letters) or
            ``preserve`` (the successor gets them; orders to actuators are never preserved).
    """

    capacity: int = 256
    on_restart: Literal["discard", "preserve"] = "discard"

    def __post_init__(self) -> None:
        """Raises: SpecError: a mailbox that holds nothing."""
        if self.capacity < 1:
            msg = f"mailbox: capacity must be at least 1, got {self.capacity}"
            raise SpecError(msg)
        if self.on_restart not in ("discard", "preserve"):
            msg = f"mailbox: on_restart is 'discard' or 'preserve', not {self.on_restart!r}"
            raise SpecError(msg)


@dataclass(frozen=True, slots=True)
class Limits:
    """What a process host may use.

    Attributes:
        memory_mb: resident memory; over it the process is replaced. Watched from outside, because
            RLIMIT_AS breaks CUDA, which reserves address space by the terabyte.
        open_files: RLIMIT_NOFILE.
        nice: added to the process's niceness.
        oom_score_adj: so that the kernel shoots a host before the controller.
        beat_timeout_s: an idle process that has not beaten for this long is hung (it beats four
            times a second; 3 s outlives a badly loaded machine).
    """

    memory_mb: int | None = None
    open_files: int = 256
    nice: int = 0
    oom_score_adj: int = 500
    beat_timeout_s: float = 3.0


@dataclass(frozen=True, slots=True)
class ChildSpec:
    """One child of a supervisor.

    Attributes:
        id: unique in its supervisor; the last part of its address.
        start: an actor class, or the spec of a supervisor below.
        args: keyword arguments of the actor's ``__init__``. A process host gets them through
            msgpack, validated against the annotations; a thread host gets them as they are.
        restart: permanent, transient or temporary.
        shutdown: seconds it has to stop, ``"kill"``, or ``"infinity"``; default 5 s for an actor,
            infinity for a supervisor.
        significant: see `AutoShutdown`.
        start_timeout_s: how long ``on_start`` may take. OTP has none; a hung driver needs one.
        host: thread or process.
        backoff: None takes the supervisor's.
        mailbox: its capacity and what a restart does with the content.
        critical: the systemd watchdog is fed only while it is within its deadlines.
        fail_safe: ``"module:callable"``, run in a process of its own after every abnormal end and
            before the restart; idempotent, done within 2 s. Failing it quarantines the child.
        limits: process hosts only.
        python: interpreter of a process host that needs another one; it is then started fresh.
        fresh: start the process anew instead of forking it from the zygote.
        outlives_core_s: process hosts only: when the core is gone, or its zygote, it is not killed
            at once but finds its link ended, runs ``on_stop`` and leaves; after so long it is
            killed all the same. For what must bring hardware to rest itself.
        shares: names of shared memory areas it gets, see `SharedMemory`.
        rearm_on: topics (``"network"``, ``"config"``, ``"device"``) that end its quarantine early.
        respawn_over_leak: whether a thread that could not be ended may be replaced at once.
    """

    id: str
    start: type[Actor] | SupervisorSpec
    _: KW_ONLY
    args: Mapping[str, Any] = field(default_factory=dict)
    restart: Restart = Restart.PERMANENT
    shutdown: float | Literal["kill", "infinity"] | None = None
    significant: bool = False
    start_timeout_s: float = 10.0
    host: Host = Host.THREAD
    backoff: Backoff | None = None
    mailbox: MailboxSpec = MailboxSpec()
    critical: bool = False
    fail_safe: str | None = None
    limits: Limits = Limits()
    python: str | None = None
    fresh: bool = False
    outlives_core_s: float = 0.0
    shares: tuple[str, ...] = ()
    rearm_on: tuple[str, ...] = ()
    respawn_over_leak: bool = True

    def __post_init__(self) -> None:
        """Normalise enums given as strings and refuse what cannot work."""
        given: object = self.id
        if not isinstance(given, str) or not _ID.match(given):
            msg = f"child id {self.id!r}: use 1-64 of a-z 0-9 _ - (it becomes part of an address)"
            raise SpecError(msg)
        _coerce(self, "restart", Restart)
        _coerce(self, "host", Host)
        if self.shutdown is None:
            object.__setattr__(self, "shutdown", "infinity" if self.is_supervisor else 5.0)
        self._check_shutdown()
        if not self.is_supervisor and not isinstance(self.start, type):
            msg = f"child {self.id!r}: start must be an Actor class or a SupervisorSpec"
            raise SpecError(msg)
        if not self.start_timeout_s > 0:
            msg = f"child {self.id!r}: start_timeout_s must be positive, got {self.start_timeout_s}"
            raise SpecError(msg)
        self._check_outliving()
        if self.significant and self.restart is Restart.PERMANENT:
            msg = f"child {self.id!r}: a significant child must be transient or temporary"
            raise SpecError(msg)
        if self.fail_safe is not None and ":" not in self.fail_safe:
            msg = (
                f"child {self.id!r}: fail_safe must read 'module:callable', not {self.fail_safe!r}"
            )
            raise SpecError(msg)
        if self.is_supervisor and self.restart is Restart.TRANSIENT:
            msg = (
                f"child {self.id!r}: a transient supervisor that gives up ends with 'shutdown', "
                "which counts as normal, so its whole subtree would vanish; make it permanent"
            )
            raise SpecError(msg)

    def _check_shutdown(self) -> None:
        if isinstance(self.shutdown, str):
            if self.shutdown not in ("kill", "infinity"):
                what = "shutdown is seconds, 'kill' or 'infinity'"
                msg = f"child {self.id!r}: {what}, not {self.shutdown!r}"
                raise SpecError(msg)
        elif self.shutdown is None or not self.shutdown >= 0:
            msg = f"child {self.id!r}: shutdown cannot be {self.shutdown}"
            raise SpecError(msg)

    def _check_outliving(self) -> None:
        if not 0 <= self.outlives_core_s <= OUTLIVES_MAX_S:
            msg = (
                f"child {self.id!r}: outlives_core_s is 0 to {OUTLIVES_MAX_S:g}, not "
                f"{self.outlives_core_s}: a new core must find nothing of the old one"
            )
            raise SpecError(msg)
        if self.outlives_core_s and self.host is not Host.PROCESS:
            msg = f"child {self.id!r}: only a process can outlive the core: set host='process'"
            raise SpecError(msg)

    @property
    def is_supervisor(self) -> bool:
        """Whether this child is a supervisor."""
        return isinstance(self.start, SupervisorSpec)


@dataclass(frozen=True, slots=True)
class SupervisorSpec:
    """A supervisor and its children, in start order.

    Attributes:
        children: started in this order, stopped in reverse. For simple_one_for_one exactly one:
            the template.
        strategy: who is restarted with whom.
        intensity: more restarts than this within ``period_s`` exhaust it; None never does.
        period_s: the window of ``intensity``.
        auto_shutdown: whether it ends with its significant children.
        on_exhausted: ``escalate`` (OTP: stop everything and exit) or ``quarantine`` (the failing
            child is set aside, probed with a long period and re-armed by events; siblings go on).
        init_failure: a child that fails in the very first start ends the supervisor (``abort``, as
            in OTP) or is treated as a restart (``restart``), so a broken camera does not stop the
            boot.
        backoff: for children that bring none of their own.
    """

    children: tuple[ChildSpec, ...] = ()
    _: KW_ONLY
    strategy: Strategy = Strategy.ONE_FOR_ONE
    intensity: int | None = 5
    period_s: float = 60.0
    auto_shutdown: AutoShutdown = AutoShutdown.NEVER
    on_exhausted: Literal["escalate", "quarantine"] = "escalate"
    init_failure: Literal["abort", "restart"] = "abort"
    backoff: Backoff = Backoff()

    def __post_init__(self) -> None:
        """Normalise, then refuse what cannot work."""
        object.__setattr__(self, "children", tuple(self.children))
        _coerce(self, "strategy", Strategy)
        _coerce(self, "auto_shutdown", AutoShutdown)
        if self.intensity is not None and self.intensity < 0:
            msg = f"intensity must be 0 or more, got {self.intensity}"
            raise SpecError(msg)
        if not self.period_s > 0:
            msg = f"period_s must be positive, got {self.period_s}"
            raise SpecError(msg)
        if self.on_exhausted not in ("escalate", "quarantine"):
            msg = f"on_exhausted is 'escalate' or 'quarantine', not {self.on_exhausted!r}"
            raise SpecError(msg)
        if self.init_failure not in ("abort", "restart"):
            msg = f"init_failure is 'abort' or 'restart', not {self.init_failure!r}"
            raise SpecError(msg)
        if self.strategy is Strategy.SIMPLE_ONE_FOR_ONE and len(self.children) != 1:
            msg = "simple_one_for_one has exactly one child spec: the template of all its children"
            raise SpecError(msg)
        seen: set[str] = set()
        for child in self.children:
            if child.id in seen:
                msg = f"duplicate child id {child.id!r}"
                raise SpecError(msg)
            seen.add(child.id)
            self.check_child(child)

    def check_child(self, child: ChildSpec) -> None:
        """Refuse a child that cannot work under this supervisor.

        Raises:
            SpecError: significant without auto_shutdown, or a limit its backoff outwaits.
        """
        if child.significant and self.auto_shutdown is AutoShutdown.NEVER:
            msg = f"child {child.id!r} is significant, but auto_shutdown is 'never'"
            raise SpecError(msg)
        backoff = self.backoff_of(child)
        if self.intensity is None or child.restart is Restart.TEMPORARY:
            return
        needed_s = sum(backoff.base(n) for n in range(self.intensity))
        if needed_s >= self.period_s:
            msg = (
                f"child {child.id!r}: with this backoff {self.intensity + 1} failures take about "
                f"{needed_s:.1f} s, so the limit of {self.intensity} in {self.period_s} s can "
                "never fire; lengthen period_s, lower intensity, or set intensity=None"
            )
            raise SpecError(msg)

    def backoff_of(self, child: ChildSpec) -> Backoff:
        """The backoff that applies to a child."""
        return self.backoff if child.backoff is None else child.backoff

    @property
    def template(self) -> ChildSpec:
        """The one spec of a simple_one_for_one supervisor."""
        return self.children[0]


AnySpec = ChildSpec | SupervisorSpec


def dynamic(template: ChildSpec, **flags: Any) -> SupervisorSpec:
    """A simple_one_for_one supervisor: children of one kind, started on demand with arguments."""
    return SupervisorSpec((template,), strategy=Strategy.SIMPLE_ONE_FOR_ONE, **flags)


def instance_of(template: ChildSpec, number: int, args: Mapping[str, Any]) -> ChildSpec:
    """The spec of one dynamic child: the template with its own id and added arguments."""
    return replace(template, id=f"{template.id}-{number}", args={**template.args, **args})


def _coerce(spec: AnySpec, name: str, kind: type[enum.Enum]) -> None:
    value = getattr(spec, name)
    try:
        object.__setattr__(spec, name, kind(value))
    except ValueError:
        choices = ", ".join(repr(member.value) for member in kind)
        msg = f"{name} is one of {choices}, not {value!r}"
        raise SpecError(msg) from None
