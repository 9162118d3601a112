"""`rvm-edge deposits`, beside the machine and from its disk."""

import csv
import json
import shutil
import sqlite3

import pytest

from protocol.storage import DepositRecord
from tests.rvm_edge.ledgers import record, write
from tests.rvm_edge.machine import Machine, run


def deposits(directory, *arguments, code=0):
    done = run("deposits", "--data-dir", directory, *arguments, cwd=directory.parent)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done


def test_newest_first(tmp_path):
    write(tmp_path / "data", *(record(number) for number in range(60)))
    told = json.loads(deposits(tmp_path / "data", "--json").stdout)
    assert [one["id"] for one in told] == [f"m-1-{number}" for number in range(59, 9, -1)]
    assert len(json.loads(deposits(tmp_path / "data", "--json", "--limit", "60").stdout)) == 60
    for_people = deposits(tmp_path / "data", "--limit", "2").stdout.splitlines()
    assert for_people[0].split()[2:5] == ["m-1-59", "rejected", "refused_soda"]
    assert for_people[-1] == "2 of 60"


def test_none_yet(tmp_path):
    write(tmp_path / "data")
    assert json.loads(deposits(tmp_path / "data", "--json").stdout) == []
    assert deposits(tmp_path / "data").stdout == "0 of 0\n"


def test_only_those_that_are_asked_for(tmp_path):
    directory = tmp_path / "data"
    write(
        directory,
        record(1, "credited", session="m-s-1-1"),
        record(2, "review", session="m-s-1-1"),
        record(3, "credited"),
        record(4, "rejected"),
    )

    def ids(*arguments):
        return [each["id"] for each in json.loads(deposits(directory, "--json", *arguments).stdout)]

    assert ids("--state", "credited") == ["m-1-3", "m-1-1"]
    assert ids("--session", "m-s-1-1") == ["m-1-2", "m-1-1"]
    assert ids("--session", "m-s-1-1", "--state", "review") == ["m-1-2"]
    assert ids("--since", "1d") == []
    assert ids("--since", "2020-01-01") == ["m-1-4", "m-1-3", "m-1-2", "m-1-1"]
    assert ids("--limit", "1") == ["m-1-4"]


def test_no_ledger(tmp_path):
    for where in (tmp_path / "data", tmp_path):
        done = deposits(where, "--json", code=2)
        assert done.stdout == ""
        assert "no machine has run there" in done.stderr


@pytest.mark.parametrize(
    "wrong", ["--limit=0", "--limit=-1", "--limit=many", "--since=soon", "--state=happy"]
)
def test_what_makes_no_sense_is_said(tmp_path, wrong):
    done = deposits(tmp_path, wrong, code=2)
    assert wrong.split("=")[0] in done.stderr


@pytest.mark.parametrize("damage", ["short", "other", "empty"])
def test_a_damaged_ledger_is_said(tmp_path, damage):
    directory = tmp_path / "data"
    write(directory, *(record(number) for number in range(50)))
    file = directory / "store" / "data.mdb"
    if damage == "short":
        with file.open("r+b") as cut:
            cut.truncate(8192)
    else:
        file.write_bytes(b"no ledger at all" * 1000 if damage == "other" else b"")
    done = deposits(directory, "--json", code=1)
    assert "data" in done.stderr
    assert done.stderr.count("\n") == 1


def test_as_csv(tmp_path):
    directory, file = tmp_path / "data", tmp_path / "out.csv"
    write(directory, *(record(number) for number in range(70)))
    assert deposits(directory, "--export", "csv", file).stdout.startswith("70 of 70 deposits in ")
    with file.open(newline="") as source:
        rows = list(csv.DictReader(source))
    assert [row["id"] for row in rows] == [f"m-1-{number}" for number in range(69, -1, -1)]
    assert tuple(rows[0]) == DepositRecord.__struct_fields__


def test_as_sqlite(tmp_path):
    directory, file = tmp_path / "data", tmp_path / "out.sqlite"
    write(directory, record(1, "credited", session="m-s-1-1"), record(2, trace=2**64 - 1))
    deposits(directory, "--export", "sqlite", file)
    connection = sqlite3.connect(file)
    try:
        states = dict(connection.execute("SELECT id, state FROM deposits"))
        assert connection.execute("SELECT confidence FROM deposits").fetchone() == (None,)
    finally:
        connection.close()
    assert states == {"m-1-1": "credited", "m-1-2": "rejected"}


def test_an_export_replaces_nothing_unless_told_to(tmp_path):
    directory, file = tmp_path / "data", tmp_path / "out.csv"
    write(directory, record(1))
    file.write_text("precious")
    done = deposits(directory, "--export", "csv", file, code=1)
    assert "--force" in done.stderr
    assert file.read_text() == "precious"
    deposits(directory, "--export", "csv", file, "--force")
    assert "m-1-1" in file.read_text()
    deposits(directory, "--export", "csv", tmp_path / "nowhere" / "x.csv", code=1)
    deposits(directory, "--export", "xml", file, "--force", code=2)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "out.csv"]


def test_from_a_copy_that_nobody_may_write(tmp_path):
    write(tmp_path / "data", record(1))
    copy = tmp_path / "copy"
    shutil.copytree(tmp_path / "data", copy)
    (copy / "store" / "lock.mdb").unlink()
    assert "1 of 1" in deposits(copy).stdout
    assert not (copy / "store" / "lock.mdb").exists()


def test_the_machine_may_run_or_not(tmp_path):
    with Machine(tmp_path / "data").ready() as machine:
        machine.insert("reject")
        machine.until_deposit("rejected")
        running = machine.json("deposits")
        machine.send("/storage", "stop")
        assert machine.json("deposits") == running
        machine.send("/storage", "start")
        assert machine.stop() == 0
    assert machine.json("deposits") == running
