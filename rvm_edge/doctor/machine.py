"""The machine: settings, data directory, daemon, camera, pins."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from rvm_edge.doctor.findings import Finding, Patient, State

_MB = 1_000_000
_ANSWER_S = 0.5
# What forgets everything with the power, and what does not keep a write that it has confirmed.
_FORGETS = frozenset({"tmpfs", "ramfs", "overlay"})
_UNSAFE = frozenset({"vfat", "exfat", "msdos", "ntfs", "fuseblk", "nfs", "nfs4", "cifs", "smb3"})


def check_data_dir(patient: Patient) -> Iterator[Finding]:
    """Whether the ledger has a place that holds what it is given."""
    directory = patient.data_dir
    if directory is None:
        return  # why, has been said
    there = next((path for path in (directory, *directory.parents) if path.exists()), Path("/"))
    problem = _not_writable(there)
    if problem:
        cure = "make it writable for this user, or choose another with --data-dir"
        yield Finding("data directory", "broken", f"{there}: {problem}", cure)
        return
    will = "" if there == directory else ", will be made at the first start"
    kind = _file_system(there, patient)
    yield _kind_of_disk(f"{directory}{will}, on {kind}", kind, patient)
    yield _room(there, patient)


def _not_writable(path: Path) -> str:
    """Why nothing can be written there, empty if it can; what is tried has no name and no trace."""
    if not path.is_dir():
        return "is no directory"
    try:
        with tempfile.TemporaryFile(dir=path, prefix=".rvm-edge-doctor-") as file:
            file.write(b"x")
            file.flush()
    except OSError as error:
        return error.strerror or str(error)
    return ""


def _kind_of_disk(said: str, kind: str, patient: Patient) -> Finding:
    if kind in _UNSAFE:
        cure = "put it on ext4, xfs or btrfs: what is confirmed there survives a power cut"
        return Finding("data directory", "broken", said, cure)
    if kind in _FORGETS and patient.is_jetson:
        cure = "choose a directory on a disk: this one is gone with the power"
        return Finding("data directory", "broken", said, cure)
    return Finding("data directory", "ok", said)


def _room(path: Path, patient: Patient) -> Finding:
    usage = shutil.disk_usage(path)
    used_percent = 100.0 * (usage.total - usage.free) / max(1, usage.total)
    said = f"{usage.free / _MB:,.0f} MB free of {usage.total / _MB:,.0f} MB"
    settings = patient.settings
    if settings is not None and usage.free < settings.storage.map_mb * _MB:
        need = f"the ledger alone takes {settings.storage.map_mb} MB"
        return Finding("disk", "broken", f"{said}; {need}", f"make room on the disk of {path}")
    if settings is not None and used_percent > settings.health.disk_alarm_percent:
        cure = f"make room on the disk of {path}"
        return Finding("disk", "note", f"{said}: the alarm is raised", cure)
    return Finding("disk", "ok", said)


def _file_system(path: Path, patient: Patient) -> str:
    """The kind of file system that a path is on, as the kernel calls it."""
    found, kind = "", "unknown"
    try:
        lines = (patient.root / "proc/self/mountinfo").read_text(errors="replace").splitlines()
    except OSError:
        return kind
    real = str(path.resolve())
    for line in lines:
        mounted, _, rest = line.partition(" - ")
        fields = mounted.split(" ")
        if len(fields) <= 4 or not rest:  # noqa: PLR2004 - the fifth is the mount point
            continue
        point = re.sub(r"\\(\d{3})", lambda octal: chr(int(octal[1], 8)), fields[4])
        is_above = real == point or real.startswith(point.rstrip("/") + "/")
        if is_above and len(point) >= len(found):
            found, kind = point, rest.split(" ")[0]
    return kind


def check_daemon(patient: Patient) -> Iterator[Finding]:
    """Whether a machine runs there, and answers."""
    from protocol.control import GetStatus
    from rvm_edge.client import ClientError, ask
    from rvm_edge.data_dir import holder

    if patient.data_dir is None:
        return
    pid = holder(patient.data_dir)
    if pid is None:
        yield Finding("daemon", "ok", "none runs there; start one with: rvm-edge start")
        return
    try:
        status = ask(patient.data_dir, GetStatus(), timeout_s=_ANSWER_S)
    except ClientError as error:
        cure = f"rvm-edge stop; if that does not help either, end process {pid}"
        yield Finding("daemon", "broken", str(error), cure)
        return
    said = f"pid {pid} runs, {status['state']}"
    states: dict[str, State] = {"ok": "ok", "degraded": "note"}
    state = states.get(status["state"], "broken")
    yield Finding("daemon", state, said, "" if state == "ok" else "rvm-edge status says where")


def check_camera(patient: Patient) -> Iterator[Finding]:
    """Whether the camera would be found. It is not opened: a running daemon has it."""
    where = patient.settings.camera.source
    if where == "chamber" and patient.is_jetson:
        cure = "set camera.source to the camera (v4l2:<name in /dev/v4l/by-id>)"
        yield Finding("camera", "broken", '"chamber" is for the simulated machine only', cure)
        return
    problem, cure = _camera_problem(where, patient)
    if problem:
        cure = cure or "plug it in, or correct camera.source; rvm-edge camera check says more"
        yield Finding("camera", "broken", problem, cure)
    elif where == "chamber":
        yield Finding("camera", "ok", "simulated: the pictures that ship")
    else:
        said = "is what the settings name; rvm-edge camera check looks through it"
        yield Finding("camera", "ok", f"{_without_user(where)} {said}")


def _camera_problem(where: str, patient: Patient) -> tuple[str, str]:
    """What is wrong with a source as far as its description goes, and the cure if it is special."""
    from actors.drivers.cameras import is_camera, open_camera

    scheme, _, rest = where.partition(":")
    if where == "chamber" or "://" in where:
        return "", ""
    if scheme == "gst":
        cure = "sudo apt install gstreamer1.0-tools"
        return ("", "") if shutil.which("gst-launch-1.0") else ("no gst-launch-1.0 here", cure)
    if scheme == "pipe":
        program = next(iter(rest.split()), "")
        return ("", "") if shutil.which(program) else (f"there is no program {program}", "")
    if is_camera(where):
        camera = open_camera(where, patient.settings.camera)
        return ("", "") if camera.is_there() else (f"{camera.name} is not there", "")
    return ("", "") if Path(where).exists() else (f"there is no {where}", "")


def _without_user(source: str) -> str:
    """An address without user and password, which are nobody's business here."""
    return re.sub(r"(?<=://)[^/@]*@", "", source)


