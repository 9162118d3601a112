"""What the platform may set: a rule for every key, and nothing by omission."""

import re
from pathlib import Path

import pytest

from config.errors import SettingsError
from config.keys import keys
from config.layers import PATH_KEYS
from config.load import LAYERS, load
from config.platform import Rule, ServerWord, rule_of, rules
from config.settings import Settings, value_of

DOCUMENT = Path(__file__).parents[2] / "docs" / "settings.md"


def with_server(settings, version=7, **more):
    return load(server=ServerWord(version, settings), **more)


def problems(settings, **more):
    with pytest.raises(SettingsError) as raised:
        with_server(settings, **more)
    return {one.key: one for one in raised.value.problems}


def test_every_key_has_a_rule_and_no_rule_is_without_a_key():
    """A new setting wants a decision: may somebody far away turn this?"""
    assert sorted(rules()) == sorted(keys())


def test_what_nobody_has_decided_is_not_the_platforms():
    assert rule_of("motor.warp_factor").kind == "never"


def test_identity_secrets_addresses_and_paths_are_never_the_platforms():
    words = (
        "_file",
        "_url",
        "pins",
        "hardware_id",
        "profile",
        "allow_plain_http",
        "sysfs",
        "socket",
    )
    closed = {name for name in keys() if any(word in name for word in words)}
    closed |= PATH_KEYS | {name for name in keys() if "gpio" in name}
    assert {name for name in closed if rule_of(name).kind != "never"} == set()


def test_every_number_of_the_guard_is_bounded_or_closed():
    kinds = {name: rule_of(name).kind for name in keys() if name.startswith("motor.")}
    assert "free" not in kinds.values()


def test_the_document_lists_what_the_platform_may_not_say():
    text = DOCUMENT.read_text(encoding="utf-8")
    listed = set(re.findall(r"`((?:\w+\.)+\w+)`", text))
    closed = {name for name, rule in rules().items() if rule.kind != "free"}
    assert closed <= listed


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("machine.hardware_id", "somebody-else"),
        ("uplink.server_url", "https://elsewhere.example"),
        ("uplink.allow_plain_http", False),
        ("uplink.pins_report_only", True),
        ("camera.source", "pipe:rm -rf /"),
        ("inference.model", "/tmp/evil"),
        ("motor.gpio_lines", [1, 2]),
        ("uplink.settings_watch_s", 1.0),
    ],
)
def test_what_is_closed_is_refused_with_its_reason(key, value):
    problem = problems({key: value})[key]
    assert problem.forbidden
    assert "not the platform's to set" in problem.text


def test_what_is_closed_may_be_repeated_as_it_is():
    assert with_server({"uplink.allow_plain_http": True}).settings.uplink.allow_plain_http


@pytest.mark.parametrize("name", [name for name, rule in rules().items() if rule.kind == "at_most"])
def test_what_is_bounded_above_cannot_be_raised(name):
    bound = value_of(load().settings, name)
    step = 1 if isinstance(bound, int) else bound * 0.01
    assert not any(one.forbidden for one in _problems_of(name, bound))
    found = _problems_of(name, bound + step)
    assert any(one.forbidden or "not allowed" in one.text for one in found)


@pytest.mark.parametrize(
    "name", [name for name, rule in rules().items() if rule.kind == "at_least"]
)
def test_what_is_bounded_below_cannot_be_lowered(name):
    bound = value_of(load().settings, name)
    assert not any(one.forbidden for one in _problems_of(name, bound))
    found = _problems_of(name, bound * 0.99)
    assert any(one.forbidden or "not allowed" in one.text for one in found)


def _problems_of(name, value):
    try:
        with_server({name: value})
    except SettingsError as error:
        return error.problems
    return ()


def test_the_bound_is_what_the_machines_own_layers_say(tmp_path):
    file = tmp_path / "machine.toml"
    file.write_text("[motor]\nlease_s = 0.3\n")
    assert with_server({"motor.lease_s": 0.28}, file=file).settings.motor.lease_s == 0.28
    assert problems({"motor.lease_s": 0.28})["motor.lease_s"].forbidden
    tight = with_server({"motor.lease_s": 0.2})
    assert tight.settings.motor.lease_s == 0.2


def test_the_server_stands_above_the_environment_and_below_the_override(tmp_path):
    key, variable = "session.claim_days", "RVM_EDGE_SESSION_CLAIM_DAYS"
    word = {key: 40}
    assert with_server(word, environment={variable: "50"}).explain(key).winner == "server"
    (tmp_path / "override.toml").write_text("[session]\nclaim_days = 60\n")
    told = with_server(word, data_directory=tmp_path).explain(key)
    assert (told.winner, told.value) == ("override", 60)
    assert told.origin == str(tmp_path / "override.toml")
    assert LAYERS.index("environment") < LAYERS.index("server") < LAYERS.index("override")


def test_the_origin_names_the_version():
    assert with_server({"session.claim_days": 40}).explain("session.claim_days").origin == (
        "the platform's version 7"
    )


def test_keys_may_come_nested_as_well():
    assert with_server({"health": {"period_s": 20}}).settings.health.period_s == 20.0


def test_all_that_is_wrong_is_told_at_once():
    found = problems({"health.perod_s": 20, "health.period_s": "soon", "machine.profile": "jetson"})
    assert found["health.perod_s"].nearest == "health.period_s"
    assert found["machine.profile"].forbidden
    assert set(found) == {"health.perod_s", "health.period_s", "machine.profile"}


def test_what_does_not_go_together_is_blamed_on_the_server():
    found = problems({"session.warn_s": 80.0})
    assert found["session.warn_s"].layer == "server"


def test_the_override_file_is_checked_like_every_other(tmp_path):
    (tmp_path / "override.toml").write_text("[session]\nclaim_dys = 60\n")
    with pytest.raises(SettingsError, match="claim_days"):
        load(data_directory=tmp_path)


def test_a_rule_says_why():
    assert all(rule.why for rule in rules().values() if rule.kind != "free")
    assert Rule("free").why == ""
    assert Settings()  # the rules are about these
