"""A whole machine for a test: the daemon as a process of its own, on a data directory of its own.

Nothing here sleeps: a test waits for what the daemon says on its control socket or writes into its
record, and fails with the daemon's own last words when that does not come.
"""

from __future__ import annotations

import functools
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from actors.drivers import ports
from actors.drivers.simulated import OutputWrite, PinFile, read_trace
from models.world.catalogue import Item, default_chamber_directory, load_catalogue
from protocol.control import ControlRequest, GetStatus, Misbehave, SendCommand
from rvm_edge.client import ClientError, ask
from supervisors.testing import eventually

if TYPE_CHECKING:
    from typing_extensions import Self

PATIENCE_S = 30.0
"""For anything a loaded machine may be slow at."""
_OURS = ("RVM_", "LOG_LEVEL", "HARDWARE_ID", "NOTIFY_SOCKET", "WATCHDOG_", "NO_COLOR")


def environment(**more: str | None) -> dict[str, str]:
    """This process's environment without what would speak to a machine in it."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(_OURS)}
    kept.update({key: value for key, value in more.items() if value is not None})
    return {key: value for key, value in kept.items() if key not in more or more[key] is not None}


def command_line(*arguments: object, python: tuple[str, ...] = ()) -> list[str]:
    """How to run ``rvm-edge`` here, from a checkout or from a wheel."""
    return [sys.executable, *python, "-m", "rvm_edge", *(str(one) for one in arguments)]


def run(
    *arguments: object, cwd: Path, environ: Mapping[str, str] | None = None, **more: Any
) -> subprocess.CompletedProcess[str]:
    """Run one command to its end."""
    return subprocess.run(
        command_line(*arguments, python=more.pop("python", ())),
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
        cwd=cwd,
        env=dict(environ or environment()),
        **more,
    )


@functools.cache
def _verdicts() -> dict[str, str]:
    """What the shipped detector makes of every picture; asked in a process of its own."""
    done = run("classify", default_chamber_directory() / "images", "--json", cwd=Path.cwd())
    return {Path(one["file"]).stem: one["decision"] for one in json.loads(done.stdout)}


def item(decision: str) -> Item:
    """An item of the chamber about which the shipped detector decides so, rightly if possible."""
    found = [one for one in load_catalogue() if _verdicts()[one.name] == decision]
    assert found, f"the shipped detector says {decision} to nothing"
    return next((one for one in found if one.expected == decision), found[0])


class Machine:
    """A daemon, from its start to its end.

    Attributes:
        directory: its data directory.
        process: the core.
    """

    def __init__(
        self,
        directory: Path,
        *arguments: object,
        environ: Mapping[str, str | None] | None = None,
        python: tuple[str, ...] = (),
        settings: str = "",
        **popen: Any,
    ) -> None:
        """Start it; see `ready`.

        Args:
            arguments: of ``rvm-edge start``.
            environ: added to the environment; None takes a variable out.
            python: options of the interpreter.
            settings: content of a settings file.
        """
        self.directory = directory
        self._home = directory.parent / f"{directory.name[:100]}-beside"
        self._home.mkdir(parents=True, exist_ok=True)
        self.environ = environment(**(environ or {}))
        if settings:
            (self._home / "machine.toml").write_text(settings, encoding="utf-8")
            arguments = (*arguments, "--config", self._home / "machine.toml")
        self.output = self._home / "output"
        with self.output.open("ab") as output:
            self.process = subprocess.Popen(
                command_line("start", "--data-dir", directory, *arguments, python=python),
                stdin=subprocess.DEVNULL,
                **{"stdout": output, "stderr": output, **popen},
                cwd=self._home,
                env=self.environ,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(PATIENCE_S)
        for stream in (self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()
        if error is None:
            assert not self.bugs(), self.said()[-4000:]
        elif hasattr(error, "add_note"):
            error.add_note(self.said()[-4000:])

    # -- waiting --------------------------------------------------------------------------------

    def ready(self) -> Machine:
        """Wait until everything that can run runs."""
        self.until(lambda: self.status()["phase"] == "running")
        return self

    def until(self, predicate: Callable[[], Any], timeout_s: float = PATIENCE_S) -> Any:
        """Wait for something to become true while the daemon lives."""

        def look() -> Any:
            try:
                found = predicate()
            except ClientError:
                found = None
            if not found and self.process.poll() is not None:
                msg = f"it ended with {self.process.returncode}:\n{self.said()[-4000:]}"
                raise RuntimeError(msg)
            return found

        return eventually(look, timeout_s)

    def until_event(self, event: str, path: str = "", count: int = 1) -> dict[str, Any]:
        """Wait until an event is in the record for the ``count``-th time."""

        def look() -> list[dict[str, Any]] | None:
            found = [
                one for one in self.events() if one["event"] == event and path in ("", one["path"])
            ]
            return found if len(found) >= count else None

        found: list[dict[str, Any]] = self.until(look)
        return found[count - 1]

    def until_state(self, path: str, *states: str) -> dict[str, Any]:
        """Wait until an actor is in one of these states."""
        found: dict[str, Any] = self.until(lambda: self._in_state(path, states))
        return found

    def until_well(self) -> None:
        """Wait until nothing is missing."""
        self.until(lambda: self.status()["state"] == "ok")

    def _in_state(self, path: str, states: tuple[str, ...]) -> dict[str, Any] | None:
        actor = self.actors().get(path)
        return actor if actor is not None and actor["state"] in states else None

    def until_deposit(self, *states: str, number: int = 1) -> dict[str, Any]:
        """Wait until the ledger holds so many records and the newest has one of these states."""

        def look() -> dict[str, Any] | None:
            records = self.deposits()
            is_there = len(records) >= number and records[0]["state"] in states
            return records[0] if is_there else None

        found: dict[str, Any] = self.until(look)
        return found

    def until_idle(self) -> None:
        """Wait until no item is being dealt with."""
        self.until(lambda: self.send("/service/deposit", "cycle")["phase"] == "idle")

    def ended(self, timeout_s: float = PATIENCE_S) -> int:
        """Wait for its end; the exit status."""
        return self.process.wait(timeout_s)

    # -- talking to it --------------------------------------------------------------------------

    def ask(self, request: ControlRequest) -> Any:
        """Ask on the control socket."""
        return ask(self.directory, request, PATIENCE_S)

    def status(self) -> dict[str, Any]:
        """The status as data."""
        value: dict[str, Any] = self.ask(GetStatus())
        return value

    def actors(self) -> dict[str, dict[str, Any]]:
        """The actors of the status, by path."""
        return {actor["path"]: actor for actor in self.status()["actors"]}

    def send(self, address: str, command: str, **arguments: Any) -> Any:
        """Send a command."""
        return self.ask(SendCommand(address, command, arguments))

    def fault(self, kind: str, address: str, **more: Any) -> Any:
        """Make a child misbehave."""
        return self.ask(Misbehave(address, kind, **more))

    def until_open(self) -> None:
        """Wait until it takes items: tested itself, and nothing in it."""
        self.until(self._takes_items)

    def _takes_items(self) -> bool:
        cycle = self.send("/service/deposit", "cycle")
        return cycle["phase"] == "idle" and not cycle["closed"]

    def insert(self, decision: str = "accept", **more: Any) -> None:
        """Bring an item to the inlet about which the detector will decide so."""
        chosen = item(decision)
        self.until_open()
        self.send("/world", "insert", name=chosen.name, picture=str(chosen.picture), **more)

    def world(self) -> dict[str, Any]:
        """What is really the case."""
        truth: dict[str, Any] = self.send("/world", "describe")
        return truth

    def deposits(self) -> list[dict[str, Any]]:
        """The ledger, newest first."""
        records: list[dict[str, Any]] = self.send("/storage", "list_deposits")["records"]
        return records

    def command(self, *arguments: object) -> list[str]:
        """The command line of a command on this machine."""
        return command_line(*arguments, "--data-dir", self.directory)

    def cli(self, *arguments: object, **more: Any) -> subprocess.CompletedProcess[str]:
        """Run a command of the command line on this machine."""
        environ = {**self.environ, "RVM_EDGE_DATA_DIR": str(self.directory)}
        return run(*arguments, cwd=self._home, environ=environ, **more)

    def json(self, *arguments: object) -> Any:
        """The same, with its JSON output."""
        done = self.cli(*arguments, "--json")
        assert done.stdout, done.stderr
        return json.loads(done.stdout)

    # -- looking at it --------------------------------------------------------------------------

    def events(self) -> list[dict[str, Any]]:
        """The record so far, without a line that is just being written."""
        return list(_complete_lines(self.directory / "events.jsonl"))

    def said(self) -> str:
        """What it has printed."""
        return self.output.read_text(encoding="utf-8", errors="replace")

    def bugs(self) -> list[str]:
        """Lines of its log that must never be there."""
        log = self.directory / "logs" / "rvm-edge.jsonl"
        lines = log.read_text(encoding="utf-8").splitlines() if log.exists() else []
        events = ("thread_died", "supervisor_bug")
        return [line for line in lines if any(f'"event": "{event}"' in line for event in events)]

    def outputs(self) -> set[str]:
        """The motor outputs that are high on the simulated pins."""
        pins = PinFile(self.directory / "sim")
        try:
            return {line for line in ports.MOTOR_OUTPUTS if pins.level(line)}
        finally:
            pins.close()

    def trace(self) -> list[OutputWrite]:
        """What has lately been written to the outputs."""
        return read_trace(self.directory / "sim")

    def processes(self) -> dict[str, int]:
        """Pids of the process hosts by path, and of the zygote."""
        status = self.status()
        hosts = {one["path"]: one["pid"] for one in status["actors"] if one["pid"]}
        return {**hosts, "zygote": status["zygote_pid"]}

    # -- the end --------------------------------------------------------------------------------

    def signal(self, number: int = signal.SIGTERM) -> None:
        """Signal the core."""
        self.process.send_signal(number)

    def stop(self) -> int:
        """Stop it in order; the exit status."""
        self.signal()
        return self.ended()

    def kill(self) -> None:
        """End the core as the kernel would; waits until its processes are gone, too."""
        pids = self.processes()
        self.process.kill()
        self.process.wait(PATIENCE_S)
        eventually(lambda: not any(is_alive(pid) for pid in pids.values()), PATIENCE_S)


def is_alive(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"


def _complete_lines(file: Path) -> Iterator[dict[str, Any]]:
    if file.exists():
        for line in file.read_bytes().splitlines(keepends=True):
            if line.endswith(b"\n") and line.strip():
                yield json.loads(line)