def check_pins(patient: Patient) -> Iterator[Finding]:
    """Whether the pins of the header can be had."""
    if not patient.is_jetson:
        yield Finding("pins", "ok", "simulated")
        return
    if find_spec("Jetson") is None or find_spec("Jetson.GPIO") is None:
        cure = "bin/setup jetson"
        yield Finding("pins", "broken", "Jetson.GPIO is not installed", cure)
    chip = patient.root / "dev/gpiochip0"
    if not chip.exists():
        yield Finding("pins", "broken", "there is no /dev/gpiochip0", "is this a Jetson?")
    elif not os.access(chip, os.R_OK | os.W_OK):
        cure = "install deploy/99-rvm-edge-gpio.rules and add this user to the group gpio"
        yield Finding("pins", "broken", "/dev/gpiochip0 may not be used by this user", cure)
    else:
        yield Finding("pins", "ok", "/dev/gpiochip0 may be used")
    if patient.settings.motor.guard == "unit":
        socket = Path(patient.settings.motor.guard_socket)
        if not (patient.root / str(socket).lstrip("/")).exists():
            cure = "sudo systemctl start rvm-edge-guard (deploy/README.md)"
            yield Finding("guard", "broken", f"it is not at {socket}", cure)
        else:
            yield Finding("guard", "ok", f"its socket is at {socket}")
