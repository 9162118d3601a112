"""The closed list: what a platform may ask of a machine, and what it becomes there.

Nothing that wants a person at the machine is in it: no reset of a stop or of the guard, no jog, no
entering of a technician's service mode, no tare, no picture of the empty chamber. There is no
command that runs a program.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal, NamedTuple, TypeAlias

import msgspec
from msgspec import Meta

from protocol.daemon import (
    CapturePicture,
    CollectDiagnostics,
    DescribeMachine,
    EndRun,
    RestartActor,
    RotateLogs,
)
from protocol.health import MeasureNow
from protocol.machine import Direction, Move, ReadGuard, ReadInputs
from protocol.message import Message
from protocol.service import (
    DescribeCycle,
    DescribeSession,
    EmptyBin,
    EnterMaintenance,
    LeaveMaintenance,
    RevokeSession,
    StartSession,
)
from protocol.storage import DescribeStore, ReviewDeposit
from protocol.system import Ping
from protocol.uplink import Rung
from protocol.vision import CheckCamera, ProveModel, UseModel

Safety: TypeAlias = Literal["read", "reversible", "motion", "disruptive"]
"""``read`` changes nothing, and may run again after an interruption; ``reversible`` changes
something, interrupts nobody and moves nothing; ``motion`` moves a motor, now or soon;
``disruptive`` takes something away from whoever is being served."""

Need: TypeAlias = Literal["no_item", "no_session", "no_stop", "maintenance", "body_known"]
"""``no_item``, ``no_session``: waited for. ``no_stop``: nobody serves the machine or has stopped
it, and its guard has latched nothing, for what starts anew has forgotten that; waited for, too.
``maintenance``: the machine is out of service by a command of ours. ``body_known``: door closed,
stop released, nothing latched, no hand, all of it read and none of it guessed."""

Where: TypeAlias = Literal[
    "daemon", "storage", "motor", "sensors", "camera", "inference", "deposit", "session",
    "health", "sync", "named",
]  # fmt: skip
"""A name in the table of addresses; ``named``: the arguments say it."""

Way: TypeAlias = Literal["ask", "tell", "file", "move", "end_run"]
"""``ask``: the answer is the result. ``tell``: there is no answer. ``file``: the answer is a file,
which is uploaded. ``move``: a movement under a lease. ``end_run``: the daemon ends; that it has
come back is the result."""

Address: TypeAlias = Annotated[
    str, Meta(max_length=200, pattern=r"^/[a-z0-9_]+(/[a-z0-9_]+)*\Z", description="an address")
]
ModelName: TypeAlias = Annotated[
    str, Meta(max_length=100, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*\Z")
]
Why: TypeAlias = Annotated[str, Meta(min_length=1, max_length=500)]
SHIPPED = "shipped"


class _Args(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Arguments of a command; unknown ones are refused, for they were meant to do something."""


class Nothing(_Args, frozen=True):
    """No arguments."""


class Whom(_Args, frozen=True):
    """An actor."""

    address: Address = "/daemon"


class Interruption(_Args, frozen=True):
    """What takes something away.

    Attributes:
        force_because: do not wait until nobody is served any more, for this reason. An item that
            is known to be in the machine is waited for all the same.
    """

    force_because: Annotated[str, Meta(max_length=500)] = ""


BODY = ("/machine", "/service")
"""Who knows that somebody serves the machine or has stopped it; and who moves it."""


class Restart(Interruption, frozen=True, kw_only=True):
    """An actor to be restarted."""

    address: Address


class Customer(_Args, frozen=True):
    """Who is to be served."""

    kind: Literal["guest", "user"] = "user"
    user: Annotated[str, Meta(max_length=200)] = ""
    code: Annotated[str, Meta(max_length=100)] = ""


class Revocation(_Args, frozen=True):
    """Which session is to end."""

    session: Annotated[str, Meta(min_length=1, max_length=200)]
    why: Annotated[str, Meta(max_length=100)] = "revoked"


class Verdict(_Args, frozen=True):
    """What becomes of a deposit under review."""

    deposit: Annotated[str, Meta(min_length=1, max_length=200)]
    state: Literal["credited", "void"]
    why: Why


class Model(_Args, frozen=True):
    """A model that is installed here, by its name in the store."""

    model: ModelName
    again: bool = False


class Around(NamedTuple):
    """What a message is made of besides the arguments.

    Attributes:
        id: of the command.
        issuer: who wanted it.
        models: directory of the installed models.
    """

    id: str
    issuer: str
    models: str


class Entry(NamedTuple):
    """One command of the list.

    Attributes:
        safety: see `Safety`.
        to: see `Where`.
        message: makes what is said there.
        args: schema of the arguments.
        needs: what the machine must be like.
        way: see `Way`.
        deadline_s: within this there is an answer, or it has timed out.
    """

    safety: Safety
    to: Where
    message: Callable[[Any, Around], Message]
    args: type[msgspec.Struct] = Nothing
    needs: tuple[Need, ...] = ()
    way: Way = "ask"
    deadline_s: float = 5.0


def plainly(message: type[Message]) -> Callable[[Any, Around], Message]:
    """For messages without arguments."""
    return lambda _args, _around: message()


