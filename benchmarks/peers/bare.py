"""What nobody gets below in Python: the same codec with a bare queue, lock or socket between.

No addresses, no supervision, no bounds, no deadlines. The distance to it is what the runtime costs.
"""

from __future__ import annotations

import queue
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec

from benchmarks.kit.words import TYPICAL, Ack, Typical
from supervisors.boot import isolated

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Typical).decode
_decode_ack = msgspec.msgpack.Decoder(Ack).decode
_ROOM = 65536


class BareThread:
    """A thread that takes messages off a queue."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[tuple[bytes, list[bytes], threading.Lock] | bytes | None]
        self._queue = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @classmethod
    @contextmanager
    def started(cls) -> Iterator[BareThread]:
        """One that runs."""
        thread = cls()
        try:
            yield thread
        finally:
            thread._queue.put(None)

    def tell_us(self, count: int) -> float:
        """What one message takes, all decoded."""
        put, encode, message = self._queue.put, _encode, TYPICAL
        began_ns = time.perf_counter_ns()
        for _ in range(count):
            put(encode(message))
        self.ask_us(1)
        return (time.perf_counter_ns() - began_ns) / count / 1e3

    def ask_us(self, count: int) -> float:
        """What one message and its answer take."""
        began_ns = time.perf_counter_ns()
        for _ in range(count):
            box: list[bytes] = []
            lock = threading.Lock()
            lock.acquire()
            self._queue.put((_encode(TYPICAL), box, lock))
            lock.acquire()
            _decode_ack(box[0])
        return (time.perf_counter_ns() - began_ns) / count / 1e3

    def _run(self) -> None:
        get, decode = self._queue.get, _decode
        while (item := get()) is not None:
            if isinstance(item, bytes):
                decode(item)
                continue
            body, box, lock = item
            box.append(_encode(Ack(decode(body).sequence)))
            lock.release()


class BareSocket:
    """A process at the other end of a SEQPACKET socket."""

    def __init__(self) -> None:
        self._socket, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        argv = isolated(sys.executable, "benchmarks.peers.bare", [str(far.fileno())])
        self._process = subprocess.Popen(argv, pass_fds=(far.fileno(),))
        far.close()
        self.ask_us(1)

    @classmethod
    @contextmanager
    def started(cls) -> Iterator[BareSocket]:
        """One that runs."""
        bare = cls()
        try:
            yield bare
        finally:
            bare._socket.close()
            bare._process.wait()

    def ask_us(self, count: int) -> float:
        """What one message and its answer take."""
        send, receive = self._socket.send, self._socket.recv_into
        buffer = bytearray(_ROOM)
        view = memoryview(buffer)
        began_ns = time.perf_counter_ns()
        for _ in range(count):
            send(_encode(TYPICAL))
            _decode_ack(view[: receive(buffer)])
        return (time.perf_counter_ns() - began_ns) / count / 1e3


def main(argv: list[str]) -> int:
    """Be the process: answer until the socket ends."""
    link = socket.socket(fileno=int(argv[0]))
    buffer = bytearray(_ROOM)
    view = memoryview(buffer)
    while length := link.recv_into(buffer):
        link.send(_encode(Ack(_decode(view[:length]).sequence)))
    return 0
