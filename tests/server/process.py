"""A platform in a process of its own, on loopback."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

OPERATOR_TOKEN = "an operator's token of some length"


class ServerProcess:
    """Started, and listening."""

    def __init__(self, data: Path, url: str = "", *options: str, **environment: str) -> None:
        own = {"RVM_SERVER_OPERATOR_TOKEN": OPERATOR_TOKEN, "DATABASE_URL": url}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "server", "start", "--port", "0", "--data", data, *options],
            env={**os.environ, **own, **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        self.said = line = self.process.stdout.readline()
        while line and "fleet page" not in line:
            line = self.process.stdout.readline()
            self.said += line
        found = re.search(r"https?://[^ ]+", line)
        assert found, self.said + self.end()[1]
        self.url = found[0]

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()

    def end(self, with_signal: int = signal.SIGINT) -> tuple[int, str]:
        """The exit status and everything that was said."""
        if self.process.poll() is None:
            self.process.send_signal(with_signal)
        out, err = self.process.communicate(timeout=30)
        return self.process.returncode, out + err
