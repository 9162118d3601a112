"""What each key takes, in both directions: values in, words out."""

import datetime as dt
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from config.errors import SettingsError
from config.keys import allowed, from_text, keys, members, nearest, public, shown
from config.load import load

OPTIONAL = {name for name, key in keys().items() if "or not set" in allowed(key.kind)}


def takes_of(name):
    return allowed(keys()[name].kind)


NUMBERS = st.integers(-(10**400), 10**400) | st.floats()
NEVER = (
    st.booleans()
    | st.lists(st.text(max_size=3) | st.booleans() | st.lists(st.integers()))
    | st.dictionaries(st.text(max_size=8), st.integers(), max_size=2)
    | st.dates()
    | st.datetimes()
    | st.times()
    | st.binary(max_size=4)
    | st.builds(object)
)


def wrong_values(name):
    """Values that the key never takes, whatever its bounds."""
    text = takes_of(name)
    wrong = (
        NEVER if text != "true or false" else NEVER.filter(lambda one: not isinstance(one, bool))
    )
    if name not in OPTIONAL:
        wrong |= st.none()
    if text.startswith("a number"):
        return wrong | st.text() | st.sampled_from([math.nan, math.inf, -math.inf])
    if text.startswith("a whole number"):
        return wrong | st.text() | st.floats()
    if text.startswith("one of"):
        return wrong | NUMBERS | st.text(max_size=4)
    return wrong | NUMBERS


@settings(max_examples=40, deadline=None)
@pytest.mark.parametrize("name", list(keys()))
@given(data=st.data())
def test_a_value_of_the_wrong_type_is_refused_with_its_path(name, data):
    value = data.draw(wrong_values(name))
    with pytest.raises(SettingsError) as caught:
        load(overrides={name: value})
    (problem,) = caught.value.problems
    assert problem.key == name
    assert problem.allowed == allowed(keys()[name].kind)
    assert problem.given
    assert f"override: {name}: " in str(caught.value)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("name", [name for name in keys() if "number" in takes_of(name)])
def test_a_value_out_of_bounds_is_refused_with_its_path(name):
    for value in (-(10**9), 10**9):
        with pytest.raises(SettingsError) as caught:
            load(overrides={name: value})
        assert [one.key for one in caught.value.problems] == [name]


@pytest.mark.parametrize(
    ("name", "value", "seen", "takes"),
    [
        ("motor.lease_s", True, "true (true or false)", "a number from 0.05 to 0.5"),
        ("motor.lease_s", math.nan, "nan (a number)", "a number from 0.05 to 0.5"),
        ("motor.lease_s", 0.6, "0.6 (a number)", "a number from 0.05 to 0.5"),
        ("motor.transport_s", 0, "0 (a whole number)", "a number above 0 and up to 10"),
        ("motor.transport_s", 10**400, "0x" + hex(10**400)[2:60] + "… (a whole number)",
         "a number above 0 and up to 10"),
        ("camera.ring_slots", 2.5, "2.5 (a number)", "a whole number from 2 to 16"),
        ("camera.ring_slots", 1, "1 (a whole number)", "a whole number from 2 to 16"),
        ("camera.source", "", '"" (text)', "a path"),
        ("camera.source", None, "not set (nothing)", "a path"),
        ("camera.source", "a\nb", '"a\\nb" (text)', "a path"),
        ("camera.source", "a" * 5000, '"' + "a" * 59 + "… (text)", "a path"),
        ("inference.model", 7, "7 (a whole number)", "a path, or not set"),
        ("logging.level", "INFO", '"INFO" (text)', 'one of "debug", "info", "warning", "error"'),
        ("uplink.allow_plain_http", 1, "1 (a whole number)", "true or false"),
        ("uplink.allow_plain_http", "yes", '"yes" (text)', "true or false"),
        ("motor.gpio_lines", 17, "17 (a whole number)",
         "a list of 2, each a whole number from 0 to 27 (BCM number of a header pin)"),
        ("motor.gpio_lines", [1, [2, [3]]], "[1, …] (a list)",
         "a list of 2, each a whole number from 0 to 27 (BCM number of a header pin)"),
        ("motor.gpio_lines", {"a": 1}, "a table",
         "a list of 2, each a whole number from 0 to 27 (BCM number of a header pin)"),
        ("sensors.gpio_lines.drop", 112, "112 (a whole number)",
         "a whole number from 0 to 27 (BCM number of a header pin)"),
        ("machine.hardware_id", "no spaces", '"no spaces" (text)',
         "up to 64 letters, digits, dots, dashes and underscores, or not set"),
        ("machine.hardware_id", dt.date(2026, 1, 2), "2026-01-02 (a date)",
         "up to 64 letters, digits, dots, dashes and underscores, or not set"),
        ("uplink.server_url", "ftp://rvm.example.com", '"ftp://rvm.example.com" (text)',
         "an address such as https://rvm.example.com, without user, password or query, or not set"),
        ("uplink.api_key_file", "s3cret", "what was given (text, not shown)",
         "the path of a file that holds the secret, with a / in it, not the secret, or not set"),
    ],
)  # fmt: skip
def test_a_refusal_says_what_was_given_and_what_is_allowed(name, value, seen, takes):
    with pytest.raises(SettingsError) as caught:
        load(overrides={name: value})
    (problem,) = caught.value.problems
    assert (problem.given, problem.allowed) == (seen, takes)
    assert str(caught.value) == f"override: {name}: {seen} is not allowed; it takes {takes}"


