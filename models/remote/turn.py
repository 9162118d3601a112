"""Whose turn it is, and who is told that we are busy."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from msgspec import Struct

from models.remote.catalogue import CATALOGUE, Entry
from protocol.storage import CommandRecord

WAITING_MAX = 32
READS_MAX = 4
"""At once; one that hangs must not keep others from asking how the machine stands."""

PAGE_MAX = 100
"""Commands of one answer that are taken down; the others come with the next."""
IDLE_AT_ONCE = 200
IDLE_PER_S = 2.0
"""Of what is answered without being carried out: 1 KB of journal each, 170 MB a day at worst."""


class Bucket(Struct, frozen=True):
    """So many commands may come at once, and so many per second after that.

    Attributes:
        left: that are there at `at_s` (monotonic).
    """

    most: float
    per_s: float
    left: float
    at_s: float

    def taken(self, now_s: float) -> Bucket | None:
        """The bucket after one more; None: it is empty."""
        left = min(self.most, self.left + max(now_s - self.at_s, 0.0) * self.per_s)
        if left < 1.0:
            return None
        return Bucket(self.most, self.per_s, left - 1.0, now_s)


class Strain(Struct, frozen=True):
    """What it costs to answer for nothing: each is an entry of the journal, and that is for ever.

    What is rejected on arrival and what comes again is answered as fast as it comes in a burst.
    After that the platform's list is read more slowly.

    Attributes:
        owed: of them, that no time has been taken for.
        at_s: as of then (monotonic).
    """

    owed: float
    at_s: float

    def after(self, more: int, now_s: float) -> Strain:
        """So many more."""
        left = max(self.owed - max(now_s - self.at_s, 0.0) * IDLE_PER_S, 0.0)
        return Strain(left + more, now_s)

    @property
    def pause_s(self) -> float:
        """So long before more is read."""
        return max(self.owed - IDLE_AT_ONCE, 0.0) / IDLE_PER_S


class Turn(NamedTuple):
    """A command that may be looked at now."""

    record: CommandRecord
    entry: Entry


def may_begin(waiting: Iterable[CommandRecord], running: Sequence[CommandRecord]) -> list[Turn]:
    """Those that nothing of ours is in the way of, in the order in which they came.

    Of those that do more than read, each address has one at a time, and a movement has all to
    itself. One that waits for the machine keeps no other from its turn.
    """
    at_work = [CATALOGUE[each.type] for each in running if each.type in CATALOGUE]
    turns: list[Turn] = []
    for record in sorted(waiting, key=lambda each: each.seq):
        entry = CATALOGUE.get(record.type)
        if entry is not None and _has_room(entry, at_work):
            turns.append(Turn(record, entry))
    return turns


def _has_room(entry: Entry, at_work: Sequence[Entry]) -> bool:
    if entry.safety == "read":
        return sum(each.safety == "read" for each in at_work) < READS_MAX
    others = [each for each in at_work if each.safety != "read"]
    if entry.safety == "motion" or any(each.safety == "motion" for each in others):
        return not others
    return all(each.to != entry.to for each in others)