def file_name(kind: str, id_: str) -> str:
    """Name of a command's file, and its key."""
    return f"{kind}-{id_}"


def _use_model(args: Model, around: Around) -> Message:
    directory = "" if args.model == SHIPPED else f"{around.models}/{args.model}"
    return UseModel(directory, again=args.again)


def _review(args: Verdict, around: Around) -> Message:
    return ReviewDeposit(args.deposit, args.state, args.why, (around.issuer or "platform")[:100])


def _gate(direction: Direction) -> Callable[[Any, Around], Message]:
    """The guard's own limit of a run applies; 0 would be refused."""
    return lambda _args, around: Move(f"remote-{around.id}", "gate", direction, 60.0, "limit")


_BODY: tuple[Need, ...] = ("maintenance", "no_item", "no_session", "body_known")

CATALOGUE: Mapping[str, Entry] = {
    "ping": Entry("read", "named", plainly(Ping), Whom),
    "status": Entry("read", "daemon", plainly(DescribeMachine)),
    "diagnostics": Entry(
        "read",
        "daemon",
        lambda _args, around: CollectDiagnostics(file_name("diagnostics", around.id)),
        way="file",
        deadline_s=45.0,
    ),
    "capture": Entry(
        "read",
        "daemon",
        lambda _args, around: CapturePicture(file_name("capture", around.id)),
        way="file",
        deadline_s=45.0,
    ),
    "check_camera": Entry("read", "camera", plainly(CheckCamera), deadline_s=15.0),
    "prove_model": Entry("read", "inference", plainly(ProveModel), deadline_s=120.0),
    "measure": Entry("read", "health", plainly(MeasureNow)),
    "read_guard": Entry("read", "motor", plainly(ReadGuard)),
    "read_inputs": Entry("read", "sensors", plainly(ReadInputs)),
    "describe_cycle": Entry("read", "deposit", plainly(DescribeCycle)),
    "describe_session": Entry("read", "session", plainly(DescribeSession)),
    "describe_store": Entry("read", "storage", plainly(DescribeStore)),
    "sync_config": Entry("reversible", "sync", lambda _args, _around: Rung("settings"), way="tell"),
    "rotate_logs": Entry("reversible", "daemon", plainly(RotateLogs)),
    "start_session": Entry(
        "reversible",
        "session",
        lambda args, _around: StartSession(args.kind, args.user, args.code),
        Customer,
        deadline_s=20.0,
    ),
    "revoke_session": Entry(
        "reversible",
        "session",
        lambda args, _around: RevokeSession(args.session, args.why),
        Revocation,
        deadline_s=60.0,  # the item in the machine is finished first
    ),
    "decide_review": Entry("reversible", "storage", _review, Verdict, deadline_s=30.0),
    "bin_emptied": Entry("reversible", "deposit", plainly(EmptyBin), needs=("no_item",)),
    "enter_maintenance": Entry(
        "disruptive",
        "deposit",
        plainly(EnterMaintenance),
        Interruption,
        needs=("no_item", "no_session"),
    ),
    # It ends with a self-test, which moves gate and belt.
    "leave_maintenance": Entry("motion", "deposit", plainly(LeaveMaintenance), needs=_BODY),
    "gate_open": Entry("motion", "motor", _gate("open"), needs=_BODY, way="move"),
    "gate_close": Entry("motion", "motor", _gate("close"), needs=_BODY, way="move"),
    "update_model": Entry(
        "disruptive", "inference", _use_model, Model, needs=("no_item",), deadline_s=180.0
    ),
    "restart_actor": Entry(
        "disruptive",
        "daemon",
        lambda args, _around: RestartActor(args.address),
        Restart,
        needs=("no_item", "no_session", "no_stop"),
        deadline_s=15.0,
    ),
    "reboot": Entry(
        "disruptive",
        "daemon",
        lambda args, around: EndRun(args.force_because or f"reboot asked by {around.issuer}"),
        Interruption,
        needs=("no_item", "no_session", "no_stop"),
        way="end_run",
    ),
}


class NotTaken(Exception):
    """A command that is rejected for what it is.

    Attributes:
        code: ``unknown``, ``invalid``.
    """

    def __init__(self, code: str, detail: str) -> None:
        """Args: code: one word. detail: a sentence."""
        super().__init__(detail)
        self.code = code


def look_up(type_: str, args: bytes) -> tuple[Entry, msgspec.Struct]:
    """A command's entry and its arguments, checked.

    Args:
        args: JSON.

    Raises:
        NotTaken: there is no such command, or its arguments are wrong.
    """
    entry = CATALOGUE.get(type_)
    if entry is None:
        raise NotTaken("unknown", f"there is no command {type_[:64]!r}")
    try:
        known = msgspec.json.decode(args or b"{}", type=entry.args)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise NotTaken("invalid", str(error)[:500]) from None
    if isinstance(known, Restart) and not f"{known.address}/".startswith(_BODY_BELOW):
        entry = entry._replace(needs=tuple(need for need in entry.needs if need != "no_stop"))
    return entry, known


_BODY_BELOW = tuple(f"{address}/" for address in BODY)
