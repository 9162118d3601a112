"""The computer: interpreter, packages, board, clock, service."""

from __future__ import annotations

import operator
import platform
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from importlib import metadata
from pathlib import Path
from typing import TypeAlias

from rvm_edge.doctor.findings import Finding, Patient, read_text

DISTRIBUTION = "rvm-edge"
_SETUP = "run bin/setup"
_RELEASED_S = 1_735_689_600  # 2025-01-01: no machine of ours has lived before that
# Before that revision of L4T a pin may jump to 3.3 V when the process that drove it ends.
_L4T_MIN = (36, 5)
_JETPACK = {35: "5", 36: "6", 38: "7", 39: "7"}
_REQUIREMENT = re.compile(r"([A-Za-z0-9._-]+)(?:\[[^]]*\])?\s*([^;]*)(?:;\s*(.*))?")
_CLAUSE = re.compile(r"(>=|<=|==|!=|<|>)\s*([0-9][0-9.]*)")
_Numbers: TypeAlias = tuple[int, ...]
_COMPARE: dict[str, Callable[[_Numbers, _Numbers], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    ">": operator.gt,
}


def check_interpreter(_patient: Patient) -> Iterator[Finding]:
    """Python itself, and whether it is an environment of our own."""
    said = f"Python {platform.python_version()} on {platform.machine()}, {sys.prefix}"
    wanted = _metadata("Requires-Python")
    if wanted and not _fits(platform.python_version(), wanted):
        cure = f"install Python {wanted} and {_SETUP} with it"
        yield Finding("interpreter", "broken", f"{said}; {wanted} is wanted", cure)
    elif sys.prefix == sys.base_prefix:
        cure = f"{_SETUP}: it makes an environment that no other program changes"
        yield Finding("interpreter", "note", f"{said}, no environment of its own", cure)
    else:
        yield Finding("interpreter", "ok", said)


def check_packages(_patient: Patient) -> Iterator[Finding]:
    """What the core requires is installed, in versions that it was made for."""
    try:
        required = metadata.requires(DISTRIBUTION) or []
    except metadata.PackageNotFoundError:
        yield Finding("packages", "broken", f"{DISTRIBUTION} itself is not installed", _SETUP)
        return
    wanted = [found for line in required if (found := _core_requirement(line)) is not None]
    wrong = [fault for name, versions in wanted if (fault := _package_fault(name, versions))]
    for fault in wrong:
        yield Finding("packages", "broken", fault, _SETUP)
    if not wrong:
        yield Finding("packages", "ok", f"all {len(wanted)} are here")


def check_board(patient: Patient) -> Iterator[Finding]:
    """Which Jetson this is, and whether its JetPack is one that holds its pins."""
    model = read_text(patient.root / "proc/device-tree/model")
    release = re.search(
        r"R(\d+)\s*\(release\),\s*REVISION:\s*([\d.]+)",
        read_text(patient.root / "etc/nv_tegra_release"),
    )
    if "Jetson" not in model and release is None:
        if patient.is_jetson:
            cure = "take --profile simulated here, or start it on a Jetson"
            yield Finding("board", "broken", f"no Jetson ({model or platform.machine()})", cure)
        else:
            yield Finding("board", "ok", "no Jetson; the simulated machine needs none")
        return
    if release is None:
        yield Finding("board", "note", f"{model}, L4T release unknown", "is JetPack installed?")
        return
    major, revision = int(release[1]), release[2]
    said = f"{model or 'Jetson'}, JetPack {_JETPACK.get(major, '?')} (L4T R{major}.{revision})"
    if (major, int(revision.partition(".")[0])) < _L4T_MIN:
        cure = "install JetPack 6.2.2 or newer: before it, a motor's pin may jump to high"
        yield Finding("board", "broken" if patient.is_jetson else "note", said, cure)
    else:
        yield Finding("board", "ok", said)


def check_clock(patient: Patient) -> Iterator[Finding]:
    """Whether the clock was ever set. No credit needs it, certificates and records do."""
    cure = "sudo timedatectl set-ntp true, and wait for the network"
    if patient.now_s is None:
        return
    if patient.now_s < _RELEASED_S:
        yield Finding("clock", "broken", "it stands before 2025, so it was never set", cure)
    elif (patient.root / "run/systemd/timesync/synchronized").exists():
        yield Finding("clock", "ok", "set, and synchronised by systemd")
    elif (patient.root / "run/systemd/timesync").is_dir():
        yield Finding("clock", "note", "set, but not synchronised since the start", cure)
    else:
        yield Finding("clock", "ok", "set; who keeps it right is not known here")


def check_service(patient: Patient) -> Iterator[Finding]:
    """Whether systemd starts the machine, watches it, and finds it."""
    if not (patient.root / "run/systemd/system").is_dir():
        said = "no systemd runs here; nothing starts the machine again"
        yield Finding("service", "note" if patient.is_jetson else "ok", said)
        return
    units = ["rvm-edge.service"]
    if patient.settings is not None and patient.settings.motor.guard == "unit":
        units.append("rvm-edge-guard.service")
    for unit in units:
        yield _unit(unit, patient)


def _unit(name: str, patient: Patient) -> Finding:
    cure = "install it from deploy/, and sudo systemctl daemon-reload (deploy/README.md)"
    places = (
        patient.root / "etc/systemd/system" / name,
        patient.root / "lib/systemd/system" / name,
    )
    text = next((found for place in places if (found := read_text(place))), "")
    if not text:
        if not patient.is_jetson:
            return Finding("service", "ok", f"{name} is not installed; it is started by hand")
        return Finding("service", "note", f"{name} is not installed", cure)
    lacks = [key for key in ("Type=notify", "WatchdogSec=", "Restart=") if key not in text]
    if lacks:
        said = f"{name} lacks {', '.join(lacks)}: systemd would not see it hang"
        return Finding("service", "broken", said, cure)
    command = re.search(r"^ExecStart=[-@:+!]*(\S+)", text, re.MULTILINE)
    if command is None or not (patient.root / command[1].lstrip("/")).exists():
        what = command[1] if command else "nothing"
        cure = f"install to /opt/rvm-edge, or correct ExecStart in {name}"
        return Finding("service", "broken", f"{name} starts {what}, which is not there", cure)
    return Finding("service", "ok", f"{name} is installed, with a watchdog")


# ----- requirements, without a library that might be missing itself ------------------------------


def _core_requirement(line: str) -> tuple[str, str] | None:
    """Name and versions of a requirement that holds here and belongs to no extra."""
    match = _REQUIREMENT.match(line)
    if match is None:
        return None
    name, versions, marker = match[1], match[2].strip(), match[3] or ""
    if "extra ==" in marker:
        return None
    for found in re.finditer(r'python_version\s*([<>=!]+)\s*"([\d.]+)"', marker):
        if not _compare(f"{sys.version_info[0]}.{sys.version_info[1]}", found[1], found[2]):
            return None
    return name, versions


def _package_fault(name: str, versions: str) -> str:
    """What is wrong with an installed package, empty if nothing is."""
    try:
        version = metadata.version(name)
    except metadata.PackageNotFoundError:
        return f"{name} is not installed"
    return "" if _fits(version, versions) else f"{name} is {version}, and {versions} is wanted"


def _fits(version: str, clauses: str) -> bool:
    return all(_compare(version, sign, than) for sign, than in _CLAUSE.findall(clauses))


def _compare(version: str, sign: str, than: str) -> bool:
    left, right = _numbers(version), _numbers(than)
    length = max(len(left), len(right))
    pad = (0,) * length
    return _COMPARE[sign]((*left, *pad)[:length], (*right, *pad)[:length])


def _numbers(version: str) -> _Numbers:
    """The numbers of a version up to where letters begin: 3.0rc1 is (3, 0)."""
    match = re.match(r"\d+(\.\d+)*", version)
    return tuple(int(part) for part in match[0].split(".")) if match else ()


def _metadata(key: str) -> str:
    try:
        return metadata.metadata(DISTRIBUTION)[key] or ""
    except (metadata.PackageNotFoundError, KeyError):
        return ""


def llvm_libraries(root: Path) -> Iterable[Path]:
    """Where Mitsuba would look for LLVM."""
    for folder in ("usr/lib", "usr/local/lib"):
        yield from (root / folder).glob("*/libLLVM*.so*")
        yield from (root / folder).glob("llvm-*/lib/libLLVM*.so*")
