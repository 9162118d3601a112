"""What is said about the machine's condition.

operator ── MeasureNow ─▶ health
operator ◀─ Measured ──── health
"""

from __future__ import annotations

from protocol.message import Message


class MeasureNow(Message, frozen=True, tag="health.measure"):
    """Operator: measure now instead of at the next period."""


class Measured(Message, frozen=True, tag="health.measured"):
    """Health: these values; None where there is no such sensor, which is not zero."""

    cpu_percent: float | None
    memory_percent: float | None
    disk_percent: float | None
    temperature_c: float | None
    alarms: tuple[str, ...]


class ProbeServer(Message, frozen=True, tag="uplink.probe"):
    """Operator: try the way to the server now."""


class ServerProbed(Message, frozen=True, tag="uplink.probed"):
    """Uplink: how far it went: ``dns``, ``tcp``, ``tls``, ``http`` are the stages."""

    reached: str
    detail: str


HealthMessage = MeasureNow | Measured | ProbeServer | ServerProbed
