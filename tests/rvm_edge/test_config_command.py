"""`rvm-edge config`, inside this process."""

import argparse
import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

import rvm_edge.config_command
from config.generations import Generations
from config.keys import keys
from config.platform import ServerWord

HOME = str(Path(rvm_edge.config_command.__file__).parent.parent)
PROGRAM = (
    "import argparse, sys\n"
    "from rvm_edge.config_command import add_arguments, run\n"
    "parser = argparse.ArgumentParser()\n"
    "add_arguments(parser)\n"
    "sys.exit(run(parser.parse_args()))\n"
)


@pytest.fixture(autouse=True)
def alone(tmp_path, monkeypatch):
    """Neither this machine's settings nor its `.env` files."""
    for name in list(os.environ):
        if name.startswith("RVM_") or name in {"LOG_LEVEL", "HARDWARE_ID", "NO_COLOR"}:
            monkeypatch.delenv(name)
    monkeypatch.setenv("RVM_EDGE_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)


def run(*arguments: object) -> int:
    parser = argparse.ArgumentParser()
    rvm_edge.config_command.add_arguments(parser)
    return rvm_edge.config_command.run(parser.parse_args([str(one) for one in arguments]))


def start(*arguments: str, stdout: int) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *arguments],
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": HOME},
    )


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "machine.toml"
    path.write_text("[motor]\nlease_s = 0.2\n")
    return path


def test_show_lists_every_setting_and_who_set_it(capsys, file):
    assert run("show", "--config", file, "--profile", "jetson") == 0
    out = capsys.readouterr().out
    rows = [line.split() for line in out.splitlines()]
    assert ["lease_s", "0.2", str(file)] in rows
    assert ["threads", "1", "default"] in rows
    assert ["source", '"/dev/video0"'] in [row[:2] for row in rows]
    assert "[motor]" in out
    assert "\x1b" not in out
    assert sum(line.startswith("  ") for line in out.splitlines()) == len(keys())


def test_show_as_json(capsys, file):
    assert run("show", "--config", file, "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert list(told) == ["schema", "settings", "winners", "notes"]
    assert told["settings"]["motor"]["lease_s"] == 0.2
    assert told["winners"]["motor.lease_s"] == "file"
    assert list(told["winners"]) == list(keys())


def test_notes_go_to_the_error_output(capsys, monkeypatch):
    monkeypatch.setenv("DETECTION_THRESHOLD", "0.7")
    assert run("show", "--json") == 0
    told = capsys.readouterr()
    text = (
        "environment variable DETECTION_THRESHOLD has no effect: "
        "the model's manifest has one for each class"
    )
    assert told.err == f"note: {text}\n"
    assert json.loads(told.out)["notes"] == [text]


def test_explain_shows_all_layers_and_the_winner(capsys, file, monkeypatch):
    monkeypatch.setenv("RVM_EDGE_MOTOR_LEASE_S", "0.3")
    assert run("explain", "motor.lease_s", "--config", file) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:3] == [
        "motor.lease_s = 0.3",
        "  takes a number from 0.05 to 0.5",
        "  also set by RVM_EDGE_MOTOR_LEASE_S",
    ]
    (winner,) = (line for line in lines if line.startswith("  > "))
    assert winner.split()[1:3] == ["environment", "0.3"]
    assert [line.split()[0] for line in lines[3:] if ">" not in line] == [
        "override", ".env", ".env", "file", "profile", "defaults",
    ]  # fmt: skip


def test_explain_shows_the_platforms_word_and_an_override_of_the_machine(capsys, tmp_path):
    data = tmp_path / "data"
    generations = Generations(data / "settings")
    generations.stage(ServerWord(7, {"session.claim_days": 40}), 0.0)
    generations.promote()
    (data / "override.toml").write_text("[session]\nclaim_days = 60\n")
    assert run("explain", "session.claim_days", "--data-dir", data) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "session.claim_days = 60"
    (winner,) = (line for line in lines if line.startswith("  > "))
    assert winner.split()[1:3] == ["override", "60"]
    said = {line.split()[0]: line for line in lines[3:]}
    assert "40" in said["server"]
    assert "the platform's version 7" in said["server"]


def test_a_damaged_version_of_the_platform_is_noted_and_the_rest_is_shown(capsys, tmp_path):
    (tmp_path / "settings").mkdir()
    (tmp_path / "settings" / "current.json").write_bytes(b"garbage")
    assert run("explain", "session.claim_days", "--data-dir", tmp_path) == 0
    told = capsys.readouterr()
    assert told.out.startswith("session.claim_days = 30")
    assert "note: current.json" in told.err


