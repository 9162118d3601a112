"""A process that carries out remote commands and kills itself at a given step.

    python -m tests.faults.commands_victim DIRECTORY STEP

The platform is a file of wishes, `wishes.jsonl`; what it was told goes to `told.jsonl`, what was
done to `done.jsonl`. A step is everything that another part sees: a commit begun, a commit done, a
call to the platform, its answer, a deed. At step 0 it lives, until everything has been told.
"""

import itertools
import json
import os
import signal
import sys
from pathlib import Path

from actors.storage import Storage
from actors.uplink.commands import Commands
from config.settings import UplinkSettings
from protocol.message import Done
from protocol.service import StartSession
from protocol.uplink import Call, Called, Reached
from supervisors import Actor, ChildSpec, Supervisor, SupervisorSpec, handles
from supervisors.testing import eventually
from tests.actors.uplink.commanded import LIMITS, MOTOR

FINAL = ("succeeded", "failed", "rejected", "expired", "timed_out")


class Fate:
    """Counts the steps."""

    def __init__(self, step: int) -> None:
        self._left = itertools.count(step, -1)

    def step(self) -> None:
        if next(self._left) == 1:
            os.kill(os.getpid(), signal.SIGKILL)


class MortalStorage(Storage):
    """Dies around its commits."""

    def __init__(self, fate, **args) -> None:
        super().__init__(**args)
        self._fate = fate

    def _flush(self) -> None:
        is_one = bool(self._pending)
        if is_one:
            self._fate.step()
        super()._flush()
        if is_one:
            self._fate.step()


class World(Actor):
    """The platform, and the session."""

    def __init__(self, directory: Path, fate: Fate) -> None:
        self._directory = directory
        self._fate = fate

    @handles(Call)
    def call(self, message: Call) -> Called:
        self._fate.step()
        body = b"{}"
        if message.method == "GET":
            after = int(message.path.rpartition("=")[2])
            wishes = read(self._directory / "wishes.jsonl")
            page = [wish for wish in wishes if wish["seq"] > after]
            body = json.dumps({"commands": page, "last": len(wishes)}).encode()
        else:
            told = {"id": message.path.split("/")[3], **json.loads(message.body)}
            append(self._directory / "told.jsonl", told)
        self._fate.step()
        return Called(200, body)

    @handles(StartSession)
    def start_session(self, message: StartSession) -> Done:
        self._fate.step()
        append(self._directory / "done.jsonl", {"user": message.user})
        self._fate.step()
        return Done()

    @handles(Reached)
    def reached(self, message: Reached) -> None:
        """Not of interest."""


def read(path: Path) -> list[dict]:
    """All whole lines; the last may just be written by another thread."""
    lines = path.read_text().splitlines(keepends=True) if path.exists() else []
    return [json.loads(line) for line in lines if line.endswith("\n")]


def append(path: Path, what: dict) -> None:
    with path.open("a") as file:
        file.write(json.dumps(what) + "\n")


def has_told_all(directory: Path) -> bool:
    ended = {told["id"] for told in read(directory / "told.jsonl") if told["state"] in FINAL}
    return ended == {wish["id"] for wish in read(directory / "wishes.jsonl")}


def main() -> None:
    directory, fate = Path(sys.argv[1]), Fate(int(sys.argv[2]))
    storage = {"fate": fate, "directory": str(directory), "limits": LIMITS}
    names = ("motor", "sensors", "deposit", "session", "daemon", "sync", "link", "reports")
    addresses = {**dict.fromkeys(names, "/world"), "storage": "/storage"}
    args = {"limits": UplinkSettings(), "motor": MOTOR, "addresses": addresses, "models": "/m"}
    spec = SupervisorSpec(
        (
            ChildSpec("storage", MortalStorage, args=storage),
            ChildSpec("world", World, args={"directory": directory, "fate": fate}),
            ChildSpec("commands", Commands, args=args),
        )
    )
    with Supervisor.start(spec):
        eventually(lambda: has_told_all(directory), timeout_s=40.0)


if __name__ == "__main__":
    main()
