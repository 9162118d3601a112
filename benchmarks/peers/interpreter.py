"""The peer: a process that is started anew when it has been killed, and imports what it needs."""

from __future__ import annotations

import importlib
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from supervisors.boot import isolated

IMPORTS = ("numpy", "cv2", "onnxruntime", "benchmarks.kit.actors")


class Interpreter:
    """Holds one such process."""

    def __init__(self) -> None:
        self._start()
        self._socket.recv(64)

    @classmethod
    @contextmanager
    def started(cls) -> Iterator[Interpreter]:
        """One that runs."""
        interpreter = cls()
        try:
            yield interpreter
        finally:
            interpreter._process.kill()
            interpreter._process.wait()
            interpreter._socket.close()

    def _start(self) -> None:
        self._socket, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        argv = [str(far.fileno()), "supervisors.host_main", *IMPORTS]
        self._process = subprocess.Popen(
            isolated(sys.executable, "benchmarks.peers.interpreter", argv),
            pass_fds=(far.fileno(),),
        )
        far.close()
        self._socket.send(b"first message")

    def kill_us(self) -> float:
        """From kill -9, seen as the end of its socket, to its successor's first message."""
        began_ns = time.monotonic_ns()
        self._process.send_signal(signal.SIGKILL)
        assert not self._socket.recv(64)
        self._socket.close()
        self._process.wait()
        self._start()
        return (int(self._socket.recv(64)) - began_ns) / 1e3


def main(argv: list[str]) -> int:
    """Be that process: import, take one message, say when, wait to be killed."""
    for module in argv[1:]:
        importlib.import_module(module)
    link = socket.socket(fileno=int(argv[0]))
    while link.recv(64):
        link.send(str(time.monotonic_ns()).encode())
    return 0
