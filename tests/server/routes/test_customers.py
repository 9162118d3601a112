"""Users: a scanned code, a claim, and what they have in the end."""

from __future__ import annotations

import asyncio
import itertools

import pytest
import sqlalchemy as sa

from models import claims as machine_claims
from server.bell import machine_channel
from server.tables import reward_entries
from tests.server.platform import START_S, Asker, Machine, Platform, Start

RATE = 100
"""Of the first reward table."""


@pytest.fixture
def machine(either: Platform) -> Machine:
    return either.machine()


def claim_of(machine: Machine, session: str, credited: int, **changes) -> str:
    said = {
        "hardware_id": machine.hardware_id,
        "session": session,
        "credited": credited,
        "issued_at": int(START_S),
        "expires_at": int(START_S) + 30 * 86400,
        "nonce": "0011223344556677",
        **changes,
    }
    return machine_claims.sign(machine_claims.Claim(**said), machine.key.private_bytes_raw())


def total(user: Asker) -> int:
    return user.get("/me").json()["data"]["total"]


def scan(platform: Platform, user: Asker, machine: Machine, **word):
    """The telephone asks, and the machine answers the command that it finds."""

    async def answer() -> None:
        commands = []
        while not commands:
            await asyncio.sleep(0.005)
            found = await machine.sending("GET", "/edge/commands")
            commands = found.json()["data"]["commands"]
        path = f"/edge/commands/{commands[0]['id']}/reports"
        await machine.sending("POST", path, {"at": START_S, **word})

    said = {"hardware_id": machine.hardware_id, "code": "7QK3M9T2XW4B8HZD"}
    return platform.together(user.sending("POST", "/sessions", said), answer())[0]


def test_a_scanned_code_begins_a_session_and_its_deposits_are_the_user_s(
    either: Platform, machine: Machine
):
    user = either.user()
    session = "rvm-1-s-1-5"
    begun = scan(either, user, machine, state="succeeded", result={"session": session})
    assert begun.status_code == 201
    assert begun.json()["data"]["session"] == session
    rang = (machine_channel(machine.rvm_id), "command", {"last": 1})
    assert rang in either.bell.heard
    known = machine.post("/deposits", machine.deposit(session_token=session)).json()["data"]
    assert known["reward"] == RATE
    assert total(user) == RATE
    assert user.get("/me/deposits").json()["data"]["items"][0]["reward"] == RATE
    told = (f"private-user.{user.reference}", "deposit", {"key": known["key"], "reward": RATE})
    assert told in either.bell.heard


def test_the_command_says_who_and_which_code(start: Start):
    platform = start(session_wait_s=0.0)
    machine, user = platform.machine(), platform.user()
    asked = user.post("/sessions", {"hardware_id": "rvm-1", "code": "ABC"})
    assert asked.status_code == 202
    (command,) = machine.get("/edge/commands").json()["data"]["commands"]
    assert command["type"] == "start_session"
    assert command["args"] == {"user": user.reference, "code": "ABC"}
    assert machine.sends_report(command["id"], "failed", code="code_used").status_code == 204
    found = user.get(f"/sessions/{asked.json()['data']['request_id']}").json()["data"]
    assert (found["state"], found["code"]) == ("refused", "code_used")


@pytest.mark.parametrize(
    ("word", "code"),
    [
        ({"state": "failed", "code": "code_expired"}, "code_expired"),
        ({"state": "rejected", "code": "busy"}, "busy"),
        ({"state": "expired"}, "expired"),
    ],
)
def test_the_machine_s_refusal_reaches_the_telephone(platform: Platform, word: dict, code: str):
    machine, user = platform.machine(), platform.user()
    answer = scan(platform, user, machine, **word)
    assert (answer.status_code, answer.json()["code"]) == (409, code)


def test_an_unknown_machine_and_another_s_request_are_not_found(platform: Platform):
    machine, user, other = platform.machine(), platform.user(), platform.user("Budi")
    assert user.post("/sessions", {"hardware_id": "rvm-9", "code": "A"}).status_code == 404
    begun = scan(platform, user, machine, state="succeeded", result={"session": "rvm-1-s-1-1"})
    path = f"/sessions/{begun.json()['data']['request_id']}"
    assert (user.get(path).status_code, other.get(path).status_code) == (200, 404)


def test_deposits_that_come_before_the_machine_s_word_are_credited_behind_it(platform: Platform):
    machine, user = platform.machine(), platform.user()
    machine.post("/deposits", machine.deposit(1))
    machine.post("/deposits", machine.deposit(2, state="review"))
    assert total(user) == 0
    session = machine.deposit()["session_token"]
    scan(platform, user, machine, state="succeeded", result={"session": session})
    assert total(user) == RATE
    machine.post("/deposits", machine.deposit(2, state="credited"))
    assert total(user) == 2 * RATE


