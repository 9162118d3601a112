"""What `rvm-server` says where it cannot do what it is told to."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from server.cli import main


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("start", "--port", "65536"), "0 to 65535, not 65536"),
        (("start", "--port", "-1"), "0 to 65535"),
        (("start", "--port", "http"), "0 to 65535, not http"),
        (("start", "--tls-cert", "cert.pem"), "belong together"),
        (("enrol-token", "--days", "0"), "at most 30"),
        (("enrol-token", "--days", "nan"), "at most 30"),
        (("enrol-token", "--days", "soon"), "at most 30, not soon"),
        (("strat",), "invalid choice"),
    ],
)
def test_wrong_usage_is_told_and_ends_with_two(words, says, tmp_path: Path, capsys):
    with pytest.raises(SystemExit) as ended:
        main([*words, *(("--data", str(tmp_path)) if len(words) > 1 else ())])
    assert ended.value.code == 2
    assert says in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_an_address_that_is_taken_is_named(tmp_path: Path, capsys):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["start", "--port", str(port), "--data", str(tmp_path)]) == 1
    assert capsys.readouterr().err == (
        f"rvm-server: 127.0.0.1, port {port}: Address already in use\n"
    )


def test_certificates_that_cannot_be_used_are_named(tmp_path: Path, capsys):
    (tmp_path / "no.pem").write_text("no certificate")
    for file, says in (("none.pem", "No such file"), ("no.pem", "no certificate with its key")):
        options = [f"--tls-{each}={tmp_path / file}" for each in ("cert", "key")]
        assert main(["start", "--data", str(tmp_path), *options]) == 1
        said = capsys.readouterr().err
        assert file in said
        assert says in said
        assert len(said.splitlines()) == 1


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("postgresql://rvm:very-secret@127.0.0.1:1/rvm", "the database does not answer"),
        ("postgresql://rvm:very-secret@[::1/rvm", "DATABASE_URL"),
    ],
)
def test_a_database_that_is_not_there_is_said_without_its_password(
    url, says, tmp_path: Path, capsys, monkeypatch
):
    monkeypatch.setenv("DATABASE_URL", url)
    assert main(["migrate", "--data", str(tmp_path)]) == 1
    said = capsys.readouterr().err
    assert says in said
    assert "very-secret" not in said
    assert len(said.splitlines()) == 1
