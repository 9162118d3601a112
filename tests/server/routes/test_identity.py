"""Enrolment, tokens, births and deaths."""

from __future__ import annotations

import msgspec
import pytest
import sqlalchemy as sa

from protocol.platform.identity import Welcome
from server.store import machines
from server.tables import (
    ai_model_versions,
    api_tokens,
    enrolment_tokens,
    reverse_vending_machines,
)
from tests.server.platform import Machine, Platform, Start

BIRTH = {"boot_id": "b1", "epoch": 7, "at": 1.0, "versions": {"rvm-edge": "0.1", "model": "m3"}}


def heartbeat(**changes):
    return {"epoch": 7, "seq": 1, "at": 2.0, "uptime_s": 1.0, **changes}


def test_a_one_time_token_makes_a_machine_and_its_repetition_the_same_one(either: Platform):
    machine, token = Machine(either), either.enrolment_token("rvm-1")
    first, again = machine.enrol(token), machine.enrol(token)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()


def test_of_five_who_enrol_at_once_with_one_token_one_succeeds(either: Platform):
    token = either.enrolment_token()
    machines = [Machine(either, hardware_id=f"rvm-{number}") for number in range(5)]
    answers = either.together(
        *(one.sending("POST", "/edge/enrolments", one.enrolment(token)) for one in machines)
    )
    assert sorted(answer.status_code for answer in answers) == [201, 403, 403, 403, 403]
    assert len(either.read(sa.select(reverse_vending_machines))) == 1


def test_five_enrolments_of_one_machine_at_once_are_one(either: Platform):
    token = either.enrolment_token()
    machine = Machine(either)
    said = machine.enrolment(token)
    answers = either.together(
        *(machine.sending("POST", "/edge/enrolments", said) for _ in range(5))
    )
    assert sorted(answer.status_code for answer in answers) == [200, 200, 200, 200, 201]
    assert len({answer.json()["data"]["rvm_id"] for answer in answers}) == 1


@pytest.mark.parametrize("why", ["unknown", "other machine", "expired", "revoked", "used"])
def test_a_token_that_is_good_for_nothing_lets_nobody_in(platform: Platform, why: str):
    token = platform.enrolment_token("rvm-9" if why == "other machine" else "")
    machine = Machine(platform)
    if why == "unknown":
        token = "a token that nobody made"
    elif why == "expired":
        platform.time.now_s += 86400
    elif why == "revoked":
        assert platform.operator.ask("DELETE", "/fleet/enrolment-tokens/1").status_code == 204
    elif why == "used":
        assert Machine(platform, hardware_id="rvm-2").enrol(token).status_code == 201
    answer = machine.enrol(token)
    assert (answer.status_code, answer.json()["code"]) == (403, "enrolment_refused")
    assert (
        platform.read(
            sa.select(reverse_vending_machines).where(
                reverse_vending_machines.c.hardware_id == "rvm-1"
            )
        )
        == []
    )


def test_an_enrolment_needs_the_key_that_it_names(platform: Platform):
    machine, token = Machine(platform), platform.enrolment_token()
    said = {**machine.enrolment(token), "public_key": Machine(platform).public_key}
    answer = machine.post("/edge/enrolments", said)
    assert (answer.status_code, list(answer.json()["errors"])) == (422, ["signature"])
    assert machine.enrol(token).status_code == 201  # the token is still good


def test_a_key_belongs_to_one_machine(platform: Platform):
    first = platform.machine("rvm-1")
    second = Machine(platform, hardware_id="rvm-2", key=first.key)
    token = platform.enrolment_token()
    assert list(second.enrol(token).json()["errors"]) == ["public_key"]
    assert Machine(platform, hardware_id="rvm-3").enrol(token).status_code == 201


def test_a_new_key_replaces_the_old_one_and_closes_its_tokens(platform: Platform):
    old = platform.machine("rvm-1")
    new = platform.machine("rvm-1")
    assert new.rvm_id == old.rvm_id
    assert old.get("/edge/commands").status_code == 401
    assert old.prove(old.challenge()).json()["code"] == "key"
    assert new.get("/edge/commands").status_code == 200


def test_a_challenge_is_met_once(either: Platform):
    machine = either.machine()
    challenge = machine.challenge()
    first, second = machine.prove(challenge), machine.prove(challenge)
    assert (first.status_code, second.status_code) == (201, 401)
    assert second.json()["code"] == "challenge"


def test_a_challenge_is_for_one_machine_and_for_a_minute(platform: Platform):
    machine, other = platform.machine("rvm-1"), platform.machine("rvm-2")
    assert machine.prove(other.challenge()).json()["code"] == "challenge"
    old = machine.challenge()
    platform.time.now_s += 60
    assert machine.prove(old).json()["code"] == "challenge"


def test_nobody_learns_who_is_enrolled(platform: Platform):
    known, stranger = platform.machine("rvm-1"), Machine(platform, hardware_id="rvm-2")
    thief = Machine(platform, hardware_id="rvm-1")
    answers = [one.prove(one.challenge()) for one in (stranger, thief)]
    assert answers[0].json() == answers[1].json()
    assert [answer.status_code for answer in answers] == [401, 401]
    assert known.get("/edge/commands").status_code == 200


def test_tokens_live_for_an_hour_and_several_at_once(platform: Platform):
    machine = platform.machine()
    first = machine.token
    platform.time.now_s += 1800
    machine.sign_in()
    second = machine.token
    machine.token = first
    assert machine.get("/edge/commands").status_code == 200
    platform.time.now_s += 1800
    answer = machine.get("/edge/commands")
    assert (answer.status_code, answer.json()["message"]) == (401, "Unauthenticated.")
    machine.token = second
    assert machine.get("/edge/commands").status_code == 200


