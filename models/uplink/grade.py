"""How far the machine gets, in one word."""

from __future__ import annotations

from collections.abc import Iterable

from protocol.uplink import Grade

STAGES = ("nothing", "dns", "tcp", "tls", "http")
"""In the order in which a path gets further."""


def grade(reached: Iterable[str], *, is_open: bool, has_address: bool) -> Grade:
    """The machine's grade.

    Args:
        reached: how far each path gets, as `STAGES` say it.
        is_open: one of them ends at the platform.
        has_address: the machine has an address besides its own loop.
    """
    if is_open:
        return "server"
    if any(STAGES.index(stage) >= STAGES.index("tcp") for stage in reached):
        return "internet"
    return "lan" if has_address else "disconnected"
