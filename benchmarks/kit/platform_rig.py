"""The reference platform in a process of its own, and machines that are enrolled there."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from urllib.request import Request, urlopen

import msgspec

from actors.session.keys import device_key
from actors.uplink.identity import enrol, sign
from benchmarks.kit.contest import Absent
from config.settings import UplinkSettings
from protocol.platform import ROOT
from protocol.platform.identity import token_bytes
from protocol.uplink import LinkChanged
from supervisors import Actor, ChildSpec, handles

_ROOT = Path(__file__).resolve().parents[2]
_NEEDED = ("fastapi", "sqlalchemy", "alembic", "uvicorn", "websockets")
_OPERATOR = "the benchmark's own operator"
_TIMEOUT_S = 30.0
_STOP_S = 20.0
START = ("-m", "server", "start", "--port", "0")
"""What runs the platform as it is."""


def absent() -> Absent | None:
    """Why there is no platform here; None: there is one."""
    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if not missing:
        return None
    return Absent(f"not measured: no {', '.join(missing)} (bin/setup server)")


class Machine(NamedTuple):
    """Somebody the platform knows.

    Attributes:
        data: a data directory; its key is there.
        rvm_id: what the platform calls it.
    """

    hardware_id: str
    data: Path
    rvm_id: int

    @property
    def key_file(self) -> Path:
        return self.data / "keys" / "device.key"


class Platform:
    """Started, and listening.

    Attributes:
        process: its standard input and output are whoever's who speaks to it.
    """

    def __init__(self, directory: Path, command: tuple[str, ...] = START) -> None:
        """Args: directory: where it keeps everything; command: of the interpreter."""
        own = {
            "RVM_SERVER_OPERATOR_TOKEN": _OPERATOR,
            "RVM_SERVER_MACHINE_PER_S": "1000000",  # its limit is not what is measured
        }
        inherited = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
        self._directory = directory
        self.process = subprocess.Popen(
            [sys.executable, *command, "--data", str(directory / "platform")],
            cwd=_ROOT,
            env={**inherited, **own},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )
        assert self.process.stdout is not None
        found = None
        for line in self.process.stdout:
            if found := re.search(r"https?://[^ ]+", line):
                break
        if found is None:
            msg = f"the platform ended with {self.process.wait()} before it listened"
            raise RuntimeError(msg)
        self.url = found[0]

    def end(self) -> None:
        """In order; its directory is somebody else's to remove."""
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.communicate(timeout=_STOP_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()

    def ask(self, method: str, path: str, body: object = None, token: str = _OPERATOR) -> Any:
        """Its answer's data; as the operator, unless another token is given."""
        status, data = self._ask(method, path, body and msgspec.json.encode(body), token)
        assert status in range(200, 300), (method, path, status)
        return msgspec.json.decode(data)

    def _ask(self, method: str, path: str, body: bytes | None, token: str) -> tuple[int, bytes]:
        headers = {"Accept": "application/json", "Content-Type": "application/json"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        request = Request(f"{self.url}{ROOT}{path}", body or None, headers, method=method)
        with urlopen(request, timeout=_TIMEOUT_S) as answer:
            return answer.status, msgspec.json.encode(json.loads(answer.read())["data"])

    def machine(self, hardware_id: str) -> Machine:
        """A machine that is enrolled, with a data directory of its own."""
        wish = {"hardware_id": hardware_id}
        token = self.ask("POST", "/fleet/enrolment-tokens", wish)["token"]
        data = self._directory / hardware_id
        file = data / "keys" / "device.key"

        async def ask(method: str, path: str, body: bytes) -> tuple[int, bytes]:
            return await asyncio.to_thread(self._ask, method, path, body, "")

        enrolled = asyncio.run(enrol(ask, device_key(file).key, hardware_id, token, file))
        return Machine(hardware_id, data, enrolled.rvm_id)

    def token(self, machine: Machine) -> str:
        """What a client that is not ours needs to speak as this machine."""
        said = {"hardware_id": machine.hardware_id}
        challenge = self.ask("POST", "/edge/challenges", said, token="")["challenge"]
        key = device_key(machine.key_file).key
        signature = sign(key, token_bytes(machine.hardware_id, challenge))
        proof = {**said, "challenge": challenge, "signature": signature}
        return str(self.ask("POST", "/edge/tokens", proof, token="")["access_token"])

    def limits(self) -> UplinkSettings:
        """Settings of the uplink that lead here."""
        return UplinkSettings(server_url=self.url, allow_plain_http=True)


@contextlib.contextmanager
def platform(command: tuple[str, ...] = START) -> Iterator[tuple[Platform, Path]]:
    """One, and a directory for it and its machines; TMPDIR chooses the disk."""
    with tempfile.TemporaryDirectory(prefix="uplink-bench-", ignore_cleanup_errors=True) as name:
        one = Platform(Path(name), command)
        try:
            yield one, Path(name)
        finally:
            one.end()


def nobody(names: Sequence[str], why: Absent) -> Mapping[str, Absent]:
    """All of a case's contenders, none of whom can be had."""
    return dict.fromkeys(names, why)


class Opened(Actor):
    """Says when the way to the platform opens, as `told`."""

    def __init__(self, told: Any) -> None:
        """Args: told: is called with every change of the way."""
        self._told = told

    @handles(LinkChanged)
    def changed(self, message: LinkChanged) -> None:
        self._told(message)

    @classmethod
    def spec(cls, told: Any) -> ChildSpec:
        """It goes before the link, and is at ``/opened``."""
        return ChildSpec("opened", cls, args={"told": told})
