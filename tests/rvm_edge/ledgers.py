"""Ledgers as a machine leaves them, for tests of the commands that read them."""

from pathlib import Path

from actors.store.deposits import open_epoch, store_deposit
from actors.store.sessions import store_session
from actors.store.store import Store
from config.settings import StorageSettings
from protocol.storage import DepositRecord, SessionRecord

GOOD = ("reserved", "transporting", "confirmed", "credited")


def record(number: int, state: str = "rejected", **more: object) -> DepositRecord:
    at = 1.7e9 + number
    return DepositRecord(f"m-1-{number}", state, "refused_soda", at, at, **more)


def write(data_dir: Path, *records: DepositRecord) -> None:
    """Each record, with the states that lead to it."""
    store = Store(data_dir, StorageSettings(map_mb=2, map_mb_max=256))
    store.open()
    session = SessionRecord("m-s-1-1", "guest", "open", 1.7e9, 1.7e9)
    operations = [lambda books: open_epoch(books, 0), lambda books: store_session(books, session)]
    for each in records:
        path = GOOD[: GOOD.index(each.state) + 1] if each.state in GOOD else (each.state,)
        for state in path:
            step = DepositRecord(
                each.id, state, each.reason, each.started_at, each.updated_at, session=each.session
            )
            operations.append(lambda books, step=step: store_deposit(books, step))
    store.commit(operations, 1.7e9)
    store.close()
