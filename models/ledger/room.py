"""How much room the store has, and who may still write into it.

    0 ────────────────────────────────────────▶ capacity
    | everybody              | money | deletes |
                             ↑ line  ↑ edge

`capacity` is what the map may grow to, or what the disk still gives, whichever is less. Below the
line everybody writes. Behind it only money does: an item on the belt can always be finished.
Behind the edge nothing is added, for LMDB needs free pages to delete anything.
"""

from __future__ import annotations

from functools import cached_property
from typing import Literal

import msgspec

PAGE_BYTES = 4096
_EDGE_PERCENT = 2.0
_EDGE_PAGES = 48
"""A delete writes a new copy of each page from the leaf to the root, in each table it touches."""

ITEM_BYTES = 32 << 10
"""What one item takes at most, all its states with their journal and the pages around them."""

Level = Literal["open", "reserve", "edge"]


class Room(msgspec.Struct, frozen=True, dict=True):
    """The room of a store, in bytes.

    Attributes:
        capacity_bytes: what it may come to use.
        used_bytes: by pages that hold something; free pages inside the file are room.
        reserve_percent: of the capacity, for money alone.
    """

    capacity_bytes: int
    used_bytes: int
    reserve_percent: float

    @cached_property
    def edge_bytes(self) -> int:
        """Behind this, nothing is added."""
        spare = max(self.capacity_bytes * _EDGE_PERCENT / 100, _EDGE_PAGES * PAGE_BYTES)
        return max(int(self.capacity_bytes - spare), 0)

    @cached_property
    def line_bytes(self) -> int:
        """Behind this, only money is added."""
        return max(int(self.edge_bytes - self.capacity_bytes * self.reserve_percent / 100), 0)

    @property
    def next_item(self) -> Level:
        """Who could still write an item's worth."""
        return self.level(ITEM_BYTES)

    @cached_property
    def has_ease(self) -> bool:
        """Whether an alarm is over: room for a while, not for a single item."""
        return self.level(4 * ITEM_BYTES) == "open"

    @cached_property
    def short_bytes(self) -> int:
        """What the lesser classes should give up so that items can be written."""
        return max(self.used_bytes + 2 * ITEM_BYTES - self.line_bytes, 0)

    def level(self, more_bytes: int = 0) -> Level:
        """Where one would be with so much more."""
        used = self.used_bytes + more_bytes
        if used <= self.line_bytes:
            return "open"
        return "reserve" if used <= self.edge_bytes else "edge"


def room(
    *, map_bytes_max: int, file_bytes: int, disk_free_bytes: int, used_bytes: int, percent: float
) -> Room:
    """Make one from what was measured."""
    capacity = min(map_bytes_max, file_bytes + disk_free_bytes)
    return Room(capacity, used_bytes, percent)


def grown(map_bytes: int, used_bytes: int, map_bytes_max: int) -> int:
    """What size the map should have: doubled in time, before a transaction finds no page."""
    while map_bytes < map_bytes_max and used_bytes > map_bytes // 2:
        map_bytes = min(map_bytes * 2, map_bytes_max)
    return map_bytes
