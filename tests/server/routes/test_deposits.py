"""A deposit is there once, and credited once, whatever the network does."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from server.tables import deposits, reward_entries
from tests.server.platform import Machine, Platform


@pytest.fixture
def machine(either: Platform) -> Machine:
    return either.machine()


def rows(platform: Platform) -> int:
    return len(platform.read(sa.select(deposits)))


def test_five_times_at_once_is_once(either: Platform, machine: Machine):
    said = machine.deposit()
    answers = either.together(*(machine.sending("POST", "/deposits", said) for _ in range(5)))
    assert sorted(answer.status_code for answer in answers) == [200, 200, 200, 200, 201]
    assert len({answer.text for answer in answers}) == 1
    assert rows(either) == 1


def test_another_body_under_a_key_is_refused(either: Platform, machine: Machine):
    assert machine.post("/deposits", machine.deposit()).status_code == 201
    answer = machine.post("/deposits", machine.deposit(weight=0.5))
    assert (answer.status_code, answer.json()["code"]) == (422, "key_reused")
    assert list(answer.json()["errors"]) == ["key"]
    assert rows(either) == 1


def test_of_two_bodies_at_once_one_is_taken(either: Platform, machine: Machine):
    bodies = [machine.deposit(weight=0.01 * number) for number in range(1, 6)]
    answers = either.together(*(machine.sending("POST", "/deposits", body) for body in bodies))
    assert sorted(answer.status_code for answer in answers) == [201, 422, 422, 422, 422]


def test_the_same_key_of_another_machine_is_another_deposit(either: Platform, machine: Machine):
    other = either.machine("rvm-2")
    said = machine.deposit()
    assert machine.post("/deposits", said).status_code == 201
    assert other.post("/deposits", said).status_code == 201
    assert rows(either) == 2


@pytest.mark.parametrize("decision", ["credited", "void"])
def test_a_review_moves_on_and_what_comes_late_changes_nothing(platform: Platform, decision: str):
    machine = platform.machine()
    review = machine.deposit(state="review", reason="power_cut")
    decided = machine.deposit(state=decision, reason="operator")
    assert machine.post("/deposits", review).status_code == 201
    assert machine.post("/deposits", decided).status_code == 200
    late = machine.post("/deposits", review)
    assert (late.status_code, late.json()["data"]["state"]) == (200, decision)
    assert machine.post("/deposits", decided).json()["data"]["state"] == decision


def test_the_header_must_not_say_another_key(platform: Platform):
    machine = platform.machine()
    said = machine.deposit()
    answer = machine.post("/deposits", said, headers={"Idempotency-Key": "another"})
    assert (answer.status_code, list(answer.json()["errors"])) == (422, ["key"])
    answer = machine.post("/deposits", said, headers={"Idempotency-Key": said["key"]})
    assert answer.status_code == 201


def test_a_batch_answers_for_each_and_a_bad_one_stops_no_other(either: Platform, machine: Machine):
    machine.post("/deposits", machine.deposit(1))
    items = [
        machine.deposit(1),
        machine.deposit(1, waste_type="soda"),
        machine.deposit(2, weight="heavy"),
        {"state": "credited"},
        machine.deposit(3),
        machine.deposit(3),
    ]
    results = machine.post("/deposits/batch", {"items": items}).json()["data"]["results"]
    assert [(one["status"], one.get("code", "")) for one in results] == [
        ("duplicate", ""),
        ("refused", "key_reused"),
        ("refused", "validation"),
        ("refused", "validation"),
        ("created", ""),
        ("duplicate", ""),
    ]
    assert [one["key"] for one in results] == [item.get("key", "") for item in items]
    assert "weight" in results[2]["message"]
    assert rows(either) == 2


def test_a_guest_s_deposit_is_worth_nothing_to_anybody_yet(platform: Platform):
    machine = platform.machine()
    known = machine.post("/deposits", machine.deposit()).json()["data"]
    assert known.get("reward") is None


def test_who_may_ask_for_a_deposit(platform: Platform):
    machine, other, user = platform.machine("rvm-1"), platform.machine("rvm-2"), platform.user()
    key = machine.deposit()["key"]
    machine.post("/deposits", machine.deposit())
    answers = [asker.get(f"/deposits/{key}") for asker in (machine, platform.operator)]
    assert [answer.json()["data"]["key"] for answer in answers] == [key, key]
    assert [asker.get(f"/deposits/{key}").status_code for asker in (other, user)] == [404, 404]
    assert machine.get("/deposits/rvm-1-1-99").status_code == 404


def test_a_deposit_keeps_the_table_by_which_it_was_counted(platform: Platform):
    machine = platform.machine()
    platform.operator.put("/fleet/rewards", {"rates": {"default": 10, "mineral": 7}})
    machine.post("/deposits", machine.deposit(1))
    machine.post("/deposits", machine.deposit(2, waste_type="soda"))
    platform.operator.put("/fleet/rewards", {"rates": {"default": 1}})
    machine.post("/deposits", machine.deposit(3))
    machine.post("/deposits", machine.deposit(4, state="review"))
    machine.post("/deposits", machine.deposit(1))
    counted = platform.read(
        sa.select(deposits.c.reward, deposits.c.reward_version).order_by(deposits.c.id)
    )
    assert [tuple(one) for one in counted] == [(7, 2), (10, 2), (1, 3), (None, None)]
    assert platform.read(sa.select(reward_entries)) == []


def test_a_session_that_is_longer_than_a_key_is_refused_and_not_a_fault(
    either: Platform, machine: Machine
):
    long = machine.deposit(session_token="".join(map(str, range(5000))))
    answer = machine.post("/deposits", long)
    assert (answer.status_code, list(answer.json()["errors"])) == (422, ["session_token"])
    batch = machine.post("/deposits/batch", {"items": [long, machine.deposit(2)]})
    statuses = [one["status"] for one in batch.json()["data"]["results"]]
    assert statuses == ["refused", "created"]


def test_a_batch_of_bad_ones_only_is_answered(either: Platform, machine: Machine):
    batch = machine.post("/deposits/batch", {"items": [{"key": "a"}, {"key": "b"}]})
    assert [one["status"] for one in batch.json()["data"]["results"]] == ["refused", "refused"]
    assert rows(either) == 0
