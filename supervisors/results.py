"""OTP's answers of the supervisor interface, as named values.

Every call of a supervisor's interface returns one of these; none raises for a state of affairs.
``is_ok`` tells success from refusal. The names are OTP's atoms: ``AlreadyStarted`` is
``{error, {already_started, Pid}}``, ``NotFound`` is ``{error, not_found}``, and so on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from supervisors.exits import ExitReason
from supervisors.spec import ChildSpec


@dataclass(frozen=True, slots=True)
class ChildRef:
    """One life of one child: its address and which incarnation."""

    path: str
    incarnation: int


@dataclass(frozen=True, slots=True)
class Ok:
    """``ok``: done, or already so."""

    is_ok = True


@dataclass(frozen=True, slots=True)
class Started:
    """``{ok, Child}``; ``ref`` is None when the child's start said `ignore`."""

    ref: ChildRef | None
    is_ok = True


@dataclass(frozen=True, slots=True)
class Changed:
    """The supervisor is of the new spec, and so is everything that runs below it.

    What is named was stopped for good, is new, or has started anew; all others were left alone.
    """

    stopped: tuple[str, ...] = ()
    started: tuple[str, ...] = ()
    restarted: tuple[str, ...] = ()
    is_ok = True

    def at(self, prefix: str) -> Changed:
        """The same with addresses below a prefix instead of ids."""
        named = (self.stopped, self.started, self.restarted)
        return Changed(*(tuple(f"{prefix}/{id_}" for id_ in ids) for ids in named))

    def and_(self, other: Changed) -> Changed:
        """Both together."""
        return Changed(
            self.stopped + other.stopped,
            self.started + other.started,
            self.restarted + other.restarted,
        )


@dataclass(frozen=True, slots=True)
class AlreadyStarted:
    """``{error, {already_started, Child}}``: that id is running."""

    ref: ChildRef
    is_ok = False


@dataclass(frozen=True, slots=True)
class AlreadyPresent:
    """``{error, already_present}``: that id is known but not running; restart or delete it."""

    is_ok = False


@dataclass(frozen=True, slots=True)
class StartFailed:
    """``{error, Reason}``: the child did not get through its start."""

    id: str
    reason: ExitReason
    is_ok = False


@dataclass(frozen=True, slots=True)
class Running:
    """``{error, running}``: stop it first."""

    is_ok = False


@dataclass(frozen=True, slots=True)
class Restarting:
    """``{error, restarting}``: it waits for its restart; `terminate_child` cancels that."""

    is_ok = False


@dataclass(frozen=True, slots=True)
class NotFound:
    """``{error, not_found}``: no child of that id."""

    is_ok = False


@dataclass(frozen=True, slots=True)
class SimpleOneForOne:
    """``{error, simple_one_for_one}``: not something one does with dynamic children."""

    is_ok = False


@dataclass(frozen=True, slots=True)
class InvalidSpec:
    """``{error, invalid_…}``: the spec cannot work; ``detail`` says why."""

    detail: str
    is_ok = False


@dataclass(frozen=True, slots=True)
class NoProc:
    """``noproc``: the supervisor itself is gone, or went while the call waited."""

    is_ok = False


@dataclass(frozen=True, slots=True)
class ChildInfo:
    """A row of `which_children`: ``{Id, Child, Type, Modules}``.

    ``child`` is a ref when it runs, ``"restarting"`` while it waits for its restart, and None
    otherwise (OTP's ``undefined``).
    """

    id: str
    child: ChildRef | Literal["restarting"] | None
    type: Literal["worker", "supervisor"]
    module: str


@dataclass(frozen=True, slots=True)
class ChildCount:
    """`count_children`: specs, live children, and how many children are of each type.

    A simple_one_for_one has one spec however many children it has.
    """

    specs: int
    active: int
    supervisors: int
    workers: int


Answer = (
    Ok
    | Started
    | Changed
    | AlreadyStarted
    | AlreadyPresent
    | StartFailed
    | Running
    | Restarting
    | NotFound
    | SimpleOneForOne
    | InvalidSpec
    | NoProc
    | ChildSpec
    | ChildCount
    | tuple[ChildInfo, ...]
)
