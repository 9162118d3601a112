"""Operations on remote commands: every step into the journal, how each stands into its table.

A command is kept for longer than any of them may live, so that a repetition is known as one; then
the oldest are forgotten, which the journal says, too. What they were stays in the journal.
"""

from __future__ import annotations

import hashlib
from itertools import islice

import lmdb
import msgspec

from actors.store.books import Books, Refused, check_key, damaged
from actors.store.tables import (
    NUMBER,
    Tables,
    encode,
    entries,
    fetch,
    number_of,
    numbered,
    pack_record,
    read_counters,
    rows,
    rows_back,
    unpack_command,
)
from models.ledger.chain import Damaged
from models.remote.lifecycle import is_over
from protocol.platform.remote import FINAL, CommandReport
from protocol.storage import (
    CommandRecord,
    CommandsFound,
    CommandsListed,
    CommandsStored,
    CommandWrite,
    StoreCommands,
)

KEPT_S = 8 * 86_400.0
"""A day more than the longest life of a command (`protocol.platform.remote.Command.ttl_s`)."""
KEPT_ROWS = 1000
"""So many stay however old they are: a wall clock that jumps ahead must not forget everything."""
_FORGET_MAX = 100  # in one transaction
_LIST_MAX = 1000


class CommandStep(msgspec.Struct, frozen=True):
    """Body of a ``command`` entry.

    Attributes:
        type, issuer, args, seq: of the first step of a command; empty later.
        result: SHA-256 of the result, as JSON; empty if there was none.
    """

    id: str
    state: str
    code: str = ""
    detail: str = ""
    result: str = ""
    type: str = ""
    issuer: str = ""
    args: bytes = b""
    seq: int = 0


class Forgotten(msgspec.Struct, frozen=True):
    """Body of a ``forgotten`` entry."""

    ids: tuple[str, ...]


# ----- Writing --------------------------------------------------------------------------------


def store_commands(books: Books, message: StoreCommands) -> CommandsStored:
    """Write commands, and how far the list has been taken down.

    Raises:
        Refused: one has ended and would go on, there is no room, or a row is damaged.
    """
    found = [(write, *_find(books, write.record.id)) for write in message.writes]
    for write, _, before, _ in found:
        if before is not None and before.state in FINAL and write.record.state != before.state:
            raise Refused("illegal_transition", f"command {write.record.id} is {before.state}")
    sizes = [len(encode(write)) for write in message.writes]
    # What is known already has to come to its end, and to be told.
    books.need(sum(sizes), is_money=all(before is not None for _, _, before, _ in found))
    for write, key, before, sequence in found:
        _put(books, write, key, before, sequence)
    books.counters.command_cursor = max(books.counters.command_cursor, message.cursor)
    if message.writes:
        _forget(books)
    return CommandsStored(books.counters.command_cursor)


def _find(books: Books, id_: str) -> tuple[bytes | None, CommandRecord | None, int]:
    check_key(id_)
    key = books.get("command_ids", id_.encode())
    if key is None:
        return None, None, 0
    try:
        number_of(key)
        stored = books.get("commands", key)
        if stored is None:
            raise Damaged("its row is missing")
        sequence, record = unpack_command(stored)
        if record.id != id_:
            raise Damaged(f"its row holds {record.id}")
    except Damaged as error:
        raise damaged(f"the record of command {id_}", error) from None
    return key, record, sequence


def _put(
    books: Books,
    write: CommandWrite,
    key: bytes | None,
    before: CommandRecord | None,
    sequence: int,
) -> None:
    record = write.record
    steps = write.steps
    if before is not None and before.state in FINAL:  # its end is written: this is an echo of it
        steps = tuple(step for step in steps if step.state == "duplicate")
    for report in steps:
        body = encode(_step(record, report, is_first=sequence == 0))
        sequence = books.journal("command", body, sequence)
    row = pack_record(sequence, encode(record))
    if key is None:
        books.counters.commands += 1
        key = NUMBER.pack(books.counters.commands)
        books.put("command_ids", record.id.encode(), key)
        books.append("commands", books.counters.commands, row)
    else:
        books.put("commands", key, row)
    was_open = before is not None and not is_over(before)
    if not is_over(record):
        if not was_open:
            books.put("command_open", key, b"")
    elif was_open:
        books.delete("command_open", key)


def _step(record: CommandRecord, report: CommandReport, *, is_first: bool) -> CommandStep:
    result = msgspec.json.encode(report.result, order="deterministic") if report.result else b""
    return CommandStep(
        record.id,
        report.state,
        report.code,
        report.detail,
        hashlib.sha256(result).hexdigest() if result else "",
        *((record.type, record.issuer, record.args, record.seq) if is_first else ()),
    )


def _forget(books: Books) -> None:
    """Let the oldest go that have ended, were told, and cannot come again."""
    most = min(books.rows("commands") - KEPT_ROWS, _FORGET_MAX)
    if most <= 0:
        return
    gone: list[tuple[bytes, CommandRecord]] = []
    for key, stored in islice(rows(books.txn, books.table("commands")), most):
        try:
            record = unpack_command(stored)[1]
        except Damaged:
            continue  # the verifier's to report
        if is_over(record) and record.received_at < books.at - KEPT_S:
            gone.append((key, record))
    for key, record in gone:
        books.delete("commands", key)
        books.delete("command_ids", record.id.encode())
    if gone:
        books.journal("forgotten", encode(Forgotten(tuple(record.id for _, record in gone))))


# ----- Reading --------------------------------------------------------------------------------


def open_commands(txn: lmdb.Transaction, tables: Tables) -> CommandsFound:
    """Those that have not ended or not been told, oldest first; damaged ones are passed over."""
    found = [fetch(txn, tables["commands"], key) for key in numbered(txn, tables["command_open"])]
    return CommandsFound(_read(found), read_counters(txn).command_cursor)


def find_commands(txn: lmdb.Transaction, tables: Tables, ids: tuple[str, ...]) -> CommandsFound:
    """Those of these ids that are known."""
    keys = [fetch(txn, tables["command_ids"], id_.encode()) for id_ in ids if id_]
    found = [fetch(txn, tables["commands"], key) for key in keys if key is not None]
    return CommandsFound(_read(found), read_counters(txn).command_cursor)


def newest_commands(txn: lmdb.Transaction, tables: Tables, limit: int) -> CommandsListed:
    """The newest ones, newest first."""
    newest = islice(rows_back(txn, tables["commands"]), min(limit, _LIST_MAX))
    records = _read([stored for _, stored in newest])
    cursor = read_counters(txn).command_cursor
    return CommandsListed(records, entries(txn, tables["commands"]), cursor)


def _read(stored: list[bytes | None]) -> tuple[CommandRecord, ...]:
    records: list[CommandRecord] = []
    for each in stored:
        try:
            records.append(unpack_command(each or b"")[1])
        except Damaged:
            continue
    return tuple(records)
