"""Sizes and masses of the catalogue's items."""

import pytest

from config.settings import DepositSettings
from models.world.bodies import usual_body
from models.world.catalogue import EMPTY, load_catalogue

LIMITS = DepositSettings()


@pytest.mark.parametrize("item", list(load_catalogue()), ids=lambda item: item.name)
def test_a_body_is_plausible_and_always_the_same(item):
    body = usual_body(item)
    assert body == usual_body(item)
    assert 0.05 < body.length_m < 0.36
    assert 0.03 < body.diameter_m < 0.1
    assert 2 < body.mass_g < 1000
    if item.kinds == ("mineral",):
        assert LIMITS.length_m_min < body.length_m < LIMITS.length_m_max
        assert LIMITS.mass_g_min < body.mass_g < LIMITS.mass_g_max
    if "mineral_full" in item.kinds:
        assert body.mass_g > LIMITS.mass_g_max
    if not item.kinds:
        assert body.mass_g < LIMITS.mass_g_min


def test_bottles_of_one_kind_differ():
    bodies = {usual_body(item) for item in load_catalogue().of_kind("mineral")}
    assert len(bodies) > 10
    assert {usual_body(item).mass_g for item in load_catalogue().of_kind(EMPTY)}
