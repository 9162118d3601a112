"""soketi as another Pusher server: started, and ended for good."""

from __future__ import annotations

import contextlib
import json
import shutil
import socket
import subprocess
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from supervisors.testing import eventually

HERE = Path(__file__).parent
_MODULES = HERE / "node_modules"


@dataclass(frozen=True)
class Soketi:
    """Where it listens, and with which app."""

    port: int
    app_id: str = "1001"
    key: str = "rvm-key"
    secret: str = "rvm-secret"

    @property
    def http_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def ws_url(self) -> str:
        return f"ws://127.0.0.1:{self.port}"


def needs_node(package: str) -> None:
    """Skip the test where node or one of the peers is not installed."""
    if shutil.which("node") is None:
        pytest.skip("needs node")
    if not (_MODULES / package / "package.json").exists():
        pytest.skip(f"needs {package}: run tests/peers/install")


@contextlib.contextmanager
def soketi(folder: Path, port: int = 0) -> Iterator[Soketi]:
    """A server that takes connections, until the end of the block.

    Args:
        folder: for its configuration.
        port: 0: a free one.
    """
    needs_node("@soketi/soketi")
    server = Soketi(port or _free_port())
    config = folder / f"soketi-{server.port}.json"
    config.write_text(json.dumps(_config(server)))
    program = _MODULES / "@soketi/soketi/bin/server.js"
    process = subprocess.Popen(
        ["node", str(program), "start", f"--config={config}"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=HERE,
    )
    try:
        eventually(lambda: process.poll() is not None or _answers(server), timeout_s=40.0)
        assert process.poll() is None, "soketi has ended: it runs on node 16, 18 and 20"
        yield server
    finally:
        # Not SIGTERM: it would linger for ten seconds, and a second one would share its port.
        process.kill()
        process.wait()


def _config(server: Soketi) -> dict[str, object]:
    app = {"id": server.app_id, "key": server.key, "secret": server.secret}
    unlimited = ("maxConnections", "maxBackendEventsPerSecond", "maxClientEventsPerSecond")
    return {
        "host": "127.0.0.1",
        "port": server.port,
        "debug": False,
        "metrics": {"enabled": False},
        "appManager.array.apps": [
            {
                **app,
                **dict.fromkeys((*unlimited, "maxReadRequestsPerSecond"), -1),
                "enableClientMessages": True,
                "enabled": True,
                "webhooks": [],
            }
        ],
    }


def _answers(server: Soketi) -> bool:
    try:
        with urllib.request.urlopen(server.http_url, timeout=1.0) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])
