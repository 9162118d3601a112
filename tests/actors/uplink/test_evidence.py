"""The pictures behind a decision, from the disk of the machine to the platform that people look at.

Storage, link, courier and media are the machine's own, and the platform is the one that ships, in a
process of its own.
"""

import hashlib
import json
from urllib.request import Request, urlopen

import pytest

from actors.storage import Storage
from actors.uplink import Courier, Link, Media
from config.settings import StorageSettings
from protocol.platform import ROOT
from protocol.storage import (
    DepositRecord,
    DescribeStore,
    Stored,
    StoreDeposit,
    StoreDescribed,
)
from protocol.vision import EvidenceKept
from supervisors import ChildSpec
from supervisors.testing import eventually
from tests.actors.runtime import tree
from tests.actors.test_archive import Archive, frames, look
from tests.actors.uplink.place import HARDWARE_ID, key_of, limits

pytest.importorskip("fastapi", reason="the platform is an extra: bin/setup server")
from tests.server.process import OPERATOR_TOKEN, ServerProcess


def record(state, number=1):
    return DepositRecord(
        f"{HARDWARE_ID}-41-{number}",
        state,
        "undecided",
        1.79e9,
        1.79e9,
        "mineral",
        0.93,
        "yolo",
        "a" * 64,
        session=f"{HARDWARE_ID}-s-1",
    )


class Fleet:
    """What a person at the platform sees."""

    def __init__(self, url):
        self.url = url

    def get(self, path, body=None):
        headers = {"Authorization": f"Bearer {OPERATOR_TOKEN}", "Content-Type": "application/json"}
        content = None if body is None else json.dumps(body).encode()
        with urlopen(Request(f"{self.url}{ROOT}{path}", content, headers), timeout=10) as answer:
            return answer.read()

    def deposits(self):
        found = json.loads(self.get("/fleet/deposits"))["data"]["items"]
        return {one["key"]: one for one in found}


@pytest.fixture
def fleet(tmp_path):
    server = ServerProcess(tmp_path / "platform")
    try:
        yield Fleet(server.url)
    finally:
        server.end()


@pytest.fixture
def machine(tmp_path, fleet):
    """One that is enrolled there; it sends the evidence of reviews."""
    made = json.loads(fleet.get("/fleet/enrolment-tokens", {"hardware_id": HARDWARE_ID}))
    secret = tmp_path / "token"
    secret.write_text(made["data"]["token"])
    secret.chmod(0o600)
    key_file, _ = key_of(tmp_path, enrolled=False)
    settings = limits(fleet.url, enrolment_token_file=str(secret), upload_kb_per_s=0.0)
    outgoing = {"limits": settings, "link": "/link"}
    link = {
        "limits": settings,
        "hardware_id": HARDWARE_ID,
        "key_file": str(key_file),
        "listeners": ("/courier", "/media"),
    }
    store = {"directory": str(tmp_path), "limits": StorageSettings(map_mb=8)}
    with tree(
        ChildSpec("storage", Storage, args=store),
        ChildSpec("link", Link, args=link),
        ChildSpec("courier", Courier, args=outgoing),
        ChildSpec("media", Media, args=outgoing),
    ) as (sup, _):
        yield sup


def concluded(tmp_path, sup, kept, size=(48, 64)):
    """What deposit and inference do at the end of an item."""
    archive = Archive(tmp_path / "evidence", 10, 0)
    assert archive.take(look(kept.id), frames(size=size))
    archive.write_next()
    assert sup.request("storage", StoreDeposit(kept), reply=Stored)
    there = archive.conclude(kept, {"exit_covered": 812.5})
    sup.tell("media", EvidenceKept(kept, str(there)))
    return there


def drained(sup):
    waiting = sup.request("storage", DescribeStore(), reply=StoreDescribed).outbox
    return not any(waiting.values())


@pytest.mark.parametrize("size", [(48, 64), (720, 1280)], ids=["in a form", "in pieces"])
def test_who_decides_a_review_sees_its_picture(tmp_path, fleet, machine, size):
    machine.request("storage", StoreDeposit(record("reserved")), reply=Stored)
    there = concluded(tmp_path, machine, record("review"), size)
    key = f"{HARDWARE_ID}-41-1"
    eventually(lambda: fleet.deposits().get(key, {}).get("image_id"), timeout_s=30)
    eventually(lambda: drained(machine))
    told = fleet.deposits()[key]
    assert told["state"] == "review"
    picture = fleet.get(f"/fleet/files/{told['image_id']}")
    assert picture == (there / "look-1-1.jpg").read_bytes()
    described = machine.request("storage", DescribeStore(), reply=StoreDescribed)
    assert described.dead["media"] == 0
    assert hashlib.sha256(picture).hexdigest() in (there / "look-1.json").read_text()


def test_what_nobody_has_to_decide_stays_on_the_machine(tmp_path, fleet, machine):
    machine.request("storage", StoreDeposit(record("reserved", 2)), reply=Stored)
    for state in ("transporting", "confirmed"):
        machine.request("storage", StoreDeposit(record(state, 2)), reply=Stored)
    concluded(tmp_path, machine, record("credited", 2))
    eventually(lambda: f"{HARDWARE_ID}-41-2" in fleet.deposits())
    eventually(lambda: drained(machine))
    assert fleet.deposits()[f"{HARDWARE_ID}-41-2"]["image_id"] is None
