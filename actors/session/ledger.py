"""What the session actor asks the ledger: to open a session, and to close one with its claim.

Every question here waits for its answer; `RequestFailed` goes to the caller, who tries again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING

from msgspec.structs import replace

from config.settings import SessionSettings
from models.claims import NONCE_BYTES, Claim, clock_quality, sign
from models.reasons import Reason
from models.session.rule import Kind, Open
from protocol.storage import (
    Deposits,
    DescribeStore,
    ListDeposits,
    ListSessions,
    OpenSessions,
    SessionRecord,
    Sessions,
    SessionStored,
    StoreDescribed,
    StoreSession,
)
from supervisors.context import RequestFailed

if TYPE_CHECKING:
    from random import Random

    from supervisors.context import Context

ANSWER_S = 3.0
"""A synced record takes milliseconds; after this the storage is down or hangs."""

DEPOSITS_LOOKED_AT = 500
"""A session's items are the newest ones: a quarter of an hour at the fastest pace allowed."""

DAY_S = 86_400
_SECONDS_MAX = 2**32 - 1
_UNDECIDED = frozenset({"reserved", "transporting", "confirmed"})


class Loose(Exception):
    """An item of the session is still on its way through the ledger."""


class SessionLedger:
    """The questions, for one machine."""

    def __init__(
        self,
        ctx: Context,
        hardware_id: str,
        addresses: Mapping[str, str],
        limits: SessionSettings,
        key: bytes,
    ) -> None:
        """Args: addresses: has ``storage``; key: the machine's, for claims."""
        self._ctx = ctx
        self._hardware_id = hardware_id
        self._storage = addresses["storage"]
        self._limits = limits
        self._key = key

    def open(self, kind: Kind, user: str) -> SessionRecord:
        """Write that a session is open; its id is one that this machine never had.

        The epoch is in it because a store that had to be begun anew counts its sessions anew.
        """
        store = self._ctx.request(
            self._storage, DescribeStore(), reply=StoreDescribed, timeout_s=ANSWER_S
        )
        known = self._ctx.request(
            self._storage, ListSessions(1), reply=Sessions, timeout_s=ANSWER_S
        )
        now_s = self._ctx.clock.wall()
        id_ = f"{self._hardware_id}-s-{store.epoch}-{known.total + 1}"
        return self._store(SessionRecord(id_, kind, "open", now_s, now_s, user))

    def left_open(self) -> tuple[SessionRecord, ...]:
        """All sessions that the ledger has as open, with what it has credited to them."""
        answer = self._ctx.request(
            self._storage, OpenSessions(), reply=Sessions, timeout_s=ANSWER_S
        )
        records: tuple[SessionRecord, ...] = answer.records
        return records

    def end(self, session: Open, *, waits: bool) -> SessionRecord:
        """Close the session of whoever is served; see `close`."""
        known = [record for record in self.left_open() if record.id == session.id]
        record = known[0] if known else _remembered(session, self._ctx.clock.wall())
        return self.close(record, session.ending, refused=session.refused, waits=waits)

    def interrupt(self, record: SessionRecord, *, waits: bool) -> SessionRecord:
        """Close one that an earlier run has left open; see `close`."""
        reason = Reason.INTERRUPTED.value
        return self.close(record, reason, refused=record.refused, waits=waits)

    def close(
        self, record: SessionRecord, reason: str, *, refused: int, waits: bool
    ) -> SessionRecord:
        """Write that a session is closed, with a claim if its guest has something to claim.

        Args:
            record: as the ledger has it open.
            reason: why it ends.
            refused: items given back.
            waits: whether items that are still on their way are waited for.

        Raises:
            Loose: there are such items. They would be counted as in review if not waited for.
        """
        undecided, in_review = self._doubtful(record.id)
        if undecided and waits:
            raise Loose(record.id)
        claim = ""
        if record.kind == "guest" and (record.credited or undecided or in_review):
            claim = self._claim(record, undecided + in_review)
        now_s = self._ctx.clock.wall()
        end = replace(
            record, state="closed", reason=reason, refused=refused, updated_at=now_s, claim=claim
        )
        stored = self._store(end)
        # A store that was begun anew does not know what the old one had credited.
        return replace(stored, credited=max(stored.credited, record.credited))

    def promised(self, session: Open) -> SessionRecord:
        """The end of a session that the ledger does not take now, with its claim.

        The session stays open in the ledger and is closed there later. Its second claim is for
        the same session, so that one of the two is redeemed.
        """
        record = _remembered(session, self._ctx.clock.wall())
        is_owed = record.kind == "guest" and record.credited > 0
        claim = self._claim(record, 0) if is_owed else ""
        return replace(record, state="closed", reason=session.ending, claim=claim)

    # -- private --------------------------------------------------------------------------------

    def _store(self, record: SessionRecord) -> SessionRecord:
        answer = self._ctx.request(
            self._storage, StoreSession(record), reply=SessionStored, timeout_s=ANSWER_S
        )
        stored: SessionRecord = answer.record
        return stored

    def _doubtful(self, session: str) -> tuple[int, int]:
        """Items of a session that are on their way, and those that a person decides about."""
        answer = self._ctx.request(
            self._storage, ListDeposits(DEPOSITS_LOOKED_AT), reply=Deposits, timeout_s=ANSWER_S
        )
        states = [record.state for record in answer.records if record.session == session]
        return sum(state in _UNDECIDED for state in states), states.count("review")

    def _claim(self, record: SessionRecord, in_review: int) -> str:
        wall_s = self._ctx.clock.wall()
        issued_at = _seconds(wall_s)
        claim = Claim(
            hardware_id=self._hardware_id,
            session=record.id,
            credited=record.credited,
            in_review=in_review,
            issued_at=issued_at,
            expires_at=_seconds(issued_at + self._limits.claim_days * DAY_S),
            clock_quality=clock_quality(wall_s),
            nonce=unguessable(self._ctx.rng, NONCE_BYTES).hex(),
            chain_head=self._chain_head(),
        )
        return sign(claim, self._key)

    def _chain_head(self) -> str:
        """Binds the claim to the ledger; a claim without it is as good."""
        try:
            store = self._ctx.request(
                self._storage, DescribeStore(), reply=StoreDescribed, timeout_s=ANSWER_S
            )
        except RequestFailed:
            return ""
        head: str = store.chain_head
        return head


def _remembered(session: Open, wall_s: float) -> SessionRecord:
    """A session that the ledger has lost, as this actor remembers it.

    Only what the ledger had credited was ever told to us, so the count may be claimed.
    """
    return SessionRecord(
        session.id, session.kind, "open", wall_s, wall_s, session.user, session.credited
    )


def unguessable(rng: Random, size: int) -> bytes:
    """Bytes that do not tell how the generator goes on, however many of them are shown."""
    return hashlib.sha256(rng.getrandbits(256).to_bytes(32, "big")).digest()[:size]


def _seconds(wall_s: float) -> int:
    return min(max(int(wall_s), 0), _SECONDS_MAX)
