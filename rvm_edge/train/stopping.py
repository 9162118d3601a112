"""Ctrl-C between two steps: what is done is kept, and the next run goes on from there."""

from __future__ import annotations

import signal
import sys
from types import FrameType
from typing import final

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@final
class Stop:
    """The first signal asks for an end after the step in hand, the second one ends it at once."""

    def __init__(self, what: str) -> None:
        """Args: what: is finished first, for the words that are shown."""
        self._what = what
        self.asked = False

    def __enter__(self) -> Stop:
        self._outer = [signal.signal(number, self._note) for number in _SIGNALS]
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in zip(_SIGNALS, self._outer, strict=True):
            signal.signal(number, handler)

    def _note(self, _number: int, _frame: FrameType | None) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True
        text = f"\nstopping after {self._what}; again to stop at once"
        print(text, file=sys.stderr, flush=True)
