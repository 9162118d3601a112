"""Deposits into a file that other programs read: CSV or SQLite.

The file is written under another name beside the one that was asked for and renamed when it is
complete, so a file of that name is always a whole one.
"""

from __future__ import annotations

import csv
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from pathlib import Path

import msgspec

from protocol.storage import DepositRecord
from rvm_edge.progress import Progress

_FIELDS = DepositRecord.__struct_fields__
_TYPES = {
    "started_at": "REAL NOT NULL",
    "updated_at": "REAL NOT NULL",
    "confidence": "REAL",
    "trace": "INTEGER NOT NULL",
    "mass_g": "REAL",
    "length_m": "REAL",
}


class ExportError(Exception):
    """The file cannot be written; the message names the cure."""


def export(
    kind: str, file: Path, records: Iterable[DepositRecord], total: int, *, replace: bool
) -> int:
    """Write them; returns how many.

    Args:
        kind: one of `FORMATS`.
        total: how many there are at most, for the progress.
        replace: whether a file of that name may go.

    Raises:
        ExportError: it is there already, or cannot be written.
    """
    if file.exists() and not replace:
        msg = f"{file} is there already: choose another name, or --force"
        raise ExportError(msg)
    beside = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        count = FORMATS[kind](beside, _watched(records, total))
        beside.replace(file)
    except (OSError, sqlite3.Error) as error:
        msg = f"cannot write {file}: {error}; make room there, or choose another place"
        raise ExportError(msg) from error
    finally:
        beside.unlink(missing_ok=True)
    return count


def _watched(records: Iterable[DepositRecord], total: int) -> Iterator[DepositRecord]:
    with closing(Progress("deposits", total)) as progress:
        for record in records:
            yield record
            progress.step()


def _write_csv(file: Path, records: Iterable[DepositRecord]) -> int:
    count = 0
    with file.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(_FIELDS)
        for record in records:
            writer.writerow(msgspec.structs.astuple(record))
            count += 1
        out.flush()
        os.fsync(out.fileno())
    return count


def _write_sqlite(file: Path, records: Iterable[DepositRecord]) -> int:
    columns = ", ".join(
        f"{name} {_TYPES.get(name, 'TEXT NOT NULL')}" + (" PRIMARY KEY" if name == "id" else "")
        for name in _FIELDS
    )
    places = ", ".join("?" * len(_FIELDS))
    connection = sqlite3.connect(file)
    try:
        connection.execute(f"CREATE TABLE deposits ({columns})")
        rows = (_row(record) for record in records)
        cursor = connection.executemany(f"INSERT INTO deposits VALUES ({places})", rows)  # noqa: S608 - names of fields and question marks
        count = cursor.rowcount
        for name in ("state", "session", "started_at"):
            connection.execute(f"CREATE INDEX deposits_{name} ON deposits ({name})")
        connection.commit()
    finally:
        connection.close()
    return max(count, 0)


def _row(record: DepositRecord) -> tuple[object, ...]:
    """SQLite's integers have 63 bits and a sign; a trace may have 64."""
    row = msgspec.structs.astuple(record)
    return tuple(str(v) if isinstance(v, int) and v >> 63 else v for v in row)


FORMATS: dict[str, Callable[[Path, Iterable[DepositRecord]], int]] = {
    "csv": _write_csv,
    "sqlite": _write_sqlite,
}
