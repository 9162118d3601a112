"""The doorbell: tells a machine that there is something to fetch, and nothing more.

A bell that does not ring costs a machine its next minute, never anything else: machines ask by
themselves. So `ring` never raises, and is called behind the commit, never before.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol


class PusherApp(NamedTuple):
    """The credentials of the app on the Pusher server.

    Attributes:
        id: digits only; official libraries insist on it.
        key: public.
        secret: signs subscriptions and publications.
    """

    id: str
    key: str
    secret: str

    def __repr__(self) -> str:
        return f"PusherApp({self.id})"


class Bell(Protocol):
    """Whoever can ring."""

    async def ring(self, channel: str, event: str, data: dict[str, Any]) -> None:
        """Send an event to everybody on the channel; never raises, never blocks for long."""


class SilentBell:
    """Rings nowhere: for tests, and for a platform whose machines only ask."""

    async def ring(self, channel: str, event: str, data: dict[str, Any]) -> None:
        """Nobody hears it."""


def machine_channel(rvm_id: int) -> str:
    """Of one machine."""
    return f"private-rvm.{rvm_id}"


def user_channel(reference: str) -> str:
    """Of one user's telephone."""
    return f"private-user.{reference}"
