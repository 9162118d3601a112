"""The part of the verifier that looks at remote commands: entries, rows, and what ties them."""

from __future__ import annotations

from collections.abc import Iterator

import lmdb
import msgspec

from actors.store.commands import CommandStep, Forgotten
from actors.store.tables import NUMBER, Tables, entries, fetch, number_of, rows, unpack_command
from models.ledger.audit import Finding, Replay, mark
from models.ledger.chain import Damaged, Entry, unpack, unseal
from models.remote.lifecycle import is_over
from protocol.platform.remote import FINAL
from protocol.storage import CommandRecord

_MODULUS = 1 << 64
DUPLICATE = "duplicate"


class CommandAudit:
    """What a walk through the journal finds out about commands."""

    def __init__(self, txn: lmdb.Transaction, tables: Tables, replay: Replay) -> None:
        """Args: txn: a read transaction that stays open for the walk; replay: what is counted."""
        self._txn = txn
        self._tables = tables
        self._counts = replay
        self._known = 0  # sum of the marks of those that are not forgotten

    def replay(self, entry: Entry, before: CommandStep | None) -> str | None:
        """Add a ``command`` entry; says what is wrong with it."""
        step = step_of(entry.body)
        self._counts.command_steps += 1
        if before is None:
            self._counts.commands += 1
            self._known = (self._known + mark(step.id)) % _MODULUS
            return None if step.state == "received" else f"{step.id} began as {step.state}"
        if before.id != step.id:
            return f"it follows an entry about {before.id}, and is about {step.id}"
        if before.state in FINAL and step.state != DUPLICATE:
            return f"{step.id} was {before.state}, and went on to {step.state}"
        return None

    def replay_forgotten(self, entry: Entry) -> None:
        """Add a ``forgotten`` entry."""
        for id_ in msgspec.msgpack.decode(entry.body, type=Forgotten).ids:
            self._known = (self._known - mark(id_)) % _MODULUS

    def rows(self) -> Iterator[Finding]:
        """Compare the tables with what the journal amounts to."""
        marks = still_open = count = 0
        for key, stored in rows(self._txn, self._tables["commands"]):
            count += 1
            try:
                number = number_of(key)
                sequence, record = unpack_command(stored)
                self._trail(sequence, record)
            except Damaged as error:
                yield Finding(f"command {key.hex()}", str(error))
                continue
            marks = (marks + mark(record.id)) % _MODULUS
            if self._get("command_ids", record.id.encode()) != key:
                yield Finding(f"command {record.id}", "is not found by its id")
            is_listed = self._get("command_open", NUMBER.pack(number)) is not None
            still_open += is_listed
            if is_listed == is_over(record):
                yield Finding(f"command {record.id}", "is listed as open, or not, wrongly")
        if marks != self._known:
            yield Finding("the commands", "are not those of the journal")
        for table, wanted in (("command_ids", count), ("command_open", still_open)):
            there = entries(self._txn, self._tables[table])
            if there != wanted:
                yield Finding(table, f"there are {there}, and should be {wanted}")

    def _trail(self, sequence: int, record: CommandRecord) -> None:
        """Follow a row back through the journal: does it say what its last step says?"""
        has_seen_state = False
        while sequence:
            stored = self._get("journal", NUMBER.pack(sequence))
            if stored is None:
                raise Damaged(f"entry {sequence} of the journal, where it comes from, is missing")
            entry = unpack(unseal(stored))
            step = step_of(entry.body)
            if step.id != record.id:
                raise Damaged(f"entry {sequence} of the journal is about {step.id}")
            if not has_seen_state and step.state != DUPLICATE:
                has_seen_state = True
                if (step.state, step.code) != (record.state, record.code):
                    raise Damaged(f"it is not what entry {sequence} of the journal says")
            if entry.before >= sequence:
                raise Damaged(f"entry {sequence} of the journal follows a later one")
            sequence = entry.before
        if not has_seen_state:
            raise Damaged("the journal does not know it")

    def _get(self, table: str, key: bytes) -> bytes | None:
        return fetch(self._txn, self._tables[table], key)


def step_of(body: bytes) -> CommandStep:
    """Read a step from an entry of the journal.

    Raises:
        Damaged: it is none.
    """
    try:
        return msgspec.msgpack.decode(body, type=CommandStep)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Damaged(str(error)) from None
