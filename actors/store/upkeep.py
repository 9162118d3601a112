"""What is remembered of who has looked after the machine, and of who has stopped it."""

from __future__ import annotations

from actors.store.books import Books
from protocol.message import Done
from protocol.storage import NoteMaintenance, NoteStop


def note_maintenance(books: Books, message: NoteMaintenance) -> Done:
    """Remember the last one; a clock that was ahead for a while must not keep the next one out."""
    books.counters.maintained_at = message.at
    return Done()


def note_stop(books: Books, message: NoteStop) -> Done:
    """Remember who has stopped the machine, for the next run."""
    books.counters.stopped = message.stopped
    return Done()
