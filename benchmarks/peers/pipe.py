"""The peer: multiprocessing.Pipe with bytes as they are, and a child that does nothing else."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection

from benchmarks.kit.words import TYPICAL, Ack
from protocol.codec import encode


class Pipe:
    """The near end of a pipe to a child that answers."""

    def __init__(self, near: Connection) -> None:
        self._near = near
        self._message = encode(TYPICAL)

    @classmethod
    @contextmanager
    def started(cls) -> Iterator[Pipe]:
        """A child that runs; spawned, since this process has threads."""
        context = multiprocessing.get_context("spawn")
        near, far = context.Pipe()
        child = context.Process(target=_answer, args=(far,), daemon=True)
        child.start()
        far.close()
        pipe = cls(near)
        pipe.ask_us(1)
        try:
            yield pipe
        finally:
            near.close()
            child.join(5.0)

    def ask_us(self, count: int) -> float:
        """What one message and its answer take."""
        send, receive, message = self._near.send_bytes, self._near.recv_bytes, self._message
        began_ns = time.perf_counter_ns()
        for _ in range(count):
            send(message)
            receive()
        return (time.perf_counter_ns() - began_ns) / count / 1e3


def _answer(far: Connection) -> None:
    answer = encode(Ack(TYPICAL.sequence))
    try:
        while far.recv_bytes():
            far.send_bytes(answer)
    except EOFError:
        pass
