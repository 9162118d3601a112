"""TLS towards a platform on loopback: authorities, names, dates, and pins on top of them."""

import base64

import pytest

from actors.uplink.tls import read_pins
from protocol.health import ProbeServer, ServerProbed
from supervisors.testing import eventually
from tests.actors.uplink.certificates import Authority
from tests.actors.uplink.peer import Platform, serving
from tests.actors.uplink.place import key_of, limits, place

OTHER = base64.b64encode(b"\1" * 32).decode()


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path / "ca")


@pytest.fixture
def key(tmp_path):
    return key_of(tmp_path)


def probed(settings, key) -> ServerProbed:
    with place(settings, key[0]) as here:
        return here.sup.request("link", ProbeServer(), reply=ServerProbed, timeout_s=20)


@pytest.mark.parametrize("pins", [None, "this", f"{OTHER}, sha256/this"])
def test_the_right_certificate_and_key_get_through(authority, key, pins):
    context, pin = authority.server("127.0.0.1")
    with serving(Platform(public_key=key[1]), context) as platform:
        said = None if pins is None else pins.replace("this", pin)
        settings = limits(
            platform.url, ca_file=str(authority.file), pins=said, allow_plain_http=False
        )
        with place(settings, key[0]) as here:
            here.opened()
            assert here.call("GET", "/x").status == 200
            assert ("add a spare" in here.facts.get("pins", "")) == (pins == "this")


def test_another_key_of_the_same_authority_is_refused_before_a_byte_is_sent(authority, key):
    context, _ = authority.server("127.0.0.1")
    with serving(Platform(public_key=key[1]), context) as platform:
        settings = limits(platform.url, ca_file=str(authority.file), pins=OTHER)
        told = probed(settings, key)
        assert told.reached == "tcp"
        assert "uplink.pins" in told.detail
        assert platform.seen == []


def test_report_only_keeps_the_connection_and_tells(authority, key):
    context, pin = authority.server("127.0.0.1")
    with serving(Platform(public_key=key[1]), context) as platform:
        settings = limits(
            platform.url, ca_file=str(authority.file), pins=OTHER, pins_report_only=True
        )
        with place(settings, key[0]) as here:
            here.opened()
            eventually(lambda: here.facts.get("pin_mismatch") == pin)


@pytest.mark.parametrize(
    ("server", "says"),
    [
        ({"names": ("127.0.0.1",), "days": -1.0}, "clock is wrong"),
        ({"names": ("other.example",)}, "127.0.0.1"),
    ],
)
def test_a_wrong_date_or_name_is_refused(authority, key, server, says):
    context, _ = authority.server(*server["names"], days=server.get("days", 1.0))
    with serving(Platform(public_key=key[1]), context) as platform:
        told = probed(limits(platform.url, ca_file=str(authority.file)), key)
        assert (told.reached, says in told.detail) == ("tcp", True)
        assert platform.seen == []


def test_another_authority_is_refused_also_with_the_right_pin(authority, key, tmp_path):
    context, pin = Authority(tmp_path / "other", "other").server("127.0.0.1")
    with serving(Platform(public_key=key[1]), context) as platform:
        told = probed(limits(platform.url, ca_file=str(authority.file), pins=pin), key)
        assert told.reached == "tcp"
        assert platform.seen == []


def test_a_name_that_leads_to_somebody_else_is_not_believed_and_the_old_address_is(
    authority, key, monkeypatch
):
    """DNS that lies: another server answers there, with a certificate of its own."""
    context, _ = authority.server("rvm.example")
    liar, _ = authority.server("liar.example")
    addresses = ["127.0.0.1"]
    monkeypatch.setattr(
        "actors.uplink.resolving.socket.getaddrinfo",
        lambda *_args, **_more: [(None, None, None, "", (addresses[0], 0))],
    )
    with serving(Platform(public_key=key[1]), context) as platform:
        other = Platform(port=platform.port, host="127.0.0.2")
        settings = limits(f"https://rvm.example:{platform.port}", ca_file=str(authority.file))
        with serving(other, liar), place(settings, key[0]) as here:
            here.opened()
            addresses[0] = "127.0.0.2"
            ups = len(platform.seen)
            eventually(lambda: len(platform.seen) > ups + 2)
            assert here.call("GET", "/x").status == 200
        assert other.seen == []


def test_authorities_that_cannot_be_read_are_named(key, tmp_path):
    settings = limits("https://127.0.0.1:1", ca_file=str(tmp_path / "none.pem"))
    with place(settings, key[0]) as here:
        eventually(lambda: "none.pem" in here.sup.rows["link"].waiting_for)


def test_pins_are_written_as_people_write_them():
    assert read_pins(None) == read_pins("") == frozenset()
    assert read_pins(f" sha256/{OTHER} ,{OTHER}") == {OTHER}
