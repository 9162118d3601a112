"""The platform as a process, and a browser to look at it."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

TOKEN = "operator-token-for-tests"
ROOT = Path(__file__).parents[3]


@contextlib.contextmanager
def platform(folder: Path, port: int = 0) -> Iterator[str]:
    """Its URL; at the end of the block it is told to end, and does."""
    command = [sys.executable, "-m", "server", "start", "--port", str(port), "--data", str(folder)]
    environment = {**os.environ, "RVM_SERVER_OPERATOR_TOKEN": TOKEN}
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            said = process.stdout.readline()
            assert "rvm-server: http" in said, said
            yield said.split()[1]
        finally:
            process.terminate()
            process.wait(timeout=30)


@contextlib.contextmanager
def browser() -> Iterator[object]:
    """Chromium, or a reason to skip."""
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("needs chromium")
    with playwright.sync_playwright() as engine:
        # Root, in whose name containers run tests, may not use Chromium's sandbox.
        found = engine.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        try:
            yield found
        finally:
            found.close()
