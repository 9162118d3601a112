"""What the link has to know of the machine it runs on."""

from __future__ import annotations

import hashlib
import os
import platform
from importlib import metadata
from pathlib import Path

_STARTED_FIELD, _STACK_FIELD = 19, 25
"""``starttime`` and ``startstack`` in /proc/PID/stat, counted behind the name (proc(5): fields 22
and 28). A program that replaces itself keeps its pid and its time; its stack lies elsewhere."""
_GLOBAL_SCOPE = "00"
_SCOPE_FIELD, _NAME_FIELD = 3, 5


def run_id(root: Path = Path("/")) -> str:
    """Of this run of the program: the same for all of its threads, another after every start."""
    parts = [str(os.getpid())]
    try:
        parts.append((root / "proc/sys/kernel/random/boot_id").read_text().strip())
        after_name = (root / "proc/self/stat").read_text().rpartition(")")[2].split()
        parts += (after_name[_STARTED_FIELD], after_name[_STACK_FIELD])
    except (OSError, IndexError):
        pass  # the pid alone repeats itself only over many starts
    return hashlib.sha256("/".join(parts).encode()).hexdigest()[:32]


def has_address(root: Path = Path("/")) -> bool:
    """Whether the machine is on a network: a route over IPv4, or a global address of IPv6."""
    try:
        routes = (root / "proc/net/route").read_text().splitlines()[1:]
    except OSError:
        routes = []
    if any(not line.startswith("lo\t") for line in routes if line.strip()):
        return True
    try:
        rows = [line.split() for line in (root / "proc/net/if_inet6").read_text().splitlines()]
    except OSError:
        return False
    return any(
        len(row) > _NAME_FIELD and row[_SCOPE_FIELD] == _GLOBAL_SCOPE and row[_NAME_FIELD] != "lo"
        for row in rows
    )


def versions() -> dict[str, str]:
    """Of what is installed."""
    try:
        ours = metadata.version("rvm-edge")
    except metadata.PackageNotFoundError:
        ours = "unknown"
    return {"rvm-edge": ours, "python": platform.python_version()}
