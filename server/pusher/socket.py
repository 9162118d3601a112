"""One client: what waits to be sent to it, and how much it may say.

Whoever has something for it leaves it here and goes on; only the socket's own task waits for the
network. A client that does not read finds its letters thrown away and a goodbye in their place.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Literal, NamedTuple

from server.pusher import frames
from server.pusher.limits import Limits


class Goodbye(NamedTuple):
    """Close the connection with this code."""

    code: frames.ErrorCode
    reason: str


class Socket:
    """See the module.

    Attributes:
        socket_id: two numbers and a dot, as publishers' libraries check it.
        channels: names of those it is in.
        heard_s: when it last said anything.
        pinged_s: when we asked whether it is there; None: it has spoken since.
        ending_s: when it was told goodbye; None: it was not.
    """

    __slots__ = (
        "_drop",
        "_excess",
        "_letters",
        "_level",
        "_level_s",
        "_limits",
        "_wake",
        "channels",
        "ending_s",
        "heard_s",
        "pinged_s",
        "socket_id",
    )

    def __init__(
        self, socket_id: str, limits: Limits, now_s: float, drop: Callable[[], object]
    ) -> None:
        """`drop` ends the connection without the client's help."""
        self.socket_id = socket_id
        self.channels: set[str] = set()
        self.heard_s = now_s
        self.pinged_s: float | None = None
        self.ending_s: float | None = None
        self._limits = limits
        self._drop = drop
        self._letters: deque[str | Goodbye] = deque()
        self._wake = asyncio.Event()
        self._level = float(limits.messages)
        self._level_s = now_s
        self._excess = 0

    # -- to the client ----------------------------------------------------------------------

    def tell(self, frame: str, now_s: float) -> None:
        """Send this when it can be sent."""
        if self.ending_s is not None:
            return
        if len(self._letters) >= self._limits.waiting:
            self.say_goodbye(4100, "Too many messages are waiting to be read", now_s)
            return
        self._letters.append(frame)
        self._wake.set()

    def say_goodbye(self, code: frames.ErrorCode, reason: str, now_s: float) -> None:
        """Send nothing more but why, and close. The first reason counts."""
        if self.ending_s is not None:
            return
        self.ending_s = now_s
        self._letters.clear()
        self._letters.append(frames.error(code, reason))
        self._letters.append(Goodbye(code, reason))
        self._wake.set()

    def drop(self) -> None:
        """End the connection now."""
        self._drop()

    async def next_letter(self) -> str | Goodbye:
        """Wait for what is to be sent next."""
        while not self._letters:
            self._wake.clear()
            await self._wake.wait()
        return self._letters.popleft()

    # -- from the client --------------------------------------------------------------------

    def weigh(self, now_s: float) -> Literal["heard", "too_fast", "flood"]:
        """It has sent a message; may it?"""
        self.heard_s = now_s
        self.pinged_s = None
        limits = self._limits
        grown = (now_s - self._level_s) * limits.messages_per_s
        self._level = min(float(limits.messages), self._level + grown)
        self._level_s = now_s
        if self._level >= 1.0:
            self._level -= 1.0
            self._excess = 0
            return "heard"
        self._excess += 1
        return "flood" if self._excess > limits.excess else "too_fast"
