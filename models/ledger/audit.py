"""What a journal amounts to: replayed entry by entry, in constant memory.

Sets that grow with the ledger (what is owed to the platform, what is credited to which session) are
kept as sums of 64-bit marks: two sets with the same sum are the same set, as sure as a checksum.
"""

from __future__ import annotations

import hashlib

import msgspec

from models.ledger.chain import Entry
from models.ledger.transitions import judge, judge_session
from protocol.storage import DepositRecord, SessionRecord

_MODULUS = 1 << 64


class Finding(msgspec.Struct, frozen=True):
    """Something that is not as it should be.

    Attributes:
        where: the place.
        what: is wrong there.
    """

    where: str
    what: str


def mark(key: str) -> int:
    """What a key adds to a sum."""
    return int.from_bytes(hashlib.blake2b(key.encode(), digest_size=8).digest(), "big")


class Replay(msgspec.Struct):
    """What the journal amounts to so far.

    Attributes:
        epoch: the newest run.
        deposits, sessions: how many began.
        deposit_entries, session_entries: how many entries are about one.
        credited: items paid for.
        owed: sum of the marks of what the platform has not got yet.
        commands, command_steps: remote ones that have come, and entries about them.
        to_sessions: sum of the marks of the sessions, once for each item credited to one.
    """

    epoch: int = 0
    deposits: int = 0
    sessions: int = 0
    deposit_entries: int = 0
    session_entries: int = 0
    credited: int = 0
    owed: int = 0
    to_sessions: int = 0
    commands: int = 0
    command_steps: int = 0

    def deposit(
        self, entry: Entry, record: DepositRecord, before: DepositRecord | None
    ) -> str | None:
        """Add a state of a deposit; says what is wrong with it.

        Args:
            before: the record in the entry that this one follows; None for the first.
        """
        self.deposit_entries += 1
        self.deposits += before is None
        if record.state == "credited":
            self.credited += 1
            self.owe(record.id)
            if record.session and entry.kind != "imported":
                self.to_sessions = (self.to_sessions + mark(record.session)) % _MODULUS
        if before is not None and before.id != record.id:
            return f"it follows an entry about {before.id}, and is about {record.id}"
        if entry.kind == "imported":
            return None if before is None else f"{record.id} was imported twice"
        was = None if before is None else before.state
        if judge(was, record.state, decided=entry.kind == "decision") != "write":
            return f"{record.id} went from {was or 'new'} to {record.state}"
        return None

    def session(self, record: SessionRecord, before: SessionRecord | None) -> str | None:
        """Add a state of a session; says what is wrong with it."""
        self.session_entries += 1
        self.sessions += before is None
        if before is not None and before.id != record.id:
            return f"it follows an entry about {before.id}, and is about {record.id}"
        if judge_session(None if before is None else before.state, record.state) != "write":
            return f"session {record.id} was closed, and written again"
        return None

    def opened(self, epoch: int) -> str | None:
        """Add a run; says what is wrong with its number."""
        last, self.epoch = self.epoch, epoch
        return None if epoch > last else f"run {epoch} follows run {last}"

    def owe(self, key: str) -> None:
        """The platform is to get this."""
        self.owed = (self.owed + mark(key)) % _MODULUS

    def settle(self, key: str) -> None:
        """The platform has it, or will never take it."""
        self.owed = (self.owed - mark(key)) % _MODULUS
