"""`rvm-edge commands`: what was asked from afar, from a machine that runs or from its disk."""

import json

import lmdb
import pytest

from actors.store import STORE
from actors.store.commands import store_commands
from actors.store.store import Store
from actors.store.tables import NUMBER
from config.settings import StorageSettings
from models.remote import lifecycle
from models.remote.lifecycle import Moment
from protocol.platform.remote import Command
from protocol.storage import StoreCommands
from rvm_edge.cli import main

MOMENT = Moment(1.7e9, 1000.0, "boot", "run")


@pytest.fixture
def data(tmp_path):
    """Two commands: one has ended, one has just come."""
    store = Store(tmp_path, StorageSettings(map_mb=2, map_mb_max=64))
    store.open()
    first = lifecycle.received(
        Command(1, "cmd-00001", "ping", 60.0, {"address": "/storage"}, issuer="ops"), MOMENT
    )
    first = lifecycle.step(lifecycle.step(first, "accepted", MOMENT), "running", MOMENT)
    first = lifecycle.step(first, "failed", MOMENT, "no_actor", "nobody has that address")
    second = lifecycle.received(Command(2, "cmd-00002", "status", 60.0), MOMENT)
    writes = tuple(lifecycle.written(None, record) for record in (first, second))
    store.commit([lambda books: store_commands(books, StoreCommands(writes, 2))], 1.7e9)
    store.close()
    return tmp_path


def test_they_are_shown_newest_first(data, capsys):
    assert main(["commands", "--data-dir", str(data)]) == 0
    newest, oldest, count = capsys.readouterr().out.splitlines()
    assert "cmd-00002" in newest
    assert "received" in newest
    assert "failed     no_actor nobody has that address  by ops" in oldest
    assert count == "2 of 2 commands; taken down up to 2"


def test_a_program_gets_their_arguments_and_what_is_not_told_yet(data, capsys):
    assert main(["commands", "--json", "--limit", "5", "--data-dir", str(data)]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert (listed["total"], listed["cursor"]) == (2, 2)
    oldest = listed["records"][1]
    assert (oldest["args"], oldest["waiting_reports"]) == ({"address": "/storage"}, 4)
    assert "digest" not in oldest


def test_the_journal_is_verified_and_one_flipped_byte_is_found(data, capfd):
    assert main(["commands", "verify", "--data-dir", str(data)]) == 0
    assert "2 commands in 5 steps: the journal holds together" in capfd.readouterr().out
    with lmdb.open(str(data / STORE), max_dbs=32, lib_version=0) as env:
        journal = env.open_db(b"journal", create=False)
        with env.begin(write=True, db=journal) as txn:
            value = bytearray(txn.get(NUMBER.pack(3)))
            value[-1] ^= 1
            txn.put(NUMBER.pack(3), bytes(value))
    assert main(["commands", "verify", "--data-dir", str(data)]) == 1
    out = capfd.readouterr().out
    assert "journal entry 3" in out
    assert "it does not hold" in out
    assert main(["commands", "verify", "--json", "--data-dir", str(data)]) == 1
    assert json.loads(capfd.readouterr().out)["ok"] is False


def test_where_no_machine_has_run_it_says_so(tmp_path, capsys):
    assert main(["commands", "--data-dir", str(tmp_path)]) == 2
    assert "no machine has run there" in capsys.readouterr().err
    assert main(["commands", "--limit", "0", "--data-dir", str(tmp_path)]) == 2
