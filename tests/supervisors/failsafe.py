"""Fail-safes for tests of process hosts: they get the child's args."""

import os
import threading
from pathlib import Path
from typing import Any


def note(probe: str, **_: Any) -> None:
    """Write down who ran it, and when: ``probe`` is a file."""
    with Path(probe).open("a", encoding="ascii") as file:
        file.write(f"{os.getpid()}\n")


def hang(probe: str, **_: Any) -> None:
    """Never come to an end."""
    note(probe)
    threading.Event().wait(60)


def fail(probe: str, **_: Any) -> None:
    """Fail."""
    note(probe)
    msg = "the motor does not answer"
    raise RuntimeError(msg)


def die(probe: str, **_: Any) -> None:
    """Die."""
    note(probe)
    os._exit(0)
