"""An item's whole way through a real daemon, and what is left of it when a part dies on the way.

The one law: a credit exists only for an item that fell past the drop beam, once. Whatever is killed
wherever, nothing is invented; what cannot be known goes to review.
"""

import json
import os
import signal
from random import Random

import pytest

from tests.rvm_edge.machine import Machine, item

FIELDS = {
    "id", "state", "reason", "started_at", "updated_at", "item", "confidence", "model",
    "model_sha256", "trace",
}  # fmt: skip
PHASES = ("capturing", "deciding", "reserving", "transporting", "confirming")


@pytest.fixture
def machine(tmp_path):
    with Machine(tmp_path / "data") as machine:
        yield machine.ready()


def test_an_accepted_item_is_credited_and_stays_so(machine):
    machine.insert()
    machine.until_deposit("confirmed")
    (record,) = machine.json("deposits")
    assert set(record) == FIELDS
    assert record["state"] == "confirmed"
    assert record["reason"] == "accepted"
    assert record["item"] == "mineral"
    assert 0 < record["confidence"] <= 1
    assert len(record["model_sha256"]) == 64
    assert record["started_at"] <= record["updated_at"]
    machine.until(lambda: machine.send("/service/session", "describe")["credited"] == 1)
    assert machine.stop() == 0
    assert machine.json("deposits") == [record]
    with Machine(machine.directory).ready() as again:
        assert again.json("deposits") == [record]
        assert again.stop() == 0


def test_a_rejected_item_comes_back_and_pays_nothing(machine):
    machine.insert("reject")
    record = machine.until_deposit("rejected")
    assert record["reason"] not in ("accepted", "")
    machine.until_idle()
    assert machine.send("/service/session", "describe") == {
        "type": "service.described", "is_open": True, "credited": 0, "refused": 1,
    }  # fmt: skip
    assert machine.pins() == b"\0\0\0\0"
    assert machine.stop() == 0
    (kept,) = machine.json("deposits")
    assert kept["state"] == "rejected"


def test_two_items_one_after_the_other(machine):
    machine.insert()
    machine.until_deposit("confirmed")
    machine.until_idle()
    machine.insert("reject")
    machine.until_deposit("rejected", number=2)
    newest, oldest = machine.json("deposits")
    assert (newest["state"], oldest["state"]) == ("rejected", "confirmed")
    assert newest["id"].rpartition("-")[0] == oldest["id"].rpartition("-")[0]
    assert len(machine.json("deposits", "--limit", 1)) == 1


def test_the_inlet_takes_one_item_at_a_time(machine):
    chosen = item("accept")
    machine.insert()
    done = machine.cli("sim", "insert", chosen.name)
    assert (done.returncode, done.stdout) == (1, "")
    assert "still in the machine" in done.stderr
    machine.until_deposit("confirmed")


@pytest.mark.parametrize("address", ["/vision/camera", "/vision/inference", "/machine/motor"])
def test_a_process_is_killed_during_a_deposit(machine, address):
    """At a random moment of the cycle; the machine is itself again, and has invented nothing."""
    rng = Random(address)
    for number in range(1, 4):
        insert_and_reach(machine, rng.choice(PHASES))
        os.kill(machine.processes()[address], signal.SIGKILL)
        until_done(machine, number)
        machine.until_event("started", address, count=number + 1)
        machine.until_well()
        no_more_credits_than_drops(machine, number)
        clear_belt(machine)
    assert machine.status()["pid"] == machine.process.pid
    machine.insert()
    machine.until_deposit("confirmed", number=4)


@pytest.mark.parametrize("seed", range(3))
def test_the_core_is_killed_during_a_deposit(tmp_path, seed):
    """Everything goes at once; the next start puts what nobody can know to review."""
    rng = Random(seed)
    directory = tmp_path / "data"
    for number in range(1, 3):
        with Machine(directory).ready() as machine:
            insert_and_reach(machine, rng.choice(PHASES))
            before = {one["id"]: one["state"] for one in machine.deposits()}
            machine.kill()
        with Machine(directory).ready() as machine:
            after = {one["id"]: one["state"] for one in machine.deposits()}
            no_more_credits_than_drops(machine, number)
            assert "reserved" not in after.values()
            assert set(before) <= set(after)
            for id_, state in before.items():
                assert after[id_] == state or (state, after[id_]) in (
                    ("reserved", "review"),
                    ("reserved", "confirmed"),  # it fell in the moment between looking and dying
                )
            assert machine.pins() == b"\0\0\0\0"
            assert machine.stop() == 0


def test_a_reserved_item_goes_to_review_when_the_core_dies(tmp_path):
    directory = tmp_path / "data"
    with Machine(directory).ready() as machine:
        machine.insert()
        machine.until_deposit("reserved")
        machine.kill()
        (left,) = json.loads(machine.cli("deposits", "--json").stdout)
        assert left["state"] == "reserved"
    with Machine(directory).ready() as machine:
        (record,) = machine.deposits()
        assert (record["id"], record["state"]) == (left["id"], "review")
        assert record["reason"] == "interrupted"
        assert machine.until_event("deposits_to_review")["deposits"] == [left["id"]]
        assert machine.send("/service/session", "describe")["credited"] == 0
        machine.insert()
        machine.until_deposit("confirmed", number=2)
        assert len({one["id"] for one in machine.deposits()}) == 2


def insert_and_reach(machine: Machine, phase: str) -> None:
    """Put an item in and wait until its cycle is in a phase, or past it."""
    done = machine.send("/service/deposit", "cycle")["done"]
    machine.insert()

    def is_there() -> bool:
        cycle = machine.send("/service/deposit", "cycle")
        is_past = cycle["phase"] in PHASES[PHASES.index(phase) :] or cycle["done"] > done
        return bool(is_past)

    machine.until(is_there)


def until_done(machine: Machine, items: int) -> None:
    """Wait until so many items have been dealt with."""
    machine.until(lambda: machine.send("/service/deposit", "cycle")["done"] == items)


def clear_belt(machine: Machine) -> None:
    """Take away what a dead motor has left on the belt: the world begins anew."""
    machine.send("/world", "kick")
    machine.until_state("/world", "running")
    machine.until(
        lambda: machine.send("/machine/sensors", "read_inputs")["levels"]["beam_inlet"] is False
    )


def no_more_credits_than_drops(machine: Machine, items: int) -> None:
    """The world says how many items have fallen; the ledger may credit no more than that."""
    records = machine.deposits()
    assert len(records) <= items
    assert len({one["id"] for one in records}) == len(records)
    drops = sum(one["event"] == "item_fell" for one in machine.events())
    assert sum(one["state"] == "confirmed" for one in records) <= drops
