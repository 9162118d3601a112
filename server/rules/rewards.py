"""What an item is worth, in the smallest unit of the currency: whole numbers only."""

from __future__ import annotations

from collections.abc import Mapping

DEFAULT = "default"
"""In a table: whatever it does not name."""
FIRST_RATES = {DEFAULT: 100}
"""The first version, until an operator has written another."""


def worth(rates: Mapping[str, int], waste_type: str, quantity: int = 1) -> int:
    """Of this many of one kind."""
    return rates.get(waste_type, rates.get(DEFAULT, 0)) * quantity


def item_rate(rates: Mapping[str, int]) -> int:
    """Of an item of which nothing is known but that it was credited."""
    return rates.get(DEFAULT, 0)
