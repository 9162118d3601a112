"""What the link has to know of its machine, and the files that hold a secret."""

import os

import pytest

from actors.uplink.facts import has_address, run_id, versions
from actors.uplink.secret_files import SecretUnusable, read_secret

ROUTES = "Iface\tDestination\tGateway\n"
LOOP6 = "00000000000000000000000000000001 01 80 10 80       lo\n"


@pytest.mark.parametrize(
    ("route", "if_inet6", "expected"),
    [
        (ROUTES, LOOP6, False),
        (ROUTES + "eth0\t00000000\t0100A8C0\n", LOOP6, True),
        (ROUTES + "lo\t0000007F\t00000000\n", "", False),
        (ROUTES, LOOP6 + "fe800000000000000000000000000001 02 40 20 80     eth0\n", False),
        (ROUTES, LOOP6 + "20010db8000000000000000000000001 02 40 00 80     eth0\n", True),
        (ROUTES, "half a line\n", False),
        (None, None, False),
    ],
)
def test_whether_the_machine_is_on_a_network(tmp_path, route, if_inet6, expected):
    net = tmp_path / "proc/net"
    net.mkdir(parents=True)
    for name, text in (("route", route), ("if_inet6", if_inet6)):
        if text is not None:
            (net / name).write_text(text)
    assert has_address(tmp_path) is expected


def test_a_run_has_one_id_and_the_next_another(tmp_path):
    assert run_id() == run_id()
    assert len(run_id()) == 32
    assert run_id(tmp_path) != run_id()
    assert versions()["python"]


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o440])
def test_a_secret_of_ones_own(tmp_path, mode):
    file = tmp_path / "secret"
    file.write_text("  abc-DEF_123|x \n")
    file.chmod(mode)
    assert read_secret(file) == "abc-DEF_123|x"


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660, 0o602])
def test_a_secret_that_others_may_read_or_write(tmp_path, mode):
    file = tmp_path / "secret"
    file.write_text("abc")
    file.chmod(mode)
    with pytest.raises(SecretUnusable, match="chmod 600"):
        read_secret(file)


@pytest.mark.parametrize("content", [b"", b" \n", b"two words", b"a\nb", b"\xff\xfe", b"x" * 5000])
def test_what_is_no_secret_is_not_shown(tmp_path, content):
    file = tmp_path / "secret"
    fd = os.open(file, os.O_WRONLY | os.O_CREAT, 0o600)
    os.write(fd, content)
    os.close(fd)
    with pytest.raises(SecretUnusable) as error:
        read_secret(file)
    assert "holds no secret" in str(error.value)
    assert "two words" not in str(error.value)


def test_a_secret_that_is_not_there(tmp_path):
    with pytest.raises(SecretUnusable, match="No such file"):
        read_secret(tmp_path / "none")
