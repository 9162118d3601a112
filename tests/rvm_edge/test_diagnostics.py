"""One file with all that helps, and no secret."""

import base64
import json
import os
import tarfile
from pathlib import Path

import pytest

from config.settings import Settings, UplinkSettings
from rvm_edge import diagnostics
from rvm_edge.diagnostics import BYTES_MAX, collect, sources
from supervisors.clock import SystemClock
from tests.rvm_edge.machine import run

CANARY = "CANARY-b3c1d0e9f8a7"
BURIED = [
    {"event": "x", "token": CANARY},
    {"event": "x", "why": f"Authorization: Bearer {CANARY}"},
    {"event": "x", "url": f"https://user:{CANARY}@rvm.example/path"},
    {"event": "x", "deep": {"a": [{"b": {"c": {"d": {"api_key": CANARY}}}}]}},
    {"event": "x", "text": f"password={CANARY}"},
    {"event": "x", "text": json.dumps({"access_token": CANARY, "n": 1})},
    {"event": "x", "text": json.dumps({"body": json.dumps({"secret": CANARY})})},
    {"event": "x", "deep": {"last": {"claim": CANARY}}},
]
FILE_SECRET = 'a-key-of-"the"-platform\\0123456789'
"""With letters that JSON writes otherwise; a platform may give out such a one."""
COMMAND = {"id": "cmd-00001", "type": "start_session", "state": "rejected", "issuer": FILE_SECRET}


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A data directory with secrets in every corner."""
    monkeypatch.setattr(diagnostics, "_doctor", lambda _directory: "{}")
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "device.key").write_text(CANARY)
    (tmp_path / "hardware_id").write_text("rvm-1\n")
    logs = tmp_path / "logs"
    logs.mkdir()
    lines = "".join(json.dumps({"at": 1.0, "path": "/", **line}) + "\n" for line in BURIED)
    lines += json.dumps({"at": 1.0, "path": "/", "event": "x", "why": f"it says {FILE_SECRET}"})
    plain = f"\nnot json token={CANARY}\nthe key {FILE_SECRET} as it is\n"
    (logs / "rvm-edge.jsonl").write_text(lines + plain)
    (tmp_path / "events.jsonl").write_text(lines + "\n")
    (tmp_path / "api.key").write_text(FILE_SECRET + "\n")
    return tmp_path


def settings(place: Path) -> Settings:
    return Settings(uplink=UplinkSettings(api_key_file=str(place / "api.key")))


def members(file: Path) -> dict[str, bytes]:
    with tarfile.open(file) as archive:
        return {
            member.name.removeprefix("rvm-edge-diagnostics/"): archive.extractfile(member).read()
            for member in archive
        }


def test_it_holds_what_there_is_and_names_what_is_missing(place):
    out = place / "out.tar.gz"
    missing = collect(place, out, settings(place), SystemClock())
    found = members(out)
    assert json.loads(found["summary.json"])["hardware_id"] == "rvm-1"
    assert "uplink" in json.loads(found["settings.json"])
    assert len(found["log.jsonl"].splitlines()) == len(BURIED) + 3
    assert "status.json" in missing  # no machine runs there
    assert b"status.json" in found["missing.txt"]
    assert out.stat().st_mode & 0o777 == 0o600
    assert not list(place.glob("*.new"))


def assert_clean(file: Path) -> dict[str, bytes]:
    found = members(file)
    for name, data in found.items():
        text = data.decode()
        for hidden in (CANARY, FILE_SECRET, json.dumps(FILE_SECRET)[1:-1], "0123456789"):
            assert hidden not in text, name
            assert base64.b64encode(hidden.encode()).decode()[:-4] not in text, name
    return found


def test_no_secret_is_in_it(place):
    out = place / "out.tar.gz"
    collect(place, out, settings(place), SystemClock())
    assert_clean(out)


@pytest.mark.parametrize("as_base64", [True, False])
def test_what_a_running_machine_says_is_looked_through_as_well(place, monkeypatch, as_base64):
    args = json.dumps({"user": "u-1", "token": CANARY, "more": f"says {FILE_SECRET}"}).encode()
    status = {
        "actors": [{"path": "/a", "facts": {"trouble": f"Bearer {CANARY}"}}],
        "dead_letters": {FILE_SECRET: 1},
    }
    args = base64.b64encode(args).decode() if as_base64 else args
    listed = {"records": [{**COMMAND, "args": args}, {**COMMAND, "args": "?"}], "total": 2}

    def ask(_directory, request, _timeout_s):
        return listed if getattr(request, "command", "") == "list_commands" else status

    monkeypatch.setattr(diagnostics, "ask", ask)
    out = place / "out.tar.gz"
    collect(place, out, settings(place), SystemClock())
    commands = json.loads(assert_clean(out)["commands.json"])
    assert commands["records"][0]["args"]["user"] == "u-1"


def test_secrets_are_looked_for_although_the_settings_cannot_be_read(place):
    keys = place / "keys"
    (keys / "enrolment.token").write_text(FILE_SECRET)
    out = place / "out.tar.gz"
    collect(place, out, None, SystemClock())
    assert_clean(out)


def test_a_source_that_fails_with_a_secret_or_a_book_does_not_tell_it(place, monkeypatch):
    def refuse(*_args):
        raise ValueError(f"cannot: {FILE_SECRET} {'x' * 10_000_000}")

    monkeypatch.setattr(diagnostics, "ask", refuse)
    out = place / "out.tar.gz"
    collect(place, out, settings(place), SystemClock())
    assert len(assert_clean(out)["missing.txt"]) < 20_000


def test_it_stays_small_however_much_there_is_even_of_what_cannot_be_compressed(place):
    noise = os.urandom(8 << 20).hex()
    lines = "".join(
        f'{{"at":1,"noise":"{noise[at : at + 400]}"}}\n' for at in range(0, 12 << 20, 400)
    )
    (place / "logs" / "rvm-edge.jsonl").write_text(lines)
    (place / "events.jsonl").write_text(lines)
    out = place / "out.tar.gz"
    collect(place, out, settings(place), SystemClock())
    assert out.stat().st_size <= BYTES_MAX
    log = members(out)["log.jsonl"].splitlines()
    assert json.loads(log[0])  # it begins with a whole line
    assert json.loads(log[-1])["noise"] in lines[-500:]


def test_all_of_it_uncompressed_is_less_than_it_may_have(place):
    assert sum(source.bytes_max for source in sources(place, None)) < BYTES_MAX * 0.98


def test_what_cannot_be_written_leaves_nothing_behind(place, monkeypatch):
    def full(*_args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(diagnostics, "_add", full)
    with pytest.raises(OSError, match="No space"):
        collect(place, place / "out.tar.gz", None, SystemClock())
    assert not list(place.glob("out*"))


def test_the_command_makes_one_where_no_machine_runs(tmp_path):
    done = run("diagnostics", "--json", "--data-dir", tmp_path / "data", "--out", "d.tar.gz",
               cwd=tmp_path)  # fmt: skip
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["bytes"] == (tmp_path / "d.tar.gz").stat().st_size
    nowhere = run("diagnostics", "--out", tmp_path / "no" / "d.tar.gz", cwd=tmp_path)
    assert nowhere.returncode == 2
