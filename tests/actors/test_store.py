"""The store's files in the states in which a machine may find them."""

import subprocess
import sys

import lmdb
import msgspec
import pytest

from actors.store import SCHEMA, STORE, AlreadyOpen, StoreUnusable, files
from actors.store.audit import audit
from actors.store.deposits import open_epoch, store_deposit
from actors.store.files import open_store, open_to_read
from actors.store.outbox import peek
from actors.store.reading import newest_first, opened
from actors.store.store import Store
from config.settings import StorageSettings
from models.ledger.audit import Finding
from protocol.storage import DepositRecord

LIMITS = StorageSettings(map_mb=2, map_mb_max=16)


def make(directory, records=0):
    with open_store(directory, 1 << 20) as env:
        table = env.open_db(b"deposits")
        with env.begin(write=True, db=table) as txn:
            for number in range(records):
                txn.put(b"%d" % number, b"x" * 1000)


def record(number, state="rejected") -> DepositRecord:
    return DepositRecord(f"m-1-{number}", state, "soda", 1.0 * number, 2.0)


def test_it_is_made_and_opened_again(tmp_path):
    make(tmp_path / "store", 3)
    with open_store(tmp_path / "store", 1 << 20) as env:
        assert env.stat()["entries"] == 1  # the table
    with open_to_read(tmp_path / "store") as env:
        table = env.open_db(b"deposits", create=False)
        with env.begin(db=table) as txn:
            assert len(list(txn.cursor())) == 3


def test_its_lock_file_has_its_pages_before_it_is_mapped(tmp_path):
    make(tmp_path / "store")
    lock = (tmp_path / "store" / "lock.mdb").stat()
    assert lock.st_size >= 8192
    assert lock.st_blocks * 512 >= 8192


def test_the_format_is_ours_whatever_the_environment_says(tmp_path):
    code = "import sys; from pathlib import Path; from actors.store.files import open_store;"
    code += "open_store(Path(sys.argv[1]), 1 << 20).close()"
    command = [sys.executable, "-c", code, str(tmp_path / "store")]
    subprocess.run(command, check=True, env={"LMDB_DEFAULT_LIB_VERSION": "1", "PYTHONPATH": "."})
    make(tmp_path / "store", 1)


@pytest.mark.parametrize("pages", [2, 3, 10])
def test_a_shortened_file_is_told_and_not_touched(tmp_path, pages):
    """Reading behind its end through the map would end the process."""
    make(tmp_path / "store", 100)
    file = tmp_path / "store" / "data.mdb"
    with file.open("r+b") as cut:
        cut.truncate(pages * 4096)
    for opening in (
        lambda: open_store(tmp_path / "store", 1 << 20),
        lambda: open_to_read(tmp_path / "store"),
    ):
        with pytest.raises(StoreUnusable, match="is damaged: it has"):
            opening()
    assert file.stat().st_size == pages * 4096


def test_another_file_in_its_place(tmp_path):
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "data.mdb").write_bytes(b"something else" * 1000)
    with pytest.raises(StoreUnusable, match="move the directory away"):
        open_store(tmp_path / "store", 1 << 20)


def test_a_file_where_its_directory_should_be(tmp_path):
    (tmp_path / "store").write_text("")
    with pytest.raises(StoreUnusable, match="cannot open"):
        open_store(tmp_path / "store", 1 << 20)


def test_twice_in_one_process_is_another_matter(tmp_path):
    """Not to be waited for: only the end of the process helps."""
    with open_store(tmp_path / "store", 1 << 20), pytest.raises(AlreadyOpen):
        open_store(tmp_path / "store", 1 << 20)


def test_to_read_it_must_be_there(tmp_path):
    with pytest.raises(FileNotFoundError):
        open_to_read(tmp_path / "store")


def test_whoever_reads_cannot_write(tmp_path):
    make(tmp_path / "store")
    with open_to_read(tmp_path / "store") as env, pytest.raises(lmdb.ReadonlyError):
        env.begin(write=True)


def test_a_stream_of_records_crosses_its_transactions_without_a_gap(tmp_path):
    store = Store(tmp_path, LIMITS)
    store.open()
    operations = [lambda books, n=n: store_deposit(books, record(n)) for n in range(2500)]
    store.commit(operations, 1.0)
    store.close()
    with opened(tmp_path) as (env, tables):
        found = [each.id for each in newest_first(env, tables)]
    assert found == [f"m-1-{number}" for number in reversed(range(2500))]


