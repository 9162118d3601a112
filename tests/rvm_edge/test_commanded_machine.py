"""A whole simulated machine that a platform asks for things, over HTTP and by its doorbell."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from protocol.platform import ROOT
from supervisors.testing import eventually
from tests.actors.uplink.bell_server import KEY, BellServer, ringing, signature
from tests.actors.uplink.peer import Platform, Seen, serving
from tests.rvm_edge.machine import PATIENCE_S, Machine

FINAL = ("succeeded", "failed", "timed_out", "rejected", "expired")
SETTINGS = """
[uplink]
server_url = "{url}"
allow_plain_http = true
api_key_file = "{key}"
"""


class Headquarters:
    """The platform's half of remote commands."""

    def __init__(self, platform: Platform, bell: BellServer) -> None:
        self.platform = platform
        self.bell = bell
        self.wishes: list[dict[str, Any]] = []
        self.told: list[tuple[str, dict[str, Any]]] = []
        platform.everything = self.answer

    def answer(self, seen: Seen) -> Any:
        path = seen.path.removeprefix(ROOT)
        if path == "/broadcasting/auth":
            form = dict(pair.split("=") for pair in seen.body.decode().split("&"))
            return 200, {"auth": signature(form["socket_id"], form["channel_name"])}
        if path == "/edge/commands":
            after = int(seen.query.partition("=")[2])
            page = [wish for wish in self.wishes if wish["seq"] > after]
            return 200, {"commands": page, "last": len(self.wishes)}
        reports = re.fullmatch(r"/edge/commands/([^/]+)/reports", path)
        if reports is not None:
            self.told.append((reports[1], seen.json))
            return 200, {}
        if path == "/edge/births":
            doorbell = {"url": self.bell.url, "key": KEY, "channel": "private-rvm.1"}
            return 200, {"rvm_id": 1, "server_time": 0.0, "doorbell": doorbell}
        return self.platform._handler(seen)(seen)

    def ask(self, type_: str, **args: Any) -> dict[str, Any]:
        """Ask for something, and wait for its end."""
        seq = len(self.wishes) + 1
        id_ = f"cmd-{seq:05}"
        wish = {"seq": seq, "id": id_, "type": type_, "ttl_s": 120.0, "args": args}
        self.wishes.append(wish)
        self.bell.publish("command", {"id": id_})
        eventually(lambda: self.end(id_), timeout_s=2 * PATIENCE_S)
        end = self.end(id_)
        assert end is not None
        return end

    def end(self, id_: str) -> dict[str, Any] | None:
        ends = [each for told, each in list(self.told) if told == id_ and each["state"] in FINAL]
        return ends[0] if ends else None


@pytest.mark.timeout(240)
def test_a_machine_does_what_it_is_asked_and_nothing_else(tmp_path: Path):
    key = tmp_path / "api.key"
    key.write_text("a-token-of-the-platform-0123456789")
    key.chmod(0o600)
    with serving(Platform()) as platform, ringing(BellServer()) as bell:
        office = Headquarters(platform, bell)
        settings = SETTINGS.format(url=platform.url, key=key)
        with Machine(tmp_path / "data", settings=settings) as machine:
            machine.ready()
            machine.until_well()
            assert machine.status()["dead_letters"] == {"total": 0, "by_cause": {}}
            eventually(lambda: bell.subscribed, timeout_s=PATIENCE_S)
            check_reading(office)
            check_files(office, machine)
            check_maintenance(office, machine)
            check_refusals(office)
            check_incidents(office, machine)
            check_disruption(office, machine, bell)


def check_reading(office: Headquarters) -> None:
    status = office.ask("status")
    assert status["result"]["actors"]["/machine/motor"] == "running"
    assert office.ask("ping", address="/vision/camera")["result"]["path"] == "/vision/camera"
    assert office.ask("read_guard")["result"]["door_closed"] is True
    assert "memory_percent" in office.ask("measure")["result"]


def check_files(office: Headquarters, machine: Machine) -> None:
    made = office.ask("diagnostics")
    assert made["state"] == "succeeded", made
    file = machine.directory / "remote" / made["result"]["file"]
    assert file.stat().st_size == made["result"]["size"] <= 5_000_000
    picture = office.ask("capture")
    assert picture["state"] == "succeeded", picture
    content = (machine.directory / "remote" / picture["result"]["file"]).read_bytes()
    assert content.startswith(b"\xff\xd8")


def check_maintenance(office: Headquarters, machine: Machine) -> None:
    refused = office.ask("gate_open")
    assert (refused["state"], refused["code"]) == ("rejected", "precondition")
    assert office.ask("bin_emptied")["state"] == "succeeded"
    assert office.ask("enter_maintenance")["state"] == "succeeded"
    opened = office.ask("gate_open")
    assert (opened["state"], opened["result"]["reached"]) == ("succeeded", True)
    assert office.ask("read_guard")["result"]["gate"] == "open"
    assert office.ask("gate_close")["result"]["reached"] is True
    assert office.ask("leave_maintenance")["state"] == "succeeded"
    machine.until(lambda: machine.send("/service/deposit", "cycle")["phase"] == "idle")


def check_refusals(office: Headquarters) -> None:
    for type_ in ("reset", "jog", "enter_service", "shell", "sys.fault"):
        end = office.ask(type_)
        assert (end["state"], end["code"]) == ("rejected", "unknown")
    start = office.ask("start_session", user="u-1", code="NOT-SHOWN")
    assert (start["state"], start["code"]) == ("failed", "code_unknown")


def check_incidents(office: Headquarters, machine: Machine) -> None:
    machine.fault("raise", "/uplink/media")

    def told() -> list[dict[str, Any]]:
        batches = [seen.json for seen in office.platform.asked("/edge/events")]
        events = [event for batch in batches for event in batch["items"]]
        return [event["fields"] for event in events if event["kind"] == "actor_failed"]

    failed = machine.until(told)[0]
    assert (failed["address"], failed["times"]) == ("/uplink/media", 1)


def check_disruption(office: Headquarters, machine: Machine, bell: BellServer) -> None:
    before = machine.actors()["/vision/camera"]["incarnation"]
    assert office.ask("restart_actor", address="/vision/camera")["state"] == "succeeded"
    machine.until(lambda: machine.actors()["/vision/camera"]["incarnation"] > before)
    subscribed = bell.subscribed
    reboot = office.ask("reboot")
    assert reboot["state"] == "succeeded", reboot
    assert reboot["result"] == {"computer_restarted": False}
    eventually(lambda: bell.subscribed > subscribed, timeout_s=PATIENCE_S)
    assert office.ask("status")["state"] == "succeeded"
    secret = b"a-token-of-the-platform"
    for file in machine.directory.rglob("*.jsonl*"):
        assert secret not in file.read_bytes()
    assert json.dumps(office.told).count("a-token-of-the-platform") == 0
