"""An item's whole way through a real daemon, and what is left of it when a part dies on the way.

The one law: a credit exists only for an item that fell past the drop beam, once. Whatever is killed
wherever, nothing is invented; what cannot be known goes to review.
"""

import json
import os
import signal
from random import Random

import msgspec
import pytest

from protocol.storage import DepositRecord
from tests.actors.trace import check_trace
from tests.rvm_edge.machine import Machine, item

FIELDS = {field.name for field in msgspec.structs.fields(DepositRecord)}
PHASES = (
    "opening", "infeed", "closing", "identifying", "reserving", "transporting", "confirming",
    "crediting",
)  # fmt: skip
OPEN_STATES = {"reserved", "transporting", "confirmed"}


@pytest.fixture
def machine(tmp_path):
    with Machine(tmp_path / "data") as machine:
        yield machine.ready()


def test_an_accepted_item_is_credited_and_stays_so(machine):
    machine.insert()
    machine.until_deposit("credited")
    (record,) = machine.json("deposits")
    assert set(record) == FIELDS
    assert record["state"] == "credited"
    assert record["reason"] == "accepted"
    assert record["item"] == "mineral"
    assert 0 < record["confidence"] <= 1
    assert len(record["model_sha256"]) == 64
    assert record["started_at"] <= record["updated_at"]
    assert record["proof"] == "drop_beam"
    assert record["length_m"] == pytest.approx(0.23, abs=0.05)
    assert 10 < record["mass_g"] < 40
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
    session = machine.send("/service/session", "describe")
    assert (session["is_open"], session["credited"], session["refused"]) == (True, 0, 1)
    assert not machine.outputs()
    assert fates(machine)[-1] in ("returned", "taken")
    assert machine.stop() == 0
    (kept,) = machine.json("deposits")
    assert kept["state"] == "rejected"


def test_two_items_one_after_the_other(machine):
    machine.insert()
    machine.until_deposit("credited")
    machine.until_idle()
    machine.insert("reject")
    machine.until_deposit("rejected", number=2)
    newest, oldest = machine.json("deposits")
    assert (newest["state"], oldest["state"]) == ("rejected", "credited")
    assert newest["id"].rpartition("-")[0] == oldest["id"].rpartition("-")[0]
    assert len(machine.json("deposits", "--limit", 1)) == 1


def test_the_inlet_takes_one_item_at_a_time(machine):
    chosen = item("accept")
    machine.insert()
    done = machine.cli("sim", "insert", chosen.name)
    assert (done.returncode, done.stdout) == (1, "")
    assert "inlet" in done.stderr
    machine.until_deposit("credited")


@pytest.mark.parametrize(
    "address", ["/vision/camera", "/vision/inference", "/machine/motor", "/machine/sensors"]
)
def test_a_part_dies_during_a_deposit(machine, address):
    """At a random moment of the cycle; the machine is itself again, and has invented nothing."""
    rng = Random(address)
    for number in range(1, 4):
        insert_and_reach(machine, rng.choice(PHASES))
        end(machine, address)
        machine.until_event("started", address, count=number + 1)
        machine.until_well()
        machine.until_open()
        sound(machine)
    assert machine.status()["pid"] == machine.process.pid
    before = len(machine.deposits())
    machine.insert()
    machine.until_deposit("credited", number=before + 1)
    sound(machine)


@pytest.mark.parametrize("seed", range(4))
def test_the_core_is_killed_during_a_deposit(tmp_path, seed):
    """Everything goes at once; the next start settles what was under way."""
    rng = Random(seed)
    directory = tmp_path / "data"
    fallen = 0
    for _ in range(2):
        with Machine(directory).ready() as machine:
            insert_and_reach(machine, rng.choice(PHASES))
            before = {one["id"]: one["state"] for one in machine.deposits()}
            machine.kill()
            fallen += sum(one["event"] == "item_fell" for one in machine.events())
        with Machine(directory).ready() as machine:
            machine.until_open()
            after = {one["id"]: one["state"] for one in machine.deposits()}
            assert set(before) <= set(after)
            assert not OPEN_STATES & set(after.values())
            for id_, state in before.items():
                assert after[id_] == state or state in OPEN_STATES
                assert after[id_] == "credited" or state != "confirmed"
            assert list(after.values()).count("credited") <= fallen
            assert not machine.outputs()
            check_trace(machine.trace())
            assert machine.cli("ledger", "verify").returncode == 0
            assert machine.stop() == 0


