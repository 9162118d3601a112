"""The store: one LMDB environment with the ledger, its journal, and the outbox.

    ends.py      runs that ended without closing it, and what is done after two of them
    files.py     the directory: opened with care, put aside when damaged; the epoch's second home
    tables.py    the tables, the values in them, the counters
    books.py     one write transaction: what may be written, and the journal of it
    deposits.py  sessions.py  outbox.py  commands.py     the operations
    store.py     the open environment: group commit, growth, room, reopening
    reading.py   the same files read by others, beside the writer
    audit.py  audit_commands.py     `rvm-edge ledger verify`
    migrate.py   from the schemas of older releases

Only `actors.storage` writes; whoever reads takes short transactions.
"""

from actors.store.files import (
    EPOCH_FILE,
    STORE,
    AlreadyOpen,
    StoreDamaged,
    StoreTooNew,
    StoreUnusable,
)
from actors.store.tables import SCHEMA

__all__ = [
    "EPOCH_FILE",
    "SCHEMA",
    "STORE",
    "AlreadyOpen",
    "StoreDamaged",
    "StoreTooNew",
    "StoreUnusable",
]
