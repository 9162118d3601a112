"""Rows C1 and C3 of the fault table: the daemon dies at every step of a command."""

import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from actors.store.audit import audit
from actors.store.reading import opened
from models.ledger.audit import Finding
from tests.faults.commands_victim import FINAL, append, read

ROOT = Path(__file__).parents[2]
STEPS = 18
"""A command by itself has so many, from the fetch to the last acknowledgement."""


def run(directory: Path, step: int) -> int:
    command = [sys.executable, "-m", "tests.faults.commands_victim", str(directory), str(step)]
    return subprocess.run(command, cwd=ROOT, check=False, timeout=55).returncode


@pytest.mark.timeout(600)
def test_killed_at_every_step_each_command_is_done_at_most_once_and_always_answered(tmp_path):
    """Each life has a new command, and finishes what the one before it has left."""
    for step in range(1, STEPS + 1):
        id_ = f"cmd-{step:05}"
        wish = {"seq": step, "id": id_, "type": "start_session", "ttl_s": 600.0}
        append(tmp_path / "wishes.jsonl", {**wish, "args": {"user": id_, "code": "c"}})
        assert run(tmp_path, step) == -signal.SIGKILL
    assert run(tmp_path, 0) == 0
    assert_kept(tmp_path)


def assert_kept(tmp_path: Path) -> None:
    done = Counter(each["user"] for each in read(tmp_path / "done.jsonl"))
    assert set(done.values()) == {1}
    told = read(tmp_path / "told.jsonl")
    for wish in read(tmp_path / "wishes.jsonl"):
        ends = {each["state"] for each in told if each["id"] == wish["id"]} & set(FINAL)
        assert len(ends) == 1
        if ends == {"succeeded"}:
            assert done[wish["id"]] == 1
        else:
            (end,) = {each["code"] for each in told
                      if each["id"] == wish["id"] and each["state"] in FINAL}  # fmt: skip
            assert (ends, end) == ({"failed"}, "interrupted")
    with opened(tmp_path) as (env, tables):
        assert [found for found in audit(env, tables) if isinstance(found, Finding)] == []
