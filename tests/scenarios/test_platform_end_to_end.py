"""A whole simulated machine and the reference platform, as an owner starts them, on loopback."""

import importlib.util
import json
import socket
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest

from protocol.platform import ROOT
from supervisors.testing import eventually
from tests.rvm_edge.machine import PATIENCE_S, Machine, environment, run
from tests.server.process import OPERATOR_TOKEN, ServerProcess

WORTH = 100
"""What the platform pays for an item."""
WITHIN_S = 1.0
"""From the ledger's record to the platform's: what is promised."""
HARDWARE_ID = "rvm-e2e"

pytestmark = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("fastapi", "uvicorn", "alembic")),
    reason="bin/setup server test: the platform's packages are not here",
)


class Platform:
    """The reference platform, always at the same port."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]
        self.start()

    def start(self) -> None:
        self._process = ServerProcess(self._directory, "", "--port", str(self._port))

    @property
    def url(self) -> str:
        return self._process.url

    def kill(self) -> None:
        self._process.kill()

    def ask(self, path: str, body: Any = None, token: str = OPERATOR_TOKEN) -> Any:
        data = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        with urlopen(Request(f"{self.url}{ROOT}{path}", data, headers), timeout=30) as answer:
            return json.loads(answer.read())["data"]


@pytest.mark.timeout(240)
def test_a_customer_s_bottles_are_his_whoever_is_killed_meanwhile(tmp_path: Path):
    platform = Platform(tmp_path / "platform")
    try:
        settings = {
            "RVM_EDGE_UPLINK_SERVER_URL": platform.url,
            "RVM_EDGE_MACHINE_HARDWARE_ID": HARDWARE_ID,
        }
        enrolled(platform, tmp_path / "machine", settings)
        user = platform.ask("/fleet/users", {"name": "Sari"})["token"]
        with Machine(tmp_path / "machine", environ=settings) as machine:
            machine.ready()
            machine.until(lambda: "rvm_id" in machine.actors()["/uplink/link"]["facts"])
            begin_by_code(platform, machine, user)
            bring_one(machine, number=1)
            check_speed(platform, machine, user)
            platform.kill()
            bring_one(machine, number=2)
            machine.kill()
        platform.start()
        with Machine(tmp_path / "machine", environ=settings) as machine:
            machine.ready()
            eventually(lambda: account(platform, user) == 2 * WORTH, PATIENCE_S)
            machine.until(lambda: not machine.send("/storage", "describe")["outbox"]["money"])
            assert not any(machine.send("/storage", "describe")["dead"].values())
            assert machine.stop() == 0
            opened = [one["path"] for one in machine.events() if one["event"] == "link_open"]
            assert set(opened) == {"/uplink/link"}
        his = platform.ask("/me/deposits", None, user)["items"]
        told = {each["key"]: each["state"] for each in his}
        assert told == {f"{HARDWARE_ID}-1-{number}": "credited" for number in (1, 2)}
        assert account(platform, user) == 2 * WORTH
    finally:
        platform.kill()


def enrolled(platform: Platform, data: Path, settings: dict[str, str]) -> None:
    token = platform.ask("/fleet/enrolment-tokens", {"hardware_id": HARDWARE_ID})["token"]
    environ = environment(RVM_EDGE_DATA_DIR=str(data), **settings)
    done = run("enrol", cwd=data.parent, environ=environ, input=token)
    assert done.returncode == 0, done.stderr
    assert token not in done.stdout + done.stderr


def begin_by_code(platform: Platform, machine: Machine, user: str) -> None:
    """What a telephone does with the code on the screen."""
    machine.until_open()
    code = machine.send("/service/session", "offer")["code"]
    begun = platform.ask("/sessions", {"hardware_id": HARDWARE_ID, "code": code}, user)
    assert begun["state"] == "started", begun


def bring_one(machine: Machine, number: int) -> None:
    machine.insert("accept")
    machine.until_deposit("credited", number=number)


def account(platform: Platform, user: str) -> int:
    return platform.ask("/me", None, user)["total"]


def check_speed(platform: Platform, machine: Machine, user: str) -> None:
    eventually(lambda: account(platform, user) == WORTH, PATIENCE_S)
    received_at = platform.ask("/me/deposits", None, user)["items"][0]["received_at"]
    assert received_at - machine.deposits()[0]["updated_at"] < WITHIN_S
