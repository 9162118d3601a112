"""The journal of remote commands in the store: kept, forgotten, verified; one byte is noticed."""

import lmdb
import msgspec
import pytest

from actors.store import STORE
from actors.store.audit import audit
from actors.store.commands import (
    KEPT_ROWS,
    KEPT_S,
    find_commands,
    newest_commands,
    open_commands,
    store_commands,
)
from actors.store.reading import opened
from actors.store.store import Store
from actors.store.tables import NUMBER, SCHEMA, SCHEMA_KEY
from config.settings import StorageSettings
from models.ledger.audit import Finding, Replay
from models.remote import lifecycle
from models.remote.lifecycle import Moment
from protocol.message import Failed
from protocol.platform.remote import Command
from protocol.storage import CommandRecord, CommandsStored, CommandWrite, StoreCommands

AT = 1.7e9
LIMITS = StorageSettings(map_mb=4, map_mb_max=256)
MOMENT = Moment(AT, 1000.0, "boot", "run")


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path, LIMITS)
    store.open()
    yield store
    store.close()


def write(store: Store, *writes: CommandWrite, cursor: int = 0, at: float = AT):
    message = StoreCommands(writes, cursor)
    return store.commit([lambda books: store_commands(books, message)], at)[0]


def come(seq: int) -> CommandRecord:
    return lifecycle.received(Command(seq, f"cmd-{seq:05}", "rotate_logs", 60.0), MOMENT)


def whole_life(seq: int) -> list[CommandWrite]:
    """From its coming to the last acknowledgement."""
    before, record = None, come(seq)
    writes = []
    for state in ("", "accepted", "running", "succeeded"):
        record = lifecycle.step(record, state, MOMENT) if state else record
        writes.append(lifecycle.written(before, record))
        before = record
    for report in record.reports:
        record = lifecycle.told(record, report)
    return [*writes, lifecycle.written(before, record)]


def findings(tmp_path) -> tuple[list[Finding], Replay]:
    with opened(tmp_path) as (env, tables):
        found = list(audit(env, tables))
    (replay,) = [each for each in found if isinstance(each, Replay)]
    return [each for each in found if isinstance(each, Finding)], replay


def look(store: Store, read, *more):
    with store.view() as (txn, tables):
        return read(txn, tables, *more)


def test_every_step_is_in_the_journal_and_what_is_over_is_not_looked_at_again(store, tmp_path):
    for step in whole_life(1):
        assert write(store, step, cursor=1) == CommandsStored(1)
    write(store, lifecycle.written(None, come(2)), cursor=2)
    found = look(store, open_commands)
    assert ([record.id for record in found.records], found.cursor) == (["cmd-00002"], 2)
    assert [record.state for record in look(store, newest_commands, 10).records] == [
        "received",
        "succeeded",
    ]
    assert look(store, find_commands, ("cmd-00001", "nobody", "")).records[0].reports == ()
    store.close()
    none, replay = findings(tmp_path)
    assert none == []
    assert (replay.commands, replay.command_steps) == (2, 5)


def test_the_cursor_never_goes_back(store):
    write(store, cursor=7)
    assert write(store, cursor=3) == CommandsStored(7)


def test_what_has_ended_does_not_go_on_and_an_echo_of_its_end_is_written_once(store, tmp_path):
    life = whole_life(1)
    for step in life:
        write(store, step)
    going_on = CommandWrite(msgspec.structs.replace(life[-1].record, state="running"))
    refused = write(store, going_on)
    assert isinstance(refused, Failed)
    assert refused.code == "illegal_transition"
    write(store, life[3])  # whether it had been written was not known
    store.close()
    none, replay = findings(tmp_path)
    assert none == []
    assert replay.command_steps == 4


