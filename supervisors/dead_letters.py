"""What could not be delivered: counted by cause and receiver, the last few kept for people."""

from __future__ import annotations

from collections import Counter, deque
from typing import NamedTuple

from protocol.envelope import Envelope

_KEPT = 64
"""Dead letters kept whole; the rest only count."""


class DeadLetter(NamedTuple):
    """One message that reached nobody."""

    cause: str
    name: str
    source: str
    destination: str
    sent_ns: int


class DeadLetters:
    """The office where they end."""

    def __init__(self) -> None:
        """None yet."""
        self.by_cause: Counter[str] = Counter()
        self.by_destination: Counter[str] = Counter()
        self.last: deque[DeadLetter] = deque(maxlen=_KEPT)

    def add(self, envelope: Envelope, cause: str) -> None:
        """Count one."""
        self.by_cause[cause] += 1
        if envelope.destination in self.by_destination or len(self.by_destination) < _KEPT:
            self.by_destination[envelope.destination] += 1
        self.last.append(
            DeadLetter(
                cause, envelope.name, envelope.source, envelope.destination, envelope.sent_ns
            )
        )

    @property
    def total(self) -> int:
        """All of them."""
        return sum(self.by_cause.values())
