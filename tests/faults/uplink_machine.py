"""A machine that pays for items and takes the records to its platform, until both have them all.

    python -m tests.faults.uplink_machine DIRECTORY

`DIRECTORY/plan.json` is a `Plan`. Storage, link, courier and channel are the real ones. Each run
has a session; one that an earlier run has left open is closed with its claim. On standard output:
``claim TOKEN`` for each that is closed, and ``empty`` when nothing waits any more, which ends it.
"""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import replace

from actors.session.keys import device_key
from actors.storage import Storage
from actors.uplink import Courier, Link
from actors.uplink.channel import Channel
from config.settings import StorageSettings, UplinkSettings
from models.claims import Claim, clock_quality, sign
from protocol.storage import (
    DepositRecord,
    DescribeStore,
    Epoch,
    OpenEpoch,
    OpenSessions,
    SessionRecord,
    Sessions,
    SessionStored,
    Stored,
    StoreDeposit,
    StoreDescribed,
    StoreSession,
)
from supervisors import ChildSpec, Supervisor, SupervisorSpec
from supervisors.clock import SystemClock

WAYS = (
    ("reserved", "transporting", "confirmed", "credited"),
    ("reserved", "transporting", "confirmed", "credited"),
    ("reserved", "transporting", "confirmed", "credited"),
    ("rejected",),
    ("reserved", "transporting", "confirmed", "credited"),
    ("reserved", "void"),
)
"""What becomes of items, in turn: four of six are paid for."""
AFTER_A_CUT = {"reserved": "void", "transporting": "review", "confirmed": "credited"}
CLAIM_S = 30 * 86_400


class Plan(msgspec.Struct, frozen=True):
    """What the machine shall do.

    Attributes:
        items: altogether, over all its runs.
        pause_s: between two items.
        uplink: its settings.
    """

    hardware_id: str
    items: int
    pause_s: float
    uplink: UplinkSettings


class Machine:
    """Its ledger's side: sessions and items."""

    def __init__(self, sup: Supervisor, plan: Plan, key: bytes) -> None:
        self._sup, self._plan, self._key = sup, plan, key
        self._clock = SystemClock()
        opened: Epoch = self._ask(OpenEpoch(), Epoch)
        self._epoch = opened.number
        for record in opened.open:
            self._store(replace(record, state=AFTER_A_CUT[record.state]))
        for left in self._ask(OpenSessions(), Sessions).records:
            self._close(left)

    def _ask(self, message: Any, reply: Any) -> Any:
        return self._sup.request("storage", message, reply=reply, timeout_s=30.0)

    def _store(self, record: DepositRecord) -> None:
        self._ask(StoreDeposit(replace(record, updated_at=self._clock.wall())), Stored)

    def described(self) -> StoreDescribed:
        return self._ask(DescribeStore(), StoreDescribed)

    def serve(self) -> None:
        """Items until there are as many as there shall be, in one session."""
        now_s, pause = self._clock.wall(), threading.Event()
        session = f"{self._plan.hardware_id}-s-{self._epoch}-1"
        record = SessionRecord(session, "guest", "open", now_s, now_s)
        self._ask(StoreSession(record), SessionStored)
        for number in range(self.described().deposits, self._plan.items):
            self._pass(number, session)
            pause.wait(self._plan.pause_s)
        self._close(record)

    def _pass(self, number: int, session: str) -> None:
        now_s = self._clock.wall()
        id_ = f"{self._plan.hardware_id}-{self._epoch}-{number}"
        for state in WAYS[number % len(WAYS)]:
            record = DepositRecord(
                id_, state, "accepted", now_s, now_s, "mineral", 0.93, "yolo", "a" * 64, number,
                session, 21.5, 0.22, "b" * 64, "drop_beam",
            )  # fmt: skip
            self._store(record)

    def _close(self, record: SessionRecord) -> None:
        """With a claim for what the ledger has credited to it."""
        asked = replace(record, state="closed", reason="finished", updated_at=self._clock.wall())
        credited = self._ask(StoreSession(record), SessionStored).record.credited
        said = say("claim", self._claim(record.id, credited)) if credited else ""
        self._ask(StoreSession(replace(asked, claim=said)), SessionStored)

    def _claim(self, session: str, credited: int) -> str:
        now_s = int(self._clock.wall())
        claim = Claim(
            hardware_id=self._plan.hardware_id,
            session=session,
            credited=credited,
            in_review=0,
            issued_at=now_s,
            expires_at=now_s + CLAIM_S,
            clock_quality=clock_quality(now_s),
            nonce="0123456789abcdef",
            chain_head="",
        )
        return sign(claim, self._key)


def say(*words: str) -> str:
    sys.stdout.write(" ".join(words) + "\n")
    sys.stdout.flush()
    return words[-1]


def children(directory: Path, plan: Plan) -> tuple[ChildSpec, ...]:
    limits = StorageSettings(map_mb=64, map_mb_max=512)
    link = {
        "limits": plan.uplink,
        "hardware_id": plan.hardware_id,
        "key_file": str(directory / "device.key"),
        "storage": "/storage",
        "listeners": ("/courier", "/channel"),
    }
    courier = {"limits": plan.uplink, "link": "/link", "storage": "/storage"}
    channel = {"limits": plan.uplink, "link": "/link", "listeners": ()}
    return (
        ChildSpec("storage", Storage, args={"directory": str(directory), "limits": limits}),
        ChildSpec("courier", Courier, args=courier),
        ChildSpec("channel", Channel, args=channel),
        ChildSpec("link", Link, args=link),
    )


def main() -> None:
    directory = Path(sys.argv[1])
    plan = msgspec.json.decode((directory / "plan.json").read_bytes(), type=Plan)
    key = device_key(directory / "device.key").key
    with Supervisor.start(SupervisorSpec(children(directory, plan))) as sup:
        machine = Machine(sup, plan, key)
        machine.serve()
        pause = threading.Event()
        while any(machine.described().outbox.values()):
            pause.wait(0.1)
        say("empty")


if __name__ == "__main__":
    main()
