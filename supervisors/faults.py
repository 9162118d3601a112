"""Ways to misbehave on purpose, for trying what the runtime does about it.

Nothing here is reachable unless the system was made with ``allow_faults``.
"""

from __future__ import annotations

import ctypes
import os
import sys
import threading
from typing import NoReturn

from protocol.system import InjectFault

FATAL_IN_THREAD = ("gil", "segfault", "vanish")
"""Faults that, in a thread of the core, are the whole core's."""


class InjectedFault(RuntimeError):
    """The exception of the ``raise`` fault."""


def inject(fault: InjectFault) -> None:
    """Misbehave now. Most kinds do not return."""
    if fault.kind == "raise":
        msg = "injected fault"
        raise InjectedFault(msg)
    if fault.kind == "exit":
        sys.exit("injected SystemExit")
    if fault.kind == "memory":
        _eat(fault.megabytes)
    if fault.kind in ("hang", "memory"):
        threading.Event().wait(fault.seconds)
        return
    if fault.kind == "gil":
        ctypes.PyDLL(None).usleep(int(fault.seconds * 1e6) & 0xFFFFFFFF)
    elif fault.kind == "segfault":
        _segfault()
    else:
        os._exit(0)


def _eat(megabytes: int) -> None:
    block = bytearray(megabytes << 20)
    for page in range(0, len(block), 4096):
        block[page] = 1
    _EATEN.append(block)


def _segfault() -> NoReturn:
    ctypes.string_at(0)
    raise AssertionError


_EATEN: list[bytearray] = []
