"""`rvm-edge ledger`: verify, show, review."""

import json
import shutil

import lmdb
import pytest

from tests.rvm_edge.ledgers import record, write
from tests.rvm_edge.machine import Machine, run


def ledger(directory, *arguments, code=0):
    action, *more = arguments
    done = run("ledger", action, "--data-dir", directory, *more, cwd=directory.parent)
    assert done.returncode == code, done.stderr + done.stdout
    assert "Traceback" not in done.stderr
    return done


def make(directory):
    write(
        directory,
        record(1, "credited", session="m-s-1-1"),
        record(2, "review"),
        record(3, "reserved"),
        record(4),
    )
    return directory


def change(directory, table, change_row):
    with lmdb.open(str(directory / "store"), max_dbs=32, map_size=1 << 24) as env:
        handle = env.open_db(table.encode() or None)
        with env.begin(write=True, db=handle) as txn:
            change_row(txn)


def test_a_whole_ledger_holds_together(tmp_path):
    directory = make(tmp_path / "data")
    done = ledger(directory, "verify")
    assert done.stdout == "the ledger holds together: 4 deposits, 1 credited, 1 sessions\n"
    told = json.loads(ledger(directory, "verify", "--json").stdout)
    assert (told["ok"], told["deposits"], told["entries"]) == (True, 4, 8)


def first(number):
    return number.to_bytes(8, "big")


@pytest.mark.parametrize(
    ("table", "damage", "where"),
    [
        ("journal", lambda txn: txn.put(first(4), b"x" + txn.get(first(4))[1:]), "journal entry 4"),
        ("journal", lambda txn: txn.delete(first(4)), "journal entry 4"),
        ("journal", lambda txn: txn.delete(first(9)), "the journal"),
        ("deposits", lambda txn: txn.put(first(2), txn.get(first(1))), "deposit m-1-1"),
        ("deposits", lambda txn: txn.delete(first(2)), "deposits"),
        ("ids", lambda txn: txn.delete(b"m-1-1"), "deposit m-1-1"),
        ("open", lambda txn: txn.delete(first(3)), "deposit m-1-3"),
        ("credits", lambda txn: txn.delete(b"m-s-1-1"), "the credits of sessions"),
        ("money", lambda txn: txn.delete(first(1)), "bytes in the money outbox"),
        ("sessions", lambda txn: txn.put(first(1), b"?"), "session number 1"),
        ("", lambda txn: txn.delete(b"counters"), "the counters"),
    ],
)
def test_whatever_is_changed_behind_its_back_is_found(tmp_path, table, damage, where):
    directory = make(tmp_path / "data")
    change(directory, table, damage)
    told = json.loads(ledger(directory, "verify", "--json", code=1).stdout)
    assert where in [each["where"] for each in told["findings"]]
    text = ledger(directory, "verify", code=1).stdout
    assert "does not hold together, first at " in text
    assert "docs/ledger.md" in text


def test_a_copy_and_a_store_that_was_put_aside_can_be_verified_too(tmp_path):
    directory = make(tmp_path / "data")
    shutil.copytree(directory, tmp_path / "copy")
    shutil.copytree(directory / "store", directory / "store.damaged-1")
    assert "holds together" in ledger(tmp_path / "copy", "verify").stdout
    assert "holds together" in ledger(directory, "verify", "--store", "store.damaged-1").stdout
    elsewhere = tmp_path / "copy" / "store"
    assert "holds together" in ledger(directory, "verify", "--store", elsewhere).stdout


def test_how_it_stands_also_without_a_machine(tmp_path):
    directory = make(tmp_path / "data")
    told = json.loads(ledger(directory, "show", "--json").stdout)
    assert (told["deposits"], told["epoch"], told["outbox"]["money"]) == (4, 1, 1)
    assert "1 money" in ledger(directory, "show").stdout


def test_no_ledger(tmp_path):
    for action in ("verify", "show"):
        assert "no machine has run there" in ledger(tmp_path / "data", action, code=2).stderr


def test_a_decision_needs_the_machine_and_a_reason(tmp_path):
    directory = make(tmp_path / "data")
    done = ledger(directory, "review", "m-1-2", "--credit", "--why", "seen", code=3)
    assert "start one with" in done.stderr
    assert "--why" in ledger(directory, "review", "m-1-2", "--credit", code=2).stderr
    ledger(directory, "review", "m-1-2", "--why", "x", code=2)
    ledger(directory, "review", "m-1-2", "--void", "--credit", "--why", "x", code=2)


def test_a_person_decides_through_the_running_machine(tmp_path):
    directory = make(tmp_path / "data")
    with Machine(directory).ready() as machine:
        done = machine.cli(
            "ledger", "review", "m-1-2", "--credit", "--why", "on video", "--by", "a"
        )
        assert done.stdout == "m-1-2 is credited now\n"
        again = machine.cli("ledger", "review", "m-1-2", "--void", "--why", "no")
        assert again.returncode == 1
        assert "m-1-2 is credited, not void" in again.stderr
        assert "holds together" in machine.cli("ledger", "verify").stdout
        assert machine.json("ledger", "show")["outbox"]["money"] >= 2
        assert machine.stop() == 0
    (decided,) = [each for each in machine.json("deposits") if each["id"] == "m-1-2"]
    assert (decided["state"], decided["decision"]) == ("credited", "a: on video")
