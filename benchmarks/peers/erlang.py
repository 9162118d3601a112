"""The peer: Erlang/OTP, one virtual machine that measures when it is told to.

Its orders and answers go over two pipes of their own; its standard output, where the default logger
writes, goes nowhere.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from benchmarks.kit.contest import Absent, Contender

_SOURCES = Path(__file__).parent
_CHILD = _SOURCES / "port_child.py"


class Erlang:
    """A running virtual machine, or the reason why there is none."""

    def __init__(self, why_not: str, orders: IO[str] | None, answers: IO[str] | None) -> None:
        self._why_not = why_not
        self._orders = orders
        self._answers = answers

    def contender(self, what: str, count: int) -> Contender:
        """One round of ``count`` operations; gives microseconds for one."""
        if self._orders is None or self._answers is None:
            return Absent(self._why_not)
        orders, answers = self._orders, self._answers

        def run() -> float:
            print(what, count, file=orders, flush=True)
            return float(answers.readline()) / count / 1e3

        return run


@contextmanager
def erlang() -> Iterator[Erlang]:
    """Compile the sources and start the virtual machine, one scheduler for each CPU we have."""
    erl, erlc = shutil.which("erl"), shutil.which("erlc")
    if erl is None or erlc is None:
        yield Erlang("Erlang is not installed (erlang-base)", None, None)
        return
    schedulers = len(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory() as directory:
        sources = [str(source) for source in sorted(_SOURCES.glob("*.erl"))]
        subprocess.run([erlc, "-o", directory, *sources], check=True)
        orders_read, orders_write = os.pipe()
        answers_read, answers_write = os.pipe()
        machine = subprocess.Popen(
            [
                *(erl, "+S", f"{schedulers}:{schedulers}", "-noshell", "-pa", directory),
                *("-run", "bench", "main", str(orders_read), str(answers_write)),
                *(sys.executable, str(_CHILD)),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            pass_fds=(orders_read, answers_write),
        )
        os.close(orders_read)
        os.close(answers_write)
        try:
            with os.fdopen(orders_write, "w") as orders, os.fdopen(answers_read) as answers:
                yield Erlang("", orders, answers)
        finally:
            machine.wait()
