"""The life of one command: what follows what, what is told, what a restart does to it.

    received ── accepted ── running ── succeeded | failed | timed_out
        └───────────┴── rejected | expired

Every step is one report, and reports go out in their order. A command that comes again does not
live again: its end is told once more, as often as it came. A run that died left commands
behind: those that had begun are `failed` with ``interrupted``, unless they only read; those that
had not may still begin while their time lasts, which only the same boot of the computer can tell.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec
from msgspec.structs import replace

from models.remote.catalogue import Entry, NotTaken, look_up
from models.remote.page import Wrong
from protocol.platform.remote import FINAL, Command, CommandReport, CommandState
from protocol.storage import CommandRecord, CommandWrite

STEPS: Mapping[CommandState, frozenset[CommandState]] = {
    "received": frozenset(("accepted", "rejected", "expired")),
    "accepted": frozenset(("running", "rejected", "expired")),
    "running": frozenset(("succeeded", "failed", "timed_out")),
}
REPEATS_MAX = 10_000
REUSES_MAX = 16
DETAIL_MAX = 500
ARGS_KEPT_BYTES_MAX = 1 << 10
"""Of a command that is rejected on arrival; its digest says for ever which it was."""
RESULT_BYTES_MAX = 16 << 10
"""A result travels in every answer and stays for days; what is larger is a file."""
INTERRUPTED = "interrupted"


class Moment(NamedTuple):
    """Now.

    Attributes:
        at: wall clock, for people.
        now_s: monotonic.
        boot: of the computer.
        run: of this program.
    """

    at: float
    now_s: float
    boot: str
    run: str


class IllegalStep(Exception):
    """A step that the drawing does not have: a mistake of ours."""


def received(command: Command | Wrong, moment: Moment) -> CommandRecord:
    """A command that has come for the first time."""
    args = (
        b""
        if isinstance(command, Wrong)
        else msgspec.json.encode(command.args, order="deterministic")
    )
    record = CommandRecord(
        id=command.id,
        seq=command.seq,
        type=command.type,
        state="received",
        received_at=moment.at,
        updated_at=moment.at,
        args=args,
        digest=digest(command.type, args),
        boot=moment.boot,
        reports=(CommandReport("received", moment.at),),
    )
    if isinstance(command, Wrong):
        return step(record, "rejected", moment, command.code, command.detail)
    left_s = command.ttl_s - command.age_s
    record = replace(record, issuer=command.issuer, due_s=moment.now_s + left_s)
    return expired(record, moment) or record


def expired(record: CommandRecord, moment: Moment, why: str = "") -> CommandRecord | None:
    """The record's end, if its time is over before it has begun."""
    if record.state not in ("received", "accepted"):
        return None
    if record.boot == moment.boot and moment.now_s < record.due_s:
        return None
    code = "" if record.boot == moment.boot else "restarted"
    detail = why or ("its time was over" if not code else "how long it waited is not known")
    return step(record, "expired", moment, code, detail)


def without_large_args(record: CommandRecord) -> CommandRecord:
    """A command that was never taken leaves no more in the journal than helps to find its cause."""
    if len(record.args) <= ARGS_KEPT_BYTES_MAX:
        return record
    return replace(record, args=b"")


def may(record: CommandRecord, state: CommandState) -> bool:
    """Whether that is a step from where it stands."""
    return state in STEPS.get(record.state, frozenset())


def step(
    record: CommandRecord,
    state: CommandState,
    moment: Moment,
    code: str = "",
    detail: str = "",
    result: Mapping[str, Any] | None = None,
) -> CommandRecord:
    """The next step, and its report.

    Raises:
        IllegalStep: it is none.
    """
    if not may(record, state):
        msg = f"{record.id} is {record.state}, and cannot be {state}"
        raise IllegalStep(msg)
    detail, kept = detail[:DETAIL_MAX], _fitting(result or {})
    return replace(
        record,
        state=state,
        updated_at=moment.at,
        run=moment.run if state == "running" else record.run,
        code=code,
        detail=detail,
        result=kept,
        reports=(*record.reports, CommandReport(state, moment.at, code, detail, kept)),
    )


def again(record: CommandRecord, command: Command | Wrong, moment: Moment) -> CommandRecord:
    """It has come once more: the same is told once more; another under its id is not taken."""
    args = (
        b""
        if isinstance(command, Wrong)
        else msgspec.json.encode(command.args, order="deterministic")
    )
    if digest(command.type, args) == record.digest:
        return replace(record, repeats=min(record.repeats + 1, REPEATS_MAX))
    if sum(report.code == "id_reused" for report in record.reports) >= REUSES_MAX:
        return record
    detail = f"this id belongs to another command ({record.type[:64]})"
    reused = CommandReport("duplicate", moment.at, "id_reused", detail, {}, repeated=True)
    return replace(record, reports=(*record.reports, reused))


def after_restart(record: CommandRecord, moment: Moment) -> CommandRecord:
    """What becomes of a command that an earlier run, or an earlier life of ours, has left."""
    if record.state != "running":
        return expired(record, moment) or record
    entry: Entry | None
    try:
        entry, _ = look_up(record.type, record.args)
    except NotTaken:  # an earlier release knew it
        entry = None
    if entry is not None and entry.way == "end_run" and record.run != moment.run:
        result = {"computer_restarted": record.boot != moment.boot}
        return step(record, "succeeded", moment, detail="it has come back", result=result)
    if entry is not None and entry.safety == "read":
        return record
    detail = "the machine was restarted while it ran; whether it was done is not known"
    return step(record, "failed", moment, INTERRUPTED, detail)


def written(before: CommandRecord | None, after: CommandRecord) -> CommandWrite:
    """What the journal is told of a change: the steps, or that it has come again so many times."""
    known = 0 if before is None else len(before.reports)
    steps = after.reports[known:]
    more = after.repeats - (0 if before is None else before.repeats)
    if more > 0:
        times = CommandReport("duplicate", after.updated_at, after.state, f"{more} times")
        steps = (*steps, times)
    return CommandWrite(after, steps)


# -- telling ------------------------------------------------------------------------------------


def next_report(record: CommandRecord) -> CommandReport | None:
    """What is to be told next; None: the platform knows all there is.

    A repetition is answered with the end, and so has to wait for it.
    """
    if record.reports:
        return record.reports[0]
    if not record.repeats or record.state not in FINAL:
        return None
    state, at = record.state, record.updated_at
    return CommandReport(state, at, record.code, record.detail, record.result, repeated=True)


def told(record: CommandRecord, report: CommandReport) -> CommandRecord:
    """The platform has acknowledged what `next_report` gave."""
    if record.reports[:1] == (report,):
        return replace(record, reports=record.reports[1:])
    if report.repeated:
        return replace(record, repeats=max(record.repeats - 1, 0))
    return record


def is_over(record: CommandRecord) -> bool:
    """Whether it has ended, and the platform knows all about it."""
    return record.state in FINAL and next_report(record) is None


# -- private ------------------------------------------------------------------------------------


def digest(type_: str, args: bytes) -> str:
    """What a command is, apart from its id."""
    return hashlib.sha256(type_.encode() + b"\0" + args).hexdigest()


def _fitting(result: Mapping[str, Any]) -> dict[str, Any]:
    """A result that is small enough to be carried about."""
    size = len(msgspec.json.encode(result))
    if size <= RESULT_BYTES_MAX:
        return dict(result)
    return {"left_out": f"{size} bytes, and {RESULT_BYTES_MAX} at most"}