def test_no_secret_is_kept_as_it_is(platform: Platform):
    token = platform.enrolment_token()
    machine = Machine(platform)
    machine.enrol(token)
    machine.sign_in()
    kept = str(platform.read(sa.select(enrolment_tokens)) + platform.read(sa.select(api_tokens)))
    assert token not in kept
    assert machine.token not in kept


@pytest.mark.parametrize("header", [None, "Bearer", "Bearer nonsense", "Basic YTpi", "Bearer \x80"])
def test_without_a_good_token_nobody_gets_in(platform: Platform, header: str | None):
    machine = platform.machine()
    machine.token = ""
    headers = {} if header is None else {"Authorization": header.encode("latin-1")}
    answer = machine.get("/edge/commands", headers=headers)
    assert answer.status_code == 401
    assert answer.json()["code"] == "unauthenticated"


def test_everybody_has_his_own_doors(platform: Platform):
    machine, user = platform.machine(), platform.user()
    assert machine.get("/fleet/machines").status_code == 403
    assert machine.get("/me").status_code == 403
    assert user.get("/edge/commands").status_code == 403
    assert platform.operator.get("/edge/commands").status_code == 403


def test_a_birth_is_welcomed_with_all_that_a_machine_needs(platform: Platform):
    machine = platform.machine()
    answer = machine.post("/edge/births", BIRTH)
    welcome = msgspec.convert(answer.json()["data"], Welcome)
    assert welcome.rvm_id == machine.rvm_id
    assert welcome.uploads == ("multipart", "resumable")
    assert (welcome.heartbeat_s, welcome.telemetry_s) == (60.0, 30.0)
    assert welcome.doorbell is not None
    assert welcome.doorbell.url == "ws://platform"
    assert welcome.doorbell.channel == f"private-rvm.{machine.rvm_id}"


def test_the_public_url_says_where_the_doorbell_is(start: Start):
    machine = start(public_url="https://platform.example.org/base").machine()
    doorbell = machine.post("/edge/births", BIRTH).json()["data"]["doorbell"]
    assert doorbell["url"] == "wss://platform.example.org/base"


def test_a_machine_lives_is_late_is_lost_and_dies_in_order(platform: Platform):
    machine = platform.machine()

    def liveness() -> str:
        return platform.operator.get("/fleet/machines").json()["data"]["machines"][0]["liveness"]

    assert liveness() == "unborn"
    machine.post("/edge/births", BIRTH)
    assert liveness() == "alive"
    platform.time.now_s += 100
    assert liveness() == "late"
    platform.time.now_s += 51
    assert liveness() == "lost"
    machine.post("/edge/heartbeats", heartbeat())
    assert liveness() == "alive"
    machine.post("/edge/deaths", {"epoch": 7, "boot_id": "an earlier run"})
    assert liveness() == "alive"
    machine.post("/edge/deaths", {"epoch": 7, "boot_id": "b1", "reason": "stopped"})
    assert liveness() == "dead"


def test_a_heartbeat_of_an_unknown_run_is_asked_for_a_birth(platform: Platform):
    machine = platform.machine()

    def is_asked(**changes) -> bool:
        return machine.post("/edge/heartbeats", heartbeat(**changes)).json()["data"]["rebirth"]

    assert is_asked()
    machine.post("/edge/births", BIRTH)
    assert not is_asked()
    assert is_asked(epoch=8)
    machine.post("/edge/deaths", {"epoch": 7, "boot_id": "b1"})
    assert is_asked()


def test_a_token_for_any_machine_takes_no_machine_s_place(either: Platform):
    machine, token = either.machine("rvm-1"), either.enrolment_token()
    answer = Machine(either, hardware_id="rvm-1").enrol(token)
    assert (answer.status_code, answer.json()["code"]) == (403, "enrolment_refused")
    assert machine.get("/edge/commands").status_code == 200
    # Its own key is no other machine's, and the token is still good.
    assert machine.enrol(token).status_code == 201


def test_a_machine_that_has_seen_more_commands_than_we_know_of_misses_none(either: Platform):
    machine = either.machine()
    machine.post("/edge/births", {**BIRTH, "commands_after": 17})
    path = f"/fleet/machines/{machine.rvm_id}/commands"
    assert either.operator.post(path, {"type": "ping"}).json()["data"]["seq"] == 18
    pulse = machine.post("/edge/heartbeats", heartbeat(commands_after=30)).json()["data"]
    assert pulse["commands_last"] == 30
    assert either.operator.post(path, {"type": "ping"}).json()["data"]["seq"] == 31
    machine.post("/edge/births", {**BIRTH, "commands_after": 0})
    assert either.operator.post(path, {"type": "ping"}).json()["data"]["seq"] == 32


def test_the_names_of_models_that_one_machine_says_are_bounded(
    either: Platform, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(machines, "MODELS_MAX", 3)
    machine = either.machine()
    for number in range(5):
        versions = {"model": f"{number}{'x' * 5000}"}
        answer = machine.post("/edge/births", {**BIRTH, "versions": versions})
        assert answer.status_code == 200
    names = either.read(sa.select(ai_model_versions.c.name))
    assert len(names) == 3
    assert {len(name) for (name,) in names} == {machines.MODEL_LETTERS_MAX}
