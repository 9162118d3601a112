"""The peer: stock Pykka actors and plain objects, by reference, unchecked."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pykka

from benchmarks.kit.words import TYPICAL

_FLUSH = "flush"


class StockPykka(pykka.ThreadingActor):
    """Takes objects, and answers one when asked."""

    use_daemon_thread = True

    def on_receive(self, message: Any) -> Any:
        return None if message is _FLUSH else message.sequence

    @staticmethod
    @contextmanager
    def started() -> Iterator[_Stock]:
        """One that runs."""
        ref = StockPykka.start()
        try:
            yield _Stock(ref)
        finally:
            ref.stop()


class _Stock:
    def __init__(self, ref: pykka.ActorRef[StockPykka]) -> None:
        self._ref = ref

    def tell_us(self, count: int) -> float:
        """What one tell takes, all handled."""
        tell, message = self._ref.tell, TYPICAL
        began_ns = time.perf_counter_ns()
        for _ in range(count):
            tell(message)
        self._ref.ask(_FLUSH)
        return (time.perf_counter_ns() - began_ns) / count / 1e3

    def ask_us(self, count: int) -> float:
        """What one ask takes."""
        ask, message = self._ref.ask, TYPICAL
        began_ns = time.perf_counter_ns()
        for _ in range(count):
            ask(message)
        return (time.perf_counter_ns() - began_ns) / count / 1e3
