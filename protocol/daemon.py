"""What actors ask of the daemon around them: ``/daemon``.

    commands ── DescribeMachine ──▶ daemon    the tree, in short
    commands ── RestartActor ─────▶ daemon    one child, by its supervisor
    commands ── RotateLogs ───────▶ daemon
    commands ── CollectDiagnostics ▶ daemon   one file with all that helps, and no secret
    commands ── CapturePicture ───▶ daemon    one file with what the camera sees
    commands ── EndRun ───────────▶ daemon    stop in order; whoever manages the daemon starts it
    commands ◀─ MachineDescribed | FileMade | Done | Failed ─ daemon

Failed codes: ``unknown_address``, ``refused``, ``not_ready``, ``no_file``, ``no_picture``.
"""

from __future__ import annotations

from typing import Any, ClassVar

from protocol.message import Delivery, Message


class DescribeMachine(Message, frozen=True, tag="daemon.describe"):
    """Anybody: how does the machine stand?"""


class MachineDescribed(Message, frozen=True, tag="daemon.described"):
    """Daemon: in this state, with these facts of the run; per actor what is not as it should be.

    Attributes:
        actors: address → state, restarts and what it says is wrong.
    """

    state: str
    facts: dict[str, Any]
    actors: dict[str, str]


class RestartActor(Message, frozen=True, tag="daemon.restart_actor"):
    """Platform: restart this one now."""

    delivery: ClassVar[Delivery] = Delivery.COMMAND

    address: str


class RotateLogs(Message, frozen=True, tag="daemon.rotate_logs"):
    """Anybody: begin a new log file."""


class CollectDiagnostics(Message, frozen=True, tag="daemon.collect_diagnostics"):
    """Anybody: put everything that helps into one file.

    Attributes:
        name: of the file, without its ending.
    """

    name: str


class CapturePicture(Message, frozen=True, tag="daemon.capture_picture"):
    """Anybody: put what the camera sees into a file of this name, without its ending."""

    name: str


class FileMade(Message, frozen=True, tag="daemon.file_made"):
    """Daemon: here it is."""

    path: str
    content_type: str
    size: int
    sha256: str


class EndRun(Message, frozen=True, tag="daemon.end_run"):
    """Platform: stop in order; the service manager starts the daemon, or the computer, again."""

    delivery: ClassVar[Delivery] = Delivery.COMMAND

    why: str


DaemonMessage = (
    DescribeMachine
    | MachineDescribed
    | RestartActor
    | RotateLogs
    | CollectDiagnostics
    | CapturePicture
    | FileMade
    | EndRun
)