def test_one_that_is_refused_takes_the_others_of_its_message_with_it(store):
    for step in whole_life(1):
        write(store, step)
    bad = CommandWrite(msgspec.structs.replace(come(1), state="running"))
    assert isinstance(write(store, lifecycle.written(None, come(2)), bad, cursor=2), Failed)
    assert look(store, newest_commands, 10).total == 1
    assert look(store, open_commands).cursor == 0


def test_the_oldest_are_forgotten_a_day_after_they_can_come_again_and_never_too_many(
    store, tmp_path, monkeypatch
):
    monkeypatch.setattr("actors.store.commands.KEPT_ROWS", 10)
    assert KEPT_S >= 7 * 86_400
    assert KEPT_ROWS >= 1000
    write(store, lifecycle.written(None, come(1)))  # it never ends
    for seq in range(2, 40):
        for step in whole_life(seq):
            write(store, step)
    assert look(store, newest_commands, 100).total == 39
    write(store, lifecycle.written(None, come(40)), at=AT + KEPT_S + 1)
    kept = {record.seq for record in look(store, newest_commands, 100).records}
    assert len(kept) == 11
    assert {1, 40} <= kept
    store.close()
    assert findings(tmp_path)[0] == []


def rewrite(tmp_path, table: str, key: bytes | None, change) -> None:
    with lmdb.open(str(tmp_path / STORE), max_dbs=32, lib_version=0) as env:
        db = env.open_db(table.encode(), create=False)
        with env.begin(write=True, db=db) as txn:
            with txn.cursor() as cursor:
                assert cursor.set_key(key) if key else cursor.first()
                key, value = bytes(cursor.key()), bytes(cursor.value())
            changed = change(value)
            if changed is None:
                txn.delete(key)
            else:
                txn.put(key, changed)


def flipped(value: bytes) -> bytes:
    at = len(value) // 2
    return value[:at] + bytes([value[at] ^ 1]) + value[at + 1 :]


@pytest.mark.parametrize(
    ("table", "key", "change"),
    [
        ("journal", NUMBER.pack(2), flipped),
        ("journal", NUMBER.pack(2), lambda _value: None),
        ("commands", None, flipped),
        ("commands", None, lambda _value: None),
        ("command_ids", None, lambda _value: NUMBER.pack(2)),
        ("command_ids", None, lambda _value: None),
    ],
)
def test_one_byte_or_row_that_is_not_what_was_written_is_found(store, tmp_path, table, key, change):
    for seq in (1, 2):
        for step in whole_life(seq):
            write(store, step)
    store.close()
    assert findings(tmp_path)[0] == []
    rewrite(tmp_path, table, key, change)
    assert findings(tmp_path)[0]


@pytest.mark.parametrize("entries", [1, 2, 5])
def test_a_journal_that_was_cut_at_its_end_is_found(store, tmp_path, entries):
    for seq in (1, 2):
        for step in whole_life(seq):
            write(store, step)
    store.close()
    with lmdb.open(str(tmp_path / STORE), max_dbs=32, lib_version=0) as env:
        journal = env.open_db(b"journal", create=False)
        with env.begin(write=True, db=journal) as txn, txn.cursor() as cursor:
            for _ in range(entries):
                assert cursor.last()
                cursor.delete()
    assert findings(tmp_path)[0]


def test_a_store_of_schema_2_gets_the_tables_and_keeps_all_it_has(store, tmp_path):
    write(store, cursor=0)
    store.close()
    with lmdb.open(str(tmp_path / STORE), max_dbs=32, lib_version=0) as env:
        tables = ("commands", "command_ids", "command_open")
        handles = [env.open_db(name.encode(), create=False) for name in tables]
        meta = env.open_db(b"meta", create=False)
        with env.begin(write=True) as txn:
            for handle in handles:
                txn.drop(handle)
            txn.put(SCHEMA_KEY, b"2", db=meta)
    store.open()
    assert store.aside is None
    assert SCHEMA == 3
    assert write(store, lifecycle.written(None, come(1)), cursor=1) == CommandsStored(1)
    store.close()
    assert findings(tmp_path)[0] == []
