"""What operators see and decide, and that it is on the record."""

from __future__ import annotations

import pytest

from tests.server.platform import OPERATOR_TOKEN, START_S, Platform, Start

STATUS = {"status": "full", "at": 5.0, "reason": "bin_full", "health_score": 80}


def audit(platform: Platform) -> list[tuple[str, str]]:
    items = platform.operator.get("/fleet/audit?limit=200").json()["data"]["items"]
    return [(one["who"], one["what"]) for one in items]


def test_a_machine_is_shown_with_all_that_it_has_told(either: Platform):
    machine = either.machine()
    birth = {"boot_id": "b", "epoch": 7, "at": 1.0, "versions": {"rvm-edge": "0.1.0"}}
    machine.post("/edge/births", birth)
    machine.put("/edge/status", STATUS)
    beat = {"epoch": 7, "seq": 1, "at": 1.0, "uptime_s": 9.0, "waiting": {"money": 3}}
    machine.post("/edge/heartbeats", beat)
    event = {"key": "e1", "kind": "bin_full", "at": 1.0, "fields": {"items": 412}}
    machine.post("/edge/events", {"items": [event, event, {**event, "key": "e2"}]})
    sample = {"at": 1.0, "monotonic_s": 2.0, "values": {"cpu_c": 51.5, "scale_g": None}}
    for _ in range(2):
        machine.post("/edge/telemetry", {"key": "t1", "samples": [sample]})
    engine = {
        "name": "e",
        "type": "cpu",
        "server_address": "10.0.0.1",
        "port": 8090,
        "gpu_memory_limit": 1.5,
        "model_path": "m3",
        "processing_timeout": 1.0,
        "auto_failover": False,
        "is_active": True,
    }
    engines = [machine.put("/edge/engine", engine).json()["data"] for _ in range(2)]
    assert engines[0] == engines[1]
    machine.post("/deposits", machine.deposit())
    shown = either.operator.get(f"/fleet/machines/{machine.rvm_id}").json()["data"]
    assert shown["machine"]["status"] == "full"
    assert shown["machine"]["health_score"] == 80
    assert shown["machine"]["waiting"] == {"money": 3}
    assert shown["machine"]["version"] == "0.1.0"
    assert shown["device"]["epoch"] == 7
    assert shown["engine"]["type"] == "cpu"
    assert shown["measured"]["values"] == {"cpu_c": 51.5, "scale_g": None}
    assert [one["key"] for one in shown["events"]] == ["e2", "e1"]
    assert [one["key"] for one in shown["deposits"]] == ["rvm-1-1-1"]
    measured = either.operator.get(f"/fleet/machines/{machine.rvm_id}/telemetry").json()
    assert len(measured["data"]["samples"]) == 1


def test_what_is_not_known_is_not_zero(platform: Platform):
    machine = platform.machine()
    (shown,) = platform.operator.get("/fleet/machines").json()["data"]["machines"]
    assert shown["rvm_id"] == machine.rvm_id
    assert shown["health_score"] is None
    assert shown["current_load"] is None
    assert shown["status"] == ""


def test_the_last_status_counts_whatever_the_machine_s_clock_says(platform: Platform):
    machine = platform.machine()
    machine.put("/edge/status", {**STATUS, "at": 9e9})
    machine.put("/edge/status", {**STATUS, "status": "active", "at": 1.0})
    (shown,) = platform.operator.get("/fleet/machines").json()["data"]["machines"]
    assert shown["status"] == "active"


def test_deposits_turn_pages_and_filter_by_machine(platform: Platform):
    first, second = platform.machine("rvm-1"), platform.machine("rvm-2")
    for number in range(5):
        first.post("/deposits", first.deposit(number))
    second.post("/deposits", second.deposit())

    def page(query: str) -> list[int]:
        items = platform.operator.get(f"/fleet/deposits?{query}").json()["data"]["items"]
        return [one["deposit_id"] for one in items]

    assert page("limit=2") == [6, 5]
    assert page("limit=2&before=5") == [4, 3]
    assert page(f"rvm_id={second.rvm_id}") == [6]


