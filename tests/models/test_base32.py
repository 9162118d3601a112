"""Crockford's base32, forwards, backwards and misread."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.base32 import canonical, from_base32, to_base32


@given(st.binary(max_size=200))
def test_bytes_come_back(data):
    assert from_base32(to_base32(data)) == data


def test_it_is_crockfords_alphabet():
    assert to_base32(bytes.fromhex("00443214c74254b635cf84653a56d7c675be77df")) == (
        "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
    )


def test_what_people_confuse_is_read_as_meant():
    data = from_base32("1100-ABCD")
    assert from_base32("iLoO abcd") == data
    assert canonical("il-o o") == "1100"


@given(st.binary(min_size=1, max_size=40), st.data())
def test_another_last_character_is_other_bytes_or_none(data, draw):
    text = to_base32(data)
    last = draw.draw(st.sampled_from("0123456789ABCDEFGHJKMNPQRSTVWXYZ"))
    try:
        other = from_base32(text[:-1] + last)
    except ValueError:
        return
    assert (other == data) == (last == text[-1])


@pytest.mark.parametrize("text", ["U", "*", "0", "AAA", "00\u0131", "\u017f0", "0\n0"])
def test_what_no_bytes_are_written_as_is_refused(text):
    with pytest.raises(ValueError, match=r"base32|last character"):
        from_base32(text)