def test_a_group_that_does_not_fit_is_taken_in_parts(tmp_path):
    """What does not fit is refused, each for itself; the rest is kept."""
    store = Store(tmp_path, StorageSettings(map_mb=1, map_mb_max=1))
    store.open()
    operations = [lambda books, n=n: store_deposit(books, record(n, "void")) for n in range(4000)]
    answers = store.commit(operations, 1.0)
    kept = sum(answer.__class__.__name__ == "Stored" for answer in answers)
    assert 100 < kept < 4000
    assert store.deposits == kept
    store.close()
    with opened(tmp_path) as (env, tables):
        assert [each for each in audit(env, tables) if isinstance(each, Finding)] == []


# ----- Older schemas --------------------------------------------------------------------------


def write_schema_1(data_dir, records, epoch=3):
    """A ledger as release 0.1 wrote it."""
    directory = data_dir / STORE
    directory.mkdir(parents=True)
    with lmdb.open(str(directory), max_dbs=4, map_size=1 << 22) as env:
        meta, deposits, ids, undecided = (
            env.open_db(name) for name in (b"meta", b"deposits", b"ids", b"open")
        )
        with env.begin(write=True) as txn:
            txn.put(b"schema", b"1", db=meta)
            txn.put(b"epoch", epoch.to_bytes(8, "big"), db=meta)
            txn.put(b"sequence", len(records).to_bytes(8, "big"), db=meta)
            for number, each in enumerate(records, 1):
                key = number.to_bytes(8, "big")
                txn.put(each["id"].encode(), key, db=ids)
                txn.put(key, msgspec.msgpack.encode(each), db=deposits)
                if each["state"] == "reserved":
                    txn.put(key, b"", db=undecided)


def schema_1_record(number, state):
    """With the fields that release 0.1 had."""
    return {
        "id": f"m-3-{number}", "state": state, "reason": "accepted", "started_at": 1.0,
        "updated_at": 2.0, "item": "mineral", "confidence": 0.9, "model": "m", "trace": 7,
        "session": "guest",
    }  # fmt: skip


STATES_1 = ("confirmed", "rejected", "reserved", "review", "void", "confirmed")


def test_a_ledger_of_schema_1_is_brought_to_the_present_one(tmp_path):
    written = [schema_1_record(number, state) for number, state in enumerate(STATES_1)]
    write_schema_1(tmp_path, written)
    store = Store(tmp_path, LIMITS)
    store.open()
    assert store.aside is None
    epoch = store.commit([lambda books: open_epoch(books, 0)], 5.0)[0]
    assert epoch.number == 4
    assert [each.id for each in epoch.open] == ["m-3-2"]
    with store.view() as (txn, tables):
        owed = peek(txn, tables, "money", 10, 0)
    assert [each.key for each in owed] == ["m-3-0", "m-3-5"]  # it had never been told to anybody
    store.close()
    with opened(tmp_path) as (env, tables):
        assert [each for each in audit(env, tables) if isinstance(each, Finding)] == []
        states = [each.state for each in newest_first(env, tables)]
    assert states == ["credited", "void", "review", "reserved", "rejected", "credited"]
    with lmdb.open(str(tmp_path / "store.schema-1"), readonly=True, max_dbs=4) as backup:
        table = backup.open_db(b"deposits", create=False)
        with backup.begin(db=table) as txn:
            assert msgspec.msgpack.decode(txn.get((1).to_bytes(8, "big"))) == written[0]


def test_a_migration_that_was_cut_short_is_done_again(tmp_path):
    write_schema_1(tmp_path, [schema_1_record(0, "confirmed")])
    (tmp_path / "store.schema-1.new").mkdir()
    (tmp_path / "store.schema-1.new" / "data.mdb").write_bytes(b"half of it")
    for _ in range(2):
        store = Store(tmp_path, LIMITS)
        store.open()
        assert store.deposits == 1
        store.close()
    assert files.damaged_stores(tmp_path) == {}
    assert SCHEMA == 3


def test_a_ledger_of_schema_1_that_does_not_read_is_put_aside_whole(tmp_path):
    write_schema_1(tmp_path, [schema_1_record(0, "confirmed"), {"id": "half", "state": "?"}])
    store = Store(tmp_path, LIMITS)
    store.open()
    assert store.aside is not None
    assert store.aside[0].name == "store.damaged-1"
    store.close()
