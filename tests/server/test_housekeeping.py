"""What is thrown away by itself, and what is not."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import OperationalError

from server import housekeeping, tables
from server.housekeeping import sweep
from server.store import retention
from tests.server.platform import Machine, Platform, sha256

DAY_S = 86400.0
SAMPLE = {"at": 1.0, "monotonic_s": 1.0, "values": {"cpu_c": 50.0}}
WORDS = {"timestamp": "2026-11-21T12:30:00Z", "content_type": "image/jpeg", "name": "f"}
KEPT = {
    "deposits": 2,
    "user_sessions": 1,
    "reverse_vending_machines": 1,
    "edge_devices": 1,
    "ai_model_versions": 1,
}
"""Rows that stay: money, and what there is one of for each machine."""
ENDS = {
    "edge_telemetry": 1,
    "edge_events": 1,
    "detections": 1,
    "commands": 1,
    "command_reports": 1,
    "session_requests": 1,
    "configs": 1,
    "config_reports": 1,
    "images": 1,
    "uploads": 1,
}
"""Rows that are left of two, or of five."""


def counted(platform: Platform, name: str) -> int:
    table = tables.metadata.tables[name]
    return int(platform.read(sa.select(sa.func.count()).select_from(table))[0][0])


def file_of(content: bytes, **more: Any) -> dict[str, Any]:
    return {"key": "f", "size": len(content), "sha256": sha256(content), **WORDS, **more}


def send(machine: Machine, said: dict[str, Any], content: bytes) -> None:
    upload = machine.post("/uploads", said).json()["data"]["upload_id"]
    headers = {"Content-Type": "application/offset+octet-stream", "Upload-Offset": "0"}
    path = f"/uploads/{upload}"
    machine.platform.run(machine.request("PATCH", path, content=content, headers=headers))
    assert machine.post(f"{path}/end").status_code == 200


def live(platform: Platform, machine: Machine, day: int) -> None:
    """One of everything that a machine and its operator do."""
    user = platform.user()
    machine.post(
        "/edge/births", {"boot_id": "b", "epoch": 1, "at": 1.0, "versions": {"model": "m"}}
    )
    machine.post("/edge/telemetry", {"key": f"t{day}", "samples": [SAMPLE]})
    machine.post("/edge/events", {"items": [{"key": f"e{day}", "kind": "bin_full", "at": 1.0}]})
    seen = {"key": f"d{day}", "session_token": "s", "detections": [], "processing_time": 0.1}
    machine.post("/detections", {"items": [{**seen, "timestamp": WORDS["timestamp"]}]})
    machine.post("/deposits", machine.deposit(day))
    user.post("/sessions", {"hardware_id": machine.hardware_id, "code": "c"})
    sent = machine.get("/edge/commands").json()["data"]["commands"][-1]
    machine.sends_report(sent["id"], "rejected", code="busy")
    path = f"/fleet/machines/{machine.rvm_id}/settings"
    version = platform.operator.ask("PATCH", path, {"settings": {"a.b": day}}).json()["data"]
    said = {"version": version["version"], "state": "applied", "in_force": 1, "at": float(day)}
    machine.post("/edge/settings/reports", said)
    send(machine, file_of(b"%d" % day, key=f"f{day}"), b"%d" % day)


@pytest.fixture
def both(start, url: str) -> Platform:
    return start(url, session_wait_s=0.0)


def test_what_is_old_goes_what_is_new_stays_and_money_stays_for_ever(both: Platform):
    machine = both.machine()
    live(both, machine, 1)
    both.time.now_s += 91 * DAY_S
    machine.sign_in()
    live(both, machine, 2)
    both.run(sweep(both.app.state.services))
    assert {name: counted(both, name) for name in ENDS} == ENDS
    assert {name: counted(both, name) for name in KEPT} == KEPT
    digest = sha256(b"2")
    files = [path.name for path in both.settings.files_dir.rglob("*") if path.is_file()]
    assert files == [digest]
    # Nothing was lost that somebody needs.
    path = f"/fleet/machines/{machine.rvm_id}"
    assert both.operator.get(f"{path}/settings").json()["data"]["version"] == 2
    assert both.operator.get(path).json()["data"]["machine"]["settings_version"] == 2
    assert both.operator.post(f"{path}/commands", {"type": "ping"}).json()["data"]["seq"] == 3


def test_the_newest_settings_and_their_report_stay_however_old_they_are(both: Platform):
    machine = both.machine()
    live(both, machine, 1)
    both.time.now_s += 1000 * DAY_S
    both.run(sweep(both.app.state.services))
    assert {name: counted(both, name) for name in ("configs", "config_reports")} == {
        "configs": 1,
        "config_reports": 1,
    }
    assert counted(both, "commands") == counted(both, "images") == counted(both, "uploads") == 0


def test_much_goes_little_by_little(both: Platform, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(retention, "AT_ONCE", 2)
    machine = both.machine()
    for day in range(5):
        live(both, machine, day)
    both.time.now_s += 91 * DAY_S
    both.run(sweep(both.app.state.services))
    assert {name: counted(both, name) for name in ENDS} == {
        name: int(name.startswith("config")) for name in ENDS
    }


def test_two_files_of_one_content_are_gone_with_the_second(platform: Platform):
    machine = platform.machine()
    send(machine, file_of(b"x", key="old"), b"x")
    platform.time.now_s += 60 * DAY_S
    machine.sign_in()
    machine.post("/uploads", file_of(b"x", key="new"))
    blob = platform.settings.files_dir / "blobs" / sha256(b"x")[:2] / sha256(b"x")
    platform.time.now_s += 31 * DAY_S
    platform.run(sweep(platform.app.state.services))
    assert (counted(platform, "images"), blob.exists()) == (1, True)
    platform.time.now_s += 60 * DAY_S
    platform.run(sweep(platform.app.state.services))
    assert (counted(platform, "images"), blob.exists()) == (0, False)


def test_old_tokens_and_forgotten_uploads_go_and_new_ones_stay(either: Platform):
    machine = either.machine()
    upload = machine.post("/uploads", file_of(b"x")).json()["data"]["upload_id"]
    part = either.settings.files_dir / "parts" / upload
    assert part.exists()
    either.time.now_s += 31 * DAY_S
    machine.sign_in()
    newer = machine.post("/uploads", file_of(b"x", key="g")).json()["data"]["upload_id"]
    either.run(sweep(either.app.state.services))
    assert either.read(sa.select(tables.uploads.c.upload_id)) == [(newer,)]
    kind = tables.api_tokens.c.kind
    assert either.read(sa.select(kind).order_by(kind)) == [("machine",), ("operator",)]
    assert not part.exists()
    assert machine.get("/edge/commands").status_code == 200


def test_a_database_that_is_away_is_swept_the_next_time(
    platform: Platform, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    swept = asyncio.Event()
    tries = 0

    async def sometimes(_here: object) -> None:
        nonlocal tries
        tries += 1
        if tries == 1:
            raise OperationalError("BEGIN", {}, Exception("away"))
        swept.set()

    monkeypatch.setattr(housekeeping, "sweep", sometimes)
    monkeypatch.setattr(housekeeping, "EVERY_S", 0.0)

    async def keep() -> None:
        keeping = asyncio.create_task(housekeeping.keep_house(platform.app.state.services))
        await asyncio.wait_for(swept.wait(), 5)
        keeping.cancel()

    with caplog.at_level(logging.ERROR):
        platform.run(keep())
    assert "nothing was thrown away" in caplog.text
