"""Does the ledger hold together? Walks the journal, replays it, and compares what the tables say.

One read transaction from beginning to end, so it may run beside the machine. It needs no memory
that grows with the ledger: every entry names the one before it about the same deposit or session.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

import lmdb
import msgspec

from actors.store.audit_commands import CommandAudit, step_of
from actors.store.deposits import Epochal
from actors.store.migrate import Migrated
from actors.store.outbox import Dead, Gone
from actors.store.tables import (
    NUMBER,
    OUTBOXES,
    Counters,
    Tables,
    deposit_of,
    entries,
    fetch,
    number_of,
    read_counters,
    rows,
    session_of,
    unpack_deposit,
    unpack_session,
    unpack_waiting,
)
from models.ledger.audit import Finding, Replay, mark
from models.ledger.chain import Break, Damaged, Entry, digest, follow, unpack, unseal
from models.ledger.transitions import UNDECIDED

_STEP = 1000
_MODULUS = 1 << 64
_DEPOSIT_KINDS = ("deposit", "decision", "imported")
R = TypeVar("R")


class Progress(msgspec.Struct, frozen=True):
    """So many of so many rows have been looked at."""

    done: int
    total: int


class Audit:
    """One walk through a ledger.

    Attributes:
        replay: what the journal amounts to, once the walk is over.
        counters: as they stand in the store.
        commands: the part of the walk that is about remote commands.
    """

    def __init__(self, txn: lmdb.Transaction, tables: Tables) -> None:
        """Args: txn: a read transaction that stays open for the walk."""
        self._txn = txn
        self._tables = tables
        self.replay = Replay()
        self.counters = Counters()
        self.commands = CommandAudit(txn, tables, self.replay)
        self._done = 0
        self._strange: list[Finding] = []
        self._total = sum(self._rows(name) for name in ("journal", "deposits", "sessions"))
        self._total += sum(self._rows(name) for name in OUTBOXES)

    def run(self) -> Iterator[Finding | Progress]:
        """Look at everything, and say what is wrong, first things first."""
        try:
            self.counters = read_counters(self._txn)
        except Damaged as error:
            yield Finding("the counters", str(error))
        yield from self._journal()
        yield from self._deposits()
        yield from self._sessions()
        yield from self._credits()
        for outbox in OUTBOXES:
            yield from self._outbox(outbox)
        yield from self._dead()
        yield from self.commands.rows()
        yield from self._strange
        yield Progress(self._total, self._total)

    # -- the journal ----------------------------------------------------------------------------

    def _journal(self) -> Iterator[Finding | Progress]:
        last = 0
        for found in follow(self._numbered("journal")):
            if isinstance(found, Break):
                yield Finding(f"journal entry {found.sequence}", found.why)
                continue
            yield from self._step()
            last = found.sequence
            wrong = self._replay(found)
            if wrong is not None:
                yield Finding(f"journal entry {found.sequence}", wrong)
        if last != self.counters.journal:
            yield Finding(
                "the journal", f"ends with {last}, and {self.counters.journal} is counted"
            )
        yield from self._chain_head(last)
        if self.replay.epoch > self.counters.epoch:
            yield Finding("the counters", f"run {self.replay.epoch} is in the journal, not counted")

    def _chain_head(self, last: int) -> Iterator[Finding]:
        if last == 0 or last != self.counters.journal:
            return
        stored = self._get("journal", NUMBER.pack(last))
        try:
            is_head = stored is not None and digest(unseal(stored)) == self.counters.head
        except Damaged:
            return  # told already
        if not is_head:
            yield Finding("the chain's head", "is not that of the newest entry")

    def _replay(self, entry: Entry) -> str | None:
        try:
            if entry.kind in _DEPOSIT_KINDS:
                before = self._before(entry, deposit_of)
                return self.replay.deposit(entry, deposit_of(entry.body), before)
            if entry.kind == "session":
                earlier = self._before(entry, session_of)
                return self.replay.session(session_of(entry.body), earlier)
            return self._replay_other(entry)
        except (Damaged, msgspec.MsgspecError) as error:
            return str(error)

    def _replay_other(self, entry: Entry) -> str | None:
        if entry.kind == "epoch":
            return self.replay.opened(msgspec.msgpack.decode(entry.body, type=Epochal).number)
        if entry.kind == "command":
            return self.commands.replay(entry, self._before(entry, step_of))
        if entry.kind == "forgotten":
            self.commands.replay_forgotten(entry)
            return None
        if entry.kind == "migrated":
            msgspec.msgpack.decode(entry.body, type=Migrated)
            return None
        gone = msgspec.msgpack.decode(entry.body, type=Gone)
        for key in gone.keys:
            if entry.kind == "owed":
                self.replay.owe(key)
            else:
                self.replay.settle(key)
        return None if entry.kind in ("owed", "acked", "refused") else f"what is {entry.kind!r}?"

    def _before(self, entry: Entry, read: Callable[[bytes], R]) -> R | None:
        if entry.before == 0:
            return None
        if entry.before >= entry.sequence:
            raise Damaged(f"it follows entry {entry.before}, which is later")
        stored = self._get("journal", NUMBER.pack(entry.before))
        if stored is None:
            raise Damaged(f"it follows entry {entry.before}, which is missing")
        return read(unpack(unseal(stored)).body)

    # -- the tables that a replay gives ---------------------------------------------------------

    def _deposits(self) -> Iterator[Finding | Progress]:
        trails = undecided = 0
        for number, stored in self._numbered("deposits"):
            yield from self._step()
            try:
                sequence, record = unpack_deposit(stored)
                trails += self._trail(sequence, record, deposit_of)
            except Damaged as error:
                yield Finding(f"deposit number {number}", str(error))
                continue
            if self._get("ids", record.id.encode()) != NUMBER.pack(number):
                yield Finding(f"deposit {record.id}", "is not found by its id")
            is_open = self._get("open", NUMBER.pack(number)) is not None
            undecided += is_open
            if is_open != (record.state in UNDECIDED):
                yield Finding(f"deposit {record.id}", "is listed as open, or not, wrongly")
        yield from self._same("deposits", self._rows("deposits"), self.replay.deposits)
        yield from self._same("deposit ids", self._rows("ids"), self.replay.deposits)
        yield from self._same("open deposits", self._rows("open"), undecided)
        yield from self._same("entries about deposits", trails, self.replay.deposit_entries)

    def _sessions(self) -> Iterator[Finding | Progress]:
        trails = still_open = 0
        for number, stored in self._numbered("sessions"):
            yield from self._step()
            try:
                sequence, record = unpack_session(stored)
                trails += self._trail(sequence, record, session_of)
            except Damaged as error:
                yield Finding(f"session number {number}", str(error))
                continue
            key = NUMBER.pack(number)
            if self._get("session_ids", record.id.encode()) != key:
                yield Finding(f"session {record.id}", "is not found by its id")
            is_open = self._get("session_open", key) is not None
            still_open += is_open
            if is_open != (record.state == "open"):
                yield Finding(f"session {record.id}", "is listed as open, or not, wrongly")
        yield from self._same("sessions", self._rows("sessions"), self.replay.sessions)
        yield from self._same("session ids", self._rows("session_ids"), self.replay.sessions)
        yield from self._same("open sessions", self._rows("session_open"), still_open)
        yield from self._same("entries about sessions", trails, self.replay.session_entries)

    def _trail(self, sequence: int, record: R, read: Callable[[bytes], R]) -> int:
        """Follow a row back through the journal; how many entries it has there."""
        length = 0
        while sequence:
            stored = self._get("journal", NUMBER.pack(sequence))
            if stored is None:
                raise Damaged(f"entry {sequence} of the journal, where it comes from, is missing")
            entry = unpack(unseal(stored))
            if length == 0 and read(entry.body) != record:
                raise Damaged(f"it is not what entry {sequence} of the journal says")
            if entry.before >= sequence:
                raise Damaged(f"entry {sequence} of the journal follows a later one")
            length += 1
            sequence = entry.before
        return length

    def _credits(self) -> Iterator[Finding]:
        total = 0
        for key, stored in rows(self._txn, self._tables["credits"]):
            session = key.decode(errors="replace")
            try:
                count = NUMBER.unpack(unseal(stored))[0]
            except Damaged as error:
                yield Finding(f"the credits of session {session}", str(error))
                continue
            total = (total + count * mark(session)) % _MODULUS
        if total != self.replay.to_sessions:
            yield Finding("the credits of sessions", "are not those of the journal")

    # -- the outbox -----------------------------------------------------------------------------

    def _outbox(self, outbox: str) -> Iterator[Finding | Progress]:
        waiting_bytes = waiting = last = 0
        for sequence, stored in self._numbered(outbox):
            yield from self._step()
            waiting_bytes += len(stored)
            last = sequence
            try:
                record = unpack_waiting(stored)
            except Damaged as error:
                yield Finding(f"{outbox} outbox, {sequence}", str(error))
                continue
            waiting = (waiting + mark(record.key)) % _MODULUS
            if record.sequence != sequence:
                yield Finding(f"{outbox} outbox, {sequence}", f"says it is {record.sequence}")
        queue = self.counters.outbox[outbox]
        yield from self._same(f"bytes in the {outbox} outbox", queue.waiting_bytes, waiting_bytes)
        if last > queue.last:
            yield Finding(f"the {outbox} outbox", f"holds {last}, and only {queue.last} is counted")
        if outbox == "money" and waiting != self.replay.owed:
            yield Finding("the money outbox", "does not hold what the journal says is owed")

    def _dead(self) -> Iterator[Finding]:
        for key, stored in rows(self._txn, self._tables["dead"]):
            try:
                msgspec.msgpack.decode(unseal(stored), type=Dead)
            except (Damaged, msgspec.MsgspecError) as error:
                yield Finding(f"dead letter {key.hex()}", str(error))

    # -- private --------------------------------------------------------------------------------

    def _same(self, what: str, there: int, wanted: int) -> Iterator[Finding]:
        if there != wanted:
            yield Finding(what, f"there are {there}, and should be {wanted}")

    def _rows(self, table: str) -> int:
        return entries(self._txn, self._tables[table])

    def _get(self, table: str, key: bytes) -> bytes | None:
        return fetch(self._txn, self._tables[table], key)

    def _numbered(self, table: str) -> Iterator[tuple[int, bytes]]:
        for key, stored in rows(self._txn, self._tables[table]):
            try:
                number = number_of(key)
            except Damaged as error:
                self._strange.append(Finding(table, str(error)))
                continue
            yield number, stored

    def _step(self) -> Iterator[Progress]:
        self._done += 1
        if self._done % _STEP == 0:
            yield Progress(self._done, self._total)


def audit(env: lmdb.Environment, tables: Tables) -> Iterator[Finding | Progress | Replay]:
    """Look at everything; LMDB's complaints are findings, too. Last comes what it amounts to."""
    with env.begin() as txn:
        walk = Audit(txn, tables)
        try:
            yield from walk.run()
        except lmdb.Error as error:
            yield Finding("the file", str(error))
        yield walk.replay
