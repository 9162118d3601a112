"""Is this deposit new, the same again, a step of one we know, or another under its key?

    reserved ─▶ transporting ─▶ confirmed ─▶ credited
        └───────────┴──▶ review ─ decision ─▶ credited | void            rejected, void: the end

The machine's ledger knows these states (docs/ledger.md); steps may be missing here, since only what
counts must be told. What tells of a step that is already behind us is a repetition.
"""

from __future__ import annotations

import hashlib
from typing import Literal

import msgspec

from protocol.platform.reports import Deposit
from protocol.storage import DepositState

Verdict = Literal["duplicate", "moved", "key_reused"]

_LATER: dict[DepositState, frozenset[DepositState]] = {
    "reserved": frozenset(("transporting", "confirmed", "credited", "review", "void", "rejected")),
    "transporting": frozenset(("confirmed", "credited", "review", "void")),
    "confirmed": frozenset(("credited", "review", "void")),
    "review": frozenset(("credited", "void")),
    "credited": frozenset(),
    "rejected": frozenset(),
    "void": frozenset(),
}
_ON_THE_WAY = frozenset(("reserved", "transporting", "confirmed"))
"""The item is still being looked at and weighed: anything about it may yet change."""


class Known(msgspec.Struct, frozen=True):
    """What is stored under a key."""

    state: DepositState
    item_hash: str
    body_hash: str


def known_of(deposit: Deposit) -> Known:
    """What to store of it."""
    return Known(deposit.state, _hash(_item(deposit)), _hash(deposit))


def judge(known: Known, said: Known) -> Verdict:
    """What the second word under a key is."""
    if said.body_hash == known.body_hash:
        return "duplicate"
    is_same = said.item_hash == known.item_hash
    if said.state in _LATER[known.state] and (is_same or known.state in _ON_THE_WAY):
        return "moved"
    if known.state in _LATER[said.state] and (is_same or said.state in _ON_THE_WAY):
        return "duplicate"
    return "key_reused"


def _item(deposit: Deposit) -> list[object]:
    """What no decision changes."""
    return [
        deposit.key,
        deposit.session_token,
        deposit.waste_type,
        deposit.quantity,
        deposit.weight,
        deposit.ai_confidence,
        deposit.model,
        deposit.evidence,
    ]


def _hash(value: object) -> str:
    return hashlib.sha256(msgspec.json.encode(value, order="deterministic")).hexdigest()