@pytest.mark.parametrize(
    "address",
    [
        "https://rvm.example.com",
        "https://rvm.example.com/",
        "https://10.0.0.1:8443/api/v2",
        "https://[fd00::1]:8443",
    ],
)
def test_addresses_that_are_right(address):
    assert load(overrides={"uplink.server_url": address}).settings.uplink.server_url == address


@pytest.mark.parametrize(
    "address",
    [
        "https://user:s3cret@rvm.example.com",
        "https://rvm.example.com/?token=s3cret",
        "https:/user:s3cret@rvm.example.com",
        "user:s3cret@rvm.example.com?token=s3cret",
    ],
)
def test_an_address_with_a_secret_in_it_is_refused_and_not_repeated(address):
    with pytest.raises(SettingsError) as caught:
        load(overrides={"uplink.server_url": address})
    assert "s3cret" not in f"{caught.value!r}{caught.value}"
    assert "***" in str(caught.value)


def test_public_leaves_the_rest_alone():
    assert public("uplink.server_url", "https://a.example/x") == "https://a.example/x"
    assert public("uplink.server_url", None) is None
    assert public("camera.source", "a@b?c") == "a@b?c"
    assert public("camera.source", "rtsp://u:s3cret@cam/live?t=1") == "***@cam/live?***"


# ----- Names ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("motor.leese_s", "motor.lease_s"),
        ("motor.lease_ms", "motor.lease_s"),
        ("motr.lease_s", "motor.lease_s"),
        ("lease_s", "motor.lease_s"),
        ("motor.heartbeat_s", "uplink.heartbeat_s"),
        ("sensors.gpio_lines.drp", "sensors.gpio_lines.drop"),
        ("Motor.Lease_S", "motor.lease_s"),
        ("weather.forecast", None),
    ],
)
def test_the_nearest_right_name(name, meant):
    assert nearest(name, keys()) == meant


@pytest.mark.parametrize(
    ("tree", "key", "text"),
    [
        ({"motor": {"leese_s": 1}}, "motor.leese_s",
         "there is no such setting; did you mean motor.lease_s?"),
        ({"motor": {"colour": 1}}, "motor.colour",
         f"there is no such setting; motor has {', '.join(members('motor'))}"),
        ({"weather": {"x": 1}}, "weather.x",
         f"there is no such setting; the sections are: {', '.join(members(''))}"),
        ({"motor": 3}, "motor",
         ("3 (a whole number) is not allowed; it takes a table with "
         + ", ".join(members("motor")))),
        ({"sensors": {"gpio_lines": [22, 23, 24]}}, "sensors.gpio_lines",
         ("[22, 23, 24] (a list) is not allowed; it takes a table with entry, inside, exit, "
         "drop")),
        ({"weather": {}}, "weather",
         f"there is no such setting; the sections are: {', '.join(members(''))}"),
        ({"motor": {"lease_s": {"a": {"b": 1}}}}, "motor.lease_s",
         "a table is not allowed; it takes a number from 0.05 to 0.5"),
        ({"motor": {"lease_s": 0.2}, "motor.lease_s": 0.3}, "motor.lease_s",
         "is also said by override, and differently; say it once"),
        ({"a\x1b[31mb": 1}, "a\x1b[31mb",
         f"there is no such setting; the sections are: {', '.join(members(''))}"),
    ],
)  # fmt: skip
def test_a_wrong_key_is_told_with_a_cure(tree, key, text):
    with pytest.raises(SettingsError) as caught:
        load(overrides=tree)
    (problem,) = caught.value.problems
    assert (problem.key, problem.text) == (key, text)
    assert str(caught.value).isprintable()


def test_an_empty_section_says_nothing():
    assert load(overrides={"motor": {}, "sensors": {"gpio_lines": {}}}).settings


def test_members_of_the_whole_are_the_sections():
    assert members("")[:2] == ("machine", "camera")
    assert members("sensors")[:2] == ("gpio_lines", "debounce_s")
    assert members("sensors.gpio_lines") == ("entry", "inside", "exit", "drop")


# ----- Texts ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("motor.lease_s", "0.2", 0.2),
        ("motor.lease_s", "2e-1", 0.2),
        ("motor.lease_s", "nan", "nan"),
        ("motor.lease_s", "1_0", "1_0"),
        ("motor.lease_s", "0,2", "0,2"),
        ("camera.ring_slots", "8", 8),
        ("camera.ring_slots", "8.0", "8.0"),
        ("camera.ring_slots", "٨", "٨"),
        ("uplink.allow_plain_http", "Yes", True),
        ("uplink.allow_plain_http", "0", False),
        ("uplink.allow_plain_http", "maybe", "maybe"),
        ("logging.level", "INFO", "info"),
        ("motor.gpio_lines", "17, 27", [17, 27]),
        ("motor.gpio_lines", "17;27", ["17;27"]),
        ("sensors.gpio_lines.drop", "5", 5),
        ("inference.model", "7", "7"),
    ],
)
def test_text_becomes_the_value_it_says_or_stays_text(name, text, value):
    read = from_text(text, keys()[name].kind)
    assert (read, type(read)) == (value, type(value))


def test_values_are_written_as_in_toml():
    assert [shown(one) for one in (None, True, 17, 0.25, "a", (17, 27))] == [
        "not set", "true", "17", "0.25", '"a"', "[17, 27]",
    ]  # fmt: skip
