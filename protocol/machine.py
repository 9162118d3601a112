"""What is said about the machine's body.

sensors ── ItemArrived ──▶ deposit      the inlet beam was crossed inward
sensors ── ItemDropped ──▶ deposit      the drop beam was crossed: the item is in the bin
sensors ── InletCleared ─▶ deposit      nothing lies in the inlet any more
deposit ── Transport ────▶ motor        run the belt; worthless when late, never repeated
deposit ◀─ Transported | TransportFailed ─ motor
anybody ── MakeSafe ─────▶ motor        outputs low, now
"""

from __future__ import annotations

from typing import ClassVar, Literal

from protocol.message import Delivery, Message

Direction = Literal["inward", "outward"]


class ItemArrived(Message, frozen=True, tag="machine.item_arrived"):
    """Sensors: something lies in the inlet, since then on the monotonic clock."""

    at_ns: int


class ItemDropped(Message, frozen=True, tag="machine.item_dropped"):
    """Sensors: something has fallen past the drop beam."""

    at_ns: int


class InletCleared(Message, frozen=True, tag="machine.inlet_cleared"):
    """Sensors: the inlet is free."""

    at_ns: int


class Transport(Message, frozen=True, tag="machine.transport"):
    """Deposit: run the belt for at most ``run_s`` seconds."""

    delivery: ClassVar[Delivery] = Delivery.COMMAND

    deposit: str
    direction: Direction
    run_s: float


class Transported(Message, frozen=True, tag="machine.transported"):
    """Motor: the belt has run and stands still."""

    deposit: str
    direction: Direction
    ran_s: float


class TransportFailed(Message, frozen=True, tag="machine.transport_failed"):
    """Motor: it has not run, or not to the end, and stands still."""

    deposit: str
    why: str


class MakeSafe(Message, frozen=True, tag="machine.make_safe"):
    """Anybody: all outputs low, whatever is going on."""

    delivery: ClassVar[Delivery] = Delivery.SAFETY

    why: str = "asked"


class ReadInputs(Message, frozen=True, tag="machine.read_inputs"):
    """Operator: what do the inputs read?"""


class Inputs(Message, frozen=True, tag="machine.inputs"):
    """Sensors: this; None where a line cannot be read."""

    levels: dict[str, bool | None]


MachineMessage = (
    ItemArrived
    | ItemDropped
    | InletCleared
    | Transport
    | Transported
    | TransportFailed
    | MakeSafe
    | ReadInputs
    | Inputs
)
