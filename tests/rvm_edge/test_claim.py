"""`rvm-edge claim`: the public key, and tokens good and bad."""

import json

import pytest

from actors.session.keys import device_key
from models.claims import Claim, sign
from tests.rvm_edge.machine import run

LATER_S = 4_000_000_000


@pytest.fixture
def machine(tmp_path):
    device_key(tmp_path / "data" / "keys" / "device.key")
    return tmp_path / "data"


def claim(directory, *arguments, code=0):
    done = run("claim", *arguments, "--data-dir", directory, cwd=directory.parent)
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done


def token(directory, expires_at=LATER_S, quality="good"):
    said = Claim(
        hardware_id="m",
        session="m-s-1-1",
        credited=3,
        in_review=1,
        issued_at=1_800_000_000,
        expires_at=expires_at,
        clock_quality=quality,
        nonce="00" * 8,
    )
    return sign(said, device_key(directory / "keys" / "device.key").key)


def test_the_key_that_is_shown_checks_a_token_elsewhere(machine, tmp_path):
    public = tmp_path / "machine.pub"
    public.write_text(claim(machine, "key").stdout)
    elsewhere = tmp_path / "elsewhere"
    done = claim(elsewhere, "check", token(machine), "--key", public)
    assert done.stdout.startswith("valid\n")
    assert "m-s-1-1" in done.stdout


def test_the_private_key_is_shown_by_nothing(machine):
    secret = device_key(machine / "keys" / "device.key").key
    shown = claim(machine, "key").stdout + claim(machine, "key", "--json").stdout
    assert secret.hex() not in shown
    assert json.loads(claim(machine, "key", "--json").stdout)["algorithm"] == "ed25519"


def test_a_good_token_is_explained(machine):
    said = json.loads(claim(machine, "check", token(machine), "--json").stdout)
    assert (said["valid"], said["session"], said["credited"]) == (True, "m-s-1-1", 3)


def test_a_token_of_another_machine_is_refused(machine, tmp_path):
    other = tmp_path / "other"
    device_key(other / "keys" / "device.key")
    done = claim(other, "check", token(machine), code=1)
    assert done.stdout.startswith("refused: bad_signature")


def test_an_old_token_is_refused_and_explained(machine):
    old = token(machine, expires_at=1_700_000_000)
    assert "credited   3" in claim(machine, "check", old, code=1).stdout
    said = json.loads(claim(machine, "check", old, "--json", code=1).stdout)
    assert (said["valid"], said["code"], said["credited"]) == (False, "expired", 3)


def test_a_token_by_a_clock_that_was_not_set_says_so(machine):
    done = claim(machine, "check", token(machine, expires_at=99, quality="bad"))
    assert "the machine's clock was not set" in done.stdout


def test_a_token_that_was_misread_is_refused(machine):
    assert "malformed" in claim(machine, "check", "HELLO", code=1).stdout


def test_without_a_key_the_cure_is_named(tmp_path):
    done = claim(tmp_path / "none", "key", code=2)
    assert "rvm-edge start" in done.stderr
    assert not (tmp_path / "none").exists()


def test_a_damaged_key_is_named_and_left_alone(machine):
    file = machine / "keys" / "device.key"
    file.write_bytes(b"\0" * 80)
    assert str(file) in claim(machine, "key", code=2).stderr
    assert file.read_bytes() == b"\0" * 80


@pytest.mark.parametrize("content", ["", "xyz", "00" * 31, "ü"])
def test_a_file_that_is_no_public_key_is_refused(machine, tmp_path, content):
    file = tmp_path / "no.pub"
    file.write_text(content)
    done = claim(machine, "check", "A", "--key", file, code=2)
    assert "64 hexadecimal digits" in done.stderr
