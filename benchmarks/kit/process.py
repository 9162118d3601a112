"""The process in which a case or a survey runs, and how it is ended.

Ctrl-C reaches it too, and it tells what it knows; a second one ends it at once.
"""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Sequence
from types import FrameType
from typing import Any, NamedTuple


class Told(NamedTuple):
    """What it said in the end.

    Attributes:
        said: its last line; None: there is none that can be read.
        why: there is none.
        is_interrupted: somebody wants no more.
    """

    said: dict[str, Any] | None
    why: str = ""
    is_interrupted: bool = False


def run(command: Sequence[str], limit_s: float) -> Told:
    """Run it to its end; what it says last is JSON."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        is_interrupted = False
        try:
            said, _ = process.communicate(timeout=limit_s)
        except KeyboardInterrupt:
            is_interrupted = True
            said = _last_words(process)
        except subprocess.TimeoutExpired:
            process.kill()
            return Told(None, f"ended after {limit_s:.0f} s")
        return _read(said, process.returncode, is_interrupted=is_interrupted)


def _last_words(process: subprocess.Popen[str]) -> str:
    try:
        process.send_signal(signal.SIGINT)  # where only we were interrupted, and not the terminal
        said, _ = process.communicate()
    except KeyboardInterrupt:
        process.kill()
        return ""
    return said


def _read(said: str, status: int, *, is_interrupted: bool) -> Told:
    lines = said.splitlines()
    try:
        return Told(json.loads(lines[-1]), is_interrupted=is_interrupted)
    except (ValueError, IndexError):
        why = "interrupted" if is_interrupted else f"ended with status {status}, see above"
        return Told(None, why, is_interrupted)


def interrupt_once() -> None:
    """Inside: the first Ctrl-C is a `KeyboardInterrupt`, and nothing disturbs its clean-up."""
    signal.signal(signal.SIGINT, _interrupt)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    raise KeyboardInterrupt
