"""Opens damaged copies of a store as the machine would, and says of each what it found.

    python -m tests.faults.ledger_judge TRUTH DIRECTORY NAME …
    python -m tests.faults.ledger_judge --look TRUTH DIRECTORY

One line for each: ``whole`` (nothing of it was hit that says anything), ``found`` (the verifier
tells), ``aside`` (put aside at the start or after the first error), ``unusable`` (not opened). It
fails with an assertion where a credit is invented, or something is missing and nobody tells.
"""

import subprocess
import sys
from pathlib import Path

import lmdb

from actors.store.audit import audit
from actors.store.deposits import store_deposit
from actors.store.files import StoreUnusable
from actors.store.outbox import peek
from actors.store.reading import newest_first, opened
from actors.store.store import Store, StoreBroken
from models.ledger.audit import Finding
from protocol.message import Failed
from protocol.storage import DepositRecord
from tests.faults.ledger_disks import LIMITS


def records(data_dir: Path) -> dict[str, DepositRecord]:
    with opened(data_dir) as (env, tables):
        return {record.id: record for record in newest_first(env, tables)}


def verified(data_dir: Path) -> list[Finding]:
    with opened(data_dir) as (env, tables):
        return [each for each in audit(env, tables) if isinstance(each, Finding)]


def write_and_read(store: Store, truth: dict[str, DepositRecord]) -> None:
    """As a machine goes on: new items, and the queue to the platform."""
    for number in range(8):
        record = DepositRecord(f"new-{number}", "reserved", "accepted", 1.0, 2.0, session="m-s-1-0")
        store.commit([lambda books, record=record: store_deposit(books, record)], 3.0)
    again = next(iter(truth.values()))
    credit = DepositRecord(again.id, "credited", "accepted", 1.0, 2.0)
    answer = store.commit([lambda books: store_deposit(books, credit)], 3.0)[0]
    assert again.state == "credited" or isinstance(answer, Failed), answer
    with store.view() as (txn, tables):
        for owed in peek(txn, tables, "money", 1000, 0):
            assert truth[owed.key].state == "credited", owed


def verified_apart(data_dir: Path) -> bool:
    """Whether the verifier tells, or dies of what it reads; it says the truth and nothing less."""
    command = [sys.executable, "-m", "tests.faults.ledger_judge", "--look", sys.argv[1]]
    done = subprocess.run([*command, str(data_dir)], capture_output=True, text=True, check=False)
    assert done.returncode in (0, 3) or done.returncode < 0, done.stderr
    return done.returncode != 0


def look(data_dir: Path, truth: dict[str, DepositRecord]) -> bool:
    """Whether the verifier tells; what can be read must be true, and what is missing told."""
    try:
        is_told = bool(verified(data_dir))
        there = {
            id_: record for id_, record in records(data_dir).items() if not id_.startswith("new-")
        }
    except (StoreUnusable, lmdb.Error):
        return True
    for id_, record in there.items():
        assert record == truth[id_], record
    assert is_told or len(there) == len(truth)
    return is_told


def judge(data_dir: Path, truth: dict[str, DepositRecord]) -> str:
    store = Store(data_dir, LIMITS)
    verdict = "whole"
    try:
        store.open()
        if store.aside is not None:
            return "aside"
        verdict = "found" if verified_apart(data_dir) else "whole"
        write_and_read(store, truth)
    except (StoreBroken, lmdb.Error):
        store.open(thorough=True)
        return "found" if store.aside is None else "aside"
    except StoreUnusable:
        return "unusable"
    finally:
        store.close()
    return verdict


def main() -> None:
    if sys.argv[1] == "--look":
        sys.exit(3 if look(Path(sys.argv[3]), records(Path(sys.argv[2]))) else 0)
    truth = records(Path(sys.argv[1]))
    for name in sys.argv[3:]:
        sys.stdout.write(f"{name} {judge(Path(sys.argv[2]) / name, truth)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
