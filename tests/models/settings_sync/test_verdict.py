"""What is said about every key of a version."""

import msgspec
import pytest

from config.errors import SettingsError
from config.keys import keys
from config.load import load
from config.platform import ServerWord
from models.settings_sync import verdict
from models.settings_sync.verdict import KEYS_MAX, REASON_CHARACTERS_MAX


def judged(settings, **layers):
    word = ServerWord(7, settings)
    now = load(**layers)
    try:
        loaded = load(server=word, **layers)
    except SettingsError as error:
        return verdict.refused(word, error.problems, now)
    return verdict.accepted(word, loaded)


def codes(reports):
    return {key: one.code for key, one in reports.items()}


def test_what_is_in_force_is_200_with_its_value():
    reports = judged({"session.claim_days": 40, "health.period_s": 20})
    assert codes(reports) == {"session.claim_days": 200, "health.period_s": 200}
    assert reports["session.claim_days"].value == 40
    assert reports["session.claim_days"].version == 7


def test_a_stronger_word_of_the_machine_is_409_and_the_others_are_in_force(tmp_path):
    (tmp_path / "override.toml").write_text("[session]\nclaim_days = 60\n")
    settings = {"session.claim_days": 40, "health.period_s": 20}
    reports = judged(settings, data_directory=tmp_path)
    assert codes(reports) == {"session.claim_days": 409, "health.period_s": 200}
    assert reports["session.claim_days"].value == 60
    assert "override" in reports["session.claim_days"].reason


def test_one_wrong_key_refuses_all_and_says_what_is_wrong_and_what_would_be_right():
    reports = judged(
        {
            "health.perod_s": 20,
            "health.period_s": "soon",
            "uplink.server_url": "https://evil.example",
            "session.claim_days": 40,
        }
    )
    assert codes(reports) == {
        "health.perod_s": 400,
        "health.period_s": 400,
        "uplink.server_url": 409,
        "session.claim_days": 424,
    }
    assert "did you mean health.period_s?" in reports["health.perod_s"].reason
    assert "from 1 to 3600" in reports["health.period_s"].reason
    assert reports["session.claim_days"].value == 30  # what is in force now


def test_what_does_not_go_together_is_told_on_one_of_the_two():
    reports = judged({"session.warn_s": 80.0, "session.claim_days": 40})
    assert codes(reports) == {"session.warn_s": 400, "session.claim_days": 424}


def test_a_trial_and_a_roll_back_change_the_codes_of_what_was_in_force():
    reports = judged({"session.claim_days": 40})
    waits = verdict.pending(reports, "being watched")
    assert codes(waits) == {"session.claim_days": 202}
    assert waits["session.claim_days"].reason == "being watched"
    word = ServerWord(7, {"session.claim_days": 40})
    back = verdict.rolled_back(word, "the camera is gone", load())
    assert back["session.claim_days"].code == 500
    assert back["session.claim_days"].value == 30
    assert codes(verdict.taken_back(reports, "gone")) == {"session.claim_days": 500}


@pytest.mark.parametrize("name", ["x" * 100_000, "a" + ".b" * 10_000, "\x00\x1b[2J", ""])
def test_a_strange_name_does_not_make_a_strange_report(name):
    reports = judged({name: 1, "session.claim_days": 40})
    assert 400 in codes(reports).values()
    assert all(len(one.reason) <= REASON_CHARACTERS_MAX for one in reports.values())
    assert len(msgspec.json.encode(reports)) < 4000


def test_thousands_of_keys_are_not_answered_one_by_one():
    assert verdict.objection(ServerWord(7, {f"no.such_{n}": n for n in range(5000)}))
    assert not verdict.objection(ServerWord(7, dict.fromkeys(keys(), 1)))
    assert len(keys()) < KEYS_MAX


def test_a_secret_in_the_wrong_place_is_not_repeated():
    reports = judged({"uplink.api_key_file": "s3cr3t-value", "health.period_s": 20})
    assert "s3cr3t" not in repr(reports)
