"""Whatever is sent, the answer is a failure with the field's name, and the platform goes on."""

from __future__ import annotations

import pytest

from server.http.bodies import BODY_BYTES_MAX, field_and_reason
from tests.server.platform import Machine, Platform


def send(machine: Machine, content, **headers: str):
    return machine.platform.run(
        machine.request("POST", "/deposits", content=content, headers=headers)
    )


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"weight": "heavy"}, "weight"),
        ({"state": "paid"}, "state"),
        ({"key": ""}, "key"),
        ({"quantity": 2}, "quantity"),
        ({"waste_type": "a\0b"}, "body"),
        ({"detection_data": {"deep": "a\0b"}}, "body"),
    ],
)
def test_a_wrong_field_is_named(platform: Platform, change: dict, field: str):
    machine = platform.machine()
    answer = machine.post("/deposits", machine.deposit(**change))
    assert (answer.status_code, answer.json()["code"]) == (422, "validation")
    assert list(answer.json()["errors"]) == [field]


def test_a_missing_field_is_named(platform: Platform):
    machine = platform.machine()
    said = machine.deposit()
    del said["session_token"]
    assert list(machine.post("/deposits", said).json()["errors"]) == ["session_token"]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe",
        b"{",
        b"null",
        b"[]",
        b"<html>",
        b"[" * 100_000,
        b'{"key":"a","detection_data":' + b'{"a":' * 100_000,
        b'{"key":"\\ud800"}',
        b'{"at":1e999}',
    ],
    ids=lambda content: repr(content[:16]),
)
def test_what_is_no_json_is_refused(platform: Platform, content: bytes):
    machine = platform.machine()
    assert send(machine, content).status_code == 422
    assert machine.post("/deposits", machine.deposit()).status_code == 201


def test_an_integer_that_no_database_counts_to_is_refused(either: Platform):
    machine = either.machine()
    birth = {"boot_id": "b", "epoch": 2**63, "at": 1.0}
    answer = machine.post("/edge/births", birth)
    assert (answer.status_code, list(answer.json()["errors"])) == (422, ["epoch"])
    assert machine.post("/edge/births", {**birth, "epoch": 2**53}).status_code == 200


def test_numbers_in_free_fields_are_kept_as_they_are(either: Platform):
    machine = either.machine()
    said = machine.deposit(detection_data={"n": 2**60, "nested": {"x": 0.1}})
    assert machine.post("/deposits", said).status_code == 201


@pytest.mark.parametrize("is_honest", [True, False])
def test_a_body_that_is_too_large_is_not_read_to_its_end(platform: Platform, is_honest: bool):
    machine = platform.machine()
    read = 0

    async def much():
        nonlocal read
        for _ in range(1000):
            read += 1 << 16
            yield bytes(1 << 16)

    headers = {"Content-Length": str(1000 << 16)} if is_honest else {}
    assert send(machine, much(), **headers).status_code == 413
    assert read <= (0 if is_honest else BODY_BYTES_MAX + (2 << 16))


def test_what_is_not_there_has_the_same_shape(platform: Platform):
    machine = platform.machine()
    missing = machine.get("/nothing/here")
    assert (missing.status_code, missing.json()["code"]) == (404, "not_found")
    wrong = machine.ask("DELETE", "/deposits")
    assert (wrong.status_code, wrong.json()["code"]) == (405, "method_not_allowed")
    query = machine.get("/edge/commands?after=many")
    assert (query.status_code, list(query.json()["errors"])) == (422, ["after"])
    huge = platform.operator.get(f"/fleet/machines/{10**30}")
    assert (huge.status_code, list(huge.json()["errors"])) == (422, ["rvm_id"])


def test_fields_that_nobody_knows_are_ignored(platform: Platform):
    machine = platform.machine()
    said = machine.deposit(user_id=1, rvm_id=99, newer_field={"a": 1})
    assert machine.post("/deposits", said).status_code == 201


@pytest.mark.parametrize(
    ("message", "field"),
    [
        ("Object missing required field `key` - at `$.items[0]`", "items.0.key"),
        ("Object missing required field `key`", "key"),
        ("Expected `float`, got `str` - at `$.weight`", "weight"),
        ("Expected `array` of length >= 1 - at `$.items`", "items"),
        ("Expected `object`, got `null`", "body"),
    ],
)
def test_laravel_s_name_of_a_field(message: str, field: str):
    assert field_and_reason(message)[0] == field
