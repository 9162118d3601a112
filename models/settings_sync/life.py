"""The life of a version of settings on the machine: a rule, in seconds of one monotonic clock.

    accepted ─▶ staged ── the machine rests ─▶ applied ─▶ on trial ── well to the end ─▶ kept
                  │                               │           │
                  ▼ a newer one                   ▼           ▼ health falls
               forgotten          an actor does not start ─▶ rolled back

A version waits until nothing is in the machine and nobody is served; after `wait_s_max` of
customers it comes between two items, and never with an item in the machine. Nor does it come while
somebody serves the machine or has stopped it: an item cycle that starts anew knows nothing of that,
and would test its motors. A newer version takes the place of one that waits. It also takes the
place of one on trial, which goes on being watched until then; the roll-back goes to the last one
that was *kept*.

Health falls when somebody who was well before is unwell in several looks in a row, or ends
abnormally twice, or when the platform could be reached before and cannot be for `LINK_LOST_S`. What
was unwell before proves nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from models.deposit.state import RESTING, STOPPED

SICK_LOOKS = 3
"""A neighbour that starts anew is missed for a look or two."""
FAILURES = 2
"""Once is an accident, and might have happened without us."""
LINK_LOST_S = 20.0
"""Longer than a change of paths takes (10 s)."""
UNKNOWN_S = 10.0
"""An item cycle that does not answer for so long is not there, and has nothing in its hands."""

Rest = Literal["rest", "session", "item", "stopped", "unknown"]
State = Literal["deferred", "watching", "kept", "rolled_back"]


class Limits(Struct, frozen=True):
    """How long; from the settings that are in force."""

    watch_s: float
    wait_s_max: float


class Staged(Struct, frozen=True):
    """A version that waits for its moment.

    Attributes:
        unknown_s: since when the item cycle has not answered; None: it does.
        told: that it waits has been said.
    """

    version: int
    since_s: float
    unknown_s: float | None = None
    told: bool = False


class Trial(Struct, frozen=True):
    """A version that is in force and has to prove itself.

    Attributes:
        had_link: the platform could be reached when it began.
        lost_s: since when it cannot be; None: it can, or could not before.
        sick: looks in a row in which these were unwell.
    """

    version: int
    since_s: float
    had_link: bool = False
    lost_s: float | None = None
    sick: Mapping[str, int] = msgspec.field(default_factory=dict)


class Life(Struct, frozen=True):
    """What is known."""

    staged: Staged | None = None
    trial: Trial | None = None


# -- what happens -----------------------------------------------------------------------------


class Accepted(Struct, frozen=True):
    """A version is right, and on the disk."""

    version: int


class Resting(Struct, frozen=True):
    """What the item cycle says."""

    rest: Rest


class Applied(Struct, frozen=True):
    """It is in force, on trial.

    Attributes:
        trial_s: for so long already, when we only find it so.
    """

    version: int
    trial_s: float = 0.0
    has_link: bool = False


class Failed(Struct, frozen=True):
    """It could not be put into force; what had been kept before is in force again."""

    version: int
    reason: str


class Superseded(Struct, frozen=True):
    """It is not at hand any more: something else is staged, or the daemon is another."""

    version: int


class Withdrawn(Struct, frozen=True):
    """The platform desires something else now, and that needs no waiting: forget what is staged."""


class Looked(Struct, frozen=True):
    """How the machine is.

    Attributes:
        unwell: who is now and was not before, with the reason.
        passing: who of them is just being started; that comes through, or is a failure.
        failures: abnormal ends since the trial began, of those who were well.
        has_link: the platform can be reached.
    """

    unwell: Mapping[str, str]
    failures: Mapping[str, int]
    has_link: bool
    passing: frozenset[str] = frozenset()


Fact = Accepted | Resting | Applied | Failed | Superseded | Withdrawn | Looked


# -- what is to be done -----------------------------------------------------------------------


class Apply(Struct, frozen=True):
    """Put it into force; `Applied`, `Failed` or `Superseded` follows."""

    version: int


class Confirm(Struct, frozen=True):
    """It has proved itself."""

    version: int


class Revert(Struct, frozen=True):
    """Take it back."""

    version: int
    reason: str


class Tell(Struct, frozen=True):
    """Tell the platform."""

    version: int
    state: State
    reason: str = ""


Order = Apply | Confirm | Revert | Tell


def step(life: Life, fact: Fact, now_s: float, limits: Limits) -> tuple[Life, tuple[Order, ...]]:
    """Take one fact; what is known then, and what is to be done, in order."""
    if isinstance(fact, Accepted):
        return replace(life, staged=Staged(fact.version, now_s)), ()
    if isinstance(fact, Resting):
        return _rested(life, fact.rest, now_s, limits)
    if isinstance(fact, Looked):
        return _looked(life, fact, now_s, limits)
    if isinstance(fact, Withdrawn):
        return replace(life, staged=None), ()
    staged = life.staged
    if staged is not None and staged.version == fact.version:
        staged = None
    if isinstance(fact, Superseded):
        return replace(life, staged=staged), ()
    if isinstance(fact, Failed):
        return Life(staged), (Tell(fact.version, "rolled_back", fact.reason),)
    had_link = fact.has_link or (life.trial is not None and life.trial.had_link)
    trial = Trial(fact.version, now_s - fact.trial_s, had_link)
    return Life(staged, trial), (Tell(fact.version, "watching"),)


def _rested(life: Life, rest: Rest, now_s: float, limits: Limits) -> tuple[Life, tuple[Order, ...]]:
    staged = life.staged
    if staged is None:
        return life, ()
    unknown_s = None
    if rest == "unknown":
        unknown_s = now_s if staged.unknown_s is None else staged.unknown_s
    staged = replace(staged, unknown_s=unknown_s)
    if _may_apply(staged, rest, now_s, limits):
        return replace(life, staged=staged), (Apply(staged.version),)
    if staged.told or rest == "unknown":
        return replace(life, staged=staged), ()
    told = Tell(staged.version, "deferred", _WAITS[rest])
    return replace(life, staged=replace(staged, told=True)), (told,)


_WAITS: Mapping[Rest, str] = {
    "session": "it waits: a customer is served",
    "item": "it waits: an item is in the machine",
    "stopped": "it waits: somebody serves the machine, or has stopped it",
}


def _may_apply(staged: Staged, rest: Rest, now_s: float, limits: Limits) -> bool:
    """Whether this is the moment."""
    if rest == "session":
        return now_s - staged.since_s >= limits.wait_s_max
    if rest == "unknown":
        return staged.unknown_s is not None and now_s - staged.unknown_s >= UNKNOWN_S
    return rest == "rest"


def _looked(
    life: Life, fact: Looked, now_s: float, limits: Limits
) -> tuple[Life, tuple[Order, ...]]:
    trial = life.trial
    if trial is None:
        return life, ()
    lost_s = None
    if trial.had_link and not fact.has_link:
        lost_s = now_s if trial.lost_s is None else trial.lost_s
    sick = {path: trial.sick.get(path, 0) + (path not in fact.passing) for path in fact.unwell}
    trial = replace(trial, sick=sick, lost_s=lost_s)
    is_over = now_s - trial.since_s >= limits.watch_s
    reason = _harm(trial, fact, now_s, is_over=is_over)
    if reason:
        told = Tell(trial.version, "rolled_back", reason)
        return Life(life.staged), (Revert(trial.version, reason), told)
    if is_over:
        return Life(life.staged), (Confirm(trial.version), Tell(trial.version, "kept"))
    return replace(life, trial=trial), ()


def _harm(trial: Trial, fact: Looked, now_s: float, *, is_over: bool) -> str:
    """What the version has done to the machine; at the end of a trial nobody gets more time."""
    for path, count in trial.sick.items():
        if count >= SICK_LOOKS or is_over:
            return f"{path} was well before: {fact.unwell[path]}"
    for path, count in fact.failures.items():
        if count >= FAILURES:
            return f"{path} has failed {count} times since"
    if trial.lost_s is not None and (is_over or now_s - trial.lost_s >= LINK_LOST_S):
        return "the platform could be reached before, and cannot any more"
    return ""


def rest_of(phase: str, session: str) -> Rest:
    """What the item cycle's words mean for a version that waits.

    A machine that starts or tests itself moves by itself, and may do so for ever: that is as good
    as no answer.
    """
    if phase in ("boot", "selftest"):
        return "unknown"
    if phase in STOPPED:
        return "stopped"
    if phase not in RESTING:
        return "item"
    return "session" if session else "rest"
