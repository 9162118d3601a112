"""What is said to the simulated world.

operator ── InsertItem ─▶ world
operator ◀─ Inserted | Failed ─ world
"""

from __future__ import annotations

from protocol.message import Message


class InsertItem(Message, frozen=True, tag="sim.insert"):
    """Operator: put an item into the inlet.

    Attributes:
        name: of the item, for the record.
        picture: file the camera will see.
    """

    name: str
    picture: str


class Inserted(Message, frozen=True, tag="sim.inserted"):
    """World: it lies there."""

    name: str


SimulationMessage = InsertItem | Inserted
