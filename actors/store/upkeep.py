"""What is remembered of who has looked after the machine."""

from __future__ import annotations

from actors.store.books import Books
from protocol.message import Done
from protocol.storage import NoteMaintenance


def note_maintenance(books: Books, message: NoteMaintenance) -> Done:
    """Remember the last one; a clock that was ahead for a while must not keep the next one out."""
    books.counters.maintained_at = message.at
    return Done()
