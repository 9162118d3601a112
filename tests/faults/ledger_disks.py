"""What the fault tests of the ledger share: file systems of their own, and the judge."""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from actors.store.audit import audit
from actors.store.reading import newest_first, opened
from actors.store.store import Store
from config.settings import StorageSettings
from models.ledger.audit import Finding
from models.ledger.transitions import STATES

LIMITS = StorageSettings(map_mb=1, map_mb_max=24)


@contextlib.contextmanager
def mounted(where: Path, *arguments: str) -> Iterator[Path]:
    """Mount something, or skip with the reason."""
    where.mkdir(exist_ok=True)
    done = subprocess.run(
        ["mount", *arguments, str(where)], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        pytest.skip(f"this machine lets nobody mount: {done.stderr.strip()}")
    try:
        yield where
    finally:
        subprocess.run(["umount", str(where)], check=True)


def needs_mount() -> None:
    if os.geteuid() != 0 or shutil.which("mkfs.ext4") is None:
        pytest.skip("mounting a file system image needs root and mkfs.ext4")


def findings(data_dir: Path) -> list[Finding]:
    """What `ledger verify` has to say."""
    with opened(data_dir) as (env, tables):
        return [each for each in audit(env, tables) if isinstance(each, Finding)]


def states(data_dir: Path) -> dict[str, str]:
    with opened(data_dir) as (env, tables):
        return {record.id: record.state for record in newest_first(env, tables)}


def recover(data_dir: Path) -> None:
    """What the storage does when it starts."""
    store = Store(data_dir, LIMITS)
    store.open()
    try:
        assert store.aside is None, store.aside
    finally:
        store.close()


def acknowledged(lines: list[str]) -> dict[str, str]:
    """The last state that was acknowledged of each deposit."""
    said: dict[str, str] = {}
    for line in lines:
        id_, _, state = line.partition(" ")
        if state and id_ != "!":
            said[id_] = state
    return said


def assert_kept(said: dict[str, str], data_dir: Path) -> None:
    """Nothing acknowledged is missing, or has gone back."""
    recover(data_dir)
    assert findings(data_dir) == []
    there = states(data_dir)
    for id_, state in said.items():
        assert STATES.index(there[id_]) >= STATES.index(state), (id_, state, there[id_])
    assert sum(state == "credited" for state in there.values()) >= sum(
        state == "credited" for state in said.values()
    )
