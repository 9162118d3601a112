"""Remote commands: the platform asks, the machine answers; always, once, and on the record.

platform ── doorbell: event ``command`` ─▶ machine        only says that there is something
machine  ── GET  /edge/commands?after=N ─▶ Commands       what there is, in order
machine  ── POST /edge/commands/{id}/reports  CommandReport ─▶ nothing

    received → accepted → running → succeeded | failed | timed_out
             → rejected | expired | duplicate

A machine reports every step; what it has reported last is the state. A command it has seen before
is answered with what it answered then, and runs no second time.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

ARGS_BYTES_MAX = 16 * 1024

CommandState = Literal[
    "received",
    "accepted",
    "rejected",
    "expired",
    "duplicate",
    "running",
    "succeeded",
    "failed",
    "timed_out",
]
FINAL: frozenset[str] = frozenset({"rejected", "expired", "succeeded", "failed", "timed_out"})
"""After these a command says nothing new."""
CommandId = Annotated[str, Meta(min_length=8, max_length=64, pattern=r"^[A-Za-z0-9._-]+\Z")]


class Command(Struct, frozen=True):
    """Something to do.

    Attributes:
        seq: of this machine's commands; grows by one or more. The cursor.
        type: of the closed list (`models.remote`); anything else is rejected with ``unknown``.
        ttl_s: it may begin for so long after the machine has heard of it.
        age_s: for how long the platform has had it already, when it answers.
        issuer: who wants it, for the record.
    """

    seq: Annotated[int, Meta(ge=1)]
    id: CommandId
    type: Annotated[str, Meta(min_length=1, max_length=64)]
    ttl_s: Annotated[float, Meta(gt=0, le=7 * 86400)]
    args: dict[str, Any] = {}
    issued_at: float = 0.0
    age_s: Annotated[float, Meta(ge=0)] = 0.0
    issuer: Annotated[str, Meta(max_length=200)] = ""


class Commands(Struct, frozen=True):
    """Platform: these, in order; `last` is the newest there is, these or later ones."""

    commands: tuple[Command, ...]
    last: int


class CommandReport(Struct, frozen=True):
    """Machine: this became of it.

    Attributes:
        code, detail: why, where it was not done.
        result: what it gave; a large one is uploaded, and named here.
        repeated: this answers a repetition; it is what was answered the first time.
    """

    state: CommandState
    at: float
    code: str = ""
    detail: str = ""
    result: dict[str, Any] = {}
    repeated: bool = False
