"""A process that writes through the real storage actor and says what was acknowledged.

    python -m tests.faults.ledger_writer DIRECTORY LANES [ITEMS]

Each lane is somebody who waits for every answer; several of them share commits. On standard output:
``id state`` once the answer has come, ``! code`` for a refusal. It goes on until it is killed, or
for so many items per lane.
"""

import itertools
import sys
import threading

from actors.storage import Storage
from config.settings import StorageSettings
from protocol.storage import (
    DepositRecord,
    Epoch,
    OpenEpoch,
    SessionRecord,
    SessionStored,
    Stored,
    StoreDeposit,
    StoreSession,
)
from supervisors import ChildSpec, RequestFailed, Supervisor, SupervisorSpec

PATHS = (
    ("reserved", "transporting", "confirmed", "credited"),
    ("rejected",),
    ("reserved", "transporting", "confirmed", "credited"),
    ("reserved", "transporting", "review"),
    ("reserved", "void"),
)


def lane(sup: Supervisor, epoch: int, number: int, items: range | itertools.count) -> None:
    session = f"m-s-{epoch}-{number}"
    store_session(sup, session, "open")
    for item in items:
        id_ = f"m-{epoch}-{number}-{item}"
        for state in PATHS[item % len(PATHS)]:
            record = DepositRecord(id_, state, "accepted", 1.0, 2.0, session=session, item="x" * 90)
            if not say(sup, StoreDeposit(record), Stored, f"{id_} {state}"):
                break
    store_session(sup, session, "closed")


def store_session(sup: Supervisor, id_: str, state: str) -> None:
    say(sup, StoreSession(SessionRecord(id_, "guest", state, 1.0, 2.0)), SessionStored, "")


def say(sup: Supervisor, message, reply, line: str) -> bool:
    try:
        sup.request("storage", message, reply=reply, timeout_s=20.0)
    except RequestFailed as error:
        line = f"! {error.code}"
    if line:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()
    return not line.startswith("!")


def main() -> None:
    directory, lanes = sys.argv[1], int(sys.argv[2])
    items = range(int(sys.argv[3])) if len(sys.argv) > 3 else itertools.count()
    args = {"directory": directory, "limits": StorageSettings(map_mb=1, map_mb_max=24)}
    with Supervisor.start(SupervisorSpec((ChildSpec("storage", Storage, args=args),))) as sup:
        epoch = sup.request("storage", OpenEpoch(), reply=Epoch).number
        threads = [
            threading.Thread(target=lane, args=(sup, epoch, number, items), daemon=True)
            for number in range(lanes)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


if __name__ == "__main__":
    main()