def test_the_machine_s_word_about_the_user_counts_nothing(platform: Platform):
    machine, user = platform.machine(), platform.user()
    closed = {
        "key": machine.deposit()["session_token"],
        "kind": "user",
        "user": user.reference,
        "started_at": START_S,
        "ended_at": START_S,
        "credited": 9,
        "refused": 0,
    }
    results = [machine.post("/edge/sessions", {"items": [closed]}) for _ in range(2)]
    statuses = [one.json()["data"]["results"][0]["status"] for one in results]
    assert statuses == ["created", "duplicate"]
    machine.post("/deposits", machine.deposit())
    assert total(user) == 0


def test_a_claim_is_paid_once_to_whoever_comes_first(either: Platform, machine: Machine):
    users = [either.user(name) for name in ("Sari", "Budi", "Wati")]
    token = claim_of(machine, "rvm-1-s-1-1", 3, in_review=1)
    answers = either.together(
        *(user.sending("POST", "/claims", {"token": token}) for user in users for _ in range(2))
    )
    assert sorted(answer.status_code for answer in answers) == [200, 201, 409, 409, 409, 409]
    paid = next(one.json()["data"] for one in answers if one.status_code == 201)
    assert (paid["items"], paid["in_review"], paid["total"]) == (3, 1, 3 * RATE)
    assert sorted(total(user) for user in users) == [0, 0, 3 * RATE]


def test_a_second_token_of_a_session_pays_nothing_more(platform: Platform):
    machine, user = platform.machine(), platform.user()
    for nonce, status in (("0011223344556677", 201), ("7766554433221100", 200)):
        token = claim_of(machine, "rvm-1-s-1-1", 2, nonce=nonce)
        assert user.post("/claims", {"token": token}).status_code == status
    assert total(user) == 2 * RATE


@pytest.mark.parametrize("order", list(itertools.permutations(["claim", 1, 2, "review"])))
def test_claim_and_deposits_may_come_in_any_order(platform: Platform, order: tuple):
    platform.operator.put("/fleet/rewards", {"rates": {"default": 10, "mineral": 7}})
    machine, user = platform.machine(), platform.user()
    machine.post("/deposits", machine.deposit(9, state="review"))
    for what in order:
        if what == "claim":
            token = claim_of(machine, machine.deposit()["session_token"], 2, in_review=1)
            assert user.post("/claims", {"token": token}).status_code == 201
        elif what == "review":
            machine.post("/deposits", machine.deposit(9))
        else:
            machine.post("/deposits", machine.deposit(what))
    assert total(user) == 3 * 7
    kinds = platform.read(sa.select(reward_entries.c.kind))
    assert sum(kind == "deposit" for (kind,) in kinds) == 3


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"expires_at": int(START_S)}, "expired"),
        ({"hardware_id": "rvm-9", "session": "rvm-9-s-1-1"}, "bad_signature"),
    ],
)
def test_a_claim_that_is_worth_nothing_says_why(platform: Platform, change: dict, code: str):
    machine, user = platform.machine(), platform.user()
    said = {"session": "rvm-1-s-1-1", "credited": 1, **change}
    answer = user.post("/claims", {"token": claim_of(machine, **said)})
    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert total(user) == 0


def test_a_clock_that_was_not_set_makes_no_claim_too_old(platform: Platform):
    machine, user = platform.machine(), platform.user()
    token = claim_of(machine, "rvm-1-s-1-1", 1, expires_at=1, clock_quality="bad")
    assert user.post("/claims", {"token": token}).status_code == 201


def test_a_claim_signed_with_a_key_that_was_replaced_is_good(platform: Platform):
    old, user = platform.machine(), platform.user()
    platform.machine()
    token = claim_of(old, "rvm-1-s-1-1", 1)
    assert user.post("/claims", {"token": token}).status_code == 201


@pytest.mark.parametrize(("days", "status"), [(29, 201), (30, 422)])
def test_a_key_that_is_gone_pays_for_as_long_as_its_claims_live(
    either: Platform, days: int, status: int
):
    old = either.machine()
    either.machine()  # the same one, with another key
    either.time.now_s += days * 86400
    # A clock that was never set: by itself this claim has no end.
    claim = claim_of(old, "rvm-1-s-1-9", 3, clock_quality="bad")
    answer = either.user().post("/claims", {"token": claim})
    assert answer.status_code == status
    if status != 201:
        assert answer.json()["code"] == "bad_signature"


def test_a_machine_that_says_nothing_is_waited_for_for_a_minute(start: Start):
    platform = start(session_wait_s=0.0)
    machine, user = platform.machine(), platform.user()
    said = {"hardware_id": machine.hardware_id, "code": "7QK3M9T2XW4B8HZD"}
    asked = user.post("/sessions", said).json()["data"]
    path = f"/sessions/{asked['request_id']}"
    platform.time.now_s += 59
    assert user.get(path).json()["data"]["state"] == "waiting"
    platform.time.now_s += 1
    over = user.get(path).json()["data"]
    assert (over["state"], over["code"]) == ("refused", "no_answer")
    # It had begun, and could not say so: what it took is the user's all the same.
    sent = machine.get("/edge/commands").json()["data"]["commands"][0]
    machine.sends_report(sent["id"], "succeeded", result={"session": "rvm-1-s-1-1"})
    machine.post("/deposits", machine.deposit())
    assert user.get(path).json()["data"]["state"] == "started"
    assert total(user) == RATE
