"""`rvm-edge sim play`: what it lists, refuses, and says of a run."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from rvm_edge.cli import main
from supervisors.testing import eventually

MINE = """
about = "Six good bottles and what else comes."
visits = 6
pause_s = [1.0, 2.0]
items = {mineral = 5, soda_pet = 1}
"""


@pytest.fixture
def mine(tmp_path: Path) -> str:
    path = tmp_path / "mine.toml"
    path.write_text(MINE)
    return str(path)


def play(capsys: Any, *args: str) -> tuple[int, str, str]:
    status = main(["sim", "play", *args])
    said = capsys.readouterr()
    return status, said.out, said.err


def test_it_lists_what_ships(capsys: Any) -> None:
    status, out, _ = play(capsys, "--list", "--json")
    assert status == 0
    assert {row["name"] for row in json.loads(out)} >= {"day", "attacks", "faults", "stress"}


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        (("quik",), "did you mean quick?"),
        (("faults", "--items", "5"), "5 visits are too few"),
    ],
)
def test_it_refuses_with_a_cure(capsys: Any, args: tuple[str, ...], expected: str) -> None:
    status, _, err = play(capsys, *args)
    assert status == 2
    assert expected in err


@pytest.mark.timeout(60)
def test_a_run_is_judged_and_the_same_seed_gives_the_same_run(capsys: Any, mine: str) -> None:
    status, out, _ = play(capsys, mine, "--seed", "5", "--json")
    first = json.loads(out)
    assert status == 0
    assert first["good"]
    assert first["visits"] == 6
    assert first["credits"] == first["fallen"] == first["good_items_credited"]["of"]
    assert first["broken"] == []
    again = json.loads(play(capsys, mine, "--seed", "5", "--json")[1])
    timing = ("wall_s", "speed")
    assert {key: value for key, value in first.items() if key not in timing} == {
        key: value for key, value in again.items() if key not in timing
    }


@pytest.mark.timeout(60)
def test_what_a_lab_wrote_can_be_looked_at_afterwards(
    capsys: Any, mine: str, tmp_path: Path
) -> None:
    data = str(tmp_path / "lab")
    status, out, _ = play(capsys, mine, "--data-dir", data)
    assert status == 0
    assert "every invariant held" in out
    assert main(["deposits", "--data-dir", data, "--json"]) == 0
    assert "credited" in capsys.readouterr().out


@pytest.mark.timeout(60)
def test_ctrl_c_ends_with_the_summary_so_far(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "rvm_edge", "sim", "play", "day", "--speed", "5", "--json"]
    player = subprocess.Popen(
        [*command, "--data-dir", str(tmp_path / "lab")],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    try:
        eventually((tmp_path / "lab" / "store").is_dir, 30.0)
        player.send_signal(signal.SIGINT)
        out, _ = player.communicate(timeout=30)
    finally:
        player.kill()
    summary = json.loads(out)
    assert player.returncode == 130
    assert summary["interrupted"]
    assert summary["visits"] < summary["planned"]
