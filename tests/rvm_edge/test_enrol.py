"""`rvm-edge enrol` against a platform on loopback."""

import io
import json
import stat

import pytest

from actors.session.keys import read_key
from models.claims import public_key
from rvm_edge.cli import main
from tests.actors.uplink.certificates import Authority
from tests.actors.uplink.peer import Platform, serving

TOKEN = "enrol-me-once-and-for-all"


@pytest.fixture
def enrol(tmp_path, monkeypatch, capsys):
    monkeypatch.delenv("RVM_SERVER_URL", raising=False)

    def run(*words, token=TOKEN):
        monkeypatch.setattr("sys.stdin", io.StringIO(token + "\n"))
        status = main(["enrol", *words, "--data-dir", str(tmp_path / "data")])
        return status, capsys.readouterr()

    return run


def test_the_platform_gets_the_key_and_the_machine_keeps_a_mark(enrol, tmp_path):
    with serving(Platform()) as platform:
        status, said = enrol(platform.url, "--name", "at the door")
        (asked,) = platform.asked("/edge/enrolments")
    keys = tmp_path / "data" / "keys"
    own = (tmp_path / "data" / "hardware_id").read_text().strip()
    assert status == 0
    assert f"{own} is enrolled" in said.out
    assert "machine 7" in said.out
    assert f'uplink.server_url = "{platform.url}"' in said.out
    assert asked.json["name"] == "at the door"
    assert platform.public_key == public_key(read_key(keys / "device.key")).hex()
    assert json.loads((keys / "enrolment.json").read_text()) == {"hardware_id": own, "rvm_id": 7}
    assert stat.S_IMODE((keys / "device.key").stat().st_mode) == 0o600
    assert TOKEN not in said.out + said.err


def test_twice_is_the_same_machine(enrol):
    with serving(Platform()) as platform:
        assert enrol(platform.url)[0] == 0
        key = platform.public_key
        assert enrol(platform.url)[0] == 0
        assert platform.public_key == key


def test_a_wrong_token_is_refused_in_the_platforms_words_and_shown_nowhere(enrol):
    with serving(Platform()) as platform:
        status, said = enrol(platform.url, token="wrong-token-of-some-length")
    assert (status, "This token is not good." in said.err) == (1, True)
    assert "wrong-token" not in said.out + said.err


def test_nobody_there(enrol):
    with serving(Platform()) as platform:
        pass
    status, said = enrol(platform.url)
    assert (status, "stops after dns" in said.err) == (4, True)


@pytest.mark.parametrize(
    ("words", "token", "says"),
    [
        ([], TOKEN, "uplink.server_url"),
        (["ftp://x"], TOKEN, "https://"),
        (["http://127.0.0.1:1", "--profile", "jetson"], TOKEN, "not encrypted"),
        (["https://127.0.0.1:1"], "", "no token"),
        (["https://127.0.0.1:1"], "two words", "no token"),
    ],
)
def test_wrong_usage_is_told_with_its_cure(enrol, words, token, says):
    status, said = enrol(*words, token=token)
    assert (status, says in said.err) == (2, True)


def test_the_machines_own_authorities_hold_here_too(enrol, tmp_path):
    authority = Authority(tmp_path / "ca")
    context, pin = authority.server("127.0.0.1")
    with serving(Platform(), context) as platform:
        assert enrol(platform.url)[0] == 4
        file = tmp_path / "machine.toml"
        file.write_text(f'[uplink]\nca_file = "{authority.file}"\npins = "{pin}"\n')
        assert enrol(platform.url, "--config", str(file))[0] == 0
        other = f'[uplink]\nca_file = "{authority.file}"\npins = "{"A" * 43}="\n'
        file.write_text(f"{other}pins_report_only = true\n")
        status, said = enrol(platform.url, "--config", str(file))
        assert (status, pin in said.err) == (0, True), "told, and gone on with, as the machine does"
        file.write_text(other)
        assert enrol(platform.url, "--config", str(file))[0] == 4


def test_without_room_for_the_mark_it_is_enrolled_all_the_same(enrol, tmp_path):
    (tmp_path / "data" / "keys" / "enrolment.json").mkdir(parents=True)
    with serving(Platform()) as platform:
        status, said = enrol(platform.url)
        assert (status, "as machine 7" in said.out, platform.public_key != "") == (0, True, True)


def test_authorities_that_cannot_be_read_are_named(enrol, tmp_path):
    file = tmp_path / "machine.toml"
    file.write_text('[uplink]\nca_file = "/no/authorities.pem"\n')
    status, said = enrol("https://127.0.0.1:1", "--config", str(file))
    assert status == 2
    assert said.err == (
        "not enrolled: authorities: /no/authorities.pem: No such file or directory"
        " (uplink.ca_file)\n"
    )
