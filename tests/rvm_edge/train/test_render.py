"""Real renderers: they are killed, and the set is what it would have been."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from models.vision.rendering.dataset import Folder
from rvm_edge.train import cli
from rvm_edge.train.develop import open_set
from supervisors.testing import eventually
from tests.rvm_edge.train.needs import needs_mitsuba
from tests.rvm_edge.train.sets import make_set

ROOT = Path(__file__).resolve().parents[3]
COUNT = 3
FEW = ("--samples", "1-2", "--seed", "4")


def bytes_of(path: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in path.glob("0*")}


def start(out: Path, *more: str) -> subprocess.Popen[str]:
    """The tool as a process of its own, with everything it starts in one group."""
    return subprocess.Popen(
        [sys.executable, "-m", "rvm_edge.train", "render", "--out", str(out), *FEW, *more],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )


def children(pid: int) -> list[int]:
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in found]


@pytest.fixture(scope="module")
def rendered(tmp_path_factory) -> Path:
    """Rendered in one go by one process: what every other way is compared with."""
    out = tmp_path_factory.mktemp("rendered") / "set"
    with start(out, "--count", str(COUNT), "--workers", "1") as tool:
        assert tool.wait(55) == 0
    return out


@needs_mitsuba
@pytest.mark.slow
def test_a_set_is_rendered_whole(rendered):
    folder = Folder(rendered, 4)
    assert folder.complete() == list(range(COUNT))
    for one in folder:
        assert one.light.mean() > 0


@needs_mitsuba
@pytest.mark.slow
def test_a_killed_worker_and_a_killed_tool_leave_the_set_as_if_nothing_had_been(rendered, tmp_path):
    out = tmp_path / "set"
    with start(out, "--count", str(COUNT), "--workers", "1") as tool:
        eventually(lambda: children(tool.pid), timeout_s=20)
        (worker,) = children(tool.pid)
        os.kill(worker, signal.SIGKILL)
        eventually(lambda: Folder(out, 4).complete(), timeout_s=30)
        tool.kill()
    assert len(Folder(out, 4).complete()) < COUNT + 1
    with start(out, "--count", str(COUNT), "--workers", "2", "--json") as again:
        said, _ = again.communicate(timeout=55)
    assert again.returncode == 0
    told = json.loads(said)
    assert told["rendered"] + told["were_there"] == COUNT
    assert bytes_of(out) == bytes_of(rendered)


@needs_mitsuba
@pytest.mark.slow
def test_ctrl_c_finishes_what_is_in_hand_and_says_so(tmp_path):
    out = tmp_path / "set"
    with start(out, "--count", "50", "--workers", "1", "--json") as tool:
        eventually(lambda: out.exists() and Folder(out, 4).complete(), timeout_s=30)
        tool.send_signal(signal.SIGINT)
        said, _ = tool.communicate(timeout=30)
    assert tool.returncode == 130
    assert json.loads(said)["rendered"] == len(Folder(out, 4).complete())


@needs_mitsuba
def test_a_set_of_another_seed_is_refused(tmp_path, capsys):
    make_set(tmp_path, (0,), seed=3)
    assert cli.main(["render", "--out", str(tmp_path), "--count", "1", "--seed", "4"]) == 2
    assert "name another folder" in capsys.readouterr().err


@needs_mitsuba
def test_a_set_of_other_samples_is_refused(tmp_path, capsys):
    # Two, of a set that was begun when the samples were not written down yet.
    make_set(tmp_path, (0, 1))
    words = ["render", "--out", str(tmp_path), "--count", "2"]
    assert cli.main([*words, "--samples", "1-2"]) == 2
    assert "--samples 16-44" in capsys.readouterr().err
    assert cli.main([*words, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["were_there"] == 2


@needs_mitsuba
@pytest.mark.slow
def test_a_set_of_some_kinds_has_no_others_and_goes_on_as_such(tmp_path, capsys):
    words = ["render", "--out", str(tmp_path), *FEW, "--count", "2", "--workers", "1"]
    assert cli.main([*words, "--kinds", "can", "yogurt"]) == 0
    folder = open_set(tmp_path)
    assert folder.kinds == ("can", "yogurt")
    assert set(folder.about(0).kinds + folder.about(1).kinds) <= set(folder.kinds)
    assert cli.main(words) == 2
    assert "name another folder" in capsys.readouterr().err
    assert cli.main([*words, "--kinds", "yogurt", "can", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["were_there"] == 2


@needs_mitsuba
def test_an_unknown_kind_is_refused_with_those_that_there_are(tmp_path, capsys):
    words = ["render", "--out", str(tmp_path / "set"), "--count", "1", "--kinds", "bottle"]
    assert cli.main(words) == 2
    assert "no kind bottle; there are mineral, " in capsys.readouterr().err
