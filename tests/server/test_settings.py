"""The environment becomes one value, or the name of what is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from server.settings import SettingsError, database_url, from_environment


@pytest.mark.parametrize(
    ("url", "with_driver"),
    [
        ("", "sqlite:////data/platform.sqlite3"),
        ("sqlite:////x/y.db", "sqlite:////x/y.db"),
        ("postgres://u@h/d", "postgresql+asyncpg://u@h/d"),
        ("postgresql://u@h/d", "postgresql+asyncpg://u@h/d"),
        ("postgresql+psycopg2://u@h/d", "postgresql+asyncpg://u@h/d"),
    ],
)
def test_a_database_gets_the_driver_that_is_here(url: str, with_driver: str):
    assert database_url(url, Path("/data")) == with_driver


@pytest.mark.parametrize("url", ["mysql://x", "nonsense", "sqlite"])
def test_another_database_is_refused(url: str):
    with pytest.raises(SettingsError, match="DATABASE_URL"):
        database_url(url, Path("/data"))


@pytest.mark.parametrize("value", ["0", "-1", "nan", "inf", "soon"])
def test_a_time_is_a_number_above_zero(value: str):
    with pytest.raises(SettingsError, match="RVM_SERVER_TOKEN_S"):
        from_environment({"RVM_SERVER_TOKEN_S": value})


def test_faults_are_asked_for_by_name():
    assert not from_environment({}).faults
    assert not from_environment({"RVM_SERVER_FAULTS": "yes"}).faults
    assert from_environment({"RVM_SERVER_FAULTS": "1"}).faults


def test_secrets_are_not_shown():
    settings = from_environment(
        {
            "RVM_SERVER_OPERATOR_TOKEN": "very secret operator",
            "DATABASE_URL": "postgresql://rvm:very-secret@h/d",
            "RVM_SERVER_PUSHER_SECRET": "very-secret pusher",
        }
    )
    assert "secret" not in repr(settings).replace("secret=", "")
    assert settings.pusher.secret == "very-secret pusher"
