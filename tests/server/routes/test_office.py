"""What operators see of telemetry, of sessions and of the audit log, and how they set rewards."""

from __future__ import annotations

import pytest

from models import claims as machine_claims
from tests.server.platform import START_S, Machine, Platform


def get(platform: Platform, path: str) -> dict:
    answer = platform.operator.get(f"/fleet{path}")
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]


def measure(machine: Machine, key: str, *samples: dict) -> None:
    told = [{"monotonic_s": 1.0, **sample} for sample in samples]
    answer = machine.post("/edge/telemetry", {"key": key, "samples": told})
    assert answer.status_code == 200, answer.text


def test_what_was_measured_is_folded_into_slots_up_to_now(either: Platform):
    machine = either.machine()
    other = either.machine("rvm-2")
    measure(other, "t1", {"at": START_S, "values": {"cpu_percent": 99.0}})
    values = ({"cpu_percent": 10.0, "board_c": None}, {"cpu_percent": 20.0, "board_c": 41.5})
    measure(machine, "t1", *({"at": START_S, "values": each} for each in values))
    either.time.now_s += 600
    measure(machine, "t2", {"at": START_S + 600, "values": {"cpu_percent": 30.0}})
    told = get(either, f"/machines/{machine.rvm_id}/history?hours=1")
    assert (told["slot_s"], told["slots"]) == (60.0, 60)
    assert told["from_at"] <= START_S + 600 - 59 * 60
    board, cpu = told["series"]
    assert (board["name"], cpu["name"]) == ("board_c", "cpu_percent")
    assert (cpu["low"][-11], cpu["mean"][-11], cpu["high"][-11]) == (10.0, 15.0, 20.0)
    assert cpu["mean"][-1] == 30.0
    assert cpu["mean"].count(None) == 58
    assert board["mean"][-11] == 41.5
    day = get(either, f"/machines/{machine.rvm_id}/history?hours=24")
    assert day["slot_s"] == 1440.0
    assert [each for each in day["series"][1]["mean"] if each is not None] in ([20.0], [15.0, 30.0])


@pytest.mark.parametrize(
    ("query", "status"), [("hours=0", 422), ("hours=25", 422), ("hours=x", 422), ("", 200)]
)
def test_nobody_asks_for_more_than_a_day(platform: Platform, query: str, status: int):
    machine = platform.machine()
    path = f"/fleet/machines/{machine.rvm_id}/history?{query}"
    assert platform.operator.get(path).status_code == status
    assert platform.operator.get("/fleet/machines/99/history").status_code == 404
    assert machine.get(path).status_code == 403


def test_sessions_say_whose_they_are_and_what_was_paid(either: Platform):
    machine, user = either.machine(), either.user()
    for number in (1, 2):
        machine.post("/deposits", machine.deposit(number))
    claimed = machine.deposit()["session_token"]
    closed = {"kind": "guest", "started_at": START_S, "ended_at": START_S + 60, "refused": 1}
    sessions = [
        {"key": claimed, "credited": 2, **closed},
        {"key": "rvm-1-s-1-2", "credited": 5, **closed},
        {"key": "rvm-1-s-1-3", "credited": 0, **closed},
    ]
    answer = machine.post("/edge/sessions", {"items": sessions})
    assert {each["status"] for each in answer.json()["data"]["results"]} == {"created"}
    claim = machine_claims.Claim(
        hardware_id=machine.hardware_id,
        session=claimed,
        credited=3,
        issued_at=int(START_S),
        expires_at=int(START_S) + 86400,
        nonce="0011223344556677",
    )
    token = machine_claims.sign(claim, machine.key.private_bytes_raw())
    assert user.post("/claims", {"token": token}).status_code == 201
    everything = get(either, "/sessions")["items"]
    by_token = {each["session_token"]: each for each in everything}
    assert [each["session_id"] for each in everything] == sorted(
        (each["session_id"] for each in everything), reverse=True
    )
    mine = by_token[claimed]
    assert (mine["user"], mine["bound_by"]) == (user.reference, "claim")
    assert (mine["claimed_items"], mine["advanced_items"]) == (3, 1)
    assert (mine["worth"], mine["paid"]) == (200, 300)
    assert (by_token["rvm-1-s-1-2"]["paid"], by_token["rvm-1-s-1-2"]["user"]) == (0, "")
    assert by_token["rvm-1-s-1-3"]["refused"] == 1

    def tokens(query: str) -> list[str]:
        return [each["session_token"] for each in get(either, f"/sessions?{query}")["items"]]

    assert tokens("owner=claim") == [claimed]
    assert tokens("owner=nobody") == ["rvm-1-s-1-2"]
    assert tokens("owner=code") == []
    assert tokens(f"rvm_id={machine.rvm_id + 1}") == []
    first = get(either, "/sessions?limit=1")["items"][0]["session_id"]
    assert len(tokens(f"before={first}")) == 2
    assert either.operator.get("/fleet/sessions?owner=thief").status_code == 422
    assert user.get("/fleet/sessions").status_code == 403
    assert machine.get("/fleet/sessions").status_code == 403


def test_who_saw_an_older_reward_table_does_not_write_over_the_newer_one(either: Platform):
    version = get(either, "/rewards")["version"]
    both = either.together(
        *(
            either.operator.sending(
                "PUT", "/fleet/rewards", {"rates": {"default": rate}, "version": version}
            )
            for rate in (150, 200)
        )
    )
    assert sorted(answer.status_code for answer in both) == [200, 409]
    (written,) = [each.json()["data"] for each in both if each.status_code == 200]
    assert get(either, "/rewards") == written
    assert either.operator.put("/fleet/rewards", {"rates": {"default": 1}}).status_code == 200


def test_the_audit_log_can_be_read_for_one_machine(platform: Platform):
    machine, other = platform.machine("rvm-1"), platform.machine("rvm-2")
    for one in (machine, other, machine):
        platform.operator.post(f"/fleet/machines/{one.rvm_id}/commands", {"type": "ping"})
    path = f"/audit?rvm_id={machine.rvm_id}"
    what = [each["what"] for each in get(platform, path)["items"]]
    assert what == ["command.sent", "command.sent", "machine.enrolled"]
    newest = get(platform, path)["items"][0]["id"]
    assert len(get(platform, f"{path}&before={newest}")["items"]) == 2
