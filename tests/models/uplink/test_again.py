"""When something is tried again, and what dates and addresses say."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.uplink.addresses import is_address, is_near
from models.uplink.again import full_jitter_s, is_repeatable, spread_s
from models.uplink.dates import clock_off_s, http_date_s, retry_after_s, rfc3339
from models.uplink.grade import STAGES, grade

DATE, AT_S = "Wed, 21 Oct 2026 07:28:00 GMT", 1792567680.0


@given(st.integers(-5, 10_000), st.floats(0, 1))
def test_jitter_stays_within_its_bound(tries, chance):
    assert 0.0 <= full_jitter_s(tries, chance, 0.5, 60.0) <= 60.0


def test_the_bound_doubles():
    assert [full_jitter_s(n, 1.0, 0.5, 8.0) for n in range(1, 7)] == [0.5, 1, 2, 4, 8, 8]


def test_what_may_be_sent_twice():
    assert all(is_repeatable(method, "") for method in ("GET", "HEAD", "PUT"))
    assert not any(is_repeatable(method, "") for method in ("POST", "PATCH", "DELETE"))
    assert is_repeatable("POST", "key")


def test_a_thousand_machines_spread_evenly():
    moments = [spread_s(f"rvm-{number}", 100.0) for number in range(1000)]
    assert all(0.0 <= moment < 100.0 for moment in moments)
    tenths = [
        sum(tenth * 10 <= moment < tenth * 10 + 10 for moment in moments) for tenth in range(10)
    ]
    assert max(tenths) < 150
    assert spread_s("rvm-1", 100.0) == moments[1]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("120", 120.0),
        ("0", 0.0),
        ("99999999999999999999", 300.0),
        ("Wed, 21 Oct 2026 07:28:30 GMT", 30.0),
        ("Wed, 21 Oct 2026 07:00:00 GMT", 0.0),
        ("Wed, 21 Oct 2099 07:00:00 GMT", 300.0),
        ("soon", None),
        ("-5", None),
        ("١٢", None),
        ("", None),
    ],
)
def test_retry_after(text, seconds):
    assert retry_after_s(text, AT_S, 300.0) == seconds


@given(st.text())
def test_no_date_breaks_anything(text):
    assert http_date_s(text) is None or isinstance(http_date_s(text), float)
    retry_after_s(text, AT_S, 300.0)


def test_how_far_a_clock_is_off():
    assert clock_off_s(DATE, AT_S, AT_S + 1.0) == 0.0
    assert clock_off_s(DATE, AT_S + 100.5, AT_S + 100.5) == 100.0
    assert clock_off_s("", AT_S, AT_S) is None


@pytest.mark.parametrize(
    ("at_s", "text"),
    [
        (AT_S + 0.25, "2026-10-21T07:28:00.250Z"),
        (0.0, "1970-01-01T00:00:00.000Z"),
        (-1e20, "1970-01-01T00:00:00.000Z"),
        (float("nan"), "1970-01-01T00:00:00.000Z"),
    ],
)
def test_times_are_written_in_utc(at_s, text):
    assert rfc3339(at_s) == text


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "172.28.233.83",
        "192.168.0.9",
        "100.101.1.1",
        "169.254.1.1",
        "::1",
        "fd00::1",
        "fe80::1%eth0",
        "::ffff:10.0.0.1",
    ],
)
def test_near_addresses(address):
    assert is_address(address)
    assert is_near(address)


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "172.32.0.1", "100.128.0.1", "2001:db8::1", "::ffff:8.8.8.8", "0.0.0.0"]
)
def test_addresses_in_the_open(address):
    assert is_address(address)
    assert not is_near(address)


def test_a_name_is_no_address():
    assert not is_address("rvm.example")
    assert not is_near("localhost")


@pytest.mark.parametrize(
    ("reached", "is_open", "has_address", "expected"),
    [
        ([], False, False, "disconnected"),
        (["nothing", "dns"], False, True, "lan"),
        (["nothing", "tcp"], False, True, "internet"),
        (["tls"], False, False, "internet"),
        (["http"], True, True, "server"),
    ],
)
def test_grades(reached, is_open, has_address, expected):
    assert grade(reached, is_open=is_open, has_address=has_address) == expected
    assert set(reached) <= set(STAGES)
