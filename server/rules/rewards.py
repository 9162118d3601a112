"""What an item is worth, in the smallest unit of the currency: whole numbers only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

DEFAULT = "default"
"""In a table: whatever it does not name."""
FIRST_RATES = {DEFAULT: 100}
"""The first version, until an operator has written another."""


class Table(NamedTuple):
    """What counts from some day on."""

    version: int
    rates: Mapping[str, int]

    def worth(self, waste_type: str, quantity: int = 1) -> int:
        """Of this many of one kind."""
        return self.rates.get(waste_type, self.item_rate) * quantity

    @property
    def item_rate(self) -> int:
        """Of an item of which nothing is known but that it was credited."""
        return self.rates.get(DEFAULT, 0)
