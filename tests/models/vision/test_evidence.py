"""Evidence: names that stay where they belong, and a quota that throws the oldest out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.vision.evidence import Holdings, is_name


@pytest.mark.parametrize("name", ["rvm-0a8b443f-1-17", "m-1-1", "A.b_c-9"])
def test_the_ids_of_deposits_are_names(name):
    assert is_name(name)


@pytest.mark.parametrize("name", ["", ".", "..", "../x", "a/b", ".hidden", "a\n", "a\0", "x" * 129])
def test_nothing_else_is(name):
    assert not is_name(name)


sizes = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 100)), max_size=60)


@given(sizes, st.integers(0, 300))
def test_the_oldest_go_and_what_is_left_fits(added, quota):
    holdings, order = Holdings(quota), []
    for name, size in added:
        holdings.add(str(name), size, 0.0)
        if str(name) not in order:
            order.append(str(name))
        going = holdings.surplus()
        assert list(going) == order[: len(going)]
        for old in going:
            holdings.drop(old)
            order.remove(old)
        assert holdings.total_bytes <= quota
        assert holdings.surplus() == ()
        assert len(holdings) == len(order)
        assert all(name in holdings for name in order)


def test_no_more_goes_than_has_to():
    holdings = Holdings(100)
    for name in "abc":
        holdings.add(name, 50, 0.0)
    assert holdings.surplus() == ("a",)
    holdings.drop("none")
    assert holdings.total_bytes == 150


def test_what_is_too_old_goes_unless_nobody_knows_how_old_it_is():
    holdings = Holdings(1000)
    for name, at_s in (("boot", 5.0), ("old", 1.79e9), ("new", 1.81e9)):
        holdings.add(name, 10, at_s)
    holdings.add("old", 10, 1.81e9)
    assert holdings.expired(1.78e9) == ()
    assert holdings.expired(1.8e9) == ("old",), "since it was begun"
    holdings.drop("old")
    assert holdings.expired(2e9) == ("new",)