def test_an_item_on_the_belt_goes_to_review_when_the_core_dies(tmp_path):
    """The new world begins with an empty machine: nobody can say whether it has fallen."""
    directory = tmp_path / "data"
    with Machine(directory).ready() as machine:
        machine.insert()
        machine.until_deposit("transporting")
        machine.kill()
        (left,) = json.loads(machine.cli("deposits", "--json").stdout)
        assert left["state"] == "transporting"
    with Machine(directory).ready() as machine:
        machine.until_open()
        (record,) = machine.deposits()
        assert (record["id"], record["state"]) == (left["id"], "review")
        assert record["reason"] == "interrupted"
        assert machine.send("/service/session", "describe")["credited"] == 0
        machine.insert()
        machine.until_deposit("credited", number=2)
        assert len({one["id"] for one in machine.deposits()}) == 2


@pytest.mark.parametrize(
    ("deed", "undo", "phase"),
    [("door_open", "door_close", "service"), ("estop_press", "estop_release", "estop")],
)
def test_an_interlock_stops_everything_until_somebody_resets_it(machine, deed, undo, phase):
    machine.insert()
    machine.until(lambda: "belt_in" in machine.outputs())
    machine.send("/world", "act", deed=deed)
    machine.until(lambda: not machine.outputs())
    machine.until(lambda: machine.send("/service/deposit", "cycle")["phase"] == phase)
    machine.send("/world", "act", deed=undo)
    machine.until(lambda: contacts_are_well(machine))
    assert machine.send("/service/deposit", "cycle")["phase"] == phase
    assert not machine.outputs()
    machine.send("/service/deposit", "reset")
    machine.until_open()
    assert all(one["state"] != "credited" for one in machine.deposits())
    assert machine.world()["motion_while_unsafe_s"] == 0
    check_trace(machine.trace())


def contacts_are_well(machine: Machine) -> bool:
    guard = machine.send("/machine/motor", "state")
    return bool(guard["door_closed"] and guard["estop_released"])


def insert_and_reach(machine: Machine, phase: str) -> None:
    """Put an item in and wait until its cycle is in a phase, or past it."""
    done = machine.send("/service/deposit", "cycle")["done"]
    machine.insert()

    def is_there() -> bool:
        cycle = machine.send("/service/deposit", "cycle")
        is_past = cycle["phase"] in PHASES[PHASES.index(phase) :] or cycle["done"] > done
        return bool(is_past)

    machine.until(is_there)


def end(machine: Machine, address: str) -> None:
    """Kill its process, or crash its thread."""
    pid = machine.actors()[address]["pid"]
    if pid is None:
        machine.fault("raise", address)
    else:
        os.kill(pid, signal.SIGKILL)


def fates(machine: Machine) -> list[str]:
    return [item["fate"] for item in machine.world()["items"]]


def sound(machine: Machine) -> None:
    """One item, at most one record that pays; no credit without an item in the bin."""
    records = machine.deposits()
    assert len({one["id"] for one in records}) == len(records)
    truth = machine.world()
    assert sum(one["state"] == "credited" for one in records) <= truth["fallen"]
    paying = sum(one["state"] in ("credited", "review") for one in records)
    assert paying <= len(truth["items"])
    assert truth["both_high"] == 0
    assert truth["motion_while_unsafe_s"] == 0
    check_trace(machine.trace())
