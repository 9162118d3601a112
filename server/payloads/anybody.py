"""What needs no token.

anybody ── GET /up  ▶ Up    503 in maintenance
"""

from __future__ import annotations

from msgspec import Struct


class Up(Struct, frozen=True):
    """Platform: I am here; for whoever tries a way to me."""

    server_time: float