def test_explain_as_json(capsys, file):
    assert run("explain", "motor.lease_s", "--config", file, "--json") == 0
    told = json.loads(capsys.readouterr().out)
    (one,) = told["keys"]
    assert (told["schema"], one["winner"], one["value"]) == (1, "file", 0.2)
    assert one["layers"][0] == {
        "layer": "defaults", "origin": "config/settings.py", "speaks": True, "value": 0.25,
    }  # fmt: skip


def test_explain_takes_a_section(capsys):
    assert run("explain", "sensors.gpio_lines", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert [one["key"].rpartition(".")[2] for one in told["keys"]] == [
        "entry", "inside", "exit", "drop",
    ]  # fmt: skip


def test_explain_knows_the_env_file_of_the_data_directory(capsys, tmp_path):
    folder = tmp_path / "other"
    folder.mkdir()
    (folder / ".env").write_text("LOG_LEVEL=debug\n")
    assert run("explain", "logging.level", "--data-dir", folder) == 0
    assert f"{folder}/.env, line 1: LOG_LEVEL" in capsys.readouterr().out


def test_explain_refuses_an_unknown_key(capsys):
    assert run("explain", "motor.leas_s") == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err == (
        "rvm-edge config: config explain: motor.leas_s: there is no such setting; "
        "did you mean motor.lease_s?\n"
    )


@pytest.mark.parametrize("command", [["show"], ["explain", "motor.lease_s"]])
def test_wrong_settings_are_told_instead(capsys, file, command):
    file.write_text('[motor]\nlease_s = "x"\n')
    assert run(*command, "--config", file) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert f"{file}: motor.lease_s: " in told.err


def test_check_of_a_good_file(capsys, file):
    assert run("check", file) == 0
    assert capsys.readouterr().out == f"{file}: good, 1 setting\n"


def test_check_looks_at_the_file_alone(capsys, file, monkeypatch):
    monkeypatch.setenv("RVM_EDGE_MOTOR_LEASE_S", "nonsense")
    assert run("check", file) == 0
    assert capsys.readouterr().out


def test_check_of_a_bad_file(capsys, file):
    file.write_text("[motor]\nleese_s = 1\nlease_s = 2\n")
    assert run("check", file) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err == (
        "rvm-edge config: 2 settings are wrong:\n"
        f"  {file}: motor.leese_s: there is no such setting; did you mean motor.lease_s?\n"
        f"  {file}: motor.lease_s: 2 (a whole number) is not allowed; "
        "it takes a number from 0.05 to 0.5\n"
    )


def test_check_as_json(capsys, file):
    assert run("check", file, "--json") == 0
    assert json.loads(capsys.readouterr().out)["good"] is True
    file.write_text("[motor]\nleese_s = 1\n")
    assert run("check", file, "--json") == 2
    told = json.loads(capsys.readouterr().out)
    assert told["good"] is False
    (problem,) = told["problems"]
    assert (problem["key"], problem["nearest"]) == ("motor.leese_s", "motor.lease_s")


def test_check_against_a_profile(capsys, file):
    file.write_text('uplink.server_url = "http://rvm.example.com"\n')
    assert run("check", file, "--profile", "simulated") == 0
    assert run("check", file, "--profile", "jetson") == 2
    assert "is not encrypted" in capsys.readouterr().err


def test_a_question_is_needed(capsys):
    with pytest.raises(SystemExit) as caught:
        run()
    assert caught.value.code == 2


def test_a_terminal_gets_weight_unless_it_asks_not_to(monkeypatch):
    assert b"\x1b[1m" in seen_on_a_terminal()
    monkeypatch.setenv("NO_COLOR", "1")
    assert b"\x1b" not in seen_on_a_terminal()


def seen_on_a_terminal() -> bytes:
    ours, theirs = pty.openpty()
    with start("explain", "motor.lease_s", stdout=theirs) as process:
        os.close(theirs)
        seen = b""
        try:
            while more := os.read(ours, 4096):
                seen += more
        except OSError:  # how a terminal says that the other side is gone
            pass
        process.communicate()
    os.close(ours)
    assert process.returncode == 0
    return seen


def test_nobody_reads_the_output():
    reader, writer = os.pipe()
    os.close(reader)
    with start("show", stdout=writer) as process:
        os.close(writer)
        _, error = process.communicate()
    assert (process.returncode, error) == (141, "")
