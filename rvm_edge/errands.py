"""What the daemon does for its actors: ``/daemon``, an address that is no actor's.

Each errand has a thread of its own, a few at a time: one that collects files for half a minute
keeps nobody from asking how the machine stands.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import msgspec

from config.settings import Settings
from protocol.control import Answer, Supervise
from protocol.daemon import (
    CapturePicture,
    CollectDiagnostics,
    DescribeMachine,
    EndRun,
    FileMade,
    MachineDescribed,
    RestartActor,
    RotateLogs,
)
from protocol.envelope import Envelope
from protocol.message import Done, Failed, Message
from protocol.system import Ping, Pong
from rvm_edge.diagnostics import collect
from rvm_edge.logs import Log, plain
from rvm_edge.operator import Operator
from supervisors import ActorSystem
from supervisors.context import answer_to
from supervisors.spec import SupervisorSpec

ADDRESS = "/daemon"
FOLDER = "remote"
FILES_MAX = 5
"""Made for the platform and kept; older ones go when a new one is made."""
AT_ONCE = 8
_CAPTURE_S = 35.0
_REBOOT_S = 10.0
_NAME_MAX = 100

_Request = (
    Ping
    | DescribeMachine
    | RestartActor
    | RotateLogs
    | CollectDiagnostics
    | CapturePicture
    | EndRun
)


class Errands:
    """See the module."""

    def __init__(
        self,
        system: ActorSystem,
        operator: Operator,
        log: Log,
        directory: Path,
        settings: Callable[[], Settings],
        start_anew: Callable[[str], None],
    ) -> None:
        """Serve from now on.

        Args:
            directory: the data directory.
            settings: those in force.
            start_anew: ends the daemon in order, to be started again.
        """
        self._system = system
        self._operator = operator
        self._log = log
        self._directory = directory
        self._settings = settings
        self._start_anew = start_anew
        self._places = threading.Semaphore(AT_ONCE)
        self._files = threading.Lock()
        self._decode = msgspec.msgpack.Decoder(_Request).decode
        system.serve(ADDRESS, self._take)

    def close(self) -> None:
        """Take nothing more."""
        self._system.drop_slot(ADDRESS)

    def _take(self, envelope: Envelope) -> None:
        """Called in the sender's thread."""
        if not self._places.acquire(blocking=False):
            self._answer(envelope, Failed("full", f"{AT_ONCE} errands are run already"))
            return
        try:
            threading.Thread(target=self._run, args=(envelope,), name="errand", daemon=True).start()
        except RuntimeError:  # no thread to be had
            self._places.release()
            self._answer(envelope, Failed("full", "there is no thread for it"))

    def _run(self, envelope: Envelope) -> None:
        try:
            answer: Message = self._answer_to(envelope)
        except Exception as error:  # noqa: BLE001 - a mistake here is the asker's to hear of
            answer = Failed("failed", f"{type(error).__name__}: {error}")
        finally:
            self._places.release()
        self._answer(envelope, answer)

    def _answer(self, envelope: Envelope, answer: Message) -> None:
        answer_to(self._system, envelope, answer, ADDRESS)

    def _answer_to(self, envelope: Envelope) -> Message:
        try:
            request = self._decode(envelope.body)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            return Failed("invalid", str(error))
        if envelope.expired(self._system.clock.monotonic_ns()):
            return Failed("expired", "nobody waits for it any more")
        return self._do(request)

    def _do(self, request: Any) -> Message:
        if isinstance(request, Ping):
            return Pong(ADDRESS, 1)
        if isinstance(request, DescribeMachine):
            return described(self._operator.status())
        if isinstance(request, RestartActor):
            return self._restart(request.address)
        if isinstance(request, RotateLogs):
            return self._rotate()
        if isinstance(request, CollectDiagnostics):
            return self._file(request.name, ".tar.gz", "application/gzip", self._diagnostics)
        if isinstance(request, CapturePicture):
            return self._file(request.name, ".jpg", "image/jpeg", self._capture)
        return self._end(request.why)

    # -- errands --------------------------------------------------------------------------------

    def _restart(self, address: str) -> Message:
        spec = self._operator.spec_of(address)
        if spec is None:
            return Failed("unknown_address", f"nobody has the address {address}")
        if isinstance(spec.start, SupervisorSpec):
            return Failed("refused", f"{address} is a supervisor; restart one of its children")
        answer = self._operator.answer(Supervise(address, "kick"))
        return Done() if isinstance(answer, Answer) else Failed(answer.code, answer.detail)

    def _rotate(self) -> Message:
        if self._log.rotate():
            return Done()
        return Failed("no_file", "there is no log file, or it cannot be rotated")

    def _end(self, why: str) -> Message:
        self._system.emit("/", "asked_to_start_anew", {"why": str(plain(why))})
        kind: Literal["daemon", "machine"] = self._settings().uplink.reboot
        if kind == "machine":
            done = subprocess.run(
                ["/usr/bin/systemctl", "reboot"],
                capture_output=True,
                text=True,
                check=False,
                timeout=_REBOOT_S,
            )
            if done.returncode:
                return Failed("refused", f"systemctl reboot: {done.stderr.strip()[:200]}")
            return Done()
        self._start_anew(why)
        return Done()

    # -- files ----------------------------------------------------------------------------------

    def _file(
        self, name: str, suffix: str, content_type: str, make: Callable[[Path], str]
    ) -> Message:
        """Have a file made; a name is letters, and never a way out of our directory."""
        if not all(letter.isalnum() or letter in "._-" for letter in name) or not (
            0 < len(name) <= _NAME_MAX and name[0].isalnum()
        ):
            return Failed("invalid", "that is no name for a file")
        folder = self._directory / FOLDER
        out = folder / f"{name}{suffix}"
        with self._files:
            folder.mkdir(mode=0o700, exist_ok=True)
            _make_room(folder)
            why = make(out)
            if why:
                return Failed("no_file", why)
            content = out.read_bytes()
        digest = hashlib.sha256(content).hexdigest()
        return FileMade(str(out), content_type, len(content), digest)

    def _diagnostics(self, out: Path) -> str:
        collect(self._directory, out, self._settings(), self._system.clock)
        return ""

    def _capture(self, out: Path) -> str:
        """In a process of its own: the daemon's has no use for a picture library."""
        command = [sys.executable, "-m", "rvm_edge", "camera", "snapshot", str(out)]
        try:
            done = subprocess.run(
                [*command, "--data-dir", str(self._directory)],
                capture_output=True,
                text=True,
                check=False,
                timeout=_CAPTURE_S,
            )
        except subprocess.TimeoutExpired:
            return f"no picture within {_CAPTURE_S:g} s"
        return "" if done.returncode == 0 else (done.stderr.strip()[-300:] or "no picture")


def described(status: dict[str, Any]) -> MachineDescribed:
    """The tree in short: who is not simply running is told of with the reason."""
    facts: dict[str, Any] = {
        name: status[name]
        for name in ("phase", "version", "machine", "profile", "leaked_threads", "hangs")
        if name in status
    }
    return MachineDescribed(
        str(status["state"]), facts, {each["path"]: _in_a_word(each) for each in status["actors"]}
    )


def _in_a_word(actor: dict[str, Any]) -> str:
    facts = actor.get("facts", {})
    trouble = facts.get("trouble") or facts.get("closed") or actor.get("waiting_for")
    restarts = f", {actor['restarts']} restarts" if actor.get("restarts") else ""
    state = "running" if actor["state"] == "busy" else actor["state"]
    return str(plain(f"{state}{f': {trouble}' if trouble else ''}{restarts}"))[:300]


def _make_room(folder: Path) -> None:
    """Let the oldest files go; one more will come."""
    files = sorted(folder.iterdir(), key=lambda path: path.stat().st_mtime)
    for path in files[: max(0, len(files) - FILES_MAX + 1)]:
        path.unlink(missing_ok=True)
