"""What a deposit may become, and what a write of a state is therefore worth.

    (new) ──▶ reserved ──▶ transporting ──▶ confirmed ──▶ credited
      │          │              │               ╎
      ├─▶ rejected              ├─▶ review ─ ─ ─┴─ a decision ─ ─▶ credited | void
      ├─▶ void   ├─▶ void       └─▶ void
      └─▶ review └─▶ review

`review` pays only by the decision of a person or of the platform, never by itself. `rejected`,
`credited` and `void` are final.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Literal, get_args

from protocol.storage import DepositState

STATES: tuple[DepositState, ...] = get_args(DepositState)

FIRST: frozenset[DepositState] = frozenset(("reserved", "rejected", "void", "review"))
"""In what a deposit may begin. Nothing begins as a credit."""

NEXT: MappingProxyType[DepositState, frozenset[DepositState]] = MappingProxyType(
    {
        "reserved": frozenset(("transporting", "void", "review")),
        "transporting": frozenset(("confirmed", "review", "void")),
        "confirmed": frozenset(("credited",)),
        "review": frozenset(),
        "credited": frozenset(),
        "rejected": frozenset(),
        "void": frozenset(),
    }
)
"""What may follow a state by the machine's own knowledge."""

DECIDED: MappingProxyType[DepositState, frozenset[DepositState]] = MappingProxyType(
    {"review": frozenset(("credited", "void"))}
)
"""What may follow by a decision, and only by one."""

UNDECIDED: frozenset[DepositState] = frozenset(("reserved", "transporting", "confirmed"))
"""What a run may leave open and the next one has to settle."""

Worth = Literal["write", "same", "illegal"]


def judge(before: DepositState | None, after: DepositState, *, decided: bool = False) -> Worth:
    """Say what a write is worth.

    Args:
        before: the deposit's state in the ledger, None for one that it does not know.
        after: the state to be written.
        decided: by a person or the platform; the machine decides nothing that is under review.

    Returns:
        ``write``; ``same`` for a repetition, which changes nothing; or ``illegal``.
    """
    if before == after:
        return "same"
    if before is None:
        legal = after in FIRST and not decided
    elif decided:
        legal = after in DECIDED.get(before, frozenset())
    else:
        legal = after in NEXT[before]
    return "write" if legal else "illegal"


def judge_session(before: str | None, after: str) -> Worth:
    """The same for a session: it may be written again while it is open, and is closed once.

    A session that the ledger has never heard of may also be closed: its store was lost meanwhile.
    """
    if before == "closed":
        return "same" if after == "closed" else "illegal"
    return "write"
