"""Every command explains itself and refuses nonsense."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from rvm_edge.train import cli

ROOT = Path(__file__).resolve().parents[3]

needs_checkout = pytest.mark.skipif(
    not (ROOT / "bin" / "train").exists(), reason="the wheel is tested, without the checkout"
)


@pytest.mark.parametrize("command", cli.COMMANDS)
def test_every_command_teaches_by_example(command, capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main([command, "--help"])
    assert ended.value.code == 0
    said = capsys.readouterr().out
    assert "examples:" in said
    assert f"bin/train {command} " in said


def test_the_whole_recipe_stands_in_the_help(capsys):
    with pytest.raises(SystemExit):
        cli.main(["--help"])
    said = capsys.readouterr().out
    assert all(f"bin/train {command} " in said for command in cli.COMMANDS)


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["paint"],
        ["render", "--out", "x"],
        ["render", "--out", "x", "--count", "0"],
        ["render", "--out", "x", "--count", "1", "--samples", "9-3"],
        ["develop", "--from", "/nowhere", "--out", "x"],
        ["fit", "--network", "resnet", "--from", "/", "--out", "x"],
    ],
)
def test_nonsense_is_refused(words, capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main(words)
    assert ended.value.code == 2


@pytest.fixture
def checkout(tmp_path):
    """bin/train with a set-up and an interpreter that only say what they were asked."""
    (tmp_path / "bin").mkdir()
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    shutil.copy(ROOT / "bin" / "train", tmp_path / "bin" / "train")
    for name, word in (("bin/setup", "setup"), (".venv/bin/python", "python")):
        (tmp_path / name).write_text(f'#!/bin/sh\necho "{word} $*"\n')
        (tmp_path / name).chmod(0o755)
    return tmp_path


@needs_checkout
@pytest.mark.parametrize(
    ("words", "set_up"),
    [
        (["render", "--out", "a b"], "setup train"),
        (["render", "--help"], "setup"),
        (["-h"], "setup"),
        ([], "setup"),
    ],
)
def test_the_script_sets_up_what_is_needed_and_hands_over(checkout, words, set_up):
    done = subprocess.run(
        [checkout / "bin" / "train", *words],
        capture_output=True,
        text=True,
        check=True,
        cwd="/",
        env={"PATH": os.environ["PATH"]},
    )
    arguments = " ".join(["-I", "-m", "rvm_edge.train", *words])
    assert [line.rstrip() for line in done.stdout.splitlines()] == [set_up, f"python {arguments}"]
