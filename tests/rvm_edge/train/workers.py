"""Workers for a crew: each does as its name says. `python -m … NAME FOLDER FD`."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from rvm_edge.train.crew import serve

MODULE = "tests.rvm_edge.train.workers"


def obedient(folder: Path, number: int) -> None:
    """Leave a file with the number's name."""
    (folder / str(number)).touch()


def mortal(folder: Path, number: int) -> None:
    """Die at the first sight of every number, and at every sight of 13."""
    seen = folder / f"seen-{number}"
    if number == 13 or not seen.exists():
        seen.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    obedient(folder, number)


def patient(folder: Path, number: int) -> None:
    """Say who one is, and wait to be killed; the successor works."""
    if not (folder / "pid").exists():
        part = folder / ".pid"
        part.write_text(str(os.getpid()))
        part.rename(folder / "pid")
        signal.pause()
    obedient(folder, number)


def main(name: str, folder: str, fd: str) -> None:
    if name == "stillborn":
        sys.exit(3)
    work = {"obedient": obedient, "mortal": mortal, "patient": patient}[name]
    serve(int(fd), lambda number: work(Path(folder), number))


if __name__ == "__main__":
    main(*sys.argv[1:])
