"""`rvm-edge deposits`, from the machine and from its disk."""

import json
import shutil

import lmdb
import msgspec
import pytest

from protocol.storage import DepositRecord
from tests.rvm_edge.machine import Machine, run


def put(directory, *records, schema=b"1"):
    """A ledger as the storage actor writes it."""
    (directory / "store").mkdir(parents=True)
    with lmdb.open(str(directory / "store"), max_dbs=4, map_size=1 << 20) as env:
        table, meta = env.open_db(b"deposits"), env.open_db(b"meta")
        with env.begin(write=True) as txn:
            txn.put(b"schema", schema, db=meta)
            for number, record in enumerate(records):
                txn.put(number.to_bytes(8, "big"), msgspec.msgpack.encode(record), db=table)


def record(number, **more):
    return DepositRecord(
        f"m-1-{number}", **{"state": "rejected", "reason": "soda", "started_at": 1.7e9 + number,
        "updated_at": 1.7e9 + number, **more}
    )  # fmt: skip


def deposits(directory, *arguments, code=0):
    done = run("deposits", "--data-dir", directory, *arguments, cwd=directory.parent)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done


def test_newest_first(tmp_path):
    put(tmp_path / "data", *(record(number) for number in range(60)))
    told = json.loads(deposits(tmp_path / "data", "--json").stdout)
    assert [one["id"] for one in told] == [f"m-1-{number}" for number in range(59, 9, -1)]
    assert len(json.loads(deposits(tmp_path / "data", "--json", "--limit", "60").stdout)) == 60
    for_people = deposits(tmp_path / "data", "--limit", "2").stdout.splitlines()
    assert for_people[0].split()[2:5] == ["m-1-59", "rejected", "soda"]
    assert for_people[-1] == "2 of 60"


def test_none_yet(tmp_path):
    put(tmp_path / "data")
    assert json.loads(deposits(tmp_path / "data", "--json").stdout) == []
    assert deposits(tmp_path / "data").stdout == "0 of 0\n"


def test_no_ledger(tmp_path):
    for where in (tmp_path / "data", tmp_path):
        done = deposits(where, "--json", code=2)
        assert done.stdout == ""
        assert "no machine has run there" in done.stderr


@pytest.mark.parametrize("limit", ["0", "-1", "many", "1.5"])
def test_how_many_is_how_many(tmp_path, limit):
    done = deposits(tmp_path, f"--limit={limit}", code=2)
    assert "--limit" in done.stderr


@pytest.mark.parametrize("damage", ["short", "other", "record", "empty"])
def test_a_damaged_ledger_is_said(tmp_path, damage):
    directory = tmp_path / "data"
    put(directory, *(record(number) for number in range(50)))
    file = directory / "store" / "data.mdb"
    if damage == "short":
        with file.open("r+b") as cut:
            cut.truncate(8192)
    elif damage == "other":
        file.write_bytes(b"no ledger at all" * 1000)
    elif damage == "empty":
        file.write_bytes(b"")
    else:
        shutil.rmtree(directory / "store")
        put(directory, {"id": "half of one"})
    done = deposits(directory, "--json", code=1)
    assert "data" in done.stderr
    assert done.stderr.count("\n") == 1


def test_when_the_storage_does_not_answer_the_disk_does(tmp_path):
    with Machine(tmp_path / "data").ready() as machine:
        machine.insert("reject")
        machine.until_deposit("rejected")
        running = machine.json("deposits")
        machine.send("/storage", "stop")
        done = machine.cli("deposits", "--json")
        assert json.loads(done.stdout) == running
        assert done.stderr.startswith("from the disk, because: ")
        machine.send("/storage", "start")
        assert machine.stop() == 0
    assert machine.json("deposits") == running