def test_every_change_is_on_the_record_without_its_secrets(platform: Platform):
    machine = platform.machine()
    user = platform.user()
    path = f"/fleet/machines/{machine.rvm_id}"
    platform.operator.post(f"{path}/commands", {"type": "ping"})
    platform.operator.ask("PATCH", f"{path}/settings", {"settings": {"a.b": 1}})
    platform.operator.ask("DELETE", "/fleet/enrolment-tokens/1")
    platform.operator.put("/fleet/rewards", {"rates": {"default": 1}})
    platform.operator.put("/fleet/maintenance", {"wait_s": None})
    assert audit(platform) == [
        ("operator", "maintenance"),
        ("operator", "rewards.changed"),
        ("operator", "enrolment_token.revoked"),
        ("operator", "settings.desired"),
        ("operator", "command.sent"),
        ("operator", "user.made"),
        ("rvm-1", "machine.enrolled"),
        ("operator", "enrolment_token.made"),
        ("rvm-server", "rewards.changed"),
    ]
    log = platform.operator.get("/fleet/audit?limit=200").text
    for secret in (machine.token, user.token, OPERATOR_TOKEN):
        assert secret not in log


def test_enrolment_tokens_are_listed_with_how_they_stand(platform: Platform):
    platform.machine("rvm-1")
    platform.enrolment_token("rvm-2", good_for_s=60)
    platform.enrolment_token("rvm-3")
    platform.operator.ask("DELETE", "/fleet/enrolment-tokens/3")
    platform.enrolment_token("rvm-4")
    platform.time.now_s += 60
    items = platform.operator.get("/fleet/enrolment-tokens").json()["data"]["items"]
    assert [(one["hardware_id"], one["state"]) for one in items] == [
        ("rvm-4", "open"),
        ("rvm-3", "revoked"),
        ("rvm-2", "expired"),
        ("rvm-1", "used"),
    ]
    assert all(one["token"] == "" for one in items)
    assert platform.operator.ask("DELETE", "/fleet/enrolment-tokens/99").status_code == 404


def test_the_operator_s_token_is_made_and_shown_once(start: Start):
    first, second = start(operator_token=""), start(operator_token="")
    (token,) = first.tokens_shown
    assert second.tokens_shown == []
    second.operator.token = token
    assert second.operator.get("/fleet/machines").status_code == 200


def test_another_token_in_the_environment_replaces_the_old_one(start: Start):
    first = start()
    second = start(operator_token="another one, long enough")
    assert second.tokens_shown == []
    assert first.operator.get("/fleet/machines").status_code == 401
    second.operator.token = "another one, long enough"
    assert second.operator.get("/fleet/machines").status_code == 200


@pytest.mark.parametrize(
    ("form", "status"),
    [
        ({"socket_id": "1.2", "channel_name": "private-rvm.1"}, 200),
        ({"socket_id": "1.2", "channel_name": "private-rvm.2"}, 403),
        ({"socket_id": "1.2", "channel_name": "private-user.u"}, 403),
        ({"socket_id": "1.2", "channel_name": "presence-rvm.1"}, 403),
        ({"socket_id": "1.2:private-rvm.2", "channel_name": "private-rvm.1"}, 422),
        ({"socket_id": "", "channel_name": "private-rvm.1"}, 422),
        ({}, 422),
    ],
)
def test_a_subscription_is_signed_for_one_s_own_channel_only(
    platform: Platform, form: dict, status: int
):
    machine = platform.machine()
    assert machine.rvm_id == 1
    for path in ("//broadcasting/auth", "/broadcasting/auth"):
        answer = platform.run(machine.request("POST", path, data=form))
        assert answer.status_code == status
    if status == 200:
        app = platform.app.state.services.pusher
        from protocol.platform.pusher import channel_signature

        signature = channel_signature(app.secret, "1.2", "private-rvm.1")
        assert answer.json() == {"auth": f"{app.key}:{signature}"}


def test_a_user_listens_to_his_own_channel(platform: Platform):
    user, other = platform.user(), platform.user()
    form = {"socket_id": "1.2", "channel_name": f"private-user.{user.reference}"}
    answers = [
        platform.run(one.request("POST", "/broadcasting/auth", data=form)).status_code
        for one in (user, other, platform.operator)
    ]
    assert answers == [200, 403, 403]


def test_the_credentials_of_the_doorbell_are_kept(start: Start):
    first, second = start(), start()
    assert first.app.state.services.pusher == second.app.state.services.pusher
    assert first.app.state.services.pusher.id.isdigit()
    assert first.app.state.services.pusher.secret not in repr(first.app.state.services)


def test_times_are_the_platform_s(platform: Platform):
    machine = platform.machine()
    machine.post("/deposits", machine.deposit(at=1.0))
    (deposit,) = platform.operator.get("/fleet/deposits").json()["data"]["items"]
    assert (deposit["at"], deposit["received_at"]) == (1.0, START_S)
