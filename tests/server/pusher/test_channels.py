import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.pusher.channels import NAME_CHARACTERS_MAX, is_channel_name, kind_of


@pytest.mark.parametrize(
    ("name", "private", "presence", "cached", "relaying"),
    [
        ("news", False, False, False, False),
        ("cache-news", False, False, True, False),
        ("private-rvm.1", True, False, False, True),
        ("private-cache-rvm.1", True, False, True, True),
        ("private-encrypted-x", True, False, False, False),
        ("private-encrypted-cache-x", True, False, True, False),
        ("presence-room", True, True, False, True),
        ("presence-cache-room", True, True, True, True),
        ("privateer", False, False, False, False),
    ],
)
def test_the_name_of_a_channel_says_what_it_does(name, private, presence, cached, relaying):
    assert kind_of(name) == (private, presence, cached, relaying)


@pytest.mark.parametrize("name", ["", "a b", "ä", "a/b", "a\n", "x" * (NAME_CHARACTERS_MAX + 1)])
def test_other_names_are_none(name):
    assert not is_channel_name(name)


@given(st.text(alphabet="abzAZ09_-=@,.;", min_size=1, max_size=NAME_CHARACTERS_MAX))
def test_every_name_of_allowed_characters_is_one(name):
    assert is_channel_name(name)
